"""The code's version: what counts, and what does not."""

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sport_assets.lineage.code_version import code_version

_NUMBERS = itertools.count()
Version = Callable[..., str]

ASSETS = '''
"""Doc."""
import numpy as np
from {p}.line import features
from {p}.line.plots import draw
from {p}.kernel import store

LIMIT = 3
TABLE = {{}}

def helper(x):
    return x + LIMIT

def tracking(x):
    """What it does."""
    # why
    return helper(features.speed(x))

def plotted(x):
    return draw(x)

class Card:
    async def text(self):
        "Doc of it."
        return 1
'''
FILES = {
    "__init__.py": "",
    "line/__init__.py": "",
    "line/assets.py": ASSETS,
    "line/features.py": "from . import units\n\ndef speed(x):\n    from ..training import deep\n    return deep.net(x)",
    "line/units.py": "YARD = 0.9144\n",
    "line/plots.py": "def draw(x):\n    return x\n",
    "training/__init__.py": "",
    "training/deep.py": "def net(x):\n    return x\n",
    "kernel/__init__.py": "",
    "kernel/store.py": "import no_such_library\nX = 1\n",
}


@pytest.fixture
def version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Version:
    """``version({path: (old, new)}, targets)``: the version of a small package after some edits."""

    def run(edits: dict[str, tuple[str, str]] | None = None, *targets: str, **options: object) -> str:
        package = "package_of_a_line"
        root = tmp_path / f"copy{next(_NUMBERS)}"
        for name, text in FILES.items():
            path = root / package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            content = text.format(p=package) if name == "line/assets.py" else text
            if edits and name in edits:
                old, new = edits[name]
                assert old in content
                content = content.replace(old, new)
            path.write_text(content, encoding="utf-8")
        from sport_assets.lineage import code_version as module

        module._find.cache_clear()
        module._read.cache_clear()
        sys.path_importer_cache.clear()
        monkeypatch.setattr(sys, "path", [str(root), *sys.path])
        try:
            wanted = targets or ("line.assets:tracking",)
            return code_version(
                [f"{package}.{target}" for target in wanted],
                packages=[f"{package}.line", f"{package}.training"],
                **options,  # type: ignore[arg-type]
            )
        finally:
            assert not any(name.startswith(package) for name in sys.modules), "something was imported"

    return run


@pytest.mark.parametrize(
    "edit",
    [
        ("line/assets.py", "    # why\n", "    # another reason\n\n"),
        ("line/assets.py", "What it does.", "What it does, told better."),
        ("line/assets.py", '"""Doc."""', '"""Another."""'),
        ("line/assets.py", "return draw(x)", "return draw(x + 1)"),  # not reached from the target
        ("line/plots.py", "return x", "return -x"),
        ("kernel/store.py", "X = 1", "X = 2"),  # the kernel never counts
        ("line/features.py", "from . import units", '"""New docstring of the module."""\nfrom . import units'),
        ("line/features.py", "def speed(x):\n", 'def speed(x):\n    """New."""\n'),
    ],
)
def test_does_not_count(version: Version, edit: tuple[str, str, str]) -> None:
    assert version({edit[0]: edit[1:]}) == version()


@pytest.mark.parametrize(
    "edit",
    [
        ("line/assets.py", "helper(features", "helper(1 + features"),
        ("line/assets.py", "LIMIT = 3", "LIMIT = 4"),
        ("line/assets.py", "TABLE = {}", "LIMIT += 1"),
        ("line/assets.py", "TABLE = {}", "if np.bool_(1):\n    LIMIT = 5"),
        ("line/assets.py", "TABLE = {}", "try:\n    import a\nexcept ImportError:\n    LIMIT = 5"),
        ("line/features.py", "deep.net(x)", "deep.net(-x)"),
        ("line/units.py", "0.9144", "0.9145"),  # relative import
        ("training/deep.py", "return x", "return -x"),  # imported inside a function, from the other package that counts
        ("line/__init__.py", "", "SETTING = 1\n"),  # runs when a module of it is imported
    ],
)
def test_counts(version: Version, edit: tuple[str, str, str]) -> None:
    assert version({edit[0]: edit[1:]}) != version()


def test_a_star_import_counts(version: Version) -> None:
    star = {"line/assets.py": ("from package_of_a_line.line import features", "from .units import *")}
    changed = version(star | {"line/units.py": ("0.9144", "1.0")})
    assert version(star) != changed


def test_whole_modules_and_docstrings_of_every_kind(version: Version) -> None:
    whole = version(None, "line.assets")
    assert version({"line/assets.py": ("return draw(x)", "return draw(x + 1)")}, "line.assets") != whole
    assert version({"line/assets.py": ('"Doc of it."', '"Other doc."')}, "line.assets") == whole
    assert version({"line/assets.py": ('"""Doc."""', '"""Other."""')}, "line.assets") == whole


def test_the_order_of_targets_does_not_count(version: Version) -> None:
    one, two = "line.assets:tracking", "line.assets"
    assert version(None, one, two) == version(None, two, one) == version(None, two)
    assert version(None, one, "line.assets:plotted") == version(None, "line.assets:plotted", one)


def test_asking_twice_gives_the_same(version: Version) -> None:
    target = ["sport_assets.lineage.store:Store"]
    assert len({code_version(target, packages=["sport_assets.lineage"]) for _ in range(3)}) == 1


def test_data_files_count_by_their_bytes(version: Version, tmp_path: Path) -> None:
    preset = tmp_path / "sanity.yaml"
    found = set()
    for text in ("a: 1\n", "a: 2\n"):
        preset.write_text(text, encoding="utf-8")
        found.add(version(None, data_files=[preset]))
    assert len(found | {version()}) == 3


def test_what_is_not_there_is_an_error(version: Version) -> None:
    with pytest.raises(LookupError, match=r"line\.nothing: no such module"):
        version(None, "line.nothing")
    with pytest.raises(LookupError, match="defines no nothing"):
        version(None, "line.assets:nothing")


def test_what_stands_in_the_same_import_and_is_not_named_does_not_count(version: Version) -> None:
    beside = ("from package_of_a_line.line import features", "from package_of_a_line.line import features, plots")
    together = {"line/assets.py": beside}
    assert version(together) == version()
    assert version({**together, "line/plots.py": ("return x", "return -x")}) == version()
    assert version({**together, "line/features.py": ("speed(x)", "speed(x, y=1)")}) != version()
    assert version({**together, "line/plots.py": ("return x", "return -x")}, "line.assets:plotted") != version(
        together, "line.assets:plotted"
    )
