"""Settings that are set by hand for the trainings of a stage.

Belongs here: which of them a stage refuses, and which the final model takes over. Must not come here: how they reach a
training (``stages``), decisions.

A setting that a stage varies, or takes from what an earlier one found, cannot be set by hand as well: all points of a
grid, or all variants, would be trained alike under different names. What may be set holds for all that a stage decides,
so the final model is trained with it where all stages were.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sport_assets.cricket.stage_ablations import PARTS
from sport_assets.cricket.stage_phases import OF_BASE
from sport_assets.cricket.stage_tuning import PRESET as TUNING
from sport_assets.cricket.stages import SIZE

FLAGS = (*OF_BASE, *PARTS)
"""Parts of the network, of which the stages say which the final model has."""
ABLATED = ("model.history", "model.unknown_share")
"""What the ablations vary besides."""


def reserved(stage: str) -> dict[str, str]:
    """Settings by dotted name that cannot be set by hand in a stage: why not, and what to do instead."""
    schedule = {"data.latest_matches": "set latest_matches", "training.max_epochs": "set max_epochs"}
    size = {f"model.{name}": f"set {name}" for name in SIZE}
    if stage == "rolling_origin":  # it finds out nothing that could be set by hand
        return schedule | size | {"model.calibration": "its forecasts are not calibrated, so it would change nothing"}
    found = {f"model.{name}": "the stages find out which parts are worth having; leave it away" for name in FLAGS}
    found |= dict.fromkeys(
        TUNING.grid, "the tuning finds it; say what it shall try: cricket/tuning.grid={{{name}: [...]}}"
    )
    found |= {
        **schedule,
        "model.calibration": "all stages compare forecasts after vector scaling, so it would change nothing; set it "
        "when you build the model, as build cricket/exported_model --set model.calibration=temperature",
    }
    if stage == "ablation_report":
        found |= size
        found |= dict.fromkeys(ABLATED, "an ablation varies it; set it for another stage, as cricket/tuning.overrides")
    return {name: text.format(name=f'"{name}"') for name, text in found.items()}


def refuse(stage: str, overrides: Mapping[str, Any]) -> None:
    """Raises ValueError that names every setting which cannot be set by hand in a stage, with the remedy."""
    reasons = reserved(stage)
    refused = [f"{name} cannot be set by hand in {stage}: {reasons[name]}" for name in overrides if name in reasons]
    if refused:
        raise ValueError("; ".join(refused))


def agreed(by_stage: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Settings that all stages were given alike; of the others, each with its value by stage (absent: the preset's).

    by_stage: what was set by hand. A stage that cannot take a setting has no say in it.
    """
    alike: dict[str, Any] = {}
    others: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(name for given in by_stage.values() for name in given):
        values = {stage: given[name] for stage, given in by_stage.items() if name in given}
        able = [stage for stage in by_stage if name not in reserved(stage)]
        first, *rest = values.values()
        if len(values) == len(able) and all(value == first for value in rest):
            alike[name] = first
        else:
            others[name] = values
    return alike, others
