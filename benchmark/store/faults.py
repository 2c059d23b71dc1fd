"""What is said where a store cannot be read or written, or holds what is damaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmark.errors import InputError, StorageError
from benchmark.store.logits_file import LOGITS, VALIDATION
from benchmark.store.record_file import RECORD, Damaged

MEND = "it may be whole: mend disk, network or rights, and give the same command again"

_MOVE_WEIGHTS = "'fer-bench results check --move-aside' moves them away, and the record stays"
_MOVE_ATTENTION = (
    "'fer-bench results check --move-aside' moves them away, and 'fer-bench report --detail "
    "attention' works them out anew"
)
_MOVE = "'fer-bench results check --move-aside' moves it away, and the next run makes it anew"


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Turn what the system says against a write into one line.

    Args:
        root: of the store.

    Raises:
        StorageError: instead of OSError.
    """
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise StorageError(
            f"results folder {root}: {error.strerror or error}{where}; all finished cells "
            "are kept: make room or mend it, and give the same command again"
        ) from error


def refusal(damaged: Sequence[Damaged]) -> InputError | StorageError:
    """Return the error for cells that cannot be used, of which the first is named."""
    first = damaged[0]
    what = f"record {first.folder / RECORD}: {first.reason}"
    if first.reason.startswith((f"{LOGITS}: ", f"{VALIDATION}: ")):
        what = f"cell: {first.folder}/{first.reason}"
    more = f" (and {len(damaged) - 1} more)" if len(damaged) > 1 else ""
    if first.unread:
        return StorageError(f"cannot read {what}{more}; {MEND}")
    return InputError(f"damaged {what}{more}; {_MOVE}")


def weights_refusal(damaged: Damaged) -> InputError | StorageError:
    """Return the error for weights that cannot be used."""
    what = f"weights {damaged.folder.parent}/{damaged.reason}"
    if damaged.unread:
        return StorageError(f"cannot read {what}; {MEND}")
    return InputError(f"damaged {what}; {_MOVE_WEIGHTS}")


def attention_refusal(damaged: Damaged) -> InputError | StorageError:
    """Return the error for measures of attention maps that cannot be used."""
    what = f"attention measures {damaged.folder.parent}/{damaged.reason}"
    if damaged.unread:
        return StorageError(f"cannot read {what}; {MEND}")
    return InputError(f"damaged {what}; {_MOVE_ATTENTION}")


def file_refusal(path: Path, reason: str) -> InputError:
    """Return the error for one file of a cell that cannot be used."""
    return InputError(f"damaged cell: {path}: {reason}; {_MOVE}")
