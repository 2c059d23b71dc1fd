"""The usual training loop of this literature, written plainly: what ours is held against.

One file opened, decoded and transformed at a time in loader workers; ResNet-18 in float32 and
torch's default layout; EAC's two passes over an image and its mirror; Adam.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
CONSISTENCY = 5.0  # EAC, authors' code, --lam


def usual_transforms(size: int) -> transforms.Compose:
    """Return what turns a PIL image into a tensor, float32 (3, size, size)."""
    return transforms.Compose(
        [
            transforms.Resize((size, size)),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(IMAGENET_MEAN, IMAGENET_DEVIATION),
            transforms.RandomErasing(scale=(0.02, 0.25)),
        ]
    )


class Files(Dataset[tuple[Tensor, Tensor, int]]):
    """An image, its mirror and its label, read from a file each time."""

    def __init__(self, paths: Sequence[Path], labels: Sequence[int], size: int) -> None:
        self.paths = paths
        self.labels = labels
        self.transform = usual_transforms(size)

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, int]:
        """Open, decode and transform one file."""
        with Image.open(self.paths[index]) as file:
            image = self.transform(file.convert("RGB"))
        return image, image.flip(-1), self.labels[index]


class PlainEAC(nn.Module):
    """ResNet-18 and a linear classifier; gives logits (B, K) and attention maps (B, K, h, w)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        resnet = torchvision.models.resnet18()
        self.features = nn.Sequential(*list(resnet.children())[:-2])
        self.fc = nn.Linear(512, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the logits and the maps."""
        features = self.features(images)
        logits = self.fc(features.mean(dim=(2, 3)))
        return logits, torch.einsum("bchw,kc->bkhw", features, self.fc.weight.detach())


class PlainLoop:
    """Trains on files, a few batches at a time; workers idle between two calls.

    Args:
        paths: of the images.
        labels: their classes.
        classes: how many there are.
        size: of the images that the network is fed.
        batch_size: images a step.
        workers: processes that load.
        batches: in a piece.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        labels: Sequence[int],
        *,
        classes: int,
        size: int,
        batch_size: int,
        workers: int,
        batches: int,
    ) -> None:
        wanted = batches * batch_size
        times = -(-wanted // len(paths))
        files = Files((list(paths) * times)[:wanted], (list(labels) * times)[:wanted], size)
        # An iteration begins and ends with empty queues, so that a piece pays for all its loading.
        self.loader = DataLoader(
            files,
            batch_size=batch_size,
            shuffle=True,
            num_workers=workers,
            persistent_workers=workers > 0,
        )
        self.model = PlainEAC(classes).train()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-4, weight_decay=1e-4)

    def piece(self) -> int:
        """Train on the batches of one piece and return the number of images."""
        seen = 0
        for images, mirrored, labels in self.loader:
            logits, maps = self.model(images)
            _, mirrored_maps = self.model(mirrored)
            loss = F.cross_entropy(logits, labels)
            loss = loss + CONSISTENCY * F.mse_loss(maps, mirrored_maps.flip(-1))
            self.optimizer.zero_grad()
            torch.autograd.backward(loss)
            self.optimizer.step()
            seen += len(labels)
        return seen
