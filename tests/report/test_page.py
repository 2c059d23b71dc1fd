"""The page: what is embedded, that it stands alone, and that no text of others is markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import lxml.html
import numpy as np
import pytest
from click.testing import CliRunner
from made_records import TEST_COUNTS, made_record
from paged import HOSTILE, paged_store

from benchmark.analysis.decoration import adjustment
from benchmark.analysis.measurements import Measurements
from benchmark.cli import cli
from benchmark.data.marks import Mark, Marked, Marks
from benchmark.errors import InputError
from benchmark.report.page.document import document
from benchmark.report.page.inline import inline_svg
from benchmark.report.page.recipe import (
    SET,
    UNKNOWN_METHOD,
    hyper_values,
    method_of,
    protocol_values,
    repeating_command,
    why_another,
)
from benchmark.report.tables import accuracies
from benchmark.stats.adjustment import TAUS
from benchmark.store.kept_marks import KeptMarks
from benchmark.store.logits_file import pack
from benchmark.store.record import Cell
from benchmark.store.store import Store


@pytest.fixture(scope="module")
def store(stored: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    return paged_store(stored, tmp_path_factory.mktemp("paged"))


@pytest.fixture(scope="module")
def page(store: Store, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page through the command line."""
    out = tmp_path_factory.mktemp("page") / "report.html"
    done = CliRunner().invoke(cli, ["report", "--results", str(store.root), "--page", str(out)])
    assert done.exit_code == 0, done.output
    assert done.stderr == f"wrote {out}\n"
    return out.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tree(page: str) -> lxml.html.HtmlElement:
    return lxml.html.document_fromstring(page)


@pytest.fixture(scope="module")
def values(tree: lxml.html.HtmlElement) -> dict[str, Any]:
    return json.loads(tree.get_element_by_id("values").text)


def test_it_stands_alone_behind_a_policy(tree: lxml.html.HtmlElement, page: str) -> None:
    (policy,) = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy.startswith("default-src 'none'; ")
    style, script = tree.xpath("//style")[0].text, tree.xpath("//script[not(@type)]")[0].text
    for kind, text in (("style", style), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert not tree.xpath("//*[@style or @src or @srcset]"), "nothing that the policy refuses"
    assert not [a for e in tree.iter() for a in e.attrib if a.startswith("on")]
    assert all(link.startswith("#") for link in tree.xpath("//@href"))
    assert len(tree.xpath("//script")) == 2
    assert len(tree.xpath("//style")) == 1
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids))


def test_markup_of_others_is_text(tree: lxml.html.HtmlElement, values: dict[str, Any]) -> None:
    flat = " ".join(HOSTILE.split())
    assert not tree.xpath("//img")
    assert any(flat in head for head in tree.xpath("//table//th/text()")), "it is printed"
    assert [flat] in values["shared"], "a note of the dataset"
    facts = [fact for cell in values["cells"] for fact in values["shared"][cell["made"]]]
    assert [flat, flat] in facts


def test_it_prints_the_numbers_of_the_tables(tree: lxml.html.HtmlElement, store: Store) -> None:
    measured = Measurements(store.records(), "last", store)
    tables = accuracies.build(measured, against=True)
    boards = tree.xpath("//table[@class='leaders']")
    assert len(boards) == len(tables)
    for board, table in zip(boards, tables, strict=True):
        heads = [head.text_content() for head in board.xpath(".//thead//th")]
        lines = board.xpath("./tbody/tr")
        for line, row in zip(lines, table.rows, strict=True):
            printed = dict(zip(heads, line, strict=True))
            assert printed["Method"].text_content().startswith(row.labels[0].split("<")[0])
            for header, number in zip(table.columns, row.numbers, strict=True):
                cell = printed[" ".join(header.split())]
                first = next(text for text in cell.itertext() if text.strip())
                assert first.strip() == number.text
                assert bool(cell.xpath("./b | ./u/b")) == number.best
                assert bool(cell.xpath("./u")) == number.second
                assert ("".join(cell.xpath("./span[@class='pub']/text()")).strip()) == (
                    number.published
                )


def test_a_warning_stands_beside_its_number(tree: lxml.html.HtmlElement) -> None:
    told = tree.xpath("//ul[@class='meanings']//mark/text()")
    assert {"one seed", "other protocol"} <= set(told)
    for line in tree.xpath("//table[@class='leaders']/tbody/tr"):
        seeds = line[3]
        assert ("one seed" in seeds.text_content()) == seeds.text_content().startswith("1")
        for published in line.xpath("./td[position() < 6]/span[@class='pub'][small]"):
            assert "other protocol" in published.text_content()


