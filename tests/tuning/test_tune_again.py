"""A search that goes on: with more methods, with other values, beside another, in part only."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from generated_pages import stale_pages
from hypothesis import given
from hypothesis import strategies as st
from tunings import LOCAL, QUICK, chosen, fer_bench, refusal, tune

from benchmark.commands.tuner import Tuner
from benchmark.protocols import load_protocol
from benchmark.store.bundle import export_cells, import_cells
from benchmark.store.kept_marks import KeptMarks
from benchmark.store.ledger import (
    Ledger,
    Searched,
    Span,
    Try,
    from_bytes,
    keep_ledger,
    ledgers,
    read_ledger,
    to_bytes,
    without_tries,
)
from benchmark.store.record import Cell
from benchmark.store.store import Store
from benchmark.tuning.outcome import Outcomes
from benchmark.tuning.written import search_of, show_values
from fer_bench import run

EXTERNAL = """
from dataclasses import dataclass, replace

from methods.base import Hyper, sourced
from methods.baseline import Baseline
from methods.search import Linear


@dataclass(frozen=True)
class Values(Hyper):
    scale: float = sourced(1.0, "made up", search=Linear(0.5, 1.5))


class Lost(Baseline):
    info = replace(Baseline.info, name="lost", title="Lost")
    Hyper = Values

    def loss(self, batch, progress):
        found = super().loss(batch, progress)
        return type(found)(lost=found.total * float("nan"))


class Own(Baseline):
    info = replace(Baseline.info, name="own_of_mine", title="Own")
    Hyper = Values


class Spaced(Baseline):
    info = replace(Baseline.info, name="a larger one", title="Spaced")
    Hyper = Values
