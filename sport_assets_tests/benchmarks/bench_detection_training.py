"""What RF-DETR learns on a processor from random weights: generated scenes with decoys and balls of at most 12 px.

Both phases of the preset ``sanity`` with more images and epochs, about half an hour on one core. Goals: average
precision at IoU 0.5 of 0.9 for players and 0.6 for balls on scenes that it has never seen. Printed beside a floor that
never looks at an image, and the targets of the specification. Nothing is compared by time. With a GPU, the same on the
real frames is `sport-assets build detection/model_card --partition 'production|0'`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sport_assets.detection.settings import PHASES, resolve
from sport_assets.detection.synthetic.images import write_dataset
from sport_assets.training.spec import SpecInput, TrainingSpec

SIZE_PX = (192, 160)
TRAIN, VALID, TEST = 480, 48, 64
"""Images on each side, in scenes of their own."""
OVERRIDES: dict[str, Any] = {
    "model.resolution": 192,
    "model.queries": 40,
    "model.keep": 40,
    "model.groups": 6,
    "training.batch_size": 4,
    "training.weight_averaging": None,
    "phase_1.max_epochs": 1,
    "phase_2.max_epochs": 20,
    "phase_2.learning_rate": 0.0004,
}
GOALS = {"player": 0.9, "ball": 0.6}


def train(phase: str, folder: Path, head: Path | None = None) -> Path:
    """Train one phase in a process of its own; the folder of its result."""
    settings = resolve({"preset": "sanity"}, OVERRIDES)
    own = settings[phase]
    settings = {name: section for name, section in settings.items() if name not in PHASES}
    inputs = [SpecInput(key="detection/coco_dataset", version="a" * 64, path=str(folder / "data"))]
    if head is not None:
        inputs.append(SpecInput(key="detection/head_checkpoint", version="b" * 64, path=str(head)))
    spec = TrainingSpec(
        line="detection",
        model=f"benchmark {phase}",
        builder=f"sport_assets.detection.models:build_{'head' if head is None else 'detector'}",
        settings={**settings, "training": {**settings["training"], **own}},
        inputs=tuple(inputs),
    )
    spec.save(folder / f"{phase}.json")
    command = [sys.executable, "-m", "sport_assets.training.run", str(folder / f"{phase}.json"), "--trackers", "none"]
    out = folder / phase
    subprocess.run([*command, "--work", str(folder / f"{phase}_work"), "--out", str(out)], check=True)
    return out


def main() -> None:
    """Train, judge, print."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_dataset(folder / "data", train=TRAIN, valid=VALID, test=TEST, size=SIZE_PX, difficulty="hard")
        (folder / "data" / "split.json").write_text("{}")
        head = train(PHASES[0], folder)
        whole = train(PHASES[1], folder, head)
        from sport_assets.detection.evaluation import FLOOR, SLICED, evaluate

        (folder / "evaluation").mkdir()
        evaluate(whole, folder / "data" / "split.json", {}, out=folder / "evaluation")
        report = json.loads((folder / "evaluation" / "evaluation.json").read_text())
    tables = {"model": report["metrics"], SLICED: report["variants"][SLICED], FLOOR: report["baselines"][FLOOR]}
    for group, goal in GOALS.items():
        values = ", ".join(f"{name} {table[group]['ap50']['value']:.3f}" for name, table in tables.items())
        print(f"AP50 of {group}: {values} (goal {goal})")
    for row in report["spec_targets"]:
        print(f"target of the specification: {row['name']} above {row['target']}: {row['value']:.3f}")
    print(f"{(time.monotonic() - started) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
