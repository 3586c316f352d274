"""What a search found, as files: the best settings beside the preset's, every trial, and pictures; no times, no paths.

Belongs here: what is published. Must not be here: searching, trackers.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sport_assets.training.checkpoints import json_bytes
from sport_assets.training.errors import TrainingError
from sport_assets.training.names import TUNING_FILE
from sport_assets.training.tuning import FOLD_VALUES, REASON, STARTUP_TRIALS, TuningPlan

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

STYLE: dict[Any, Any] = {"svg.hashsalt": "sport_assets", "svg.fonttype": "none", "axes.grid": True, "grid.alpha": 0.3}
COLOURS = {"complete": "#2b6cb0", "pruned": "#a0aec0", "preset": "#2d3748", "best": "#d95f02"}


@dataclass(frozen=True)
class Trial:
    """A finished trial: its settings by dotted name, and what came of them. Number 0 is the preset itself."""

    number: int
    state: str
    """complete, pruned or failed."""
    value: float | None
    """Mean of the metric over all folds; None where it was not trained on all."""
    values: dict[str, Any]
    fold_values: list[float]
    reason: str | None
    """Why it failed."""

    @classmethod
    def of(cls, trial: FrozenTrial, plan: TuningPlan) -> Trial:
        """From the study's own."""
        values = {
            name: json.loads(trial.params[name]) if range_.kind == "categorical" else trial.params[name]
            for name, range_ in plan.searched.items()
            if name in trial.params
        }
        state = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}[trial.state.name]
        return cls(
            number=trial.number,
            state=state,
            value=trial.value if state == "complete" else None,
            values=values,
            fold_values=list(trial.user_attrs.get(FOLD_VALUES, [])),
            reason=trial.user_attrs.get(REASON),
        )


def result_files(
    plan: TuningPlan, study: optuna.Study, finished: Sequence[FrozenTrial], metric: str
) -> dict[str, bytes]:
    """best.json, trials.parquet and the pictures; the same trials give the same bytes.

    Raises `TrainingError` where the preset itself was not evaluated on all folds: there is nothing to compare with.
    """
    trials = [Trial.of(trial, plan) for trial in finished]
    whole = [trial for trial in trials if trial.value is not None]
    if not whole or whole[0].number != 0:
        raise TrainingError(
            "time was up before the preset itself was trained on all folds, so nothing can be compared; "
            "run it again, and it goes on"
        )
    found = best_of(whole, plan)
    weights = _importance(study, whole)
    return {
        TUNING_FILE: json_bytes(_summary(plan, trials, whole[0], found, metric)),
        "trials.parquet": _table(plan, trials),
        "history.svg": _draw_history(plan, trials, found, metric),
        "settings.svg": _draw_settings(plan, whole, found, metric, weights),
    }


def best_of(whole: Sequence[Trial], plan: TuningPlan) -> Trial:
    """The best whole trial; the earlier one of two that are as good, so the preset where nothing beats it."""
    sign = 1.0 if plan.mode == "min" else -1.0
    return min(whole, key=lambda trial: (sign * (trial.value or 0.0), trial.number))


def _summary(plan: TuningPlan, trials: Sequence[Trial], preset: Trial, found: Trial, metric: str) -> dict[str, Any]:
    states = [trial.state for trial in trials]
    return {
        "preset": plan.preset,
        # what was changed by hand belongs to what was found: without it the values mean something else
        "overrides": {**plan.fixed, **(found.values if found.number else {})},
        "metric": metric,
        "mode": plan.mode,
        "value": found.value,
        "fold_values": found.fold_values,
        "trial": found.number,
        "baseline_value": preset.value,
        "baseline_fold_values": preset.fold_values,
        "baseline_settings": preset.values,
        "trials": {state: states.count(state) for state in ("complete", "pruned", "failed")},
        "folds": plan.folds,
        "seed": plan.seed,
        "space": {
            name: range_.model_dump(mode="json", exclude_defaults=True) for name, range_ in plan.searched.items()
        },
        "study": plan.digest,
    }


def _table(plan: TuningPlan, trials: Sequence[Trial]) -> bytes:
    """One row per trial: trial, state, value, fold_0 …, every searched setting (lists as JSON), reason."""
    import polars as pl

    columns: dict[str, Any] = {
        "trial": pl.Series([trial.number for trial in trials], dtype=pl.Int64),
        "state": pl.Series([trial.state for trial in trials], dtype=pl.String),
        "value": pl.Series([trial.value for trial in trials], dtype=pl.Float64),
    }
    for fold in range(plan.folds):
        values = [trial.fold_values[fold] if fold < len(trial.fold_values) else None for trial in trials]
        columns[f"fold_{fold}"] = pl.Series(values, dtype=pl.Float64)
    for name, range_ in plan.searched.items():
        if range_.kind == "categorical":
            texts = [json.dumps(trial.values[name]) if name in trial.values else None for trial in trials]
            columns[name] = pl.Series(texts, dtype=pl.String)
        else:
            given = [trial.values.get(name) for trial in trials]
            columns[name] = pl.Series(given, dtype=pl.Int64 if range_.kind == "int" else pl.Float64)
    columns["reason"] = pl.Series([trial.reason for trial in trials], dtype=pl.String)
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer, statistics=True)
    return buffer.getvalue()


