"""Homes of the toy line: a fresh one per test, made from one that was initialised once."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sport_assets.orchestration.instance import initialise
from sport_assets_tests.orchestration.toy_home import ToyHome, toy_home


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an initialised home, to copy: making Dagster's tables takes a second of processor time."""
    folder = tmp_path_factory.mktemp("empty")
    with toy_home(folder) as made:
        initialise(made.home)
    return folder


@pytest.fixture
def toy(tmp_path: Path, empty_home: Path) -> Iterator[ToyHome]:
    """A fresh home of the toy line with raw files of d1 and d3."""
    shutil.copytree(empty_home, tmp_path, dirs_exist_ok=True)
    with toy_home(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared_toy(tmp_path_factory: pytest.TempPathFactory, empty_home: Path) -> Iterator[ToyHome]:
    """One home for all tests of a module; no other home may be in use meanwhile."""
    folder = tmp_path_factory.mktemp("shared")
    shutil.copytree(empty_home, folder, dirs_exist_ok=True)
    with toy_home(folder) as made:
        yield made
