"""Ways to break the code, and what must notice each: the list that tests/mutations.py runs."""

from __future__ import annotations

from dataclasses import dataclass

TRAINER = "trainer"
"""Stands in the place of a method where the code is what all methods are trained by."""


@dataclass(frozen=True)
class Mutation:
    """One change of the source.

    Attributes:
        method: whose results it changes.
        name: what it does.
        file: path in the source tree.
        edits: pairs of old and new text; each old text stands exactly once in the file.
        caught_by: the guards that go red, in the order of the table.
    """

    method: str
    name: str
    file: str
    edits: tuple[tuple[str, str], ...]
    caught_by: tuple[str, ...]

    @property
    def label(self) -> str:
        return f"{self.method}: {self.name}"


WEIGHTS = "methods/functional/weights.py"
NOISE = "methods/functional/noise.py"
RAMPS = "methods/functional/ramps.py"
SAMPLING = "methods/functional/sampling.py"
MIXING = "methods/functional/mixing.py"
TARGETS = "methods/functional/targets.py"
ATTENTION = "methods/functional/attention.py"
LOOP = "benchmark/engine/trainer.py"
OPTIMISER = "benchmark/engine/optim.py"

BOTH = ("curves", "unit")
CURVES = ("curves",)
UNIT = ("unit",)


def _of(
    method: str, name: str, old: str, new: str, caught_by: tuple[str, ...], file: str | None = None
) -> Mutation:
    return Mutation(method, name, file or f"methods/{method}.py", ((old, new),), caught_by)


_BASELINE = (
    _of("baseline", "sum for mean", "batch.label))", 'batch.label, reduction="sum"))', CURVES),
    _of("baseline", "labels smoothed", "batch.label))", "batch.label, label_smoothing=0.1))",
        CURVES),
    _of("baseline", "head without bias", "task.num_classes)", "task.num_classes, bias=False)",
        CURVES),
    _of("baseline", "largest feature of a map instead of its mean", "maps.mean(dim=(2, 3))",
        "maps.amax(dim=(2, 3))", CURVES, "benchmark/models/backbone.py"),
)  # fmt: skip

_CB = (
    _of("cb", "weights dropped", ' * weights[labels]).mean()', ").mean()", BOTH, WEIGHTS),
    _of("cb", "weights inverted", "batch.label, self.class_weights",
        "batch.label, 1 / self.class_weights", CURVES),
    _of("cb", "divided by the sum of weights",
        '(F.cross_entropy(logits, labels, reduction="none") * weights[labels]).mean()',
        "F.cross_entropy(logits, labels, weight=weights)", BOTH, WEIGHTS),
    _of("cb", "another beta than asked for", "task.class_counts, hyper.beta",
        "task.class_counts, 0.9", CURVES),
    _of("cb", "weights not scaled to K", "weights / weights.sum() * len(n)", "weights", BOTH,
        WEIGHTS),
)  # fmt: skip

_RANK = "rank_regularization(importance, self.hyper.high_share, self.rank_margin)"
_SCN = (
    _of("scn", "rank term dropped", _RANK, "importance.sum() * 0.0", CURVES),
    _of("scn", "rank term's sign flipped", _RANK, f"-{_RANK}", CURVES),
    _of("scn", "ranked from the least important", ".sort(descending=True)", ".sort()", BOTH,
        NOISE),
    _of("scn", "never relabelled", "if self.relabels(progress):", "if False:", BOTH),
    _of("scn", "relabelled from the first epoch on", "max(2, math", "max(1, math", BOTH),
    _of("scn", "relabel margin's sign flipped", "given > margin", "given > -margin", BOTH,
        NOISE),
    _of("scn", "relabel margin not strict", "given > margin", "given >= margin", UNIT, NOISE),
    _of("scn", "relabel margin ignored", "self.hyper.relabel_margin)", "0.0)", CURVES),
    _of("scn", "logits not weighted", "importance * self.head", "self.head", CURVES),
    _of("scn", "new labels not used", "self.labels[batch.index]\n", "batch.label\n", CURVES),
)  # fmt: skip

