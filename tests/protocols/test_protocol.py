"""Protocols: every value has a source, overrides leave a mark, bad input is one clear line."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import made_cell
from sweeps import SHORT, small_faces

import methods
from benchmark.errors import InputError
from benchmark.protocols import load_protocol, parse_override, parse_protocol, shipped, with_values
from benchmark.protocols.protocol import LATER, Protocol, TrainingSpec, counted
from benchmark.store.record import Cell
from benchmark.sweep.buildable import check_buildable
from benchmark.sweep.plan import hyper_identity, make_hyper, plan, recipe
from methods.base import sourced


@pytest.mark.parametrize("name", ["paper", "compact", "smoke"])
def test_shipped_protocols_name_a_source_for_every_value(name: str) -> None:
    protocol = load_protocol(name)
    values = counted(protocol)  # a later value at its default is no choice of the protocol's
    for section in ("backbone", "image", "augment", "training"):
        entries = values[section]
        for key in entries:
            if key != "milestones" or entries[key]:
                assert protocol.sources[f"{section}.{key}"].strip()
    for method, hyper in protocol.methods.items():
        make_hyper(methods.get(method), hyper)
        assert all(protocol.sources[f"methods.{method}.{key}"] for key in hyper)
    assert set(shipped()) == {"paper", "compact", "smoke"}


def test_a_value_without_a_source_is_refused(tmp_path: Path) -> None:
    path = Path(load_protocol.__code__.co_filename).parent / "smoke.toml"
    text = path.read_text()
    copy = tmp_path / "mine.toml"
    copy.write_text(text)
    assert load_protocol(str(copy)).name == "smoke"
    for broken, message in (
        (text.replace(', source = "chosen: seconds per cell"', ""), "epochs needs a source"),
        (text.replace("chosen: seconds per cell", " "), "epochs needs a source"),
        (text.replace("{ value = 8,", "{ valeu = 10,"), "training.epochs"),
        (text.replace("clip_norm =", "clipnorm ="), "clip"),
        (text.replace("epochs = { value = 8", "epochs = { value = 0"), "training.epochs"),
        (text.replace("size = { value = 48", "size = { value = 'big'"), "image.size"),
        (text + "\nbroken", "not valid TOML"),
    ):
        assert broken != text
        with pytest.raises(InputError, match=message):
            parse_protocol(broken, "mine.toml")


@pytest.mark.parametrize("name", ["nope", "/no/such.toml", ".", "", "../smoke"])
def test_unknown_protocols_are_explained(name: str) -> None:
    with pytest.raises(InputError, match="shipped: compact, paper, smoke"):
        load_protocol(name)


def test_overrides_change_values_and_leave_a_mark() -> None:
    plain = load_protocol("smoke")
    changed = load_protocol("smoke", ["training.epochs=2", "image.mean=[1, 2, 3]"])
    assert changed.training.epochs == 2
    assert changed.overrides == ("image.mean=1.0,2.0,3.0", "training.epochs=2")
    assert changed.identity != plain.identity
    same = load_protocol("smoke", [f"training.epochs={plain.training.epochs}"])
    assert same.identity == plain.identity
    assert load_protocol("smoke", ["methods.cb.beta=0.99"]).methods["cb"] == {"beta": 0.99}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epochs", "key=value"),
        ("=3", "key=value"),
        ("training.epochs=", "key=value"),
        ("training.epoch=3", "no such value"),
        ("training=3", "no such value"),
        ("methods.cb=3", "methods.cb"),
        ("name.x=3", "no such value"),
        ("name=mine", "no such value"),
        ("recipe=authors", "no such value"),
        ("training.epochs=many", "training.epochs"),
        ("training.lr=nan", "training.lr"),
        ("training.lr=-1", "training.lr"),
        ("augment.erase_range=[0.9, 0.1]", "erase_range"),
    ],
)
def test_bad_overrides_are_explained(override: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_protocol("smoke", [override])


@given(st.text(max_size=60))
def test_no_override_ends_in_a_traceback(text: str) -> None:
    try:
        key, _ = parse_override(text)
        load_protocol("smoke", [text])
    except InputError:
        return
    assert key.strip() == key


@given(st.text(max_size=200))
def test_no_protocol_text_ends_in_a_traceback(text: str) -> None:
    with pytest.raises(InputError):
        parse_protocol(text, "fuzz.toml")


@given(
    st.recursive(
        st.one_of(st.booleans(), st.integers(-5, 5), st.floats(), st.text(max_size=5)),
        lambda inner: st.dictionaries(st.sampled_from(["value", "source", "training", "x"]), inner),
        max_leaves=8,
    )
)
def test_no_override_value_ends_in_a_traceback(value: object) -> None:
    for key in ("training.epochs", "image.mean", "methods.mek", "methods.mek.smoothing", "name"):
        try:
            with_values(load_protocol("smoke"), {key: value}, where="test")
        except InputError:
            continue


@pytest.mark.parametrize("name", methods.names())
def test_the_authors_recipe_fits_every_method(name: str) -> None:
    shared = load_protocol("paper")
    own = shared.model_copy(update={"recipe": "authors"})
    method = methods.get(name)
    protocol, hyper = recipe(own, method)
    for key, (value, source) in method.authors.protocol.items():
        section, field = key.split(".")
        assert getattr(getattr(protocol, section), field) == value
        assert source.strip()
    for key, (value, _) in method.authors.hyper.items():
        assert getattr(hyper, key) == value
    assert protocol.overrides == (), "the authors' values are no overrides of the user's"
    assert protocol.identity != shared.identity


def test_what_the_user_sets_stands_over_the_authors_recipe() -> None:
    changes = ["training.epochs=2", "methods.mek.smoothing=0.5", "image.size=96"]
    plain = load_protocol("compact", changes).model_copy(update={"recipe": "authors"})
    protocol, hyper = recipe(plain, methods.get("mek"))
    assert protocol.training.epochs == 2
    assert protocol.training.lr == 3.125e-5
    assert protocol.image.size == 96
    assert protocol.overrides == ("image.size=96", "training.epochs=2")
    assert (hyper.smoothing, hyper.consistency) == (0.5, 0.1)


def test_the_protocols_own_values_do_not_leak_into_the_authors_recipe() -> None:
    protocol = load_protocol("compact").model_copy(
        update={"recipe": "authors", "methods": {"eac": {"consistency": 1.0}}}
    )
    assert recipe(protocol, methods.get("eac"))[1].consistency == 5.0
    shared = protocol.model_copy(update={"recipe": "shared"})
    assert recipe(shared, methods.get("eac"))[1].consistency == 1.0


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("cb", {"beta": 1.0}, "cb.beta: must be from 0.0 to 0.999999"),
        ("mek", {"smoothing": 5.0}, "mek.smoothing: must be from 0 to 1"),
        ("mek", {"consistency": -1.0}, "mek.consistency: must be at least 0"),
        ("soft", {"epsilon": 2.0}, "soft.epsilon"),
        ("rul", {"dropout": 2.0}, "rul.dropout"),
        ("rul", {"embedding": 0}, "rul.embedding: must be at least 1"),
        ("mek", {"smoothing": float("nan")}, "mek.smoothing"),
    ],
)
def test_hyper_parameters_keep_their_bounds(
    name: str, value: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make_hyper(methods.get(name), value)


@pytest.mark.parametrize(
    ("hyper", "message"),
    [({"betta": 1}, "known: beta"), ({"beta": "x"}, "expected float"), ({"beta": True}, "float")],
)
def test_bad_hyper_parameters_are_explained(hyper: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_hyper(methods.get("cb"), hyper)


def test_a_cell_brings_its_protocol_back() -> None:
    protocol = load_protocol("compact", ["training.epochs=2"])
    cell = Cell(
        dataset="d", fingerprint="f", factor=None, split_seed=0, split_hash="h",
        class_counts=(1, 2), protocol=protocol.identity, weights="scratch", method="cb",
        hyper={"beta": 0.9}, seed=0, precision="fp32",
    )  # fmt: skip
    again = Cell.model_validate_json(cell.model_dump_json())
    assert again.id == cell.id
    assert again.protocol.identity == protocol.identity
    assert tomllib.loads(f"x = {again.protocol.training.lr}")["x"] == protocol.training.lr


# Values that are added once cells are stored.


def test_a_later_field_of_a_cell_counts_only_where_it_departs() -> None:
    class LaterCell(Cell):
        adjust: Annotated[float, LATER] = 0.0

    cell = made_cell("cb")
    values = cell.model_dump()
    assert LaterCell.model_validate(values).id == cell.id
    assert LaterCell.model_validate({**values, "adjust": 0.0}).id == cell.id
    assert LaterCell.model_validate({**values, "adjust": 1.0}).id != cell.id
    stored = LaterCell.model_validate_json(LaterCell.model_validate(values).model_dump_json())
    assert stored.id == cell.id


def test_a_later_value_of_a_protocol_counts_only_where_it_departs() -> None:
    class LaterTraining(TrainingSpec):
        averaging: Annotated[float, LATER] = 0.0

    class LaterProtocol(Protocol):
        training: LaterTraining
        images: Annotated[str, LATER] = "all"

    before = load_protocol("compact")
    values = before.model_dump()
    plain = LaterProtocol.model_validate(values)
    assert plain.identity == before.identity
    assert plain.values_hash == before.values_hash
    training = {**values["training"], "averaging": 0.99}
    for change in ({"images": "clean"}, {"training": training}):
        changed = LaterProtocol.model_validate({**values, **change})
        assert changed.identity != before.identity
        assert changed.values_hash != before.values_hash
        again = LaterProtocol.model_validate(changed.identity)
        assert again.identity == changed.identity


def test_a_later_hyper_parameter_counts_only_where_it_departs() -> None:
    before = methods.get("cb").Hyper

    @dataclass(frozen=True)
    class LaterHyper(before):  # type: ignore[misc, valid-type]
        warm: int = sourced(0, "none: the paper has no warm-up", later=True)

    assert hyper_identity(LaterHyper()) == dataclasses.asdict(before())
    assert hyper_identity(LaterHyper(warm=3)) == {**dataclasses.asdict(before()), "warm": 3}


def test_a_version_that_has_risen_counts() -> None:
    cell = made_cell("cb")
    assert cell.model_copy(update={"method_version": 2}).id != cell.id


@pytest.mark.parametrize(
    ("whose", "weights", "named"),
    [
        ("authors", "sha256:0123", {"BBN", "CE-DRW"}),
        ("authors", "scratch", set()),
        ("shared", "sha256:0123", set()),
    ],
)
def test_a_recipe_from_scratch_on_trained_weights_is_said_before_training(
    whose: str, weights: str, named: set[str]
) -> None:
    protocol = load_protocol("smoke", SHORT).model_copy(update={"recipe": whose})
    chosen = {name: methods.get(name) for name in ("bbn", "eac", "drw")}
    sweep = plan(small_faces(), chosen, [10.0], [0], protocol, weights=weights, precision="fp32")
    notes = [note for note in check_buildable(sweep.cells, sweep) if "from scratch" in note]
    assert {note.split(" train ")[0].split(" of ")[1] for note in notes} == named
