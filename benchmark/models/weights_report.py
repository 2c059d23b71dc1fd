"""What a file of weights is, and which of the usual backbones can start from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.models.published_files import published_as
from benchmark.models.timm_backbone import tensors_of
from benchmark.models.weights_file import WeightsFile, read_weights_file
from benchmark.models.weights_names import Fit, fit

BACKBONES = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "seresnet50",
    "resnext50_32x4d",
    "wide_resnet50_2",
    "densenet121",
    "vgg16",
    "mobilenetv2_100",
    "mobilenetv3_large_100",
    "efficientnet_b0",
    "tf_efficientnet_b0",
    "efficientnet_b2",
    "tf_efficientnet_b2",
    "convnext_tiny",
    "vit_small_patch16_224",
    "vit_base_patch16_224",
    "swin_tiny_patch4_window7_224",
)
"""Those that weights of faces and expressions are published for; timm's others work as well."""


@dataclass(frozen=True, eq=False)
class WeightsReport:
    """What a file holds and what it fits.

    Attributes:
        file: its tensors and hash.
        dtypes: how many tensors there are of each dtype.
        numbers: how many numbers they hold in all.
        fits: by backbone, those that can start from it first, then the nearest.
        published: the name that torchvision or timm publish the file by, None for any other.
    """

    file: WeightsFile
    dtypes: Mapping[str, int]
    numbers: int
    fits: Mapping[str, Fit]
    published: str | None

    @property
    def prefixes(self) -> Sequence[str]:
        """What stands before the names of the backbone that fits best."""
        return next(iter(self.fits.values())).prefixes

    @property
    def loaded(self) -> str | None:
        """The prefix that this backbone is loaded from, None where none fits."""
        return next(iter(self.fits.values())).loaded

    @property
    def classifier(self) -> Sequence[str]:
        """The classifier's matrices, by that backbone."""
        return next(iter(self.fits.values())).classifier


def report_on(path: Path, backbones: Sequence[str] = BACKBONES) -> WeightsReport:
    """Read a file of weights and hold it against backbones.

    Raises:
        InputError: see :func:`benchmark.models.weights_file.read_weights_file`.
    """
    file = read_weights_file(path)
    fits = {name: fit(file.tensors, *tensors_of(name)) for name in backbones}
    order = sorted(fits, key=lambda name: (not fits[name].fits, -_likeness(fits[name])))
    return WeightsReport(
        file=file,
        dtypes=Counter(str(t.dtype).removeprefix("torch.") for t in file.tensors.values()),
        numbers=sum(tensor.numel() for tensor in file.tensors.values()),
        fits={name: fits[name] for name in order},
        published=published_as(file.sha256),
    )


def _likeness(fit: Fit) -> float:
    """Matched tensors over all of both: 1 for the very network."""
    return fit.matched / (fit.needed + len(fit.unexpected))