_ALPHA = "bilateral_alpha(progress.epoch + 1, progress.epochs)"
_STREAMS = (
    "self.conventional, batch.images)\n        reversed_ = self.branch(self.rebalancing, "
    "batch.second.images)",
    "self.conventional, batch.second.images)\n        reversed_ = self.branch(self.rebalancing, "
    "batch.images)",
)
_BBN = (
    _of("bbn", "alpha always 1", _ALPHA, "1.0", CURVES),
    _of("bbn", "alpha always 0.5", _ALPHA, "0.5", BOTH),
    _of("bbn", "alpha falls linearly", "/ max_epoch) ** 2", "/ max_epoch)", BOTH, RAMPS),
    _of("bbn", "streams swapped", *_STREAMS, CURVES),
    _of("bbn", "reversed sampler favours frequent classes", "1.0 / positive_counts(counts)",
        "positive_counts(counts)", BOTH, SAMPLING),
    _of("bbn", "reversed sampler uniform over classes", ", p=probabilities / probabilities.sum()",
        "", CURVES, "benchmark/data/batches.py"),
    _of("bbn", "factor 2 dropped", "2.0 * torch.cat", "torch.cat", CURVES),
    _of("bbn", "both branches are one block", "copy.deepcopy(blocks[-1])", "blocks[-1]", BOTH),
    _of("bbn", "both streams through one branch", "self.branch(self.rebalancing,",
        "self.branch(self.conventional,", CURVES),
    _of("bbn", "one branch predicts", "in (self.conventional, self.rebalancing)",
        "in (self.conventional, self.conventional)", CURVES),
)  # fmt: skip

_HALVES = (
    "own_label=0.5 * F.cross_entropy(logits, batch.label),\n"
    "            partner_label=0.5 * F.cross_entropy(logits, batch.label[partner]),"
)
_SHARES = (
    "own_label=(F.cross_entropy(logits, batch.label, reduction='none') * uncertainty"
    " / (uncertainty + uncertainty[partner])).mean(),\n"
    "            partner_label=(F.cross_entropy(logits, batch.label[partner], reduction='none')"
    " * uncertainty[partner] / (uncertainty + uncertainty[partner])).mean(),"
)
_MIXED = "a / (a + b) * features + b / (a + b) * features[permutation]"
_RUL = (
    _of("rul", "labels weighed as the mixture", _HALVES, _SHARES, CURVES),
    _of("rul", "partner's label dropped", "batch.label[partner]", "batch.label", CURVES),
    _of("rul", "no mixing", "uncertainty_mixup(self.mu(maps), uncertainty, partner)",
        "self.mu(maps)", CURVES),
    _of("rul", "the less uncertain weighs more", _MIXED,
        "b / (a + b) * features + a / (a + b) * features[permutation]", BOTH, MIXING),
    _of("rul", "no gradient into uncertainty", ".exp().mean(dim=1)", ".exp().mean(dim=1).detach()",
        CURVES),
    _of("rul", "uncertainty averaged before exp", ".exp().mean(dim=1)", ".mean(dim=1).exp()",
        CURVES),
    _of("rul", "classifier learns no faster", "head=False, lr_scale=scale", "head=False", BOTH),
)  # fmt: skip

_TAUGHT = "self.hyper.consistency * ramp * divergence"
_RAMP = "sigmoid_rampup(progress.epoch, self.hyper.rampup * progress.epochs)"
_SOFT = (
    _of("soft", "consistency dropped", _TAUGHT, "0.0 * divergence", CURVES),
    _of("soft", "consistency's sign flipped", _TAUGHT, f"-{_TAUGHT}", BOTH),
    _of("soft", "teacher never moves", "1.0 - decay", "0.0", BOTH),
    _of("soft", "teacher's decay does not begin low", "min(1.0 - 1.0 / (step + 1), decay)", "decay",
        BOTH, RAMPS),
    Mutation(
        "soft",
        "gradient into the teacher",
        "methods/soft.py",
        (
            ("        self.teacher_backbone.requires_grad_(False)\n", ""),
            ("        self.teacher_head.requires_grad_(False)\n", ""),
            ("torch.no_grad():\n            # In", "torch.enable_grad():\n            # In"),
        ),
        BOTH,
    ),
    _of("soft", "student teaches itself", "self.teach(teacher_view).softmax", "logits.softmax",
        BOTH),
    _of("soft", "student predicts", "return self.teach(images)",
        "return self.head(self.backbone(images))", BOTH),
    _of("soft", "divergence averaged over classes too", '"batchmean"', '"mean"', CURVES),
    _of("soft", "ramp always 0", _RAMP, "0.0", CURVES),
    _of("soft", "ramp always 1", _RAMP, "1.0", BOTH),
    _of("soft", "smoothing without renormalisation", "kept / kept.sum(dim=1, keepdim=True)", "kept",
        BOTH, TARGETS),
)  # fmt: skip

_WEIGHED = "self.hyper.consistency * consistency"
_MIRRORED = "class_attention_maps(mirrored, self.head.weight)"


