"""What a measurement is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.data.dataset import FaceDataset
    from benchmark.protocols.protocol import Protocol


@dataclass(frozen=True)
class Setting:
    """The same for all parts.

    Attributes:
        dataset: name of the dataset whose images are used.
        data_root: where its files are.
        cache_dir: where it is decoded.
        seconds: for each measurement.
        overrides: values set over each protocol's, as ``key=value``; for tests, which are small.
        resize: as for ``load_dataset``.
    """

    dataset: str
    data_root: Path | None = None
    cache_dir: Path | None = None
    seconds: float = 20.0
    overrides: tuple[str, ...] = ()
    resize: int | None = None

    def load(self) -> FaceDataset:
        """Return the images."""
        from benchmark.data.load import load_dataset

        return load_dataset(
            self.dataset, self.data_root, cache_dir=self.cache_dir, resize=self.resize
        )

    def protocol(self, name: str) -> Protocol:
        """Return a protocol in the precision that suits the device."""
        from benchmark.protocols import load_protocol

        return load_protocol(name, ["training.precision=auto", *self.overrides])
