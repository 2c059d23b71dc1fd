"""The public interface of fer-bench: train, load what was trained, compare, and write methods.

Everything is imported when it is first used, so that ``import fer_bench`` costs nothing.

>>> import fer_bench
>>> trained = fer_bench.run(                  # on drawn faces; name a dataset for real ones
...     "baseline", factors=[50], overrides=["training.epochs=1", "image.size=32"],
...     results="runs", keep_weights=True,
... )
>>> trained[["method", "factor", "test_images"]].values.tolist()
[['baseline', 50.0, 780]]
>>> network = fer_bench.load_model("baseline-*", results="runs")
>>> network.classes[:3]
('neutral', 'happiness', 'surprise')
>>> import numpy as np
>>> face = np.zeros((90, 70), dtype=np.uint8)  # or a path, an image of Pillow's, a list of these
>>> network.predict(face).shape
(1, 7)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.errors import InputError, StorageError, TrainingError
    from benchmark.models.backbone import Backbone
    from benchmark.networks.network import Network
    from fer_bench.networks import load_model
    from fer_bench.results import compare, load_results
    from fer_bench.training import run
    from methods.base import (
        Authors,
        Batch,
        ClassShares,
        Hyper,
        LossParts,
        Method,
        MethodInfo,
        ParameterGroup,
        Progress,
        SecondStage,
        Stream,
        Task,
        Views,
        sourced,
    )
    from methods.contract import CHECKS
    from methods.linear import LinearClassifier
    from methods.search import Linear, Log, LogToOne

__all__ = [
    "CHECKS",
    "Authors",
    "Backbone",
    "Batch",
    "ClassShares",
    "Hyper",
    "InputError",
    "Linear",
    "LinearClassifier",
    "Log",
    "LogToOne",
    "LossParts",
    "Method",
    "MethodInfo",
    "Network",
    "ParameterGroup",
    "Progress",
    "SecondStage",
    "StorageError",
    "Stream",
    "Task",
    "TrainingError",
    "Views",
    "compare",
    "load_model",
    "load_results",
    "run",
    "sourced",
]

_HOMES = {
    "benchmark.errors": ("InputError", "StorageError", "TrainingError"),
    "benchmark.models.backbone": ("Backbone",),
    "benchmark.networks.network": ("Network",),
    "fer_bench.networks": ("load_model",),
    "fer_bench.results": ("compare", "load_results"),
    "fer_bench.training": ("run",),
    "methods.contract": ("CHECKS",),
    "methods.linear": ("LinearClassifier",),
    "methods.search": ("Linear", "Log", "LogToOne"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a name from where it is at home.

    Raises:
        ImportError: another package has a name of ours.
        AttributeError: there is no such name.
    """
    if name == "__version__":
        return _own("benchmark").__version__
    if name not in __all__:
        raise AttributeError(f"module 'fer_bench' has no attribute '{name}'")
    return getattr(_own(_HOME.get(name, "methods.base")), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return [*__all__, "__version__"]


def _own(module: str) -> Any:
    from fer_bench._packages import foreign_package

    foreign = foreign_package()
    if foreign is not None:
        raise ImportError(foreign)
    return import_module(module)
