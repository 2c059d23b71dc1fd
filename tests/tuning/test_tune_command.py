"""``fer-bench tune`` through the command line, on pictures that can be labelled wrongly."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import Result
from dataset_makers import make_folders
from tunings import LOCAL, METHODS, QUICK, chosen, fer_bench, refusal, tune

from benchmark.errors import InputError
from benchmark.protocols import load_protocol
from benchmark.store.ledger import ledgers
from benchmark.store.store import Store
from benchmark.tuning.outcome import Outcome, Outcomes


def outcomes(results: Path) -> list[Outcome]:
    (ledger,) = ledgers(results)
    read = Outcomes(Store(results))
    return read.of_all(ledger)


def told(found: Sequence[Outcome]) -> list[tuple[object, ...]]:
    return [(one.searched.name, chosen(one), one.choice and one.choice.standings) for one in found]


def test_every_subject_has_its_budget_and_the_defaults_come_first(
    tuned: tuple[Path, Result], faces: Path
) -> None:
    results, done = tuned
    found = outcomes(results)
    assert [one.searched.name for one in found] == ["shared learning rate", "cb", "tau_norm"]
    assert all(one.complete and len(one.searched.tries) == 3 for one in found)
    assert all(one.searched.tries[0].why == "default" for one in found)
    assert "Nothing to search: baseline, bbn." in done.output
    assert "overall" in done.stdout
    assert not [
        line for line in done.stdout.splitlines() if "overall" in line and "validation" not in line
    ]
    assert "validation " in done.stdout
    study = f"fer-bench run --dataset folder --data-root {faces} --protocol {results}"
    assert f"Train with other seeds than 1000: {study}" in done.stdout


def test_a_second_call_trains_nothing(tuned: tuple[Path, Result], faces: Path) -> None:
    results, _ = tuned
    again = tune(faces, results, METHODS, "--budget=3")
    assert again.exit_code == 0
    assert "epoch 1" not in again.output
    assert "3 finished, 0 to train" in again.output


def test_wrong_labels_on_every_test_image_change_no_choice(
    tuned: tuple[Path, Result], faces: Path, folder: Path
) -> None:
    wrong = folder / "wrong"
    shutil.copytree(faces, wrong)
    classes = sorted(path.name for path in (wrong / "test").iterdir())
    for name in classes:
        (wrong / "test" / name).rename(wrong / "test" / f"{name}-")
    for name, other in zip(classes, (*classes[1:], classes[0]), strict=True):
        (wrong / "test" / f"{name}-").rename(wrong / "test" / other)
    done = tune(wrong, folder / "wrong-runs", METHODS, "--budget=3")
    assert done.exit_code == 0, done.output
    right, mislabelled = Store(tuned[0]).records(), Store(folder / "wrong-runs").records()
    assert {r.cell.fingerprint for r in right} != {r.cell.fingerprint for r in mislabelled}
    assert told(outcomes(folder / "wrong-runs")) == told(outcomes(tuned[0]))


def test_the_choice_is_a_protocol_whose_values_name_their_tries(
    tuned: tuple[Path, Result],
) -> None:
    results, _ = tuned
    (path,) = (results / "tuning").glob("*.toml")
    written, before = load_protocol(str(path)), load_protocol("smoke")
    rate, cb, tau = outcomes(results)
    assert written.version == before.version + 1  # epochs and size were set for all
    assert written.training.epochs == 1
    assert written.training.lr == chosen(rate)["training.lr"]
    assert written.methods["cb"]["beta"] == chosen(cb)["methods.cb.beta"]
    assert written.methods["tau_norm"]["tau"] == chosen(tau)["methods.tau_norm.tau"]
    for one in cb.searched.tries:
        for cell in one.cells:
            assert cell[:12] in written.sources["methods.cb.beta"]
    assert written.augment == before.augment
    assert written.methods["scn"] == before.methods["scn"]  # what was not tuned stays


def test_the_version_stays_where_only_methods_have_other_values(
    tuned: tuple[Path, Result], faces: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = (tuned[0] / "tuning").glob("*.toml")
    options = (
        f"--data-root={faces}",
        f"--results={folder / 'second'}",
        "--factors=full",
        *LOCAL,
        "--methods=cb",
        "--budget=1",
        f"--protocol={path}",
        f"--out={folder / 'second.toml'}",
    )
    done = fer_bench("tune", "--dataset=folder", *options)
    assert done.exit_code == 0, done.output
    first, second = load_protocol(str(path)), load_protocol(str(folder / "second.toml"))
    assert second.version == first.version
    assert second.values_hash == first.values_hash
    assert second.methods["cb"]["beta"] == 0.9999


def test_the_report_shows_every_try_and_no_test_number(tuned: tuple[Path, Result]) -> None:
    results, _ = tuned
    done = fer_bench("report", "--detail=tuning", f"--results={results}", "--format=markdown")
    assert done.exit_code == 0, done.output
    tries, promise = done.stdout.split("expected best of n tries")
    assert tries.count("| cb |") == 3
    assert tries.count("| chosen |") == 3
    assert "Best of 3" in promise
    figure = results.parent / "tuning.svg"
    drawn = fer_bench("figure", "tuning", f"--results={results}", f"--out={figure}")
    assert drawn.exit_code == 0, drawn.output
    assert "Expected best mean accuracy" in figure.read_text()


def test_a_dry_run_names_the_tries_and_trains_nothing(faces: Path, tmp_path: Path) -> None:
    done = tune(faces, tmp_path / "runs", "--methods=cb", "--budget=4", "--dry-run")
    assert done.exit_code == 0, done.output
    assert "methods.cb.beta=0.9999 (default)" in done.output
    assert "2 more tries, by what these come to" in done.output  # of the rate and of cb
    assert "Methods are planned at the protocol's learning rate" in done.output
    assert not (tmp_path / "runs").exists()
    (tmp_path / "file").write_text("")
    refused = tune(faces, tmp_path / "file", "--methods=cb", "--dry-run")
    assert "is not a folder; name another" in str(refused.exception)


def test_without_a_validation_split_tuning_is_refused(tmp_path: Path) -> None:
    faces = make_folders(tmp_path / "faces", images=2, side=16)
    said = refusal(
        "tune", "--dataset=folder", f"--data-root={faces}", *QUICK, f"--results={tmp_path / 'runs'}"
    )
    assert "no validation split" in said
    assert "--holdout" in said


def test_the_authors_recipe_and_a_damaged_ledger_are_refused(
    tuned: tuple[Path, Result], faces: Path, tmp_path: Path
) -> None:
    assert "--recipe authors" in refusal("tune", "--recipe=authors", f"--results={tmp_path}")
    results = tmp_path / "runs"
    shutil.copytree(tuned[0], results)
    (file,) = (results / "tuning").glob("*.json")
    file.write_text("{}")
    done = tune(faces, results, METHODS, "--budget=3")
    assert isinstance(done.exception, InputError)
    assert str(file) in str(done.exception)
    assert str(file) in refusal("report", "--detail=tuning", f"--results={results}")


def test_a_store_without_tries_says_so(stored: Path) -> None:
    said = refusal("report", "--detail=tuning", f"--results={stored}")
    assert "tune" in said or "validation" in said
    assert "fer-bench tune" in refusal("figure", "tuning", f"--results={stored}")


def test_a_try_that_diverges_counts_as_one_that_came_to_nothing(
    faces: Path, tmp_path: Path
) -> None:
    arguments = (
        "--methods=cb",
        "--budget=1",
        "--set=training.lr=1e30",
        "--set=training.clip_norm=0",
    )
    for trained in (True, False):
        done = tune(faces, tmp_path / "runs", *arguments)
        assert done.exit_code == 1, done.output
        assert "not chosen, and as they were in the file: cb (1 try, all diverged)" in done.stderr
        assert "counts as a try that came to nothing" in done.stderr
        assert ("FAILED: DivergedError" in done.stdout) is trained
    for file in (tmp_path / "runs" / "failed").glob("*/cell.json"):
        file.write_text("")  # as a kill leaves it
    shown = fer_bench("report", "--detail=tuning", f"--results={tmp_path / 'runs'}")
    shutil.rmtree(tmp_path / "runs" / "failed")  # which neither git nor a bundle carries
    again = fer_bench("report", "--detail=tuning", f"--results={tmp_path / 'runs'}")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout == again.stdout
    assert "| diverged |" in again.stdout
    assert "Tries that diverged, and are not among these: cb 1." in again.stdout
    figure = tmp_path / "tuning.svg"
    drawn = fer_bench("figure", "tuning", f"--results={tmp_path / 'runs'}", f"--out={figure}")
    assert drawn.exit_code == 0, drawn.output
    assert "Tries that diverged" in figure.read_text()
    assert "0 to train" in tune(faces, tmp_path / "runs", *arguments, "--dry-run").stdout
    done = tune(faces, tmp_path / "runs", *arguments)
    assert "FAILED" not in done.stdout
    assert "cb (1 try, all diverged)" in done.stderr
