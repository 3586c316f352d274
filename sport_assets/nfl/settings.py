"""Settings of the NFL line's models: what a preset may say, and nothing else.

Here belong the pydantic models of a preset's `model` and `data` sections and the reading of packaged presets.
The `training` section belongs to the training kernel. No torch here: settings are read with the definitions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from sport_assets.nfl.split import Split
from sport_assets.nfl.tensors import HISTORY_FRAMES
from sport_assets.nfl.weeks import WEEK_KEY
from sport_assets.training.errors import BadSpecError
from sport_assets.training.names import SPLIT_FILE
from sport_assets.training.spec import resolve_preset

PRESETS = ("sanity", "production", "probabilistic")


def _listed(value: Any) -> Any:
    """Weeks as text (``2023-w01,2023-w02``) as a list; all, first and lists as they are."""
    if isinstance(value, str) and value not in ("all", "first"):
        return [week.strip() for week in value.split(",") if week.strip()]
    return value


Week = Annotated[str, Field(pattern=WEEK_KEY)]
Weeks = Annotated[Literal["all", "first"] | Annotated[tuple[Week, ...], Field(min_length=1)], BeforeValidator(_listed)]


class ModelSettings(BaseModel):
    """The network and its losses. Unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden_dim: int = Field(default=64, ge=4, description="width of a player's vector")
    graph_layers: int = Field(default=2, ge=1, description="rounds of graph attention")
    heads: int = Field(default=4, ge=1, description="attention heads; a divisor of hidden_dim")
    edge_dim: int = Field(default=16, ge=1, description="learned features of a pair of players")
    temporal_dim: int = Field(default=128, ge=4, description="width of the encoder of a player's past")
    temporal_layers: int = Field(default=1, ge=0, description="hidden layers of the encoder of a player's past")
    past_frames: int = Field(default=10, ge=3, le=HISTORY_FRAMES, description="frames before the throw that are read")
    basis: int = Field(default=4, ge=1, le=8, description="polynomials of the residual per coordinate")
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    use_context: bool = Field(default=True, description="read the pre-snap context of the play")
    context_dropout: float = Field(
        default=0.8, ge=0.0, lt=1.0, description="share of training plays whose context is hidden; it may be absent"
    )
    position_loss: Literal["huber", "euclidean", "squared"] = "huber"
    huber_delta_yards: float = Field(default=1.0, gt=0.0, description="where the Huber loss turns linear")
    velocity_loss_weight: float = Field(default=0.1, ge=0.0, description="weight of the velocity loss, per yd/s")
    acceleration_loss_weight: float = Field(
        default=0.0, ge=0.0, description="weight of the acceleration loss, per yd/s^2"
    )
    modes: int = Field(default=0, ge=0, le=32, description="modes of the mixture of paths; 0: a point forecast alone")
    likelihood_loss_weight: float = Field(
        default=0.1, ge=0.0, description="weight of the mixture's likelihood loss, per nat; only with modes"
    )
    members: int = Field(
        default=1, ge=1, le=16, description="networks trained side by side from different weights and averaged"
    )
    coverage_head: bool = Field(default=True, description="also say how likely man coverage is, where labels exist")
    coverage_loss_weight: float = Field(default=0.1, ge=0.0, description="weight of the coverage loss, per nat")

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden_dim % self.heads:
            raise ValueError(f"heads={self.heads} does not divide hidden_dim={self.hidden_dim}")
        return self

    @model_validator(mode="after")
    def _several_modes(self) -> Self:
        if self.modes == 1:
            raise ValueError("modes=1 is no mixture: give 0 (a point forecast alone) or at least 2")
        return self


class DataSettings(BaseModel):
    """Which plays are trained on, and how they are varied. Unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weeks: Weeks = Field(
        default="all",
        description="all weeks present; first: as few from the first on as hold games to train and to validate; "
        "or named ones, as 2023-w01,2023-w02",
    )
    mirror: bool = Field(default=True, description="also train on every play mirrored in y")
    earlier_starts_frames: tuple[Annotated[int, Field(ge=1, le=10)], ...] = Field(
        default=(), description="also train on forecasts started this many frames before the throw, each 1 to 10"
    )
    rotation_degrees: float = Field(
        default=0.0, ge=0.0, le=180.0, description="turn each play in training by up to this about the landing point"
    )
    position_noise_yards: float = Field(
        default=0.0, ge=0.0, description="standard deviation of noise on each past position, in training"
    )
    velocity_noise_yards_s: float = Field(
        default=0.0, ge=0.0, description="standard deviation of noise on each component of past velocities, in training"
    )
    evaluate_by: Literal["holdout", "folds"] = Field(
        default="holdout",
        description="holdout: train on one side of the split, evaluate on another; folds: evaluate every game by a "
        "model that never saw it, then fit on all games",
    )

    @model_validator(mode="after")
    def _starts_differ(self) -> Self:
        if len(set(self.earlier_starts_frames)) < len(self.earlier_starts_frames):
            raise ValueError(f"earlier_starts_frames repeats a start: {list(self.earlier_starts_frames)}")
        return self


SECTIONS: dict[str, type[BaseModel]] = {"model": ModelSettings, "data": DataSettings}
"""The line's own sections of a preset, for `sport_assets.training.spec.resolve_preset`."""


def preset_path(name: str) -> Path:
    """The packaged file of a preset. Raises ValueError for an unknown name."""
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}: choose one of {', '.join(PRESETS)}")
    return Path(__file__).parent / "presets" / f"{name}.yaml"


def resolve(dimensions: Mapping[str, str], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Complete settings of a model partition: its preset with overrides by dotted name, every default filled in.

    dimensions holds `preset` (and `seed`, which is no setting). Raises BadSpecError on unknown names and wrong
    values, ValueError on an unknown preset.
    """
    return resolve_preset(preset_path(dimensions["preset"]), overrides, SECTIONS)


def choose_weeks(settings: Mapping[str, Any], available: Sequence[str], dataset: Path) -> list[str]:
    """The weeks that a training reads, of those that the split in the folder `dataset` covers; sorted.

    Whatever it reads, every model is evaluated on the same test side of all weeks. Raises BadSpecError for a week
    that is not there, SplitError where `first` finds no games for one of the sides.
    """
    wanted = settings["data"]["weeks"]
    if wanted == "all":
        return sorted(available)
    if wanted == "first":
        return Split.load(dataset / SPLIT_FILE).first_weeks(available)
    unknown = sorted(set(wanted) - set(available))
    if unknown:
        raise BadSpecError(f"data.weeks names {', '.join(unknown)}; available are {', '.join(sorted(available))}")
    return sorted(set(wanted))
