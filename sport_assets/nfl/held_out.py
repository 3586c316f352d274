"""Which weights forecast which plays: only those that never saw the plays' games.

Here belong the parts of a checkpoint folder, the plays that each may be judged by, and running it on them. What is
measured does not belong here. A checkpoint is evaluated by hold-out (its own weights on the test side of the split) or
by folds: `fold_0`, `fold_1` … hold weights that were trained on all games but those of the split's fold of that
number, while the weights of the folder itself learned from all games and can be judged by none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sport_assets.nfl.baselines import Batch
from sport_assets.nfl.split import Split
from sport_assets.nfl.tensors import PlayTensors
from sport_assets.training.errors import BadSpecError
from sport_assets.training.names import SPEC_FILE
from sport_assets.training.threads import one_thread

Forecast = Callable[[Batch], dict[str, np.ndarray]]
"""From padded arrays to a model's outputs by name (`network.outputs`)."""

Method = Literal["holdout", "folds"]


class LeakageError(BadSpecError):
    """A model was to be judged by plays that it may have learned from."""


@dataclass(frozen=True)
class HeldOut:
    """Weights and the plays that they are judged by. Raises LeakageError where they saw a game of these plays."""

    checkpoint: Path
    plays: PlayTensors
    learned_from: frozenset[int]
    """Games that the weights, or the choice of their epoch, were made with."""

    def __post_init__(self) -> None:
        seen = sorted({int(game) for game in np.unique(self.plays.game_id)} & self.learned_from)
        if seen:
            raise LeakageError(
                f"{self.checkpoint.name} learned from {len(seen)} of the games that it is to be judged by, first "
                f"{seen[0]}: make the split and the checkpoint again"
            )


def method(checkpoint: Path) -> Method:
    """How a checkpoint folder is to be evaluated: `data.evaluate_by` of its settings."""
    settings = json.loads((checkpoint / "settings.json").read_text(encoding="utf-8"))
    found = settings["data"].get("evaluate_by", "holdout")
    if found not in ("holdout", "folds"):
        raise BadSpecError(f"data.evaluate_by of {checkpoint.name} is {found!r}: it must be holdout or folds")
    return "folds" if found == "folds" else "holdout"


def held_out(checkpoint: Path, split: Split, weeks: Mapping[str, PlayTensors]) -> list[HeldOut]:
    """The parts of a checkpoint folder, each with the plays of `weeks` with targets that it never saw.

    Plays are in the order of their number of frames, so that those that share a batch are alike. Raises LeakageError
    where a part was not trained on what its place says, BadSpecError where folds are missing or a part has no play.
    """
    if method(checkpoint) == "holdout":
        _expect(checkpoint, "split")
        plays = plays_by_length(weeks, split.test, "the test side")
        return [HeldOut(checkpoint, plays, frozenset(split.train + split.valid))]
    final = _expect(checkpoint, "all")
    folders = {path.name for path in checkpoint.glob("fold_*")}
    if not split.folds or folders != {f"fold_{number}" for number in range(len(split.folds))}:
        raise BadSpecError(
            f"the checkpoint has {len(folders)} fold trainings and the split {len(split.folds)} folds: make it again"
        )
    parts = []
    for number, (train, valid) in enumerate(split.folds):
        folder = checkpoint / f"fold_{number}"
        spec = _expect(folder, f"fold:{number}")
        for name in ("settings", "seed", "inputs"):
            if spec.get(name) != final.get(name):
                raise BadSpecError(f"{folder.name} was trained with other {name} than the final fit: make it again")
        plays = plays_by_length(weeks, valid, f"the held-out side of fold {number}")
        parts.append(HeldOut(folder, plays, frozenset(train)))
    return parts


def _expect(folder: Path, part: str) -> dict[str, Any]:
    """The training spec of a folder, which must say that this part of the data set was trained on."""
    path = folder / SPEC_FILE
    if not path.is_file():
        raise BadSpecError(f"{folder.name} has no {SPEC_FILE}: what it was trained on cannot be told")
    spec: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if spec.get("part") != part:
        raise LeakageError(
            f"{folder.name} was trained on the part {spec.get('part')!r} of its data and not on {part!r}: the plays "
            "that it is to be judged by may be among them. Make the checkpoint again"
        )
    return spec


def plays_by_length(weeks: Mapping[str, PlayTensors], games: Sequence[int], what: str) -> PlayTensors:
    """The plays with targets of some games (called `what`), by number of frames, then week, game and play.

    Raises BadSpecError where there is none.
    """
    from sport_assets.nfl.models import plays_of

    plays = plays_of(weeks, games, what)
    return plays.select(np.argsort(plays.frames, kind="stable"))


@contextmanager
def torch_forecast(checkpoint: Path) -> Iterator[Forecast]:
    """The weights of a folder as a forecast of padded batches, on one CPU thread (for equal bits)."""
    import torch

    from sport_assets.nfl.models import INPUTS, as_tensors, load

    network = load(checkpoint).network

    def forecast(batch: Batch) -> dict[str, np.ndarray]:
        tensors = as_tensors(batch)
        with torch.no_grad():
            found = network(*(tensors[name] for name in INPUTS))
        return {name: value.numpy() for name, value in zip(network.outputs, found, strict=True)}

    with one_thread():
        yield forecast
