"""Recipes that several methods' authors share."""

from __future__ import annotations

from methods.base import Authors

LDAM_CODE = Authors(
    protocol={
        "training.optimizer": ("sgd", "LDAM's code: momentum 0.9"),
        "training.lr": (0.1, "LDAM's code, CIFAR"),
        "training.head_lr": (0.1, "LDAM's code: one rate for all"),
        "training.weight_decay": (2e-4, "LDAM's code, CIFAR"),
        "training.decay_vectors": (True, "LDAM's code: all parameters"),
        "training.schedule": ("multistep", "LDAM's code, CIFAR"),
        "training.milestones": ((0.8, 0.9), "LDAM's code: epochs 160 and 180 of 200"),
        "training.gamma": (0.01, "LDAM's code, CIFAR"),
        "training.warmup": (0.025, "LDAM's code: 5 of 200 epochs"),
        "training.clip_norm": (0.0, "LDAM's code: none"),
        "training.batch_size": (128, "LDAM's code, CIFAR"),
        "training.epochs": (200, "LDAM's code, CIFAR"),
    },
    from_scratch=True,
)
"""The long-tailed CIFAR recipe of LDAM's code, which later methods build on."""
