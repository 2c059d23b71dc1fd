"""Event files for TensorBoard: a run a cell, the loss of steps and epochs, accuracies by epoch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import InputError
from benchmark.stats.accuracy import mean_accuracy, overall_accuracy
from benchmark.store.record import Cell, Confusion, Epoch, Record
from methods.base import Progress

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

HELP = "event files below the store's folder logs/tensorboard (needs the extra tensorboard)"


def make(root: Path) -> TensorBoard:
    """Return what writes below a folder.

    Raises:
        InputError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError(
            "--log tensorboard: the package tensorboard is not installed; pip install "
            "'fer-bench[tensorboard]'"
        ) from error
    return TensorBoard(root, SummaryWriter)


class TensorBoard:
    """Hears of training and writes scalars; a cell that goes on after a stop adds to its run.

    Args:
        root: a folder of it for each cell.
        writer: opens one.
    """

    def __init__(self, root: Path, writer: type[SummaryWriter]) -> None:
        self._root = root
        self._open = writer
        self._writer: SummaryWriter | None = None

    def cell_started(self, cell: Cell, number: int, total: int) -> None:
        """Begin a run."""
        self._close()
        self._writer = self._open(str(self._root / cell.slug))

    def stepped(self, progress: Progress, steps: int, loss: float, rate: float) -> None:
        """Write the loss so far of the epoch, and images a second."""
        self._write("step", {"loss": loss, "images_per_second": rate}, progress.step + 1)

    def evaluated(self, epoch: Epoch) -> None:
        """Write each term of the loss and the accuracies, in percent."""
        self._write("loss", epoch.loss, epoch.epoch)
        for split in ("test", "validation"):
            matrix: Confusion | None = epoch.confusion(split)
            if matrix is not None:
                values = {"overall": overall_accuracy(matrix), "mean": mean_accuracy(matrix)}
                percent = {name: 100 * value for name, value in values.items()}
                self._write(split, percent, epoch.epoch)

    def cell_finished(self, record: Record) -> None:
        """End the run."""
        self._close()

    def cell_failed(self, cell: Cell, reason: str, where: str) -> None:
        """End the run."""
        self._close()

    def waiting(self, cells: int) -> None:
        """Nothing is trained."""

    def _write(self, group: str, values: dict[str, float], place: int) -> None:
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(f"{group}/{name}", value, place)

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
