"""The model card: what a reader must know before using a detector, in Hugging Face's sections.

Here belongs text made of an evaluation, the settings and the versions a model came from; nothing is computed here. The
card carries no times, paths or hosts: the same model has the same card.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sport_assets.detection.average_precision import ALL
from sport_assets.detection.evaluation import FILTERED, FLOOR, SLICED
from sport_assets.training.names import EVALUATION_FILE
from sport_assets.training.reports import (
    CARD_FILE,
    data_table,
    front_matter,
    markdown_table,
    provenance,
    settings_table,
)

NAMES: Mapping[str, str] = {
    "model": "Model, whole images",
    SLICED: "Model, by windows",
    FILTERED: "Model, balls filtered by their tracks",
    FLOOR: "Most common boxes of the training side",
}
COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("AP50, all", ALL, "ap50"),
    ("AP50 to 95, all", ALL, "ap"),
    ("AP50, player", "player", "ap50"),
    ("AP50, ball", "ball", "ap50"),
    ("AP within 10 px, ball", "ball", "ap_10px"),
    ("recall within 10 px, ball", "ball", "recall_10px"),
    ("precision, player", "player", "precision"),
    ("recall, player", "player", "recall"),
)


def card(*, checkpoint: Path, evaluation: Path, exported: Path, facts: Mapping[str, Any], out: Path) -> str:
    """Write model_card.md to the folder `out` from the folders of a model's steps; returns its Markdown.

    facts: as the factory gives them (partition, versions, data, code_version, checks).
    """
    report = json.loads((evaluation / EVALUATION_FILE).read_text(encoding="utf-8"))
    settings = json.loads((checkpoint / "settings.json").read_text(encoding="utf-8"))
    files = sorted(path.name for path in exported.iterdir() if path.is_file())
    preset, _, seed = str(facts.get("partition", "model")).partition("|")
    parts = [
        front_matter("object-detection", "small-objects", "football"),
        f"# Players and ball in match videos: {preset}, seed {seed}",
        _summary(report, facts.get("weights_from_elsewhere", [])),
        _use(report, files),
        _data(report, facts),
        _training(settings, facts.get("weights_from_elsewhere", [])),
        _results(report),
        _errors(report),
        LIMITATIONS,
        ETHICS,
        provenance(facts),
    ]
    text = "\n\n".join(part.strip("\n") for part in parts) + "\n"
    (out / CARD_FILE).write_text(text, encoding="utf-8")
    return text


def _summary(report: Mapping[str, Any], elsewhere: Sequence[Mapping[str, str]]) -> str:
    samples, metrics = report["samples"], report["metrics"]
    unseen = "no training recorded here has seen" if elsewhere else "it has never seen"
    return (
        "Finds players and the ball in frames of football matches. RF-DETR, a detection transformer on DINOv2, trained "
        "for balls of a few pixels.\n\n"
        f"On {samples['images']:,} images of {samples['clips']:,} videos or clips that {unseen}, its average "
        f"precision at IoU 0.5 is **{_interval(metrics[ALL]['ap50'])}** over both, "
        f"{_interval(metrics['player']['ap50'])} for players and {_interval(metrics['ball']['ap50'])} for the ball; it "
        f"finds {_interval(metrics['ball'].get('recall_10px', {}))} of the balls within 10 pixels (95 % intervals over "
        "clips)."
    )


def _use(report: Mapping[str, Any], files: list[str]) -> str:
    whole, by_windows = (
        ", ".join(f"{name} {value:.2f}" for name, value in thresholds.items())
        for thresholds in (report["thresholds"]["model"], report["thresholds"]["variants"][SLICED])
    )
    return f"""## Intended use

Finding players and ball in match videos: for tracking, for labelling more frames, for studying play. Files:
{", ".join(f"`{name}`" for name in files)}. `sport-assets predict detection --model MODEL --input IMAGES|VIDEO
--output results.json` detects; `--slice` looks at windows, in which small balls keep their pixels. Prediction needs no
PyTorch. A detection is believed from these scores on, which gave the best F1 on validation images: {whole}; by
windows: {by_windows}.

