"""FERPlus with contempt, its eighth class."""

from benchmark.data.ferplus import find_eight as find

TITLE = "FERPlus with contempt"
PLACE = 3
__all__ = ["find"]
