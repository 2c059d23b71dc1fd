"""`fer-bench compare`: the numbers of the records, the right pairs, one line for what is wrong."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from made_records import fill, made_record
from markdown_it import MarkdownIt

from benchmark.analysis.compare import find_method
from benchmark.cli import cli
from benchmark.errors import InputError
from benchmark.stats.accuracy import mean_accuracy, overall_accuracy
from benchmark.stats.paired import paired_difference
from benchmark.stats.significance import holm
from benchmark.store.store import Store

GOOD = (0.97, 0.97, 0.95, 0.9, 0.92, 0.8, 0.9)
BAD = (0.7, 0.7, 0.6, 0.5, 0.5, 0.3, 0.3)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two methods far apart and two alike, three common seeds, and one factor without them."""
    made = Store(tmp_path_factory.mktemp("compare") / "runs")
    fill(made, ["cb", "scn"], [50.0, 150.0], 3)
    for seed in range(4):
        for factor in (50.0, 150.0, None):
            made.add(*made_record("mek", factor, seed, skill=GOOD))
    for seed in range(3):
        made.add(*made_record("soft", 150.0, seed, skill=BAD))
        made.add(*made_record("cb", 50.0, seed, dataset="raf-db"))
        made.add(*made_record("mek", 50.0, seed, dataset="raf-db"))
    made.add(*made_record("cb", None, 7))
    return made


def call(store: Store, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["compare", *arguments, "--results", str(store.root)])


