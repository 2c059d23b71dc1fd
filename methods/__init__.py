"""The methods of the benchmark, one file each, behind one interface."""

from methods.registry import get, names

__all__ = ["get", "names"]
