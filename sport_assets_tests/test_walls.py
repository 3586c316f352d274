"""The walls between the rooms, and the lightness of what is loaded with the definitions.

Belongs here: tests about which module may import which. Each wall is also shown to fail when it is broken.
"""

import ast
import json
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "sport_assets"
TOOLS = Path(sys.executable).parent

HEAVY = {
    "cv2",
    "dagster_mlflow",
    "lightgbm",
    "matplotlib",
    "mlflow",
    "onnx",
    "onnxruntime",
    "optuna",
    "pycocotools",
    "pytorch_lightning",
    "rfdetr",
    "sahi",
    "sklearn",
    "torch",
    "torch_geometric",
    "torchvision",
    "pandas",
    "pandera",
}


def loaded_by(module: str) -> set[str]:
    """Top-level names in `sys.modules` of a fresh process that has imported `module` only."""
    code = f"import json, sys, {module}; print(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", ["sport_assets.definitions", "sport_assets.cli"])
def test_nothing_heavy_is_loaded(module: str) -> None:
    loaded = loaded_by(module)
    assert "dagster" in loaded or module != "sport_assets.definitions"
    assert not loaded & HEAVY, "imported at module level: import it inside the function that needs it"


def test_a_heavy_import_would_be_seen() -> None:
    assert "matplotlib" in loaded_by("matplotlib")


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOOLS / "lint-imports", "--no-cache"], cwd=root, capture_output=True, text=True, timeout=120)


def test_import_walls_hold() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


# A house in which every allowed arrow is drawn.
SMALL_HOUSE = {
    "__init__.py": "",
    "cli.py": "import sport_assets.definitions, sport_assets.orchestration, sport_assets.lineage, dagster",
    "definitions.py": "import sport_assets.nfl.assets, dagster",
    "nfl/__init__.py": "",
    "nfl/assets.py": "import sport_assets.orchestration.assets, sport_assets.nfl.models, dagster",
    "nfl/models.py": "import sport_assets.training, sport_assets.lineage, torch",
    "orchestration/__init__.py": "",
    "orchestration/assets.py": "import dagster",
    "orchestration/build.py": "import sport_assets.orchestration.assets, sport_assets.training, dagster",
    "training/__init__.py": "import sport_assets.lineage, torch, dagster_pipes",
    "lineage/__init__.py": "",
    "lineage/store.py": "import polars",
}


@pytest.mark.parametrize(
    ("file", "line", "wall"),
    [
        ("lineage/store.py", "import polars", None),
        ("lineage/store.py", "import dagster", "Dagster stays in"),
        ("training/fit.py", "from dagster import asset", "Dagster stays in"),
        ("nfl/plays.py", "import dagster_pandera", "Dagster stays in"),
        ("lineage/store.py", "import sport_assets.training", "Floors"),
        ("training/fit.py", "def later():\n    import sport_assets.nfl.models", "Floors"),
        ("orchestration/build.py", "import sport_assets.cli", "Floors"),
        ("nfl/plays.py", "import sport_assets.cricket", "Floors"),
        ("somewhere_else.py", "import sport_assets.cli", "Floors"),
        ("nfl/plays.py", "import sport_assets.nfl.assets", "Only the definitions"),
        ("nfl/plays.py", "import sport_assets.orchestration.build", "Lines meet orchestration"),
    ],
)
def test_a_broken_wall_is_noticed(tmp_path: Path, file: str, line: str, wall: str | None) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for path, text in {**SMALL_HOUSE, "cricket/__init__.py": "", file: line}.items():
        target = tmp_path / "sport_assets" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f"{text}\n")
    done = lint_imports(tmp_path)
    assert (done.returncode == 0) == (wall is None), done.stdout
    if wall:
        assert wall in done.stdout.split("Broken contracts")[-1]


@pytest.mark.parametrize(
    ("file", "light"),
    [
        ("sport_assets/definitions.py", True),
        ("sport_assets/cli/ledger.py", True),
        ("sport_assets/lineage/any.py", True),
        ("sport_assets/orchestration/any.py", True),
        ("sport_assets/nfl/assets.py", True),
        ("sport_assets/nfl/schemas.py", True),
        ("sport_assets/nfl/__init__.py", True),
        ("sport_assets/nfl/models.py", False),
        ("sport_assets/training/fit.py", False),
    ],
)
def test_ruff_refuses_torch_in_light_files_only(file: str, light: bool) -> None:
    done = subprocess.run(
        [TOOLS / "ruff", "check", "--no-cache", "--select", "TID253", "--stdin-filename", file, "-"],
        cwd=ROOT,
        input="import torch\n",
        capture_output=True,
        text=True,
    )
    assert (done.returncode != 0) == light, done.stdout + done.stderr


def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(requirements: object) -> set[str]:
    assert isinstance(requirements, list)
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def imported_by(folder: Path) -> dict[str, set[str]]:
    """Top-level names of all modules imported below `folder`, inside functions too, with the files."""
    found: dict[str, set[str]] = {}
    for file in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules = [node.module]
            else:
                continue
            for module in modules:
                found.setdefault(module.split(".")[0], set()).add(str(file.relative_to(ROOT)))
    return found


@pytest.mark.parametrize("folder", ["sport_assets", "sport_assets_tests"])
def test_every_import_is_declared(folder: str) -> None:
    """What the code imports is named in pyproject.toml, and not just there because others want it."""
    settings = project()
    extras = settings["optional-dependencies"]
    assert isinstance(extras, dict)
    declared = names(settings["dependencies"])
    for extra, requirements in extras.items():
        if extra != "dev" or folder == "sport_assets_tests":
            declared |= names(requirements)
    distributions = packages_distributions()
    undeclared = {
        module: sorted(files)
        for module, files in imported_by(ROOT / folder).items()
        if module not in sys.stdlib_module_names
        and module not in ("sport_assets", "sport_assets_tests")
        and not {canonicalize_name(name) for name in distributions.get(module, [module])} & declared
    }
    assert not undeclared


def test_constraints_pin_what_is_declared() -> None:
    """`constraints.txt` holds exact versions only, no addresses, inside the declared ranges."""
    settings = project()
    extras = settings["optional-dependencies"]
    assert isinstance(extras, dict)
    pinned: dict[str, str] = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        pin = Requirement(line)
        (version,) = pin.specifier
        assert version.operator == "==", line
        assert pin.url is None and not pin.extras, line
        pinned[canonicalize_name(pin.name)] = version.version
    wanted = [Requirement(text) for text in [*settings["dependencies"], *extras["dev"]]]  # type: ignore[misc]
    outside = [
        f"{need} but {pinned.get(canonicalize_name(need.name))} is pinned"
        for need in wanted
        if not need.specifier.contains(pinned.get(canonicalize_name(need.name), "0"), prereleases=True)
    ]
    assert not outside
