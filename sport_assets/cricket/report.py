"""evaluation.json: the figures of a cricket model beside every baseline's, on the same held-out balls.

Here belongs the form of the report. Arithmetic is in ``metrics`` and ``resampling``, running models in ``measuring``,
files and checks in ``evaluation``, pictures in ``plots``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sport_assets.cricket import metrics
from sport_assets.cricket.balls import Balls
from sport_assets.cricket.baselines import REFERENCE
from sport_assets.cricket.history import balls_known
from sport_assets.cricket.labels import OUTCOMES
from sport_assets.cricket.nodes import FEATURES, HISTORY_FEATURES
from sport_assets.cricket.resampling import RESAMPLES, interval, skill_interval

VERSION = 1
MODEL, UNCALIBRATED = "model", "uncalibrated"
GROUP = "all_balls"
"""All scored balls of the side, the one group of metrics and baselines."""
BOOTSTRAP_SEED = 20260
SPEC_MACRO_F1 = 0.15
"""What the source document asks of stage 1 (cricket_outcomes.md, success criteria)."""


@dataclass(frozen=True)
class Judged:
    """Scored balls of a side and what everybody says of them."""

    balls: Balls
    forecasts: Mapping[str, np.ndarray]
    """Probabilities [N, 7] of the scored balls by name: MODEL, UNCALIBRATED, and each baseline."""
    baselines: tuple[str, ...]

    @property
    def outcome(self) -> np.ndarray:
        """Outcomes of the scored balls [N]."""
        return self.balls.outcome

    @property
    def match(self) -> np.ndarray:
        """Number of each scored ball's match [N]."""
        index = self.balls.innings.balls["innings_index"][self.balls.scored]
        of_innings = self.balls.innings.table["match_id"].rle_id().to_numpy()
        return np.asarray(of_innings[index])


def summary(test: Judged, *, power: float, prior: np.ndarray, resamples: int = RESAMPLES) -> dict[str, Any]:
    """The report of the test side. ``power`` and ``prior`` are the decision rule tuned on validation."""
    losses = {name: metrics.losses(p, test.outcome) for name, p in test.forecasts.items()}
    rules = {"power": power, "prior": prior}

    def table(name: str) -> dict[str, Any]:
        p, reference = test.forecasts[name], test.forecasts[REFERENCE]
        own = rules if name in (MODEL, UNCALIBRATED) else {}
        values = metrics.summarise(p, test.outcome, reference=reference, **own)  # type: ignore[arg-type]
        if not own:  # a baseline has no decision rule of its own
            values = {metric: value for metric, value in values.items() if not metric.endswith("_tuned")}
        drawn: dict[str, Any] = {"match": test.match, "resamples": resamples, "seed": BOOTSTRAP_SEED}
        spreads = {
            "log_loss": interval(losses[name], **drawn),
            "skill_over": skill_interval(losses[name], losses[REFERENCE], **drawn),
        }
        rows: dict[str, Any] = {metric: {"value": _number(value)} for metric, value in values.items()}
        for metric, spread in spreads.items():
            rows[metric] |= {"low": spread.low, "high": spread.high}
        return {GROUP: rows}

    return {
        "version": VERSION,
        "units": "log-loss in nats per ball; run_bias in runs per ball; all else shares or scores without a unit",
        "metrics": table(MODEL),
        "baselines": {name: table(name) for name in test.baselines},
        UNCALIBRATED: table(UNCALIBRATED),
        "difference_of_log_loss": {
            name: asdict(interval(losses[MODEL] - losses[name], test.match, resamples=resamples, seed=BOOTSTRAP_SEED))
            for name in test.baselines
        },
        "by_group": by_group(test, losses),
        "by_outcome": _by_outcome(test),
        "decision": {
            "power": power,
            "prior": dict(zip(OUTCOMES, prior.tolist(), strict=True)),
            "rule": "the class with the largest p / prior ** power; the power is tuned on validation, selects nothing",
        },
        "samples": {
            "matches": len(test.balls.innings.match_ids),
            "innings": len(test.balls.innings.table),
            "balls": len(test.balls),
            "scored_balls": len(test.outcome),
        },
        "spec_targets": [_spec_target(test)],
        "intervals": {"level": 0.95, "over": "matches", "resamples": resamples, "seed": BOOTSTRAP_SEED},
    }


def _spec_target(test: Judged) -> dict[str, Any]:
    """What the source document asks, beside what was reached."""
    value = metrics.macro_f1(metrics.decide(test.forecasts[MODEL]), test.outcome)
    return {
        "name": "macro_f1",
        "good": "above",
        "target": SPEC_MACRO_F1,
        "value": value,
        "met": value > SPEC_MACRO_F1,
        "remark": "at argmax; it moves with the decision rule alone, so it selects nothing",
    }


def groups(balls: Balls) -> dict[str, np.ndarray]:
    """Masks over the scored balls by name: phases, innings, experience of the batter."""
    scored = balls.scored
    history = balls.features[scored][:, [FEATURES.index(name) for name in HISTORY_FEATURES]]
    about = {name: balls.innings.balls[name][scored] for name in ("phase", "second_innings")}
    return metrics.groups(about, balls_known(history))


def by_group(test: Judged, losses: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Of each group: balls, log-loss of everybody, the model's macro F1, and its difference from the best baseline."""
    rows = []
    decided = metrics.decide(test.forecasts[MODEL])
    for name, mask in groups(test.balls).items():
        if not mask.any():
            continue
        found = {who: float(loss[mask].mean()) for who, loss in losses.items()}
        best = min(test.baselines, key=lambda who: found[who])
        gap = interval((losses[MODEL] - losses[best])[mask], test.match[mask], seed=BOOTSTRAP_SEED)
        rows.append(
            {
                "group": name,
                "balls": int(mask.sum()),
                "log_loss": found,
                "macro_f1": metrics.macro_f1(decided[mask], test.outcome[mask]),
                "best_baseline": best,
                "difference": asdict(gap),
            }
        )
    return rows


def _by_outcome(test: Judged) -> list[dict[str, Any]]:
    """Of each class: its share, the mean forecast, F1 at argmax, calibration error."""
    p, y = test.forecasts[MODEL], test.outcome
    f1, calibration = metrics.f1_scores(metrics.decide(p), y), metrics.calibration_errors(p, y)
    return [
        {
            "outcome": name,
            "share": float((y == number).mean()),
            "forecast": float(p[:, number].mean()),
            "f1": float(f1[number]),
            "calibration_error": float(calibration[number]),
        }
        for number, name in enumerate(OUTCOMES)
    ]


def facts(report: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers people ask for first."""
    own = report["metrics"][GROUP]
    best = best_baseline(report)
    return {
        "test_balls": report["samples"]["scored_balls"],
        "test_matches": report["samples"]["matches"],
        **{name: value["value"] for name, value in own.items()},
        "best_baseline": best,
        "best_baseline_log_loss": report["baselines"][best][GROUP]["log_loss"]["value"],
        "uncalibrated_log_loss": report[UNCALIBRATED][GROUP]["log_loss"]["value"],
    }


def best_baseline(report: Mapping[str, Any]) -> str:
    """The baseline with the least log-loss."""
    return min(report["baselines"], key=lambda name: float(report["baselines"][name][GROUP]["log_loss"]["value"]))


def _number(value: float) -> float | None:
    """JSON has no NaN: a metric that these balls do not have is null."""
    return float(value) if np.isfinite(value) else None
