"""Every method against its stored losses, and that the comparison finds what it should."""

from __future__ import annotations

import dataclasses
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import methods
from benchmark.errors import InputError
from benchmark.gate import curves
from benchmark.gate.curves import (
    SLACK,
    TOLERANCE,
    Curve,
    CurveCheck,
    compare_curves,
    load_curves,
    save_curves,
    stored_curves,
)
from benchmark.gate.first_losses import first_losses
from methods import functional, scn, soft
from methods.cb import CB
from methods.registry import BUILT_IN

STORED = load_curves(stored_curves())


@pytest.mark.parametrize("name", methods.names())
def test_a_method_computes_what_it_did(name: str) -> None:
    assert name in STORED or name not in BUILT_IN, "a method of this package has a stored curve"
    found = compare_curves(STORED, [first_losses(methods.get(name))])
    assert not found, "\n".join(map(str, found))


def test_what_tells_methods_apart_acts_in_the_stored_steps() -> None:
    terms = {name: curve.terms for name, curve in STORED.items()}
    assert {len(values) for named in terms.values() for values in named.values()} == {15}
    assert terms["bbn"]["rebalancing"][0] == 0, "alpha begins at 1"
    assert min(terms["bbn"]["rebalancing"][5:]) > 0.2, "and falls by iteration"
    assert max(terms["scn"]["rank"]) > 0.2
    assert max(terms["soft"]["consistency"][:5]) < 0.01, "the ramp begins near 0"
    assert min(terms["soft"]["consistency"][5:]) > 0.2
    for name in ("eac", "mek"):
        assert min(terms[name]["consistency"]) > 0.3, name
    plain = terms["baseline"]["cross_entropy"]
    weighted = terms["drw"]["cross_entropy"]
    assert weighted[:10] == pytest.approx(plain[:10], rel=TOLERANCE)
    assert abs(weighted[10] - plain[10]) > 0.1, "weighted in the last epoch"
    assert terms["rul"]["own_label"][0] != terms["rul"]["partner_label"][0], "partners are others"


