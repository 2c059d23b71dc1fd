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
FOCAL = "methods/functional/focal.py"
MARGINS = "methods/functional/margins.py"
PRIOR = "methods/functional/prior.py"
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
        CURVES, "methods/linear.py"),
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

_ALPHA = "bilateral_alpha(1 + progress.passed, progress.epochs)"
_STREAMS = (
    "self.conventional, batch.images)\n        reversed_ = self.branch(self.rebalancing, "
    "batch.second.images)",
    "self.conventional, batch.second.images)\n        reversed_ = self.branch(self.rebalancing, "
    "batch.images)",
)
_BBN = (
    _of("bbn", "alpha always 1", _ALPHA, "1.0", BOTH),
    _of("bbn", "alpha always 0.5", _ALPHA, "0.5", BOTH),
    _of("bbn", "alpha moves by whole epochs", "1 + progress.passed", "1 + progress.epoch", BOTH),
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
    _of("rul", "heads learn as new layers", "*heads], head=False", "*heads], head=True", BOTH),
)  # fmt: skip

_TAUGHT = "self.hyper.consistency * ramp * divergence"
_RAMP = "sigmoid_rampup(progress.epoch, self.hyper.rampup * progress.epochs)"
_SOFT = (
    _of("soft", "consistency dropped", _TAUGHT, "0.0 * divergence", CURVES),
    _of("soft", "consistency's sign flipped", _TAUGHT, f"-{_TAUGHT}", BOTH),
    _of("soft", "teacher never moves", "1.0 - decay", "0.0", BOTH),
    _of("soft", "memory does not follow the training's length", "if progress.steps:", "if False:",
        BOTH),
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
    _of("eac", "mirrored at random", "views = Views.MIRRORED\n",
        "views = Views.MIRRORED\n    mirror_first = True\n", BOTH),
    _of("eac", "sum for mean", "return squared.mean()", "return squared.sum()", BOTH, ATTENTION),
    _of("eac", "cross-entropy of the mirrored image", "self.classify(features)",
        "self.classify(mirrored)", CURVES),
)  # fmt: skip

_TARGETS = "batch.label, self.class_weights, self.hyper.smoothing"
_MEK = (
    *_attention("mek"),
    _of("mek", "class weights dropped from consistency", "            self.class_weights,\n",
        "            self.class_weights**0,\n", CURVES),
    _of("mek", "not mirrored at random", "mirror_first = True", "mirror_first = False", BOTH),
    _of("mek", "power of the weights ignored", "hyper.weight_power, hyper", "1.0, hyper", UNIT),
    _of("mek", "mean over classes", "* class_weights).sum(dim=1).mean()", "* class_weights).mean()",
        BOTH, ATTENTION),
    _of("mek", "weights N / (7 n_c)", "(10.0 * n)", "(7.0 * n)", BOTH, WEIGHTS),
    _of("mek", "smoothing spread uniformly", _TARGETS,
        "batch.label, self.class_weights**0, self.hyper.smoothing", CURVES),
    _of("mek", "smoothing towards frequent classes", _TARGETS,
        "batch.label, 1 / self.class_weights, self.hyper.smoothing", CURVES),
    _of("mek", "no smoothing", _TARGETS, "batch.label, self.class_weights, 0.0", CURVES),
)  # fmt: skip

_MODULATED = "modulator = torch.exp(gamma * (log_others - log_all))"
_FOCAL = (
    _of("focal", "modulator dropped", "losses = modulator * F.cross", "losses = F.cross", BOTH,
        FOCAL),
    _of("focal", "no gradient through the modulator", _MODULATED, f"{_MODULATED}.detach()", BOTH,
        FOCAL),
    _of("focal", "what is recognised counts more", "log_others - log_all",
        "(-F.cross_entropy(logits, labels, reduction='none'))", BOTH, FOCAL),
    _of("focal", "another gamma than asked for", "self.hyper.gamma)", "2.0)", BOTH),
)  # fmt: skip

_CB_FOCAL = (
    _of("cb_focal", "weights dropped", ", self.hyper.gamma, self.class_weights",
        ", self.hyper.gamma", BOTH),
    _of("cb_focal", "bias starts at 0", "-math.log(task.num_classes - 1)", "0.0", BOTH),
    _of("cb_focal", "mean over classes", "log_rest) * log_pt).sum(dim=1)",
        "log_rest) * log_pt).mean(dim=1)", BOTH, FOCAL),
    _of("cb_focal", "modulator dropped", "torch.exp(gamma * log_rest) * log_pt", "log_pt", BOTH,
        FOCAL),
)  # fmt: skip

