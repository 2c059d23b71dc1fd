"""The marks of the datasets that a store's cells were trained on.

<root>/datasets/<fingerprint>.npz    names, labels and marks of test and validation images

A report sees only the store, so what leaves copied images out is kept beside the records: names and
marks, no pixels.
"""

from __future__ import annotations

from pathlib import Path

from benchmark.data.dataset import FaceDataset
from benchmark.data.marks import Marks, marks_from, marks_of
from benchmark.errors import InputError, StorageError
from benchmark.store.logits_file import LARGEST_FILE, pack, read_arrays
from benchmark.store.record_file import read_file
from benchmark.write import put_file


class KeptMarks:
    """Reads and writes the marks below a store's folder."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "datasets"

    def path(self, fingerprint: str) -> Path:
        """Return where the marks of a dataset stand."""
        return self.folder / f"{fingerprint}.npz"

    def get(self, fingerprint: str) -> Marks | None:
        """Return the marks of a dataset, None where they were never looked for.

        Raises:
            InputError: they are damaged.
        """
        path = self.path(fingerprint)
        try:
            return unpack(read_file(path, LARGEST_FILE))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise InputError(
                f"{path}: damaged ({error}); remove it, and 'fer-bench data verify --results' or "
                "the next run makes it anew"
            ) from error

    def of(self, dataset: FaceDataset) -> Marks:
        """Return the marks of a dataset; its images are looked at and the marks kept at first.

        Raises:
            InputError: they are damaged.
            StorageError: they cannot be written.
        """
        kept = self.get(dataset.fingerprint)
        if kept is None:
            kept = marks_of(dataset)
            self.put(dataset.fingerprint, pack(kept.arrays()))
        return kept

    def put(self, fingerprint: str, content: bytes) -> None:
        """Keep the marks of a dataset.

        Raises:
            StorageError: they cannot be written.
        """
        path = self.path(fingerprint)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            put_file(path, content)
        except OSError as error:
            raise StorageError(f"{path}: cannot be written ({error.strerror})") from error


def unpack(content: bytes) -> Marks:
    """Return the marks that a file holds.

    Raises:
        ValueError: it holds none.
    """
    return marks_from(read_arrays(content))