def _attention(method: str) -> tuple[Mutation, ...]:
    """What can go wrong with the attention consistency of EAC and of MEK alike."""
    return (
        _of(method, "consistency dropped", _WEIGHED, "0.0 * consistency", BOTH),
        _of(method, "consistency's sign flipped", _WEIGHED, f"-{_WEIGHED}", BOTH),
        _of(method, "mirrored map not mirrored back", "mirrored_maps.flip(-1)", "mirrored_maps",
            BOTH, ATTENTION),
        _of(method, "gradient stopped at the mirrored map", _MIRRORED, f"{_MIRRORED}.detach()",
            CURVES),
        _of(method, "gradient into the classifier", "classifier_weight.detach()",
            "classifier_weight", BOTH, ATTENTION),
    )  # fmt: skip


_EAC = (
    *_attention("eac"),
    _of("eac", "sum for mean", "return squared.mean()", "return squared.sum()", BOTH, ATTENTION),
    _of("eac", "cross-entropy of the mirrored image", "self.classify(features)",
        "self.classify(mirrored)", CURVES),
)  # fmt: skip

_TARGETS = "batch.label, self.class_weights, self.hyper.smoothing"
_MEK = (
    *_attention("mek"),
    _of("mek", "class weights dropped from consistency", "            self.class_weights,\n",
        "            self.class_weights**0,\n", CURVES),
    _of("mek", "mean over classes", "* class_weights).sum(dim=1).mean()", "* class_weights).mean()",
        BOTH, ATTENTION),
    _of("mek", "weights N / (7 n_c)", "(10.0 * n)", "(7.0 * n)", BOTH, WEIGHTS),
    _of("mek", "smoothing spread uniformly", _TARGETS,
        "batch.label, self.class_weights**0, self.hyper.smoothing", CURVES),
    _of("mek", "smoothing towards frequent classes", _TARGETS,
        "batch.label, 1 / self.class_weights, self.hyper.smoothing", CURVES),
    _of("mek", "no smoothing", _TARGETS, "batch.label, self.class_weights, 0.0", CURVES),
)  # fmt: skip

_TRAINER = (
    _of(TRAINER, "gradient not clipped", "if clip:", "if False:", CURVES, LOOP),
    _of(TRAINER, "gradients kept from step to step",
        "        self.optimizer.zero_grad(set_to_none=True)\n", "", CURVES, LOOP),
    _of(TRAINER, "learning rate follows no schedule", "set_rate(self.optimizer, factor)",
        "set_rate(self.optimizer, 1.0)", CURVES, LOOP),
    _of(TRAINER, "after_step not called",
        "self.method.after_step(Progress(", "_ = (Progress(", CURVES, LOOP),
    _of(TRAINER, "randomness within a step not seeded",
        '        torch.manual_seed(derive(self.cell.seed, "step", progress.step))\n', "", CURVES,
        LOOP),
    _of(TRAINER, "weight decay on vectors", "p.ndim <= 1", "p.ndim < 1", CURVES, OPTIMISER),
    _of(TRAINER, "heads learn as the backbone", "spec.head_lr if group.head else spec.lr",
        "spec.lr", CURVES, OPTIMISER),
    _of(TRAINER, "no momentum", "momentum=_MOMENTUM", "momentum=0.0", CURVES, OPTIMISER),
    _of(TRAINER, "evaluation in training mode", "    method.eval()\n", "", CURVES,
        "benchmark/engine/evaluate.py"),
)  # fmt: skip

MUTATIONS = (*_BASELINE, *_CB, *_SCN, *_BBN, *_RUL, *_SOFT, *_EAC, *_MEK, *_TRAINER)

REORDERED = (
    _of("baseline", "cross-entropy in two steps",
        "F.cross_entropy(self.predict(batch.images), batch",
        "F.nll_loss(self.predict(batch.images).log_softmax(dim=1), batch", ()),
    _of("cb", "weights first",
        '(F.cross_entropy(logits, labels, reduction="none") * weights[labels])',
        '(weights[labels] * F.cross_entropy(logits, labels, reduction="none"))', (), WEIGHTS),
    _of("scn", "importance last", "importance * self.head(features)",
        "self.head(features) * importance", ()),
    _of("bbn", "alpha last", "=alpha * F.cross_entropy(logits, batch.label)",
        "=F.cross_entropy(logits, batch.label) * alpha", ()),
    _of("rul", "partner first", _MIXED,
        "b / (a + b) * features[permutation] + a / (a + b) * features", (), MIXING),
    _of("soft", "divergence first", _TAUGHT, "divergence * ramp * self.hyper.consistency", ()),
    _of("eac", "difference turned round", "(maps - mirrored_maps.flip(-1))",
        "(mirrored_maps.flip(-1) - maps)", (), ATTENTION),
    _of("mek", "divided twice", "n.sum() / (10.0 * n)", "n.sum() / n / 10.0", (), WEIGHTS),
)  # fmt: skip
"""Other ways to write the same formulas: no guard may notice them."""
