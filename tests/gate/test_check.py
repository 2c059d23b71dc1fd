"""`fer-bench check`: what counts as a regression, what cannot be compared, what is written."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from gate_stores import ANY, SLIGHTLY_WORSE, USUAL, WORSE, check, of_other_cell, refused, store
from made_records import made_record

from benchmark.cli import cli
from benchmark.errors import InputError
from benchmark.gate.curves import Curve, load_curves, stored_curves
from benchmark.store.store import Store


def shifted(skill: Sequence[float], by: float) -> list[float]:
    return [min(1.0, max(0.0, value + by)) for value in skill]


def test_the_same_results_hold(tmp_path: Path) -> None:
    done = check(store(tmp_path / "new"), store(tmp_path / "stored"))
    assert done.exit_code == 0, done.output
    assert "2 results checked: 2 held." in done.output
    told = " ".join(done.output.split())
    assert "3137 test images; seeds 0; the same seeds on the same machine" in told


def test_a_clear_drop_of_the_same_seed_on_the_same_machine_regresses(tmp_path: Path) -> None:
    stored, new = store(tmp_path / "stored"), store(tmp_path / "new", ["cb"])
    store(new, ["mek"], skill=WORSE)
    done = check(new, stored)
    assert done.exit_code == 1
    assert "1 regressed, 1 held" in done.output


def test_the_same_seed_on_another_machine_is_as_good_as_another_seed(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", ["cb"])
    record, arrays = made_record("cb", skill=WORSE)
    elsewhere = {**record.provenance, "packages": {"torch": "9.9"}}
    new = Store(tmp_path / "new")
    new.add(record.model_copy(update={"provenance": elsewhere}), arrays)
    done = check(new.root, stored)
    assert done.exit_code == 0
    assert "1 result checked: 1 undecided." in done.output
    assert "store a second one" in " ".join(done.output.split())


def test_a_drop_below_the_margin_holds_however_significant(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", ["cb"], range(12))
    new = store(tmp_path / "new", ["cb"], range(12), SLIGHTLY_WORSE)
    assert check(new, stored, "--margin", "0").exit_code == 1, "it is significant"
    assert check(new, stored, "--margin", "5").exit_code == 0


def test_an_improvement_holds(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", skill=WORSE)
    assert check(store(tmp_path / "new"), stored).exit_code == 0


def test_another_seed_stays_green(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", seeds=range(5))
    done = check(store(tmp_path / "new", seeds=[7]), stored, *ANY)
    assert done.exit_code == 0, done.output
    told = " ".join(done.output.split())
    assert "seeds of both sides, which are not the same; the spread of the stored seeds" in told


def test_another_seed_that_is_far_worse_regresses(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", seeds=range(5))
    assert check(store(tmp_path / "new", seeds=[7], skill=WORSE), stored, *ANY).exit_code == 1


def test_one_seed_each_and_not_the_same_is_undecided(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", ["cb"])
    done = check(store(tmp_path / "new", ["cb"], [1], WORSE), stored, *ANY)
    assert done.exit_code == 0
    assert "1 result checked: 1 undecided." in done.output
    assert "store a second one" in " ".join(done.output.split())


def test_a_drop_within_the_spread_of_seeds_is_undecided(tmp_path: Path) -> None:
    stored = Store(store(tmp_path / "stored", ["cb"], [0]))
    for seed, shift in enumerate((-0.1, 0.1, -0.08, 0.08), start=1):
        stored.add(*made_record("cb", 150.0, seed, skill=shifted(USUAL, shift)))
    new = store(tmp_path / "new", ["cb"], skill=shifted(USUAL, -0.04))
    done = check(new, stored.root, "--allow-missing", "*-s[1-4]")
    assert done.exit_code == 0
    assert "1 undecided" in done.output
    assert "train more seeds" in " ".join(done.output.split())


@pytest.mark.parametrize(("stored_seeds", "new_seeds"), [(2, 2), (3, 2), (5, 1), (5, 2)])
def test_one_broken_method_of_eight_is_found_with_few_seeds(
    tmp_path: Path, stored_seeds: int, new_seeds: int
) -> None:
    """Two seeds of one method say little of chance; those of all eight together say enough."""
    rng = np.random.default_rng(5)
    stored, new = Store(tmp_path / "stored"), Store(tmp_path / "new")
    methods = ("baseline", "cb", "scn", "bbn", "rul", "soft", "eac", "mek")
    for root, seeds, fault in ((stored, stored_seeds, 0.0), (new, new_seeds, -0.1)):
        for method in methods:
            for seed in range(seeds):
                shift = rng.normal(0, 0.012) + (fault if method == "baseline" else 0.0)
                root.add(*made_record(method, 150.0, seed, skill=shifted(USUAL, shift)))
    done = check(new.root, stored.root, *ANY)
    assert done.exit_code == 1, done.output
    assert "1 regressed" in done.output


def test_seeds_that_are_not_stored_count_too(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", ["cb", "mek"], [0, 1])
    new = store(tmp_path / "new", ["cb"], [0])
    store(new, ["cb"], [5, 6], WORSE)
    assert check(new, stored, *ANY).exit_code == 1


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ({"fingerprint": "c" * 64}, "fingerprint (the dataset's content"),
        ({"precision": "fp32"}, "precision: bf16 stored, fp32 new"),
        ({"weights": "b" * 64}, "weights (the backbone's initial weights)"),
        ({"split_hash": "d" * 64}, "split_hash (the drawn training set)"),
        ({"hyper": {"beta": 0.9}}, "hyper.beta: absent stored, 0.9 new"),
    ],
)
def test_what_differs_is_named(tmp_path: Path, how: dict[str, object], what: str) -> None:
    stored = store(tmp_path / "stored", ["cb"])
    done = check(of_other_cell(tmp_path / "new", WORSE, **how), stored)
    assert done.exit_code == 2, done.output
    assert what in " ".join(done.output.split())
    assert "1 incomparable" in done.output


@pytest.mark.parametrize("how", [{"overrides": ("training.epochs=99",)}, {"protocol": "paper"}])
def test_another_protocol_is_incomparable(tmp_path: Path, how: dict[str, object]) -> None:
    stored = store(tmp_path / "stored", ["cb"])
    done = check(store(tmp_path / "new", ["cb"], skill=WORSE, **how), stored)
    assert done.exit_code == 2
    assert "1 incomparable" in done.output
    assert "protocol.training." in " ".join(done.output.split())


def test_the_reference_that_differs_least_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "results"
    of_other_cell(results / "a", USUAL, precision="fp32")
    store(results / "b", ["cb"])
    monkeypatch.setattr("benchmark.resources.asset", lambda name: tmp_path / name)
    done = check(store(tmp_path / "new", ["cb"], skill=WORSE), None)
    assert done.exit_code == 1, done.output


def test_a_risen_method_version_is_compared_and_older_records_are_not(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", ["cb"])
    new = of_other_cell(tmp_path / "new", WORSE, method_version=2)
    assert check(new, stored).exit_code == 1
    store(new, ["cb"])
    assert check(new, stored).exit_code == 1, "version 1, beside it, is not what is checked"


def test_what_has_no_reference_is_said(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", ["cb"])
    done = check(store(tmp_path / "new", ["cb", "mek"]), stored)
    assert done.exit_code == 0
    assert "1 held, 1 no reference" in done.output
    other = check(store(tmp_path / "other", ["mek"]), stored)
    assert other.exit_code == 1, "its dataset and protocol were run, and CB is not there"
    assert "missing: seed" in other.output
    allowed = check(store(tmp_path / "other", ["mek"]), stored, "--allow-missing", "cb-*")
    assert allowed.exit_code == 2
    assert "Nothing could be compared." in allowed.output


@pytest.mark.parametrize(
    ("gone", "what", "pattern"),
    [
        ({"method": "mek"}, "mek-ferplus-150, seeds 0, 1", "mek-*"),
        ({"seed": 1}, "cb-ferplus-150, seed 1; mek-ferplus-150, seed 1", "*-s1"),
        ({"factor": 50.0}, "cb-ferplus-50, seed 0", "*-50-*"),
    ],
)
def test_what_is_stored_and_missing_fails_unless_it_is_allowed(
    tmp_path: Path, gone: dict[str, object], what: str, pattern: str
) -> None:
    stored, new = store(tmp_path / "stored", seeds=[0, 1]), store(tmp_path / "new", seeds=[0, 1])
    for root in (stored, new):
        store(root, ["cb"], factor=50.0)
    assert check(new, stored).exit_code == 0
    for record in Store(new).records():
        if gone.items() <= record.cell.model_dump().items():
            shutil.rmtree(new / "cells" / record.cell.slug)
    done = check(new, stored)
    told = " ".join(done.output.split())
    assert done.exit_code == 1
    assert f"Stored, and not among the new results: {what}. Train them" in told
    assert "Missing: " in done.output.splitlines()[-1]
    allowed = check(new, stored, "--allow-missing", pattern)
    assert allowed.exit_code == 0, allowed.output
    assert "Missing, as --allow-missing allows: " in " ".join(allowed.output.split())
    other = check(new, stored, "--allow-missing", "cb-*-150-s0")
    assert other.exit_code == 1, "a pattern of what is there allows nothing else"


def test_other_protocols_and_datasets_than_those_that_were_run_are_not_missing(
    tmp_path: Path,
) -> None:
    stored = store(tmp_path / "stored", ["cb"])
    store(stored, ["eac"], protocol="paper")
    store(stored, ["eac"], dataset="raf-db")
    assert check(store(tmp_path / "new", ["cb"]), stored).exit_code == 0


def test_one_of_two_stored_variants_is_missing(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", ["cb"])
    of_other_cell(stored, USUAL, hyper={"beta": 0.5})
    done = check(store(tmp_path / "new", ["cb"]), stored)
    assert done.exit_code == 1
    assert "cb-ferplus-150 (beta=0.5), seed 0" in " ".join(done.output.split())


def test_what_is_incomparable_is_no_second_finding(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", ["cb", "mek"])
    new = store(of_other_cell(tmp_path / "new", USUAL, hyper={"beta": 0.9}), ["mek"])
    done = check(new, stored)
    assert done.exit_code == 2
    assert "missing" not in done.output


def test_a_pattern_that_fits_nothing_stored_is_refused(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", ["cb"])
    done = refused(store(tmp_path / "new", ["cb"]), stored, "--allow-missing", "mke-*")
    assert isinstance(done.exception, InputError)
    assert str(done.exception) == (
        "--allow-missing mke-*: fits none of the stored 1 cells; a name looks like "
        "cb-ferplus-150-s0"
    )


def test_files_for_a_pull_request(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", ["cb", "mek", "eac"])
    new = store(tmp_path / "new", ["cb", "bbn"])
    store(new, ["mek"], skill=WORSE)
    suite, summary = files(new, stored, tmp_path, code=1)
    assert {k: suite.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "2",
        "errors": "0",
        "skipped": "1",
    }
    tags = {case.get("name"): [child.tag for child in case] for case in suite}
    assert tags == {
        "cb": ["system-out"],
        "mek": ["failure"],
        "bbn": ["skipped"],
        "eac": ["failure"],
    }
    assert summary.startswith("## fer-bench check: not passed")
    assert "| ferplus | compact | 150 | MEK | mean |" in summary
    assert "| ferplus | compact | 150 | EAC | - | missing: seed 0 | – | – | – | – |" in summary


def test_files_of_odd_results_are_well_formed(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", ["cb"])
    new = of_other_cell(tmp_path / "new", USUAL, hyper={"note": "a\x1b[31m<b>"})
    store(new, ["cb"])
    suite, _ = files(new, stored, tmp_path, code=2)
    assert len({case.get("name") for case in suite}) == 2, "two variants, two names"
    only = of_other_cell(tmp_path / "only", USUAL, dataset="raf-db")
    suite, _ = files(only, stored, tmp_path, code=2)
    assert suite.get("errors") == "1", "that nothing was compared is no success"


def files(new: Path, stored: Path, folder: Path, *, code: int) -> tuple[ElementTree.Element, str]:
    """Check and return the JUnit suite and the summary, as they were written."""
    junit, summary = folder / "out" / "junit.xml", folder / "out" / "summary.md"
    done = check(new, stored, "--junit", str(junit), "--summary", str(summary))
    assert done.exit_code == code, done.output
    return ElementTree.parse(junit).getroot(), summary.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--update", "--reason", "x"], "needs --against"),
        (["--update", "--curves"], "needs --reason"),
        (["--reason", "x"], "belongs to --update"),
        (["--margin", "nan"], "give a number of points"),
        (["--update", "--reason", "x", "--junit", "x.xml"], "checks nothing"),
    ],
)
def test_options_that_say_nothing_together(tmp_path: Path, more: list[str], message: str) -> None:
    done = refused(store(tmp_path / "new"), None, *more)
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)


@pytest.mark.parametrize("more", [[], ["--update", "--reason", "x"]])
def test_folders_that_are_no_stored_results(tmp_path: Path, more: list[str]) -> None:
    new = store(tmp_path / "new")
    for against, message in ((tmp_path / "typo", "no stored results"), (new, "the same store")):
        done = refused(new, against, *more)
        assert isinstance(done.exception, InputError)
        assert message in str(done.exception)
    assert not (tmp_path / "typo").exists()


def test_results_that_do_not_exist_are_no_reason_to_check_curves_alone(tmp_path: Path) -> None:
    done = refused(tmp_path / "typo", None, "--curves")
    assert isinstance(done.exception, InputError)
    assert "typo" in str(done.exception)


@pytest.mark.parametrize("option", ["--junit", "--summary"])
def test_a_folder_is_no_file(tmp_path: Path, option: str) -> None:
    new, stored = store(tmp_path / "new"), store(tmp_path / "stored")
    done = check(new, stored, option, str(tmp_path))
    assert done.exit_code == 2
    assert "directory" in done.output


def test_logits_of_other_images_are_refused(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", ["cb"])
    record, arrays = made_record("cb", test_counts=(1000, 900, 400, 380, 270, 90, 20))
    new = Store(tmp_path / "new")
    new.add(record, arrays)
    done = refused(new.root, stored)
    assert isinstance(done.exception, InputError)
    assert "different test images" in str(done.exception)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> dict[str, Curve]:
    """The stored curves, which the methods give when they are trained, unless they are changed."""
    curves = load_curves(stored_curves())
    monkeypatch.setattr(
        "benchmark.commands.check._first_losses", lambda method: curves[method.info.name]
    )
    return curves


def test_loss_curves_alone_and_beside_results(
    tmp_path: Path, kept: dict[str, Curve], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    alone = CliRunner().invoke(cli, ["check", "--curves"])
    assert alone.exit_code == 0
    assert "only the loss curves are checked" in alone.output
    assert "Loss curves: all as stored." in alone.output
    term = next(iter(kept["eac"].terms))
    flipped = {**kept["eac"].terms, term: tuple(-v for v in kept["eac"].terms[term])}
    kept["eac"] = replace(kept["eac"], terms=flipped)
    written = ["--junit", str(tmp_path / "junit.xml"), "--summary", str(tmp_path / "summary.md")]
    bad = check(store(tmp_path / "new"), store(tmp_path / "stored"), "--curves", *written)
    assert bad.exit_code == 1, "whatever the results say"
    assert f"eac: {term} at step 1 is" in " ".join(bad.output.split())
    assert "2 held" in bad.output
    assert ElementTree.parse(tmp_path / "junit.xml").getroot().get("failures") == "1"
    assert "not passed" in (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert CliRunner().invoke(cli, ["check", "--curves"]).exit_code == 1


def test_a_method_that_cannot_be_trained_hides_nothing(
    tmp_path: Path, kept: dict[str, Curve]
) -> None:
    del kept["mek"]
    done = check(store(tmp_path / "new"), store(tmp_path / "stored"), "--curves")
    assert done.exit_code == 1
    assert "2 held" in done.output
    assert "- mek: cannot be trained (KeyError" in done.output


def test_curves_are_refreshed_with_a_reason(
    tmp_path: Path, kept: dict[str, Curve], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "curves.json"
    monkeypatch.setattr("benchmark.gate.curves.stored_curves", lambda: path)
    update = ["check", "--curves", "--update", "--reason", "a new term"]
    assert CliRunner().invoke(cli, update).exit_code == 0
    again = load_curves(path)
    assert {c.provenance["reason"] for c in again.values()} == {"a new term"}
    assert {n: c.terms for n, c in again.items()} == {n: c.terms for n, c in kept.items()}
    monkeypatch.setattr(
        "benchmark.gate.curves.stored_curves", lambda: tmp_path / "no" / "curves.json"
    )
    assert isinstance(CliRunner().invoke(cli, update).exception, InputError)
