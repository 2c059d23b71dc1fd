"""FERPlus with contempt, its eighth class."""

from benchmark.data.ferplus import find_eight as find

PLACE = 3
__all__ = ["find"]