def embedded_of(measured: Measurements) -> tuple[lxml.html.HtmlElement, dict[str, Any]]:
    """A page, and what is embedded in it."""
    tree = lxml.html.document_fromstring(document(measured))
    return tree, json.loads(tree.get_element_by_id("values").text)


@pytest.fixture
def copied(tmp_path: Path) -> Store:
    """Two seeds of one method; every third image of fear and all of disgust are copies."""
    store = Store(tmp_path)
    for seed in (0, 1):
        store.add(*made_record("cb", 150.0, seed))
    labels = np.repeat(np.arange(7), TEST_COUNTS["ferplus"])
    copies = (labels == 6) | ((labels == 5) & (np.arange(len(labels)) % 3 == 0))
    names = np.array([f"image {place}" for place in range(len(labels))], dtype=np.str_)
    found = copies * np.uint8(Mark.EXACT)
    marks = Marks(Marked(names, labels, found), Marked(names[:0], labels[:0], found[:0]))
    KeptMarks(store.root).put(store.records()[0].cell.fingerprint, pack(marks.arrays()))
    return store


def test_copies_are_told_beside_recalls(copied: Store) -> None:
    tree, values = embedded_of(Measurements(copied.records(), "last", copied))
    heads = [head.text_content() for head in tree.xpath("//table[@class='leaders']/thead//th")]
    (line,) = tree.xpath("//table[@class='leaders']/tbody/tr")
    marks = [cell.xpath("./mark/text()") for cell in line]
    beside = dict(zip(heads, marks, strict=True))
    assert beside["Disgust"] == ["copies"], "of which nothing is left"
    assert beside["Neutral"] == []
    clean = Measurements(copied.records(), "last", copied, images="clean")
    (entry,) = clean.groups[0].entries
    places = values["entries"][0]["cells"]
    for matrix, place in zip(clean.confusions(entry), places, strict=True):
        shown = np.array([of[3] for of in values["cells"][place]["recalls"]], dtype=float)
        counts = np.array(matrix)
        with np.errstate(invalid="ignore"):
            recall = counts.diagonal() / counts.sum(axis=1)
        accuracies = [counts.trace() / counts.sum(), np.nanmean(recall)]
        np.testing.assert_allclose(shown, 100 * np.array([*recall, *accuracies]), atol=0.005)
    assert "copies" in values["entries"][0]["marks"]


def test_a_cell_tells_what_its_numbers_are_not(copied: Store, values: dict[str, Any]) -> None:
    for entry in filter(None, values["entries"]):
        assert ("one seed" in entry["marks"]) == (len(entry["cells"]) == 1)
    assert {mark for e in values["entries"] if e for mark in e["marks"]} <= {*values["meanings"]}
    tree, chosen = embedded_of(Measurements(copied.records(), "oracle", copied, images="clean"))
    for warning in (
        "Reported: † epoch with the best TEST accuracy: chosen on the test set",
        "Only test images count",
    ):
        assert warning in tree.xpath("string(//header)")
        assert any(warning in told for told in chosen["groups"][0]["warnings"])


def test_drawn_faces_are_told_above_their_table(tmp_path: Path) -> None:
    store = Store(tmp_path)
    record, arrays = made_record("cb")
    cell = Cell.model_validate({**record.cell.model_dump(), "dataset": "synthetic"})
    store.add(record.model_copy(update={"cell": cell, "id": cell.id}), arrays)
    tree, values = embedded_of(Measurements(store.records(), "last", store))
    above = tree.xpath("string(//table[@class='leaders']/preceding::p[1])")
    assert above.startswith("Synthetic faces")
    assert values["groups"][0]["warnings"] == [above]


def test_no_sentence_speaks_of_adjusted_networks(store: Store) -> None:
    records = [record for record in store.records() if record.cell.dataset == "ferplus"]
    measured = Measurements(records, "last", store, decorations=[adjustment(1.0)])
    _, values = embedded_of(measured)
    for entry in filter(None, values["entries"]):
        rests = any(values["cells"][place]["verdicts"] for place in entry["cells"])
        assert rests == ("LA" not in entry["label"])


def test_what_is_left_blank_is_explained(tree: lxml.html.HtmlElement) -> None:
    """Next to numbers a dash is not the missing cell that a table's note speaks of."""
    explained = set()
    for section in tree.xpath("//section[@class='board']"):
        lines = section.xpath(".//table[@class='leaders']/tbody/tr[th/text() and td[3] != '0']")
        blank = any("–" in cell.xpath("string(.)") for line in lines for cell in line)
        told = any("beside numbers that are there" in of.text for of in section.xpath(".//li"))
        assert told == blank
        explained.add(told)
    assert explained == {True, False}


