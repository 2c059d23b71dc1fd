"""Any set that lies in a folder a part and a folder a class."""

from benchmark.data.folder import find

PLACE = 5
__all__ = ["find"]
