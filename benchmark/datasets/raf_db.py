"""RAF-DB, its single-label set."""

from benchmark.data.rafdb import find

TITLE = "RAF-DB"
PLACE = 4
__all__ = ["find"]
