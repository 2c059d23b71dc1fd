"""SOFT: teaching with soft label smoothing (Lukov et al., ECCV 2022)."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.models.backbone import Backbone
from methods.base import (
    Authors,
    Batch,
    Hyper,
    LossParts,
    Method,
    MethodInfo,
    Progress,
    Task,
    Views,
    sourced,
)
from methods.functional import decay_over, ema_decay, sigmoid_rampup, soft_label_smoothing
from methods.search import Linear, Log, LogToOne


@dataclass(frozen=True)
class SOFTHyper(Hyper):
    """Hyper-parameters of SOFT."""

    epsilon: float = sourced(
        0.3,
        "authors' script; the code's default is 0.35",
        low=0,
        high=1,
        search=Linear(0.05, 0.5),
    )
    consistency: float = sourced(
        10.0, "authors' script; the code's default is 5", low=0, search=Log(0.1, 30)
    )
    rampup: float = sourced(1 / 16, "authors' script: 5 of 80 epochs", low=0, search=Log(0.02, 0.5))
    decay: float = sourced(
        0.999,
        "authors' code, over their 15360 steps; fewer steps take a shorter memory",
        low=0,
        high=1,
        search=LogToOne(0.99, 0.9999),
    )


_USUAL_STEPS = 15360
"""Of the authors' training: 80 epochs of RAF-DB's 12271 images, 64 a step."""


class SOFT(Method):
    """A mean teacher whose predictions, smoothed over what it finds implausible, guide a student.

    A class is plausible where its probability exceeds chance, 1 / K. Teacher and student each see
    their own augmentation; the teacher is what is reported. Its memory is the same share of the
    training as in the authors', or in a short one it would be a teacher that has hardly begun.
    """

    info = MethodInfo(
        name="soft",
        title="SOFT",
        venue="ECCV'22",
        paper="Teaching with Soft Label Smoothing for Mitigating Noisy Labels in Facial "
        "Expressions",
        url="https://openreview.net/forum?id=4-4hHse1kh",
        code="https://github.com/toharl/soft",
        version=2,  # the teacher's decay follows the number of steps
    )
    views = Views.TWO
    Hyper = SOFTHyper
    authors = Authors(
        protocol={
            "training.optimizer": ("adam", "authors' code"),
            "training.lr": (1e-4, "authors' code"),
            "training.head_lr": (1e-4, "authors' code: one rate for all"),
            "training.weight_decay": (0.0, "authors' code"),
            "training.schedule": ("constant", "authors' code"),
            "training.clip_norm": (0.0, "authors' code: none"),
            "training.batch_size": (64, "authors' code"),
            "training.epochs": (80, "authors' script"),
        },
    )

    def __init__(self, backbone: Backbone, task: Task, hyper: SOFTHyper) -> None:
        super().__init__(backbone, task, hyper)
        self.head = nn.Linear(backbone.channels, task.num_classes)
        self.importance = nn.Linear(backbone.channels, 1)
        # The same start as the student's backbone; a head of its own, not a copy.
        self.teacher_backbone = copy.deepcopy(backbone)
        self.teacher_head = nn.Linear(backbone.channels, task.num_classes)
        self.teacher_backbone.requires_grad_(False)
        self.teacher_head.requires_grad_(False)

    def loss(self, batch: Batch, progress: Progress) -> LossParts:
        """CE(alpha * z, label) + w(epoch) * KL(smoothed teacher || softmax(z))."""
        student_view, teacher_view = batch.views
        features = self.backbone(student_view)
        logits = self.head(features)
        importance = torch.sigmoid(self.importance(features))
        with torch.no_grad():
            # In training mode: the teacher's batch norms keep statistics of their own.
            teacher = self.teach(teacher_view).softmax(dim=1)
            targets = soft_label_smoothing(teacher, 1 / self.num_classes, self.hyper.epsilon)
        ramp = sigmoid_rampup(progress.epoch, self.hyper.rampup * progress.epochs)
        divergence = F.kl_div(logits.log_softmax(dim=1), targets, reduction="batchmean")
        return LossParts(
            cross_entropy=F.cross_entropy(importance * logits, batch.label),
            consistency=self.hyper.consistency * ramp * divergence,
        )

    def teach(self, images: Tensor) -> Tensor:
        """Return the teacher's logits (B, K); it has no importance weight."""
        logits: Tensor = self.teacher_head(self.teacher_backbone(images))
        return logits

    def after_step(self, progress: Progress) -> None:
        """Move the teacher's parameters towards the student's; buffers are its own."""
        decay = self.hyper.decay
        if progress.steps:
            decay = decay_over(progress.steps, decay, _USUAL_STEPS)
        decay = ema_decay(progress.step, decay)
        pairs = (
            (self.teacher_backbone, self.backbone),
            (self.teacher_head, self.head),
        )
        with torch.no_grad():
            for teacher, student in pairs:
                torch._foreach_lerp_(
                    list(teacher.parameters()), list(student.parameters()), 1.0 - decay
                )

    def predict(self, images: Tensor) -> Tensor:
        """Return the teacher's logits (B, K)."""
        return self.teach(images)
