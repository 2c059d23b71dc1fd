"""The embedded synthetic faces."""

from benchmark.data.synthetic import find

TITLE = "Synthetic faces"
PLACE = 1
__all__ = ["find"]
