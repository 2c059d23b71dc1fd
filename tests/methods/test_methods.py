"""The contract on every registered method, and what is particular to each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import methods
from benchmark.errors import InputError
from benchmark.models.backbone import Backbone
from methods import contract, registry
from methods.base import Method, Progress
from methods.bbn import BBN
from methods.cb import CB
from methods.contract import CHECKS, ToyBackbone, toy_batch, toy_labels, toy_method
from methods.eac import EAC
from methods.functional import bilateral_alpha
from methods.mek import MEK
from methods.rul import RUL
from methods.scn import SCN
from methods.soft import SOFT

EIGHT = ["baseline", "cb", "scn", "bbn", "rul", "soft", "eac", "mek"]
BUILT_IN = list(registry.BUILT_IN)


def test_registry() -> None:
    assert methods.names()[:8] == EIGHT
    assert methods.get("MEK") is methods.get("ours") is methods.get("methods.mek:MEK") is MEK
    for name in BUILT_IN:
        assert methods.get(name).info.name == name
        assert methods.get(name.upper().replace("_", "-")) is methods.get(name)


def test_sets_of_methods() -> None:
    assert registry.members("Paper") == EIGHT
    longtail = registry.members("longtail")
    assert longtail is not None
    assert [*EIGHT, *longtail] == BUILT_IN
    assert registry.members("all") == methods.names()
    assert registry.members("mek") is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("baselin", "did you mean 'baseline'"),
        ("zzz", "known: baseline, cb"),
        ("zzz", "sets: paper, longtail, all"),
        ("longtial", "did you mean 'longtail'"),
        ("logit-adjustmen", "did you mean 'logit_adjustment'"),
        ("methods.mek:Nope", "cannot import"),
        ("no.such.module:X", "cannot import"),
        ("methods.base:Task", "not a subclass"),
    ],
)
def test_registry_explains_unknown_names(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        methods.get(name)


@pytest.mark.parametrize("name", methods.names())
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_contract(check: object, name: str) -> None:
    assert contract.failure(check, methods.get(name)) is None  # type: ignore[arg-type]


class _Forgetful(methods.get("baseline")):  # type: ignore[misc]
    """Leaves its head out of the groups and predicts from batch statistics."""

    def parameter_groups(self):  # type: ignore[no-untyped-def]
        return super().parameter_groups()[:1]

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        logits = super().predict(images)
        return logits - logits.mean(dim=0)

    @classmethod
    def sampling(cls, hyper):  # type: ignore[no-untyped-def]
        return lambda counts, epoch, epochs: torch.tensor(counts) / max(counts)


def test_contract_finds_what_is_wrong() -> None:
    failed = {c.__name__ for c in CHECKS if contract.failure(c, _Forgetful)}
    assert {"check_groups_cover", "check_predict_is_a_function", "check_sampling"} <= failed


def batch_of(method: type[Method], n: int = 64) -> contract.Batch:
    return toy_batch(method, torch.arange(n), toy_labels(64, 7)[:n], 7)


def test_scn_relabels_its_own_buffer_and_not_in_the_first_epochs() -> None:
    built = toy_method(SCN).train()
    assert isinstance(built, SCN)
    torch.nn.init.zeros_(built.head.weight)
    built.head.bias.data = torch.tensor([0.0, 0.0, 0.0, 40.0, 0.0, 0.0, 0.0])
    torch.nn.init.constant_(built.importance.bias, 5.0)
    batch = batch_of(SCN, 10)
    before = built.labels.clone()
    built.loss(batch, Progress(epoch=0, epochs=4, step=0))
    assert torch.equal(built.labels, before)
    built.loss(batch, Progress(epoch=1, epochs=4, step=10))
    assert built.labels[:10].tolist() == [3] * 10
    assert torch.equal(built.labels[10:], before[10:])
    assert torch.equal(batch.label, before[:10]), "the batch itself is left as it was"


@pytest.mark.parametrize(("epochs", "first"), [(70, 10), (60, 9), (4, 2), (1, 2)])
def test_scn_relabels_from_the_first_seventh_on(epochs: int, first: int) -> None:
    built = toy_method(SCN)
    assert isinstance(built, SCN)
    starts = [e for e in range(1, 100) if built.relabels(Progress(e - 1, epochs, 0))]
    assert starts[0] == first


@pytest.mark.parametrize(("share", "epochs"), [(0.07, 100), (0.14, 50), (0.55, 100)])
def test_scn_counts_epochs_free_of_rounding(share: float, epochs: int) -> None:
    """0.07 * 100 is a little more than 7 in floating point."""
    built = toy_method(SCN)
    assert isinstance(built, SCN)
    built.hyper = replace(built.hyper, relabel_after=share)
    first = round(share * epochs)
    assert built.relabels(Progress(first - 1, epochs, 0))
    assert not built.relabels(Progress(first - 2, epochs, 0))


def test_scn_takes_its_margin_from_the_batch_size() -> None:
    small, large = toy_method(SCN, n=64), toy_method(SCN, n=256)
    assert isinstance(small, SCN)
    assert isinstance(large, SCN)
    assert (small.rank_margin, large.rank_margin) == (0.07, 0.15)


def test_soft_teacher_follows_after_the_step_and_is_what_predicts() -> None:
    built = toy_method(SOFT).train()
    assert isinstance(built, SOFT)
    teacher = [p.clone() for p in built.teacher_head.parameters()]
    student = [p.clone() for p in built.head.parameters()]
    built.after_step(Progress(0, 10, 1))
    for now, was, target in zip(built.teacher_head.parameters(), teacher, student, strict=True):
        torch.testing.assert_close(now, 0.5 * was + 0.5 * target)
    images = batch_of(SOFT).images
    built.eval()
    torch.testing.assert_close(built.predict(images), built.teach(images))


def test_soft_teacher_keeps_its_own_batch_norm_statistics() -> None:
    built = toy_method(SOFT).train()
    assert isinstance(built, SOFT)
    built.loss(batch_of(SOFT), Progress(0, 10, 0))
    own = dict(built.teacher_backbone.named_buffers())
    students = dict(built.backbone.named_buffers())
    name = "blocks.0.norm.running_mean"
    assert own[name].any()
    assert not torch.equal(own[name], students[name]), "each saw its own view"
    kept = own[name].clone()
    built.after_step(Progress(0, 10, 1))
    assert torch.equal(own[name], kept)
    assert all(p.grad is None for p in built.teacher_backbone.parameters())


@pytest.mark.parametrize(("steps", "decay"), [(15360, 0.999), (10**6, 0.999), (160, 0.904), (9, 0)])
def test_soft_teacher_remembers_the_same_share_of_any_training(steps: int, decay: float) -> None:
    built = toy_method(SOFT).train()
    assert isinstance(built, SOFT)
    was, target = built.teacher_head.bias.clone(), built.head.bias.clone()
    built.after_step(Progress(9, 10, 10**6, steps))
    torch.testing.assert_close(built.teacher_head.bias, decay * was + (1 - decay) * target)


def test_bbn_alpha_moves_within_an_epoch() -> None:
    shares = []
    for step in (0, 30, 35, 40):
        built = toy_method(BBN).train()
        parts = built.loss(batch_of(BBN), Progress(step // 10, 10, step, 100))
        heads = parts.terms["rebalancing"] / parts.total
        shares.append(float(heads.detach()))
        passed = step / 100
        assert bilateral_alpha(1 + 10 * passed, 10) == pytest.approx(1 - passed**2)
    assert shares == sorted(set(shares)), "steps 30 and 35 stand in one epoch"


def test_mek_sees_mirrored_faces_and_eac_does_not() -> None:
    assert MEK.mirror_first
    assert not EAC.mirror_first


def test_mek_weights_to_a_power_and_a_sum() -> None:
    labels = toy_labels(64, 7)
    counts = torch.bincount(labels)
    task = contract.Task(7, tuple(counts.tolist()), labels, batch_size=64, map_size=(4, 4))
    plain = 64 / (10 * counts)
    for power, total in ((0.5, 0.0), (0.5, 7.0), (1.0, 3.0), (0.0, 0.0)):
        built = MEK(ToyBackbone(), task, MEK.Hyper(weight_power=power, weight_sum=total))
        expected = plain**power
        if total:
            expected = expected / expected.sum() * total
        torch.testing.assert_close(built.class_weights, expected)


def test_bbn_branches_start_alike_and_the_first_epoch_ignores_the_second() -> None:
    built = toy_method(BBN).train()
    assert isinstance(built, BBN)
    blocks = (built.conventional.state_dict(), built.rebalancing.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(*(b.values() for b in blocks), strict=True))
    parts = built.loss(batch_of(BBN), Progress(0, 10, 0))
    assert parts.terms["rebalancing"] == 0
    torch.autograd.backward(parts.total)
    gradients = [p.grad for p in built.rebalancing.parameters()]
    assert not any(g.any() for g in gradients if g is not None)


def test_bbn_says_that_a_backbone_has_no_separable_block() -> None:
    class Whole(ToyBackbone):
        last_stage_blocks = Backbone.last_stage_blocks

    task = contract.Task(7, (1,) * 7, torch.arange(7), batch_size=7, map_size=(4, 4))
    with pytest.raises(InputError, match="no last residual block"):
        BBN(Whole(), task, BBN.Hyper())


def test_rul_classifier_learns_ten_times_as_fast() -> None:
    built = toy_method(RUL)
    assert isinstance(built, RUL)
    scales = {
        id(p): (group.head, group.lr_scale)
        for group in built.parameter_groups()
        for p in group.parameters
    }
    assert scales[id(built.classifier.weight)] == (False, 10.0)
    assert scales[id(next(built.backbone.parameters()))] == (False, 1.0)
    assert scales[id(built.mu.linear.weight)] == (False, 1.0), "whatever new layers take"
    assert scales[id(built.log_variance.linear.weight)] == (False, 1.0)


def test_class_weights_come_from_the_set_at_hand() -> None:
    counts = torch.bincount(toy_labels(64, 7)).double()
    mek, cb = toy_method(MEK), toy_method(CB)
    assert isinstance(mek, MEK)
    assert isinstance(cb, CB)
    torch.testing.assert_close(mek.class_weights.double(), counts.sum() / (10 * counts))
    torch.testing.assert_close(cb.class_weights.sum(), torch.tensor(7.0))


@pytest.mark.parametrize("method", [EAC, MEK], ids=["eac", "mek"])
def test_attention_never_reaches_the_classifier(method: type[EAC] | type[MEK]) -> None:
    built = toy_method(method).train()
    assert isinstance(built, method)
    parts = built.loss(batch_of(method), Progress(0, 10, 0))
    torch.autograd.backward(parts.terms["consistency"])
    assert built.head.weight.grad is None
    assert built.backbone.stem.weight.grad is not None  # type: ignore[union-attr]
    assert parts.terms["consistency"] > 0


@pytest.mark.parametrize("backbone", ["dlib-face", "resnet18", "test_vit", "test_convnext"])
@pytest.mark.parametrize("name", BUILT_IN)
def test_every_method_works_on_every_kind_of_backbone(name: str, backbone: str) -> None:
    from benchmark.models.build import build_backbone

    size = {"test_vit": 32, "test_convnext": 64}.get(backbone, 48)
    built_on = build_backbone(backbone, size)
    maps = built_on.eval().maps(torch.zeros(1, 3, size, size))
    labels = torch.arange(8)
    task = contract.Task(8, (1,) * 8, labels, batch_size=8, map_size=tuple(maps.shape[2:]))
    method = methods.get(name)
    if name == "bbn" and backbone in ("test_vit", "test_convnext"):
        with pytest.raises(InputError, match="no last residual block"):
            method(built_on, task, method.Hyper())
        return
    built = method(built_on, task, method.Hyper()).train()
    small = toy_batch(method, labels, labels, 8)

    def enlarge(images: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.interpolate(images, (size, size))

    second = small.second
    if second is not None:
        second = contract.Stream(second.index, second.label, enlarge(second.images))
    batch = contract.Batch(labels, labels, tuple(map(enlarge, small.views)), second)
    parts = built(batch, Progress(3, 10, 30))
    stage = method.second_stage(method.Hyper())
    if stage is None or stage.epochs:  # else nothing is trained
        torch.autograd.backward(parts.total)
    assert torch.isfinite(parts.total)
    assert built.eval().predict(batch.images).shape == (8, 8)


def test_a_method_of_another_package_joins_by_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theirs.py").write_text(
        "import dataclasses\n"
        "from methods.cb import CB\n"
        "class Theirs(CB):\n"
        "    info = dataclasses.replace(CB.info, name='theirs')\n"
        "class Impostor(CB):\n"
        "    pass\n"
        "class Loud(CB):\n"
        "    info = dataclasses.replace(CB.info, name='CB-Focal')\n"
    )
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[fer_bench.methods]\ntheirs = theirs:Theirs\nmek = theirs:Theirs\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert methods.names() == registry.members("all") == [*BUILT_IN, "theirs"]
    assert methods.get("Theirs").__name__ == "Theirs"
    assert methods.get("mek") is MEK, "ours keep their names"
    with pytest.raises(InputError, match="calls itself 'cb', which is taken"):
        methods.get("theirs:Impostor")
    with pytest.raises(InputError, match="calls itself 'CB-Focal', which is taken"):
        methods.get("theirs:Loud")
    (tmp_path / "broken.py").write_text("1 / 0")
    with pytest.raises(InputError, match=r"cannot import broken:X .*ZeroDivisionError"):
        methods.get("broken:X")