def _importance(study: optuna.Study, whole: Sequence[Trial]) -> dict[str, float]:
    """How much each setting told good trials from bad ones (PED-ANOVA, shares of 1); empty with too few trials."""
    if len(whole) < 2 * STARTUP_TRIALS or len({trial.value for trial in whole}) < 2:
        return {}
    import optuna

    # a tenth of few trials, the evaluator's own choice, would be one
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=max(0.1, min(0.5, 5 / len(whole))))
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _draw_history(plan: TuningPlan, trials: Sequence[Trial], found: Trial, metric: str) -> bytes:
    """Each trial's mean, of those cut short what it would come to, and the best so far beside the preset."""
    better = min if plan.mode == "min" else max
    whole = [trial for trial in trials if trial.value is not None]
    cut = [trial for trial in trials if trial.state == "pruned" and trial.fold_values]
    with _drawing((8.0, 4.2)) as (figure, save):
        axis = figure.subplots()
        axis.scatter(
            [trial.number + 1 for trial in cut],
            [_expected(trial, whole[0]) for trial in cut],
            color=COLOURS["pruned"], marker="x", label="cut short (as far from the preset as on its folds)",
        )  # fmt: skip
        values = [trial.value or 0.0 for trial in whole]
        numbers = [trial.number + 1 for trial in whole]
        axis.scatter(numbers, values, color=COLOURS["complete"], label="on all folds")
        running = [better(values[: place + 1]) for place in range(len(values))]
        axis.step(numbers, running, where="post", color=COLOURS["best"], label="best so far")
        axis.axhline(values[0], color=COLOURS["preset"], linestyle="--", label=f"preset {plan.preset}")
        axis.scatter([found.number + 1], [found.value], color=COLOURS["best"], marker="*", s=160, zorder=5)
        axis.set_xlabel("trial")
        axis.set_ylabel(f"{metric}, mean of {plan.folds} folds")
        axis.set_title(f"Search from {plan.preset}: {metric} {values[0]:.4g} → {found.value:.4g}")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.legend(fontsize="small")
        return save()


def _expected(trial: Trial, preset: Trial) -> float:
    """The mean over all folds of a trial that stays as far from the preset as it was; folds are not equally hard."""
    count = len(trial.fold_values)
    return (preset.value or 0.0) + (sum(trial.fold_values) - sum(preset.fold_values[:count])) / count


def _draw_settings(
    plan: TuningPlan, whole: Sequence[Trial], found: Trial, metric: str, weights: Mapping[str, float]
) -> bytes:
    """One panel per setting, the most important first: the trials' means over its values."""
    names = sorted(plan.searched, key=lambda name: (-weights.get(name, 0.0), name))
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    with _drawing((3.2 * columns, 2.9 * rows + 0.5)) as (figure, save):
        figure.suptitle(f"{metric} by setting" + (" (share of importance)" if weights else ""))
        axes = figure.subplots(rows, columns, squeeze=False).flat
        for name, axis in zip(names, axes, strict=False):
            range_ = plan.searched[name]
            labels = [json.dumps(choice) for choice in range_.choices]

            def place(trial: Trial, name: str = name, labels: list[str] = labels) -> float:
                value = trial.values[name]
                return float(labels.index(json.dumps(value))) if labels else float(value)

            axis.scatter([place(trial) for trial in whole], [trial.value for trial in whole],
                         color=COLOURS["complete"], s=18, alpha=0.7)  # fmt: skip
            axis.scatter([place(whole[0])], [whole[0].value], color=COLOURS["preset"], marker="D", label="preset")
            axis.scatter([place(found)], [found.value], color=COLOURS["best"], marker="*", s=140, label="best")
            axis.set_title(name + (f" ({weights[name]:.0%})" if name in weights else ""), fontsize="medium")
            if labels:
                axis.set_xticks(range(len(labels)), labels, fontsize="small")
            elif range_.kind == "log":
                axis.set_xscale("log")
        for axis in list(axes):
            axis.set_axis_off()
        figure.axes[0].legend(fontsize="small")
        return save()


@contextmanager
def _drawing(size: tuple[float, float]) -> Iterator[tuple[Any, Callable[[], bytes]]]:
    """A figure, and what makes an SVG of it: the same drawing gives the same bytes."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    def save() -> bytes:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "sport_assets"})
        return buffer.getvalue()

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        yield figure, save