def test_each_cell_has_its_own_numbers(values: dict[str, Any], store: Store) -> None:
    records = {record.id: record for record in store.records()}
    assert sorted(cell["id"] for cell in values["cells"]) == sorted(records)
    for entry in values["entries"]:
        for place in (entry or {}).get("cells", []):
            cell = values["cells"][place]
            record = records[cell["id"]]
            last = np.array(record.history[-1].test)
            assert cell["confusion"] == last.tolist()
            recall = 100 * last.diagonal() / last.sum(axis=1)
            shown = np.array(cell["recalls"])
            np.testing.assert_allclose(shown[:7, 0], recall, atol=0.005)
            assert (shown[:, 1] <= shown[:, 0]).all()
            assert (shown[:, 0] <= shown[:, 2]).all()
            assert {*map(len, cell["curves"])} == {len(record.history)}
            begin, rest = cell["command"]
            assert values["shared"][begin].startswith("fer-bench run --dataset")
            assert "--seeds" in rest


def test_the_slider_has_the_accuracies_of_every_tau(values: dict[str, Any], store: Store) -> None:
    records = {record.id: record for record in store.records()}
    entry = next(e for e in values["entries"] if e and len(e["cells"]) == 2)
    own = [records[values["cells"][place]["id"]] for place in entry["cells"]]
    for at, tau in enumerate(TAUS):
        overall, mean = [], []
        for record in own:
            arrays = store.logits(record)
            counts = np.array(record.cell.class_counts)
            scores = arrays["last"].astype(float) - tau * np.log(counts / counts.sum())
            right = scores.argmax(axis=1) == arrays["label"]
            overall.append(right.mean())
            mean.append(np.mean([right[arrays["label"] == c].mean() for c in range(len(counts))]))
        assert entry["tau"][0][at] == pytest.approx(100 * np.mean(overall), abs=0.006)
        assert entry["tau"][1][at] == pytest.approx(100 * np.mean(mean), abs=0.006)


def test_verdicts_belong_to_the_cells_that_they_rest_on(values: dict[str, Any]) -> None:
    of_cells = [cell["verdicts"] for cell in values["cells"]]
    assert any(of_cells)
    assert all(0 <= place < len(values["verdicts"]) for places in of_cells for place in places)


def test_values_have_sources() -> None:
    record, _ = made_record("cb", overrides=["training.lr=0.001"], hyper={"beta": 0.9})
    found = {value.name: value for value in protocol_values(record.cell)}
    assert found["training.lr"].source == SET
    assert len(found["training.weight_decay"].source) > 5
    (beta,) = hyper_values(record.cell)
    assert (beta.name, beta.value) == ("beta", "0.9")
    assert beta.source.startswith(f"{SET}; the default is 0.999")


def test_a_protocol_of_another_version_or_of_ones_own_may_have_set_a_value() -> None:
    record, _ = made_record("cb", hyper={"beta": 0.9})
    own = record.cell.protocol
    for changed in ({"version": own.version + 1}, {"name": "mine"}):
        protocol = own.model_copy(update=changed)
        (beta,) = hyper_values(record.cell.model_copy(update={"protocol": protocol}))
        assert beta.source.startswith(f"{SET}, or of its protocol; the default is 0.999")
    usual = {"hyper": {"beta": 0.999}}
    other = {**usual, "protocol": own.model_copy(update={"version": own.version + 1})}
    (shipped,) = hyper_values(record.cell.model_copy(update=usual))
    (before,) = hyper_values(record.cell.model_copy(update=other))
    assert shipped.source.startswith("chosen by validation")
    assert "chosen by validation" not in before.source


