"""What needs real data or much time runs only where the environment offers it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_NEEDS = {
    "slow": ("FER_BENCH_SLOW", "set FER_BENCH_SLOW=1 to run slow tests"),
    "ferplus": ("FER_BENCH_FERPLUS", "set FER_BENCH_FERPLUS to the folder of the real FERPlus"),
    "vectors": ("FER_BENCH_VECTORS", "set FER_BENCH_VECTORS to the folder of reference vectors"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker, (variable, reason) in _NEEDS.items():
            if item.get_closest_marker(marker) and not os.environ.get(variable):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def vectors() -> Path:
    return Path(os.environ["FER_BENCH_VECTORS"])
