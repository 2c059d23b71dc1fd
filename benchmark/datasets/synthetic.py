"""The embedded synthetic faces."""

from benchmark.data.synthetic import find

PLACE = 1
__all__ = ["find"]