def rows(store: Store, *arguments: str) -> list[dict[str, object]]:
    done = call(store, *arguments, "--format", "json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def error(store: Store, *arguments: str) -> str:
    done = call(store, *arguments)
    assert isinstance(done.exception, InputError)
    assert "\n" not in str(done.exception)
    return str(done.exception)


@pytest.mark.parametrize("metric", ["overall", "mean"])
@pytest.mark.parametrize("rule", ["last", "val-overall", "oracle"])
def test_numbers_are_those_of_the_records(store: Store, metric: str, rule: str) -> None:
    found = rows(store, "mek", "cb", "--metric", metric, "--select", rule, "--dataset", "ferplus")
    assert [row["factor"] for row in found] == ["50", "150"]
    accuracy = {"overall": overall_accuracy, "mean": mean_accuracy}[metric]
    records = {record.id: record for record in store.records()}
    name = "val" if rule == "val-overall" else rule  # what older records call the array
    for row in found:
        right = []
        for side in ("a", "b"):
            used = [records[str(identity)] for identity in row[f"{side}_records"]]  # type: ignore[union-attr]
            assert [r.cell.seed for r in used] == row["seeds"] == [0, 1, 2]
            assert {r.cell.factor for r in used} == {float(str(row["factor"]))}
            scores = [accuracy(r.history[r.logits[name]].test) for r in used]
            assert row[f"{side}_accuracy"] == pytest.approx(100 * np.mean(scores), abs=1e-3)
            arrays = [store.logits(r) for r in used]
            right.append(np.stack([a[name].argmax(1) == a["label"] for a in arrays]))
        again = paired_difference(arrays[0]["label"], *right, metric)  # type: ignore[arg-type]
        assert row["p"] == again.p
        assert row["p_bootstrap"] == again.p_bootstrap
        assert row["p_sign_flip"] == again.p_sign_flip == 0.25
        assert row["difference"] == pytest.approx(100 * again.estimate, abs=1e-3)
        assert row["a_left_out"] == [3]
        assert row["b_left_out"] == []
    assert [row["p_holm"] for row in found] == holm([row["p"] for row in found])  # type: ignore[misc]


def test_it_tells_apart_what_differs_and_not_what_does_not(store: Store) -> None:
    (apart,) = rows(store, "mek", "soft", "--metric", "overall")
    assert apart["distinguishable"]
    assert str(apart["verdict"]).startswith("MEK is ahead of SOFT by ")
    assert "points (3 seeds each)" in str(apart["verdict"])
    (turned,) = rows(store, "soft", "mek", "--metric", "overall")
    assert turned["difference"] == -float(str(apart["difference"]))
    assert str(turned["verdict"]).startswith("MEK is ahead of SOFT by ")
    for row in rows(store, "cb", "scn"):
        assert not row["distinguishable"]
        assert "cannot be told apart" in str(row["verdict"])


def test_groups_are_kept_apart_and_can_be_chosen(store: Store) -> None:
    groups = {str(row["group"]).split(" (")[0] for row in rows(store, "mek", "cb")}
    assert groups == {"FERPlus", "RAF-DB"}
    assert len(rows(store, "mek", "cb", "--dataset", "raf-db")) == 1
    assert [r["factor"] for r in rows(store, "mek", "cb", "--factors", "150")] == ["150"]


def test_the_terminal_says_which_seeds_and_what_it_means(store: Store) -> None:
    text = " ".join(call(store, "ours", "CB").output.split())
    assert "seeds of MEK left out because CB lacks them: 3" in text
    assert "no common seeds, mek has 0, 1, 2, 3 and cb has 7" in text
    assert "p decides" in text
    oracle = call(store, "mek", "cb", "--select", "oracle").output
    assert "TEST accuracy" in " ".join(oracle.split())


def test_forms_agree(store: Store, tmp_path: Path) -> None:
    expected = rows(store, "mek", "cb")
    done = call(store, "mek", "cb", "--format", "csv", "--out", str(tmp_path / "a" / "out.csv"))
    assert done.exit_code == 0
    text = (tmp_path / "a" / "out.csv").read_text()
    read = list(csv.DictReader(io.StringIO(text)))
    assert [row["verdict"] for row in read] == [row["verdict"] for row in expected]
    assert [float(row["p"]) for row in read] == [row["p"] for row in expected]
    html = (
        MarkdownIt().enable("table").render(call(store, "mek", "cb", "--format", "markdown").output)
    )
    assert html.count("<tr>") == 2 + len(expected)


def test_one_seed_speaks_of_two_networks(tmp_path: Path) -> None:
    made = Store(tmp_path / "runs")
    fill(made, ["cb"], [150.0], 1)
    made.add(*made_record("mek", 150.0, 0, skill=GOOD))
    (row,) = rows(made, "mek", "cb")
    assert str(row["verdict"]).startswith("Whether the methods differ is undecided (one seed)")
    assert "of these two networks on these images: MEK is ahead of CB" in str(row["verdict"])
    assert row["p_holm"] < 0.001  # type: ignore[operator]
    assert not row["distinguishable"], "that is of methods"
    assert row["p_sign_flip"] == 1


def test_names_of_others_are_escaped(tmp_path: Path) -> None:
    made = Store(tmp_path / "runs")
    fill(made, ["cb"], [150.0], 1)
    record, arrays = made_record("mek", 150.0, 0)
    made.add(record.model_copy(update={"method_title": "<b>M|K*\x1b[31m\n"}), arrays)
    html = MarkdownIt("commonmark", {"html": True}).enable("table")
    page = html.render(call(made, "mek", "cb", "--format", "markdown").output)
    assert "<b>" not in page
    assert "&lt;b&gt;M|K*" in page
    plain = call(made, "mek", "cb").output
    assert "\x1b" not in plain
    assert "<b>M|K*" in plain


def test_variants_are_compared_each_and_named(tmp_path: Path) -> None:
    made = Store(tmp_path / "runs")
    fill(made, ["cb", "mek"], [150.0], 1)
    record, arrays = made_record("mek", 150.0, 0)
    cell = record.cell.model_copy(update={"hyper": {"smoothing": 0.5}})
    cell = type(cell).model_validate(cell.model_dump())
    made.add(record.model_copy(update={"cell": cell, "id": cell.id}), arrays)
    titles = {str(row["a_title"]) for row in rows(made, "mek", "cb")}
    assert titles == {"MEK", "MEK (smoothing=0.5)"}


def test_what_is_wrong_is_said_in_one_line(store: Store, tmp_path: Path) -> None:
    assert "unknown method 'mekk' (did you mean 'mek'?)" in error(store, "mekk", "cb")
    assert "no results of method 'rul'; stored: cb, mek" in error(store, "rul", "cb")
    assert "the same method; name two" in error(store, "mek", "ours")
    assert "no results at factor 75; stored: 50" in error(store, "mek", "cb", "--factors", "75")
    assert "neither a number" in error(store, "mek", "cb", "--factors", "x")
    assert "--factors is empty" in error(store, "mek", "cb", "--factors", ",")
    assert "no common seeds" in error(store, "mek", "cb", "--factors", "full")
    assert "no records of folder" in error(store, "mek", "cb", "--dataset", "folder")
    assert "no results in" in error(Store(tmp_path / "nothing"), "mek", "cb")
    empty = Store(tmp_path / "empty")
    empty.prepare()
    assert "no finished cells" in error(empty, "mek", "cb")


def test_other_test_images_are_refused(tmp_path: Path) -> None:
    made = Store(tmp_path / "runs")
    fill(made, ["cb"], [150.0], 1)
    record, arrays = made_record("mek", 150.0, 0)
    made.add(record, {name: array[::-1].copy() for name, array in arrays.items()})
    assert "belong to different test images" in error(made, "mek", "cb")


def test_no_validation_split(tmp_path: Path) -> None:
    made = Store(tmp_path / "runs")
    made.add(*made_record("mek", 150.0, 0, validation=False))
    assert "--select val chooses nothing" in error(made, "mek", "cb", "--select", "val")


def test_names_are_found_in_any_case_and_by_alias() -> None:
    assert find_method("OURS", ["mek"]) == "mek"
    assert find_method("pkg.mod:Own", ["pkg.mod:Own", "mek"]) == "pkg.mod:Own"


def test_the_command_line_itself_without_torch(store: Store) -> None:
    code = (
        "import sys; from benchmark.cli import cli\n"
        f"arguments = ['compare', 'mek', 'cb', '--results', {str(store.root)!r}]\n"
        "cli.main(arguments, standalone_mode=False)\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    wrong = subprocess.run(
        [sys.executable, "-m", "benchmark", "compare", "me", "cb", "--results", str(store.root)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("fer-bench: unknown method 'me' (did you mean 'mek'?)")
    assert wrong.stderr.count("\n") == 1
