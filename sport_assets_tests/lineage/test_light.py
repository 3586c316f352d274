"""The kernel stays light: a step that only records something loads nothing heavy."""

import json
import subprocess
import sys
from pathlib import Path

HEAVY = {"dagster", "matplotlib", "mlflow", "numpy", "onnxruntime", "pandas", "pandera", "polars", "torch"}


def test_recording_loads_nothing_heavy() -> None:
    code = "import json, sys, sport_assets.lineage.staleness; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert not HEAVY & set(json.loads(done.stdout))