"""


def searched(name: str, tries: int) -> Searched:
    return Searched(
        name=name,
        method=name,
        spans={f"methods.{name}.x": Span(low=0, high=1, words="0 to 1")},
        tries=tuple(
            Try(
                why="sobol" if place else "default",
                values={f"methods.{name}.x": place / 10},
                departure=place / 10,
                edge=0.1,
                cells=(f"{name}-{place}",),
            )
            for place in range(tries)
        ),
    )


def ledger(*subjects: Searched) -> Ledger:
    return Ledger(
        dataset="faces",
        fingerprint="0",
        protocol="smoke",
        version=1,
        shared=(),
        factors=(None,),
        seeds=(1000,),
        budget=4,
        key="smoke-v1-faces-0",
        subjects=subjects,
    )


@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(1, 4)), unique_by=lambda s: s[0]
        ),
        min_size=1,
    )
)
def test_no_try_is_ever_taken_off_the_list(
    tmp_path_factory: pytest.TempPathFactory, calls: list[list[tuple[str, int]]]
) -> None:
    root = tmp_path_factory.mktemp("list")
    most: dict[str, int] = {}
    for call in calls:
        kept = keep_ledger(root, ledger(*(searched(*subject) for subject in call)))
        for name, tries in call:
            most[name] = max(most.get(name, 0), tries)
        assert {one.name: len(one.tries) for one in kept.subjects} == most
        assert read_ledger(root, kept.key) == kept
    assert [path.name for path in root.rglob("*") if path.is_file()] == ["smoke-v1-faces-0.json"]


def test_values_that_were_set_make_another_search(copied: Path, faces: Path) -> None:
    (before,) = ledgers(copied)
    done = tune(faces, copied, "--methods=cb,tau_norm", "--budget=3", "--set=methods.cb.beta=0.99")
    assert done.exit_code == 0, done.output
    first, second = sorted(ledgers(copied), key=lambda one: one.key != before.key)
    assert first == before
    assert second.own == ("methods.cb.beta=0.99",)
    assert [one.name for one in second.subjects] == ["shared learning rate", "tau_norm"]
    written = load_protocol(str(copied / "tuning" / f"{second.key}.toml"))
    assert written.methods["cb"]["beta"] == 0.99
    assert written.sources["methods.cb.beta"].startswith("set when")
    told = fer_bench("report", "--detail=tuning", f"--results={copied}", "--format=markdown")
    assert "Set of methods: methods.cb.beta=0.99." in told.stdout
    said = refusal(
        "tune",
        "--dataset=folder",
        f"--data-root={faces}",
        f"--results={copied}",
        *QUICK,
        "--methods=cb",
        "--set=methods.cb.beta=5",
    )
    assert said == "cb.beta: must be from 0.0 to 0.999999, got 5.0"


def test_set_may_be_given_in_any_order(copied: Path, faces: Path) -> None:
    own = ["--set=methods.cb.beta=0.99", "--set=methods.mek.smoothing=0.2", "--set=training.lr=0.1"]
    for order in (own, own[::-1]):
        done = tune(faces, copied, "--methods=mek", "--budget=1", *order)
        assert done.exit_code == 0, done.output
    assert len(ledgers(copied)) == 2


def test_a_later_method_is_added(copied: Path, faces: Path) -> None:
    (before,) = ledgers(copied)
    done = tune(faces, copied, "--methods=label_smoothing", "--budget=3")
    assert done.exit_code == 0, done.output
    (after,) = ledgers(copied)
    assert after.subjects[:3] == before.subjects
    assert [one.name for one in after.subjects[3:]] == ["label_smoothing"]
    written = load_protocol(str(copied / "tuning" / f"{after.key}.toml"))
    assert {"cb", "tau_norm", "label_smoothing"} <= written.methods.keys()


def test_what_is_not_finished_is_named_and_not_chosen(copied: Path, faces: Path) -> None:
    (found,) = ledgers(copied)
    (gone,) = next(one for one in found.subjects if one.name == "tau_norm").tries[1].cells
    store = Store(copied)
    (record,) = [one for one in store.records() if one.id == gone]
    shutil.rmtree(store.cells / record.cell.slug)
    told = fer_bench("report", "--detail=tuning", f"--results={copied}", "--format=markdown")
    assert told.exit_code == 0, told.output
    assert "Not chosen: tau\\_norm (2 of 3 tries made)." in told.stdout
    assert told.stdout.count("| chosen |") == 2
    assert told.stdout.count("| not finished |") == 1
    done = tune(faces, copied, "--methods=cb", "--budget=3")
    assert done.exit_code == 0, done.output
    assert "as they were in the file: tau_norm (2 of 3 tries made)" in done.stderr
    text = (copied / "tuning" / f"{found.key}.toml").read_text()
    assert "# Not chosen, as they were: tau_norm (2 of 3 tries made)" in text
    again = tune(faces, copied, "--methods=cb,tau_norm", "--budget=3", "--dry-run")
    assert "9 cells so far, 1 to train" in again.output, again.output


def test_methods_of_other_packages_neither_block_nor_spoil_the_file(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "odd_ones.py").write_text(EXTERNAL)
    monkeypatch.syspath_prepend(tmp_path)
    results, out = tmp_path / "runs", tmp_path / "chosen.toml"
    names = "--methods=odd_ones:Lost,odd_ones:Own,odd_ones:Spaced,cb"
    done = tune(faces, results, names, "--budget=1", f"--out={out}")
    assert done.exit_code == 1, done.output
    assert "as they were in the file: lost (1 try, all diverged)" in done.stderr
    written = load_protocol(str(out))
    assert written.others == ("a larger one", "own_of_mine")
    assert written.methods["a larger one"] == {"scale": 1.0}
    assert written.methods["own_of_mine"] == {"scale": 1.0}
    assert written.identity == load_protocol(str(out)).model_copy(update={"others": ()}).identity
    plan = (f"--data-root={faces}", "--factors=full", f"--protocol={out}", "--dry-run")
    for methods in ("cb", "odd_ones:Own,cb"):
        planned = fer_bench(
            "run", "--dataset=folder", *plan, f"--methods={methods}", f"--results={results}"
        )
        assert planned.exit_code == 0, planned.output
    out.write_text(out.read_text().replace(', "own_of_mine"]\n', "]\n"))
    said = refusal(
        "run", "--dataset=folder", *plan, "--methods=cb", f"--results={tmp_path / 'other'}"
    )
    assert "unknown method: own_of_mine" in said


def test_tries_are_no_results(copied: Path, faces: Path, tmp_path: Path) -> None:
    tries = len(Store(copied).records())
    assert f"but {tries} tries of 'fer-bench tune'" in refusal("report", f"--results={copied}")
    (path,) = (copied / "tuning").glob("*.toml")
    study = (f"--data-root={faces}", "--factors=full", f"--protocol={path}", "--methods=cb")
    done = fer_bench("run", "--dataset=folder", *study, *LOCAL, f"--results={copied}")
    assert done.exit_code == 0, done.output
    told = fer_bench("report", f"--results={copied}", "--format=markdown")
    assert f"left out: {tries} tries of 'fer-bench tune'" in told.stderr
    assert "- Seeds: 0." in told.stdout
    assert told.stdout.count("| CB |") == 1
    status = fer_bench("status", f"--results={copied}", "--format=csv")
    rows = [line for line in status.stdout.splitlines() if ",1000," in line]
    assert len(rows) == tries
    assert all(",–,–," in row or ",,," in row for row in rows)
    drawn = ("figure", "recall", f"--out={tmp_path / 'recall.pdf'}")
    for words in (("claims",), ("compare", "cb", "baseline"), ("check",), drawn):
        said = fer_bench(*words, f"--results={copied}")
        assert f"left out: {tries} tries" in said.stderr, words
    carried, other = tmp_path / "cells.zip", tmp_path / "other"
    assert fer_bench("results", "export", carried, f"--results={copied}").exit_code == 0
    assert fer_bench("results", "import", carried, f"--results={other}").exit_code == 0
    assert ledgers(other) == ledgers(copied)


def test_a_figure_of_some_methods(tuned: tuple[Path, object], tmp_path: Path) -> None:
    results, out = f"--results={tuned[0]}", tmp_path / "figure.svg"
    assert fer_bench("figure", "tuning", "--methods=cb", results, f"--out={out}").exit_code == 0
    assert "tau_norm" not in out.read_text()
    assert "searched: shared learning rate, cb, tau_norm" in refusal(
        "figure", "tuning", "--methods=mek", results
    )
    assert "leave --factors and --select away" in refusal(
        "figure", "tuning", "--factors=50", results
    )
    assert "but on folder" in refusal("figure", "tuning", "--dataset=ferplus", results)
    for option in ("--select=val", "--mixed"):
        assert "leave --select and --mixed away" in refusal(
            "report", "--detail=tuning", option, results
        )


def test_a_file_that_cannot_be_the_choice_is_refused_at_once(faces: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text("name = 'mine'\n")
    (tmp_path / "file").write_text("")

    def said(out: Path) -> str:
        options = (f"--data-root={faces}", f"--results={tmp_path / 'runs'}", f"--out={out}")
        return refusal("tune", "--dataset=folder", *QUICK, *LOCAL, "--methods=cb", *options)

    assert "must end in .toml" in said(tmp_path / "chosen")
    assert "another file" in said(own)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.toml")
        assert "another file" in said(tmp_path / "pipe.toml")
    assert "no file can be made in" in said(tmp_path / "file" / "chosen.toml")
    assert not (tmp_path / "runs").exists()


def test_whatever_stands_in_a_file_is_no_failure(
    tuned: tuple[Path, object], tmp_path: Path
) -> None:
    (path,) = (tuned[0] / "tuning").glob("*.toml")
    first = path.read_bytes().partition(b"\n")[0]
    file = tmp_path / "chosen.toml"
    for content, key in (
        (b"", None), (b"name = 1", None), (first, ""), (first + b"\n", ""),
        (first + b"\n\xff\xfe", None), (first + b"\nname = 'mine'\n", ""),
        (path.read_bytes(), path.stem), (path.read_bytes().replace(b"\n", b"\r\n"), path.stem),
    ):  # fmt: skip
        file.write_bytes(content)
        assert search_of(file) == key, content


def test_what_another_search_chose_is_not_written_over(
    tuned: tuple[Path, object], copied: Path, faces: Path, tmp_path: Path
) -> None:
    (path,) = (copied / "tuning").glob("*.toml")
    out = tmp_path / "chosen.toml"
    text = path.read_text()
    out.write_text(text)
    done = tune(faces, copied, "--methods=cb", "--budget=3", f"--out={out}")
    assert done.exit_code == 0, done.output
    assert out.read_text() == text
    options = (f"--data-root={faces}", f"--results={copied}", f"--out={out}", "--dry-run")
    said = refusal(
        "tune", "--dataset=folder", *QUICK, *LOCAL, "--methods=cb", "--budget=2", *options
    )
    assert "it holds what another search chose" in said
    assert out.read_text() == text
    unnamed = re.sub("\n# Search: .*", "", text)
    out.write_text(unnamed)
    said = refusal(
        "tune", "--dataset=folder", *QUICK, *LOCAL, "--methods=cb", "--budget=3", *options
    )
    assert "or does not say which" in said
    assert out.read_text() == unnamed


def test_nothing_to_search_is_refused(faces: Path, tmp_path: Path) -> None:
    options = (f"--data-root={faces}", f"--results={tmp_path / 'runs'}", *QUICK)
    said = refusal(
        "tune", "--dataset=folder", *options, "--methods=baseline,bbn", "--set=training.lr=0.1"
    )
    assert said.startswith("nothing to search: baseline, bbn")


def test_a_dry_run_after_the_search_counts_what_was_chosen(
    tuned: tuple[Path, object], faces: Path
) -> None:
    done = tune(faces, tuned[0], "--methods=cb,tau_norm", "--budget=3", "--dry-run")
    assert "0 to train" in done.output, done.output
    read = Outcomes(Store(tuned[0]))
    (found,) = ledgers(tuned[0])
    rate = chosen(read.of_all(found)[0])
    assert f"training.lr={rate['training.lr']:g}" in done.output
    assert "more tr" not in done.output
    added = tune(faces, tuned[0], "--methods=cb,tau_norm,tau-norm,mek", "--budget=3", "--dry-run")
    assert added.output.count("tau_norm: methods.tau_norm.tau in ") == 1
    assert "1 more try, by what these come to" in added.output  # of mek


def test_what_another_list_takes_the_place_of_becomes_no_result(tmp_path: Path) -> None:
    first, other = searched("a", 3), searched("a", 4)
    changed = other.model_copy(
        update={
            "tries": tuple(
                t.model_copy(update={"cells": (f"new-{t.cells[0]}",)}) for t in other.tries
            )
        }
    )
    keep_ledger(tmp_path, ledger(first))
    kept = keep_ledger(tmp_path, ledger(changed))
    assert kept.subjects == (changed,)
    assert first.cells <= kept.cells
    back = keep_ledger(tmp_path, ledger(first), foreign=True)
    assert back.subjects == (changed,)
    assert back.cells == kept.cells


def test_what_diverged_travels_with_the_list(tmp_path: Path) -> None:
    mine, other = ledger(searched("a", 2)), ledger(searched("a", 3))
    assert b"diverged" not in to_bytes(mine)
    keep_ledger(tmp_path, mine.with_diverged(["a-1"]))
    kept = keep_ledger(tmp_path, other.with_diverged(["a-2"]), foreign=True)
    assert set(kept.diverged) == {"a-1", "a-2"}
    assert from_bytes(to_bytes(kept)) == kept
    assert kept.search == mine.search


def test_values_near_one_are_told_apart() -> None:
    told = [show_values({"methods.cb.beta": value}) for value in (0.99999536, 0.9999, 1 / 7)]
    assert told == ["beta=0.99999536", "beta=0.9999", "beta=0.142857"]


def test_no_cell_is_imported_before_the_list_that_calls_it_a_try(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, other = tmp_path / "cells.zip", Store(tmp_path / "other")
    export_cells(Store(copied), Store(copied).records(), bundle)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(KeptMarks, "put", killed)
        with pytest.raises(KeyboardInterrupt):
            import_cells(other, bundle)
    assert other.records()
    assert without_tries(other.records(), other.root) == []


def test_tries_of_another_budget_were_no_results_before(copied: Path, faces: Path) -> None:
    done = tune(faces, copied, "--methods=cb", "--budget=1")
    assert done.exit_code == 0, done.output
    assert len(ledgers(copied)) == 2
    assert "Finished before" not in done.output


def test_seeds_that_chose_stand_in_no_row_of_a_study(copied: Path, faces: Path) -> None:
    tries = len(Store(copied).records())
    study = (f"--data-root={faces}", *QUICK, *LOCAL, f"--results={copied}", "--methods=baseline")
    assert fer_bench("run", "--dataset=folder", *study).exit_code == 0
    told = fer_bench("report", "--detail=validation", f"--results={copied}", "--format=markdown")
    assert told.stdout.count("| Baseline |") == 1
    assert "- Seeds: 0." in told.stdout
    assert f"left out: {tries} tries" in told.stderr
    mixed = fer_bench("report", "--detail=validation", "--mixed", f"--results={copied}")
    assert f"among these: {tries} tries" in mixed.stderr


def test_no_page_and_no_call_of_python_shows_a_number_of_a_try(
    copied: Path, faces: Path, tmp_path: Path
) -> None:
    def trained(seed: int) -> pd.DataFrame:
        return run(
            "baseline",
            factors=["full"],
            seeds=[seed],
            dataset="folder",
            data_root=faces,
            protocol="smoke",
            overrides=("training.epochs=1", "image.size=16"),
            device="cpu",
            results=copied,
        )

    with pytest.warns(UserWarning, match="left out: 1 try of 'fer-bench tune'"):
        assert trained(1000).empty
    assert trained(0)["seed"].tolist() == [0]
    page = Path(shutil.copytree(copied, tmp_path / "results" / "x")) / "report.html"
    assert fer_bench("report", f"--page={page}", f"--results={page.parent}").exit_code == 0
    assert list(stale_pages(tmp_path)) == []


def test_tries_at_another_learning_rate_choose_nothing(copied: Path, faces: Path) -> None:
    (found,) = ledgers(copied)
    file = copied / "tuning" / f"{found.key}.json"
    before = Outcomes(Store(copied)).of_all(found)
    assert all(one.complete for one in before)
    rate = chosen(before[0])["training.lr"]
    assert [one.rate for one in found.subjects] == [None, rate, rate]
    cb = found.subjects[1].model_copy(update={"rate": 0.5})
    file.write_text(found.with_subjects([cb]).model_dump_json())
    told = fer_bench("report", "--detail=tuning", f"--results={copied}", "--format=markdown")
    assert "Not chosen: cb (tried at learning rate 0.5: tune it again)." in told.stdout
    again = tune(faces, copied, "--methods=cb", "--budget=3")
    assert again.exit_code == 0, again.output
    assert ledgers(copied) == [found]


def test_what_another_search_keeps_meanwhile_stays(
    copied: Path, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (found,) = ledgers(copied)
    tau = found.subjects[2].model_copy(update={"rate": 0.5})
    to_train = Tuner.to_train

    def meanwhile(tuner: Tuner, missing: Sequence[Cell]) -> list[Cell]:
        keep_ledger(copied, found.model_copy(update={"subjects": (tau,)}))
        return to_train(tuner, missing)

    monkeypatch.setattr(Tuner, "to_train", meanwhile)
    done = tune(faces, copied, "--methods=cb", "--budget=3")
    assert done.exit_code == 0, done.output
    assert ledgers(copied)[0].subjects == (*found.subjects[:2], tau)


def test_a_whole_number_is_written_as_one(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        EXTERNAL.replace("scale: float = sourced(1.0,", "scale: int = sourced(2, low=1, source=")
        .replace("Linear(0.5, 1.5)", "Linear(1, 5)")
        .replace('name="lost"', 'name="whole"')
    )
    (tmp_path / "whole_ones.py").write_text(text.replace(' * float("nan")', ""))
    monkeypatch.syspath_prepend(tmp_path)
    results, out = tmp_path / "runs", tmp_path / "chosen.toml"
    options = ("--set=training.lr=0.008", "--budget=2")
    done = tune(faces, results, "--methods=whole_ones:Lost", *options, f"--out={out}")
    assert done.exit_code == 0, done.output
    assert type(load_protocol(str(out)).methods["whole"]["scale"]) is int
    planned = tune(faces, results, "--methods=whole_ones:Lost", *options, "--dry-run")
    assert "0 to train" in planned.output, planned.output
    said = tune(faces, results, "--methods=whole_ones:Lost,cb", options[0], "--budget=9")
    assert "no more than 5 different values" in str(said.exception)
    fixed = tune(
        faces,
        results,
        "--methods=whole_ones:Lost,cb",
        "--set=methods.whole.scale=3",
        "--budget=1",
        "--dry-run",
    )
    assert "Nothing to search: whole." in fixed.output, fixed.output


def test_a_first_stage_and_a_finished_study_cell_become_no_results(
    faces: Path, tmp_path: Path
) -> None:
    results = tmp_path / "runs"
    study = (f"--data-root={faces}", *QUICK, *LOCAL, f"--results={results}", "--seeds=1000")
    study = (*study, "--methods=cb", "--set=methods.cb.beta=0.9999")  # as the first try
    assert fer_bench("run", "--dataset=folder", *study).exit_code == 0
    options = ("--methods=cb,crt", "--budget=1", "--set=training.lr=0.008")
    done = tune(faces, results, *options)
    assert done.exit_code == 0, done.output
    assert "Finished before, and tries from now on" in done.output
    assert "but 3 tries" in refusal("report", f"--results={results}")
    again = fer_bench("run", "--dataset=folder", *study, "--dry-run")
    assert "Tries of 'fer-bench tune', which no table of results counts: cb-folder" in again.output