_LDAM = (
    _of("ldam", "margins dropped", "scale * shifted", "scale * cosines", BOTH, MARGINS),
    _of("ldam", "margin's sign flipped", "cosines - F.one_hot", "cosines + F.one_hot", BOTH,
        MARGINS),
    _of("ldam", "largest margin for the most frequent class", "(n.min() / n) ** 0.25",
        "(n / n.max()) ** 0.25", BOTH, MARGINS),
    _of("ldam", "never re-weighted", "if self.hyper.drw:", "if False:", BOTH),
    _of("ldam", "rows not of norm 1", "F.linear(_unit(features), _unit(weight))",
        "F.linear(_unit(features), weight)", BOTH, MARGINS),
    _of("ldam", "plain cosines predicted", "self.hyper.scale * self.cosines", "self.cosines",
        BOTH),
)  # fmt: skip

_WEIGHTED = "F.cross_entropy(logits, batch.label, weight=weights)"
_DRW = (
    _of("drw", "weighted from the first epoch on", "progress.epoch >= start",
        "progress.epoch >= -1", BOTH),
    _of("drw", "never weighted", "if epoch >= start else 0.0", "if False else 0.0", BOTH, WEIGHTS),
    _of("drw", "the last epoch not always weighted", "min(share * epochs - 1e-9, epochs - 1)",
        "share * epochs - 1e-9", BOTH, RAMPS),
    _of("drw", "divided by the batch size", _WEIGHTED,
        '(F.cross_entropy(logits, batch.label, reduction="none") * weights[batch.label]).mean()',
        BOTH),
)  # fmt: skip

_LOGIT_ADJUSTMENT = (
    _of("logit_adjustment", "sign flipped", "logits + adjustment, labels",
        "logits - adjustment, labels", BOTH, PRIOR),
    _of("logit_adjustment", "shares for their logarithm", "tau * (n.log() - n.sum().log())",
        "tau * n / n.sum()", BOTH, PRIOR),
    _of("logit_adjustment", "tau ignored", "task.class_counts, hyper.tau",
        "task.class_counts, 1.0", UNIT),
)  # fmt: skip

_VS = (
    _of("vs", "scale multiplies", "logits / scale + shift", "logits * scale + shift", BOTH, PRIOR),
    _of("vs", "shift dropped", "logits / scale + shift", "logits / scale", BOTH, PRIOR),
    _of("vs", "rare classes not scaled", "(n.max() / n) ** gamma", "(n / n.min()) ** gamma", BOTH,
        PRIOR),
)  # fmt: skip

_SMOOTHED = "(1.0 - s) * F.one_hot(labels, num_classes) + s / num_classes"
_LABEL_SMOOTHING = (
    _of("label_smoothing", "no smoothing", "self.hyper.smoothing)", "0.0)", BOTH),
    _of("label_smoothing", "nothing for the label itself", _SMOOTHED,
        "torch.where(F.one_hot(labels, num_classes) > 0, 1.0 - s, s / (num_classes - 1))", BOTH,
        TARGETS),
    _of("label_smoothing", "the label keeps all", _SMOOTHED,
        "F.one_hot(labels, num_classes) + s / num_classes", BOTH, TARGETS),
)  # fmt: skip

_IMAGES = "lam * images + (1.0 - lam) * images[permutation]"
_MIXUP = (
    _of("mixup", "labels not mixed", "self.label_share(batch.label, partner, lam), self",
        "1.0, self", BOTH),
    _of("mixup", "images not mixed", "mixup(batch.images, partner, lam)", "batch.images", BOTH),
    _of("mixup", "images mixed the other way round", _IMAGES,
        "(1.0 - lam) * images + lam * images[permutation]", BOTH, MIXING),
    _of("mixup", "remix without effect", "if not self.hyper.remix:", "if True:", UNIT),
    _of("mixup", "remix favours the frequent class", "kappa * n <= partner, 1.0",
        "kappa * n <= partner, 0.0", UNIT, MIXING),
)  # fmt: skip

_BALANCED_SAMPLING = (
    _of("balanced_sampling", "sampled naturally whatever the power",
        "sampling_probabilities(counts, hyper.power)", "sampling_probabilities(counts, 1.0)", BOTH),
    _of("balanced_sampling", "power turned round", "positive_counts(counts) ** power",
        "positive_counts(counts) ** -power", UNIT, SAMPLING),
    _of("balanced_sampling", "progressive without effect", "if hyper.progressive:", "if False:",
        UNIT),
    _of("balanced_sampling", "progressive from balanced to natural",
        "(1.0 - t) * natural + t * balanced", "t * natural + (1.0 - t) * balanced", UNIT, SAMPLING),
)  # fmt: skip