Not intended: identifying people, decisions of referees, other sports."""


def _data(report: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    sides = report["split"]["sides"]
    counts = ", ".join(f"{count:,} images {side}" for side, count in sides.items())
    judged = ", ".join(f"{count:,} {source}" for source, count in report["split"]["test_images_by_source"].items())
    return f"""## Data

{counts} (test: {judged}); whole videos on each side, so that no footage is on two. Labels are what persons reviewed,
else what they labelled, else a teacher's pseudo-labels. What the weights were trained on:

{data_table(facts)}"""


def _training(settings: Mapping[str, Any], elsewhere: Sequence[Mapping[str, str]]) -> str:
    begin = settings["model"]["pretrained"]
    source = "random weights" if begin is None else f"`{Path(begin).name}` ({settings['model']['pretrained_sha256']})"
    return f"""## Training

Two phases: first the encoder is frozen and what stands on it learns, then all of the network, more slowly. AdamW with
warm-up and a cosine schedule in each; the epoch with the best mean average precision on the validation side. It began
from {source}.{_unknown(elsewhere)}

{settings_table(settings)}"""


def _unknown(elsewhere: Sequence[Mapping[str, str]]) -> str:
    """What cannot be said of the model, where weights of unknown training are behind it."""
    if not elsewhere:
        return ""
    files = ", ".join(f"`{each['file']}` ({each['sha256']})" for each in elsewhere)
    return f"""

**What weights from elsewhere learned from is not in the records: {files}**, which taught labels or were begun with.
Whether they have seen test videos cannot be told from here, and no check of leakage covers it."""


def _results(report: Mapping[str, Any]) -> str:
    tables = {"model": report["metrics"], **report["variants"], **report["baselines"]}
    rows = [
        [NAMES[name], *(_cell(table.get(group, {}).get(metric, {})) for _, group, metric in COLUMNS)]
        for name, table in tables.items()
    ]
    targets = [
        [row["name"].replace("_", " "), f"{row['target']:.2f}", _cell(row), _met(row["met"])]
        for row in report["spec_targets"]
    ]
    return "\n\n".join(
        [
            "## Results on test videos",
            markdown_table(["", *(name for name, _, _ in COLUMNS)], rows),
            "AP50: average precision at IoU 0.5. IoU is a poor ruler for a ball of 7 pixels, where one pixel off is a "
            "miss; within 10 px: of the true centre, in pixels of the image.",
            "What the plan asked for:",
            markdown_table(["", "asked: above", "reached", ""], targets),
        ]
    )


def _errors(report: Mapping[str, Any]) -> str:
    rows = []
    for name, each in report["errors"]["categories"].items():
        said, true = each["predictions"], each["truth"]
        rows.append([name, *(f"{count:,}" for count in (*true.values(), *said.values()))])
    first = next(iter(report["errors"]["categories"].values()))
    header = ["", *(f"true: {kind}" for kind in first["truth"]), *(f"said: {kind}" for kind in first["predictions"])]
    return "### What goes wrong\n\n" + markdown_table([part.replace("_", " ") for part in header], rows)


def _met(met: bool | None) -> str:
    return "not defined" if met is None else "met" if met else "not met"


def _cell(figure: Mapping[str, Any]) -> str:
    value = figure.get("value")
    return "–" if value is None else f"{value:.3f}"


def _interval(figure: Mapping[str, Any]) -> str:
    if figure.get("value") is None:
        return "–"
    if figure.get("low") is None:
        return f"{figure['value']:.3f}"
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


LIMITATIONS = """## Limitations

- Where the test side holds pseudo-labels, figures say how well the teacher is imitated, not how many players there are.
- Balls that are hidden, or blurred to a streak, are often missed; socks, lines and spots are sometimes taken for balls.
- Intervals over few clips are wide, and footage of another stadium or camera may be unlike all of them.
- Images are squashed to a square: very wide panoramas should be looked at by windows."""

ETHICS = """## Ethical considerations

Match videos show people at work. The detector finds people and does not identify them. Check the terms of the footage
before publishing frames with boxes, and do not use it to watch people who do not know of it."""
