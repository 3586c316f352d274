"""Settings of the cricket line's models: what a preset may say, and nothing else.

Here belong the pydantic models of a preset's `model` and `data` sections and the reading of packaged presets, one for
each variant. The `training` section belongs to the training kernel. No torch here: settings are read with the
definitions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sport_assets.training.names import SPLIT_FILE
from sport_assets.training.spec import resolve_preset

MAIN_VARIANTS = ("base", "pooling", "hybrid", "phase_modulated", "innings_conditional", "full")
"""The six models that are compared."""
ABLATIONS = (
    *("full_no_film", "full_no_hierarchical", "full_no_innings_heads"),
    *("full_only_film", "full_only_hierarchical", "full_only_innings_heads", "full_none"),
    *("full_no_history", "full_no_unknown_player"),
)
"""The nine variants of ``full`` that say what its parts are worth."""
SANITY = "sanity"
"""A small `full` for a few hundred matches: does the whole chain work?"""
VARIANTS = (*MAIN_VARIANTS, *ABLATIONS, SANITY)


class ModelSettings(BaseModel):
    """The network and its loss. Unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden_dim: int = Field(default=128, ge=4, description="width of a node's vector")
    layers: int = Field(default=3, ge=1, le=8, description="rounds of messages; 1 hears no ball of a ball")
    heads: int = Field(default=4, ge=1, description="attention heads; a divisor of hidden_dim")
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    embedding_dim: int = Field(default=16, ge=1, description="width of the vector learned for a player, team or venue")
    pooling: bool = Field(default=False, description="attention of the query over all earlier balls of the innings")
    matchup: bool = Field(default=False, description="a network over striker and bowler together")
    film: bool = Field(default=False, description="scale and shift the query by the phase of the innings")
    hierarchical: bool = Field(
        default=False, description="a player's vector is his team's and what sets him apart; who is new has his team's"
    )
    innings_heads: bool = Field(default=False, description="a head for the first innings and one for the chase")
    history: bool = Field(default=True, description="read the rates from earlier dates")
    unknown_share: float = Field(
        default=0.15,
        ge=0.0,
        lt=1.0,
        description="share of players, teams and venues hidden in each training innings, so that who is new finds a "
        "trained vector",
    )
    shortcut: bool = Field(
        default=True, description="base rates and a linear map of all features straight to the outcomes"
    )
    members: int = Field(
        default=1,
        ge=1,
        le=8,
        description="networks trained side by side from different weights, whose probabilities are averaged",
    )
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    focal_gamma: float = Field(default=2.0, ge=0.0, allow_inf_nan=False, description="only with loss=focal")
    class_weights: Literal["none", "balanced"] = Field(
        default="none", description="balanced: the inverse of a class's share of the training balls"
    )
    calibration: Literal["none", "temperature", "vector"] = Field(
        default="vector", description="how the log odds are scaled on validation balls, after the training"
    )

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden_dim % self.heads:
            raise ValueError(f"heads={self.heads} does not divide hidden_dim={self.hidden_dim}")
        return self


class DataSettings(BaseModel):
    """Which matches are trained on. Unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latest_matches: int | None = Field(
        default=None, ge=1, description="train on so many matches of the training side, the latest; null: on all"
    )


SECTIONS: dict[str, type[BaseModel]] = {"model": ModelSettings, "data": DataSettings}
"""The line's own sections of a preset, for `sport_assets.training.spec.resolve_preset`."""


def choose_years(settings: Mapping[str, Any], available: Sequence[str], dataset: Path) -> list[str]:
    """The years that a training reads: those with matches to train or validate with, by the split in ``dataset``.

    Rates of earlier dates come from ``player_history``, whatever is read. Raises ValueError where a year is missing.
    """
    split = json.loads((dataset / SPLIT_FILE).read_text(encoding="utf-8"))
    wanted = sorted({split["dates"][match][:4] for side in ("train", "valid") for match in split[side]})
    missing = sorted(set(wanted) - set(available))
    if missing:
        raise ValueError(
            f"the split has matches of {', '.join(missing)}, which its record does not name: make it again"
        )
    return wanted


def preset_path(variant: str) -> Path:
    """The packaged file of a variant. Raises ValueError for an unknown one."""
    if variant not in VARIANTS:
        raise ValueError(f"unknown variant {variant!r}: choose one of {', '.join(VARIANTS)}")
    return Path(__file__).parent / "presets" / f"{variant}.yaml"


def resolve(dimensions: Mapping[str, str], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Complete settings of a model partition: its variant's preset with overrides by dotted name, defaults filled in.

    dimensions holds `variant` (and `seed`, which is no setting). Raises BadSpecError on unknown names and wrong
    values, ValueError on an unknown variant.
    """
    return resolve_preset(preset_path(dimensions["variant"]), overrides, SECTIONS)
