"""The model card: what a reader must know before using a trajectory model, in Hugging Face's sections.

Here belongs text made of an evaluation, the settings and the versions a model came from. The sections of figures are
in `card_figures`; nothing is computed here. The card carries no times, paths or hosts: the same model has the same
card.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sport_assets.nfl.card_figures import (
    best_baseline,
    coverage,
    evaluated,
    results,
    shown_name,
    targets,
    uncertainty,
    unseen,
)
from sport_assets.training.reports import CARD_FILE, data_table, front_matter, provenance, settings_table


def card(*, checkpoint: Path, evaluation: Path, exported: Path, facts: Mapping[str, Any], out: Path) -> str:
    """Write model_card.md to the folder `out` from the folders of a model's steps; returns its Markdown.

    facts: partition, versions of checkpoint, evaluation and exported_model, `data` (asset, partition, version of
    each input of the training), code_version, checks (name -> passed).
    """
    report = json.loads((evaluation / "evaluation.json").read_text(encoding="utf-8"))
    settings = json.loads((checkpoint / "settings.json").read_text(encoding="utf-8"))
    files = sorted(path.name for path in exported.iterdir() if path.is_file())
    return write_card(report, {**facts, "settings": settings, "files": files}, out / CARD_FILE)


def write_card(evaluation: Mapping[str, Any], facts: Mapping[str, Any], out: Path) -> str:
    """Write the card of an evaluation (as evaluation.json) and facts to the file `out`; returns its Markdown."""
    name = str(facts.get("partition", "model")).replace("|", ", seed ")
    parts = [
        front_matter("trajectory-forecasting", "nfl"),
        f"# NFL player trajectories: {name}",
        _summary(evaluation),
        _use(evaluation, facts),
        _data(evaluation, facts),
        _training(evaluation, facts),
        evaluated(evaluation),
        results(evaluation),
        uncertainty(evaluation),
        coverage(evaluation),
        targets(evaluation),
        _limitations(evaluation),
        ETHICS,
        provenance(facts),
    ]
    text = "\n\n".join(part.strip("\n") for part in parts if part) + "\n"
    out.write_text(text, encoding="utf-8")
    return text


def _summary(evaluation: Mapping[str, Any]) -> str:
    samples = evaluation["samples"]
    ade = evaluation["metrics"]["full"]["ade"]
    best = best_baseline(evaluation)
    rival = evaluation["baselines"][best]["full"]["ade"]["value"]
    return (
        "Predicts where the targeted receiver and the defenders near him run while a pass is in the air, ten times "
        "a second. Graph attention over all tracked players adds a smooth correction to a physics forecast.\n\n"
        f"On {samples['plays']:,} plays of {samples['games']:,} games, {unseen(evaluation)}, the mean error is "
        f"**{ade['value']:.2f} yards** (95 % interval {ade['low']:.2f} to {ade['high']:.2f}); the best baseline "
        f"({shown_name(best).lower()}) has {rival:.2f}."
    )


def _use(evaluation: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    more = "".join(
        f"\n{text}"
        for text, there in (
            ("`--modes FILE` writes the modes with their probabilities and scales.", "distribution" in evaluation),
            ("`--coverage FILE` writes how likely man coverage is.", evaluation["coverage"]["predicted"]),
        )
        if there
    )
    files = ", ".join(f"`{name}`" for name in facts.get("files", ["model.onnx"]))
    return f"""## Intended use

Studying plays: what players were likely to do, how far a receiver or defender departed from it, and comparison with
the baselines below. Files: {files}. `sport-assets predict nfl --model MODEL --input FOLDER --output FILE` needs no
training code and no PyTorch.{more}

Input: tracking at 10 Hz from the snap to the throw, the landing point of the ball, the number of frames to predict;
optionally what was known of the play before the snap. Output: x and y in yards for every frame in the air.

Not intended: live use during a play (the landing point is known only afterwards), judging a player by single plays,
other sports, or betting."""


def _data(evaluation: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    weeks = sorted(item["partition"] for item in facts.get("data", []) if item["asset"].endswith("/play_tensors"))
    return f"""## Data

Weeks trained on: {", ".join(weeks)}. Weeks evaluated on: {", ".join(evaluation["weeks"])}.
Games, never single plays, are divided into sides and folds.
Rows that break a rule of validation are left out and kept in quarantine. Columns that tell how a play ended are not
read: context passes an allow-list of columns known before the snap. What the weights were trained on:

{data_table(facts)}"""


def _training(evaluation: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    fit = evaluation["fit"]
    if fit["part"] == "all":
        how = (
            f"The weights in this model were fitted on all {fit['plays']:,} plays of the {fit['games']:,} games of the "
            "weeks trained on, to the last epoch: no choice was made by games that it could be judged by"
        )
    else:
        how = (
            f"The weights in this model were fitted on {fit['plays']:,} plays of {fit['games']:,} games; they are "
            "those of the epoch that was best on the validation games"
        )
    searched = (
        " The settings were searched on folds of these same games, so figures by folds are slightly too good."
        if any(item["asset"] == "nfl/tuning" for item in facts.get("data", []))
        else ""
    )
    return f"""## Training

AdamW with linear warm-up. {how}.{searched}
Lengths, speeds and times are divided by fixed scales, so no statistic of the data is part of the model. Training plays
are varied as the settings of `data` say: mirrored along the field, turned about the landing point, started a few frames
before the throw, measured with noise. `training.weight_averaging` publishes an average over the last steps.

{settings_table(facts.get("settings", {}))}"""


def _limitations(evaluation: Mapping[str, Any]) -> str:
    if "distribution" in evaluation:
        path = (
            "The point forecast is one path: where a defender may go two ways, look at his modes. Each player's modes "
            "are his own; how players' choices hang together is not said."
        )
    else:
        path = "One path per player: where a defender may go two ways, the forecast lies between them."
    return LIMITATIONS.format(path=path)


LIMITATIONS = """## Limitations

- The landing point and the time in the air are inputs. They are known after the play, not during it.
- {path}
- Contact, tackles and stumbles are not modelled; nothing keeps a path inside the field.
- Errors grow with time in the air, and long passes are rare: see the error by horizon beside this card.
- A model of highlights or of one season need not hold for others. Compare with the baselines on your own data first.
- Intervals resample plays; plays of one game are alike, so the true uncertainty is somewhat larger."""

ETHICS = """## Ethical considerations

Tracking data are about people at work. Height, weight and position are read where present; names, birth dates and
identities are not. Use forecasts to understand plays, not to decide about the pay, health or employment of a player.
The right to use the data is the user's own matter: league tracking data usually must not be redistributed."""
