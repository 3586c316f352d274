"""What RF-DETR learns from random weights: generated scenes with decoys and balls of at most 12 px at network scale.

Both phases of a preset, then the evaluation on scenes, or clips, that were never seen. Goals on generated scenes:
average precision at IoU 0.5 of 0.9 for players and 0.6 for balls within 40 minutes on one core. Printed beside a floor
that never looks at an image, the targets of the specification, and each clip's figures. Nothing is compared by time.

``python -m sport_assets_tests.benchmarks detection_training`` generates the scenes and trains the preset ``sanity`` on
the processor. The same on labelled frames and a GPU, with a data set as it lies in ``detection/labelled``:
``python -m sport_assets_tests.benchmarks.bench_detection_training --labelled DIR --device cuda --preset production``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sport_assets.detection.categories import BALL
from sport_assets.detection.coco import read_coco
from sport_assets.detection.dataset import write_from_folders
from sport_assets.detection.labelled_frames import write_labelled
from sport_assets.detection.settings import PHASES, resolve
from sport_assets.detection.synthetic.images import small_settings, write_dataset
from sport_assets.training.spec import SpecInput, TrainingSpec

if TYPE_CHECKING:
    from sport_assets.detection.reduced_precision import Precision

SIZE_PX = (192, 160)
BALL_PX = (7.0, 12.0)
"""Widths of a ball from the far to the near touchline."""
PLAYERS = 3
"""Of each team in the picture."""
IMAGES = {"train": 1200, "valid": 48, "test": 96}
"""Images on each side, in scenes of their own."""
GENERATED: dict[str, Any] = {
    "model.resolution": 192,
    "model.queries": 40,
    "model.keep": 40,
    "model.groups": 3,
    "training.weight_averaging": None,
    "phase_1.max_epochs": 1,
    "phase_2.max_epochs": 8,
    "phase_2.warmup_epochs": 0.25,
    "phase_2.learning_rate": 0.0004,
}
GOALS = {"player": 0.9, "ball": 0.6}
PRECISIONS: tuple[Precision, ...] = ("fp16", "int8")


def generate(folder: Path) -> None:
    """Generated scenes as a data set in ``folder``."""
    look = replace(small_settings(SIZE_PX, "hard"), ball_pixels=BALL_PX, players=PLAYERS)
    write_dataset(folder, train=IMAGES["train"], valid=IMAGES["valid"], test=IMAGES["test"], settings=look)
    (folder / "split.json").write_text("{}")


def take_labelled(source: Path, folder: Path) -> None:
    """A labelled data set, whole clips on each side, as the assets labelled_frames and coco_dataset make it."""
    labels = folder.parent / "labels"
    for each in (labels, folder):
        each.mkdir()
    write_labelled([source], labels)
    settings = {"valid_share": 0.2, "test_share": 0.2, "layout": "rfdetr", "least_score": 0.4}
    write_from_folders([("labelled", source.name, labels, labels)], folder, settings=settings, teacher_videos=[])


def describe(folder: Path, resolution: int | None) -> None:
    """Print how many images and boxes there are, and how wide the balls are where the network sees them."""
    for side in ("train", "valid", "test"):
        labels = read_coco(folder / side / "_annotations.coco.json")
        balls = labels.boxes.filter(category=BALL).join(labels.images, on="image", suffix="_of_image")
        text = f"{side}: {len(labels.images)} images of {labels.images['video'].n_unique()} clips"
        if resolution is not None and len(balls):
            wide = (balls["width"] / balls["width_of_image"] * resolution).to_numpy()
            smallest, middle, widest = np.percentile(wide, (0, 50, 100))
            text += f", balls {smallest:.0f} to {widest:.0f} px wide for the network, median {middle:.0f}"
        print(text, flush=True)


def train(phase: str, folder: Path, settings: dict[str, Any], device: str, head: Path | None = None) -> Path:
    """Train one phase in a process of its own; the folder of its result."""
    own = settings[phase]
    shared = {name: section for name, section in settings.items() if name not in PHASES}
    inputs = [SpecInput(key="detection/coco_dataset", version="a" * 64, path=str(folder / "data"))]
    if head is not None:
        inputs.append(SpecInput(key="detection/head_checkpoint", version="b" * 64, path=str(head)))
    spec = TrainingSpec(
        line="detection",
        model=f"benchmark {phase}",
        builder=f"sport_assets.detection.models:build_{'head' if head is None else 'detector'}",
        settings={**shared, "training": {**shared["training"], **own}},
        inputs=tuple(inputs),
        device=device,
    )
    spec.save(folder / f"{phase}.json")
    command = [sys.executable, "-m", "sport_assets.training.run", str(folder / f"{phase}.json"), "--trackers", "none"]
    out = folder / phase
    ended = subprocess.run([*command, "--work", str(folder / f"{phase}_work"), "--out", str(out)], check=False)
    if ended.returncode:
        sys.exit(ended.returncode)  # the training said why
    return out


def reduce(checkpoint: Path, thresholds: Mapping[str, float], folder: Path) -> dict[str, Any]:
    """What 16 and 8 bits cost the ball on the side ``valid`` (see ``reduced_precision.add_reduced``)."""
    from sport_assets.detection.export import write_model
    from sport_assets.detection.models import load
    from sport_assets.detection.reduced_precision import add_reduced
    from sport_assets.detection.samples import Side

    write_model(load(checkpoint), thresholds, "", folder / "model.onnx")
    return add_reduced(PRECISIONS, folder / "model.onnx", Side(folder / "data", "valid"), folder)


def main(arguments: Sequence[str] = ()) -> None:
    """Train, judge, print."""
    asked = _asked(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = asked.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        overrides = {} if asked.labelled else dict(GENERATED)
        overrides |= {name: value for name, _, value in (text.partition("=") for text in asked.set)}
        settings = resolve({"preset": asked.preset}, overrides)
        if asked.labelled:
            take_labelled(asked.labelled, folder / "data")
        else:
            generate(folder / "data")
        describe(folder / "data", settings["model"].get("resolution"))
        started = time.monotonic()
        head = train(PHASES[0], folder, settings, asked.device)
        middle = time.monotonic()
        whole = train(PHASES[1], folder, settings, asked.device, head)
        trained = time.monotonic()
        from sport_assets.detection.evaluation import FLOOR, SLICED, evaluate

        (folder / "evaluation").mkdir()
        evaluate(whole, folder / "data" / "split.json", {}, out=folder / "evaluation")
        report = json.loads((folder / "evaluation" / "evaluation.json").read_text())
        reduced = reduce(whole, report["thresholds"]["model"], folder)
    tables = {"model": report["metrics"], SLICED: report["variants"][SLICED], FLOOR: report["baselines"][FLOOR]}
    for group, goal in GOALS.items():
        values = ", ".join(f"{name} {table[group]['ap50']['value']:.3f}" for name, table in tables.items())
        print(f"AP50 of {group}: {values}" + ("" if asked.labelled else f" (goal {goal})"))
    for row in report["spec_targets"]:
        print(f"target of the specification: {row['name']} above {row['target']}: {_shown(row['value'])}")
    for row in report["by_clip"]:
        values = ", ".join(f"{group} {_shown(row[f'{group}_ap50'])}" for group in GOALS)
        print(f"AP50 in {row['clip']}: {values}")
    for precision in PRECISIONS:
        before, after = (_shown(reduced[f"{precision}_ball_ap{when}"]) for when in ("_before", ""))
        verdict = "kept" if reduced[f"{precision}_accepted"] else "refused"
        print(f"{precision}: AP of the ball on valid {before} before, {after} after, {verdict}")
    times = [f"{(until - since) / 60:.1f}" for since, until in ((started, middle), (middle, trained))]
    print(f"phase 1 took {times[0]} minutes, phase 2 {times[1]}, on {asked.device}")


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--labelled", type=Path, help="a labelled data set; without it, scenes are generated")
    parser.add_argument("--preset", default="sanity")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the preset")
    parser.add_argument("--keep", type=Path, help="a new folder for data, checkpoints and evaluation, which stays")
    return parser.parse_args(arguments)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main(sys.argv[1:])