def test_decisions_stand_far_from_their_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounding, about 1e-7 of a probability, must not choose labels and targets."""
    changed, gaps = 0, [1.0]

    def relabel(p: torch.Tensor, labels: torch.Tensor, margin: float) -> torch.Tensor:
        nonlocal changed
        new = functional.relabel(p, labels, margin)
        changed += int((new != labels).sum())
        top = p.topk(2, dim=1).values
        given = p.gather(1, labels[:, None]).squeeze(1)
        gaps.append(float((top[:, 0] - given - margin).abs().min()))
        moved = new != labels  # where the second best is close, it might have been taken
        gaps.extend((top[moved, 0] - top[moved, 1]).tolist())
        return new

    def smooth(p: torch.Tensor, tau: float, epsilon: float) -> torch.Tensor:
        gaps.append(float((p - tau).abs().min()))
        return functional.soft_label_smoothing(p, tau, epsilon)

    monkeypatch.setattr(scn, "relabel", relabel)
    monkeypatch.setattr(soft, "soft_label_smoothing", smooth)
    first_losses(scn.SCN)
    first_losses(soft.SOFT)
    assert changed > 10, "labels that SCN changed count in the last epoch"
    assert min(gaps) > 1e-5


PLAINER = (
    {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
    {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
)
TRAIN_ALL = """
import sys, methods
from pathlib import Path
from benchmark.gate.curves import save_curves
from benchmark.gate.first_losses import first_losses
from methods.registry import BUILT_IN
save_curves(Path(sys.argv[1]), [first_losses(methods.get(name)) for name in BUILT_IN])
"""


@pytest.mark.exhaustive
@pytest.mark.parametrize("plainer", PLAINER, ids=lambda kernels: kernels["ATEN_CPU_CAPABILITY"])
def test_the_kernels_of_plainer_processors_agree_five_times_over(
    plainer: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "curves.json"
    subprocess.run(
        [sys.executable, "-c", TRAIN_ALL, str(path)], env={**os.environ, **plainer}, check=True
    )
    new = load_curves(path)
    assert new.keys() == STORED.keys()
    assert any(new[name].terms != STORED[name].terms for name in new), "nothing was rounded anew"
    monkeypatch.setattr(curves, "TOLERANCE", TOLERANCE / 5)
    monkeypatch.setattr(curves, "SLACK", SLACK / 5)
    assert compare_curves(STORED, new.values()) == []


def test_training_for_a_curve_leaves_the_process_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    threads = torch.get_num_threads()
    first_losses(CB)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


def made(**changes: object) -> Curve:
    plain = Curve(
        method="cb",
        version=1,
        setting={"protocol": "smoke v1", "overrides": ["training.lr=0.01"], "seed": 0},
        terms={"a": (2.0, 1.5, 1.0), "b": (0.0, 1e-3, 0.5)},
        test={"cross_entropy": 1.9, "mean_abs_logit": 0.2},
        provenance={"torch": "2.0"},
    )
    return dataclasses.replace(plain, **changes)


def reason(new: Curve) -> str:
    (finding,) = compare_curves({"cb": made()}, [new])
    assert finding.method == "cb"
    assert "\n" not in str(finding)
    return str(finding)


def test_the_first_step_and_term_that_leave_are_named() -> None:
    later = {"a": (2.0, 1.5, 1.1), "b": (0.0, 2e-3, 0.5)}
    assert reason(made(terms=later)) == "cb: b at step 2 is 0.002, stored is 0.001"
    assert "a at step 1 is nan" in reason(made(terms=made().terms | {"a": (math.nan, 1.5, 1.0)}))
    assert "b at step 1 is 1e-05" in reason(made(terms=made().terms | {"b": (1e-5, 1e-3, 0.5)}))
    other = made(test={"cross_entropy": 1.9, "mean_abs_logit": 0.21})
    assert reason(other) == "cb: mean_abs_logit on the test images is 0.21, stored is 0.2"
    fewer = made(terms={"a": (2.0, 1.5)})
    assert reason(fewer) == "cb: the terms are a of 2 steps, stored are a of 3 steps, b of 3 steps"


def test_rounding_is_no_finding() -> None:
    near = made(
        terms={
            "a": tuple(value * (1 + 0.99 * TOLERANCE) for value in made().terms["a"]),
            "b": (0.99 * SLACK, 1e-3, 0.5),
        },
        provenance={"torch": "3.0"},
    )
    assert compare_curves({"cb": made()}, [near]) == []
    beyond = made(terms=made().terms | {"a": (2.0, 1.5, 1.0 + 1.1 * TOLERANCE + SLACK)})
    assert "a at step 3" in reason(beyond)


def test_a_stale_curve_asks_to_be_refreshed() -> None:
    assert reason(made(version=2)) == (
        "cb: the stored curve is of version 1, the method is version 2: "
        "refresh with 'fer-bench check --curves --update --reason ...'"
    )
    changed = made(setting=dict(made().setting) | {"seed": 1, "factor": 2})
    assert "was trained with another factor, seed: refresh" in reason(changed)


def test_a_method_without_a_stored_curve_is_not_judged() -> None:
    assert compare_curves({}, [made()]) == []
    assert compare_curves(STORED, []) == []
    assert str(CurveCheck("x", "y")) == "x: y"


def test_curves_are_read_as_they_were_written(tmp_path: Path) -> None:
    path, again = tmp_path / "curves.json", tmp_path / "again.json"
    save_curves(path, [made(), made(method="baseline")])
    assert load_curves(path) == {name: made(method=name) for name in ("baseline", "cb")}
    save_curves(again, reversed(load_curves(path).values()))
    assert again.read_bytes() == path.read_bytes()
    save_curves(again, STORED.values())
    assert again.read_bytes() == stored_curves().read_bytes(), "nobody wrote it by hand"


def test_files_that_hold_no_curves_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "curves.json"
    with pytest.raises(InputError, match="cannot be read"):
        load_curves(path)
    for text in ("", "[]", "{}", '{"schema": 9}', '{"schema": 1, "setting": 1}'):
        path.write_text(text)
        with pytest.raises(InputError, match="holds no loss curves"):
            load_curves(path)
    with pytest.raises(InputError, match="of one setting"):
        save_curves(path, [made(), made(method="mek", setting={})])