def test_sentences_are_open_where_logits_are_not_kept(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    for method in ("baseline", "mek"):
        record, arrays = made_record(method, epochs=3)
        best = np.diag(np.sum(record.history[0].test, axis=1)).tolist()  # of which none are kept
        history = [record.history[0].model_copy(update={"test": best}), *record.history[1:]]
        record = record.model_copy(update={"history": history, "logits": {"last": 2}})
        store.add(record, {name: arrays[name] for name in ("label", "last")})
    text = document(Measurements(store.records(), "oracle", store))
    assert "no logits of --select oracle are kept of these cells" in text


def test_a_record_names_no_code() -> None:
    """A method's name out of a record is looked up among the installed ones, never imported."""
    record, _ = made_record("this:that", hyper={"x": 1.0})
    assert method_of(record.cell) is None
    assert hyper_values(record.cell)[0].source == UNKNOWN_METHOD
    assert "--set methods.this:that.x=1.0" in " ".join(repeating_command(record)).replace("'", "")


def test_the_command_is_safe_to_paste() -> None:
    record, _ = made_record("cb", hyper={"beta": 0.9}, overrides=["training.milestones=[0.5,0.8]"])
    told = {"command": ["fer-bench", "run", "--data-root=~/my data; rm -rf x", "--cut-head"]}
    command = " ".join(repeating_command(record.model_copy(update={"provenance": told})))
    assert "--data-root ~/'my data; rm -rf x'" in command
    assert command.endswith("--cut-head")
    assert "--set 'training.milestones=[0.5, 0.8]'" in command
    assert "--set methods.cb.beta=0.9" in command


def test_a_command_says_when_it_trains_another_cell() -> None:
    record, _ = made_record("cb")
    cell = record.cell

    def why(**changes: Any) -> str:
        told = {"cell": cell.model_copy(update=changes)}
        return why_another(record.model_copy(update=told))

    assert why() == ""
    assert why(method_version=0) == (
        "This now trains another cell: its method was of version 0, now 1."
    )
    next_one = cell.protocol.version + 1
    protocol = cell.protocol.model_copy(update={"version": next_one})
    told = f"its protocol was compact v{next_one}, here it is v{next_one - 1}"
    assert told in why(protocol=protocol)
    unknown = cell.protocol.model_copy(update={"name": "mine"})
    assert why(protocol=unknown, method="this:that") == ""
    assert "no method 'of_a_class' is installed" in why(method="of_a_class")


def test_a_protocol_of_another_version_is_named_by_the_file_that_it_was_read_from() -> None:
    """What comes with the program under its name has other values."""
    record, _ = made_record("cb")
    protocol = record.cell.protocol.model_copy(update={"version": 99})
    told = {
        "cell": record.cell.model_copy(update={"protocol": protocol}),
        "provenance": {"command": ["fer-bench", "run", "--protocol=tuned/compact-v99.toml"]},
    }
    newer = record.model_copy(update=told)
    assert "--protocol tuned/compact-v99.toml" in " ".join(repeating_command(newer))
    assert why_another(newer) == ""
    as_shipped = record.model_copy(update={"provenance": told["provenance"]})
    assert "--protocol compact" in " ".join(repeating_command(as_shipped)).split(".toml")[0]


def test_a_figure_brings_no_style_and_no_id_of_another() -> None:
    svg = (
        b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        b'width="10pt" height="20pt" viewBox="0 0 10 20"><metadata/><defs><style>*{x:y}</style>'
        b'<path id="m1" d="M 0.123456 1" style="fill: none; stroke-width: 1.25"/></defs>'
        b'<g id="figure_1" clip-path="url(#p1)"><use xlink:href="#m1"/></g>'
        b'<clipPath id="p1"/></svg>'
    )
    text = inline_svg(svg, "f0", 'a "b" <c>')
    assert inline_svg(svg.replace(b"p1", b"p0a3"), "f0", 'a "b" <c>') == text
    found = lxml.html.fragment_fromstring(text)
    assert found.get("aria-label") == 'a "b" <c>'
    assert found.xpath("//@id") == ["f0-1", "f0-0"]
    assert found.xpath("//use/@href") == ["#f0-1"]
    assert found.xpath("//g/@clip-path") == ["url(#f0-0)"]
    assert found.xpath("//path/@fill") == ["none"]
    assert found.xpath("//path/@d") == ["M 0.1 1"]
    assert not found.xpath("//style | //metadata | //*[@style]")


def test_a_large_legend_is_no_figure(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for step in range(25):
        store.add(*made_record("cb", 50.0, hyper={"beta": 0.9 + step / 1000}))
    text = document(Measurements(store.records(), "last", store))
    assert "Not drawn of 25 rows" in text
    assert 'class="figure"' not in text


@pytest.mark.parametrize(
    "option",
    [
        ("--table", "2"),
        ("--all", "--out", "x"),
        ("--detail", "summary"),
        ("--format", "json"),
        ("--against", "paper"),
        ("--mixed",),
        ("--out", "x.md"),
    ],
    ids=lambda option: option[0],
)
def test_nothing_else_is_written_with_it(option: tuple[str, ...], tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    done = CliRunner().invoke(cli, ["report", "--page", str(out), *option])
    assert isinstance(done.exception, InputError)
    assert re.fullmatch(
        r"--page writes the page and nothing else; leave --.* away", str(done.exception)
    )
    assert not out.exists()


def test_a_name_of_another_form_is_refused(stored: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.md"
    done = CliRunner().invoke(cli, ["report", "--page", str(out), "--results", str(stored)])
    assert isinstance(done.exception, InputError)
    assert str(done.exception) == f"--page {out}: the name must end in .html"
    assert not out.exists()
