"""The paper's sentences on attention maps, held against measures with a known truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_records import fill

from benchmark.analysis.answers import Answers
from benchmark.analysis.claims import AnyClaim, load_claims
from benchmark.analysis.decide import FAILS, HOLDS, UNDECIDED
from benchmark.analysis.groups import group_records
from benchmark.analysis.margins import Measured
from benchmark.analysis.published_margins import Published
from benchmark.analysis.verdicts import Verdict, decide_claim
from benchmark.store.attention_file import KeptAttention, pack_measures
from benchmark.store.store import Store

CLAIMS = {claim.id: claim for claim in load_claims()}
MIRRORED, APART, CENTRED = (CLAIMS[f"mek-maps-{name}"] for name in ("mirrored", "apart", "centred"))
TRUTH = {
    "baseline": {"consistency": 0.5, "overlap": 0.7, "outside": 0.4},
    "mek": {"consistency": 0.6, "overlap": 0.8, "outside": 0.4},
}


def made(root: Path, seeds: int, measured: int) -> Store:
    """Baseline and MEK at factor 150; of so many seeds maps are measured, about ``TRUTH``."""
    store = Store(root)
    fill(store, ("baseline", "mek"), (150.0,), seeds)
    rng = np.random.default_rng(0)
    for record in store.records():
        if record.cell.seed >= measured:
            continue
        labels = store.logits(record, ["label"])["label"].astype(np.int64)
        shape = len(labels), len(record.classes)
        measures = {
            name: rng.normal(mean, 0.2, shape) for name, mean in TRUTH[record.cell.method].items()
        }
        measures["outside"][np.arange(len(labels)), labels] = 100  # the image's own class
        KeptAttention(store).put(record, pack_measures(record, labels, measures, (4, 4)))
    return store


def at_150(claim: AnyClaim, store: Store, rule: str = "last") -> Verdict:
    (group,) = group_records(store.records(), rule)
    verdicts = decide_claim(claim, Measured(group, Answers(store, rule)))
    (found,) = [verdict for verdict in verdicts if verdict.factor == "150"]
    return found


def test_several_seeds_decide(tmp_path: Path) -> None:
    store = made(tmp_path, 3, 3)
    mirrored, apart, centred = (at_150(claim, store) for claim in (MIRRORED, APART, CENTRED))
    assert mirrored.verdict == HOLDS
    assert mirrored.effect == pytest.approx(10, abs=0.5)
    assert mirrored.seeds == 3
    assert len(mirrored.records) == 6
    assert apart.verdict == FAILS
    assert apart.effect == pytest.approx(-10, abs=0.5)  # less is asked for
    assert centred.verdict == UNDECIDED
    assert centred.effect == pytest.approx(0, abs=0.5)  # the image's own class does not count
    assert not centred.open


def test_one_seed_says_nothing_of_methods(tmp_path: Path) -> None:
    found = at_150(MIRRORED, made(tmp_path, 1, 1))
    assert found.verdict == UNDECIDED
    assert found.one_seed
    assert "these networks are ahead" in found.reason


def test_what_is_not_measured_is_open(tmp_path: Path) -> None:
    found = at_150(MIRRORED, made(tmp_path, 2, 1))
    assert found.open
    assert "'fer-bench report --detail attention'" in found.reason


def test_maps_are_of_the_last_epoch(tmp_path: Path) -> None:
    found = at_150(MIRRORED, made(tmp_path, 2, 2), "oracle")
    assert found.open
    assert "--select last" in found.reason


def test_the_paper_has_no_numbers() -> None:
    for verdict in decide_claim(APART, Published()):
        assert verdict.open
        assert "figures of attention maps and no numbers" in verdict.reason
