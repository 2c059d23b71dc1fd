"""FERPlus with its seven classes."""

from benchmark.data.ferplus import find

TITLE = "FERPlus"
PLACE = 2
__all__ = ["find"]
