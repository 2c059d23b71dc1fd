"""One finished search that the tests of this folder look at; who changes it takes a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import Result
from dataset_makers import make_folders
from tunings import METHODS, tune

PARTS = ("train", "validation", "test")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tune")


@pytest.fixture(scope="session")
def faces(folder: Path) -> Path:
    return make_folders(folder / "faces", parts=PARTS, images=8, side=16)


@pytest.fixture(scope="session")
def tuned(folder: Path, faces: Path) -> tuple[Path, Result]:
    done = tune(faces, folder / "runs", METHODS, "--budget=3")
    assert done.exit_code == 0, done.output
    return folder / "runs", done


@pytest.fixture
def copied(tuned: tuple[Path, Result], tmp_path: Path) -> Path:
    """A copy of the store, to be changed."""
    return Path(shutil.copytree(tuned[0], tmp_path / "runs"))