_CRT = (
    _of("crt", "network trained on", "        self.freeze(self.backbone)\n", "", BOTH),
    _of("crt", "norms follow the batches", "            part.eval()\n", "            pass\n", BOTH,
        "methods/base.py"),
    _of("crt", "started from random weights", "if name.startswith(_BACKBONE)", "if False", BOTH),
    _of("crt", "sampled naturally", "sampling_probabilities(counts, 0.0)",
        "sampling_probabilities(counts, 1.0)", BOTH),
    _of("crt", "rate falls as in the first stage", '        "schedule": "cosine",\n', "", CURVES,
        "benchmark/engine/stage.py"),
)  # fmt: skip

_TAU_NORM = (
    _of("tau_norm", "bias kept", "tau_normalized(self.head.weight, self.hyper.tau))",
        "tau_normalized(self.head.weight, self.hyper.tau), self.head.bias)", BOTH),
    _of("tau_norm", "rows as they are", "tau_normalized(self.head.weight, self.hyper.tau)",
        "self.head.weight", BOTH),
    _of("tau_norm", "tau ignored", "self.hyper.tau))", "1.0))", UNIT),
)  # fmt: skip

_TRAINER = (
    _of(TRAINER, "gradient not clipped", "if clip:", "if False:", CURVES, LOOP),
    _of(TRAINER, "gradients kept from step to step",
        "        self.optimizer.zero_grad(set_to_none=True)\n", "", CURVES, LOOP),
    _of(TRAINER, "learning rate follows no schedule", "set_rate(self.optimizer, factor)",
        "set_rate(self.optimizer, 1.0)", CURVES, LOOP),
    _of(TRAINER, "after_step not called",
        "self.method.after_step(replace(", "_ = (replace(", CURVES, LOOP),
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

_PAPER = (*_BASELINE, *_CB, *_SCN, *_BBN, *_RUL, *_SOFT, *_EAC, *_MEK)
_LONGTAIL = (
    *_FOCAL, *_CB_FOCAL, *_LDAM, *_DRW, *_LOGIT_ADJUSTMENT, *_VS, *_LABEL_SMOOTHING, *_MIXUP,
    *_BALANCED_SAMPLING, *_CRT, *_TAU_NORM,
)  # fmt: skip
MUTATIONS = (*_PAPER, *_LONGTAIL, *_TRAINER)

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
    _of("focal", "modulator last", 'modulator * F.cross_entropy(logits, labels, reduction="none")',
        'F.cross_entropy(logits, labels, reduction="none") * modulator', (), FOCAL),
    _of("cb_focal", "modulator last", "torch.exp(gamma * log_rest) * log_pt",
        "log_pt * torch.exp(gamma * log_rest)", (), FOCAL),
    _of("ldam", "root of the root", "(n.min() / n) ** 0.25", "(n.min() / n).sqrt().sqrt()", (),
        MARGINS),
    _of("drw", "logits by name", "F.cross_entropy(logits, batch.label,",
        "F.cross_entropy(input=logits, target=batch.label,", ()),
    _of("logit_adjustment", "logarithm of the share", "n.log() - n.sum().log()",
        "torch.log(n / n.sum())", (), PRIOR),
    _of("vs", "shift first", "logits / scale + shift", "shift + logits / scale", (), PRIOR),
    _of("label_smoothing", "share first", _SMOOTHED,
        "s / num_classes + (1.0 - s) * F.one_hot(labels, num_classes)", (), TARGETS),
    _of("mixup", "partner first", _IMAGES, "(1.0 - lam) * images[permutation] + lam * images", (),
        MIXING),
    _of("balanced_sampling", "shares by multiplication", "powered / powered.sum()",
        "powered * (1.0 / powered.sum())", (), SAMPLING),
    _of("crt", "cross-entropy in two steps", "F.cross_entropy(self.predict(batch.images), batch",
        "F.nll_loss(self.predict(batch.images).log_softmax(dim=1), batch", ()),
    _of("tau_norm", "product written out",
        "F.linear(self.backbone(images), tau_normalized(self.head.weight, self.hyper.tau))",
        "self.backbone(images) @ tau_normalized(self.head.weight, self.hyper.tau).t()", ()),
)  # fmt: skip
"""Other ways to write the same formulas: no guard may notice them."""
