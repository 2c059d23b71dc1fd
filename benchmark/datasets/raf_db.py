"""RAF-DB, its single-label set."""

from benchmark.data.rafdb import find

PLACE = 4
__all__ = ["find"]
