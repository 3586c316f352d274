"""The targets that were set for the trajectory models, beside what is reached and what needs no model to be reached.

Belongs here: the numbers, and the comparison. Must not come here: how the figures are measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TARGETS: tuple[tuple[str, str, str, float, float | None], ...] = (
    ("val_ade", "ade", "below", 3.0, 2.5),
    ("val_fde", "fde", "below", 5.0, 4.0),
    ("val_miss_rate_2yd", "miss_rate_2yd", "below", 0.40, 0.30),
    ("val_cov_acc", "accuracy", "above", 0.75, None),
)
"""The target's name, its metric, which side of the number is good, the number, and what counts as excellent."""

MAJORITY = "majority_class"


def table(
    metrics: Mapping[str, Any], baselines: Mapping[str, Mapping[str, Any]], coverage: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """`spec_targets` of evaluation.json: each target with the model's figure and who meets it.

    metrics, and each of the baselines: horizon -> metric -> {value}; coverage: as in evaluation.json. The model's
    figure is that of the full horizon, which the targets leave open; a baseline is looked at over the first second,
    too. `value`, `met` and `excellent_met` are None where there is no figure, as for coverage without labels. `remark`
    says what the data show of the target itself.
    """
    rows = []
    for name, metric, good, target, excellent in TARGETS:
        if metric == "accuracy":
            value = coverage.get("accuracy")
            meeting = {"full": [MAJORITY] if _met(coverage.get("majority_class_share"), good, target) else []}
        else:
            value = metrics["full"][metric]["value"]
            meeting = {
                horizon: sorted(
                    other for other in baselines if _met(baselines[other][horizon][metric]["value"], good, target)
                )
                for horizon in ("full", "10_frames")
            }
        rows.append(
            {
                "name": name,
                "good": good,
                "target": target,
                "excellent": excellent,
                "value": value,
                "met": _met(value, good, target),
                "excellent_met": None if excellent is None else _met(value, good, excellent),
                "met_without_a_model": meeting,
                "remark": _remark(value, meeting),
            }
        )
    return rows


def _met(value: float | None, good: str, bound: float) -> bool | None:
    if value is None:
        return None
    return value < bound if good == "below" else value > bound


def _remark(value: float | None, meeting: Mapping[str, list[str]]) -> str:
    if value is None:
        return "not measured: no play that was evaluated has a label"
    early = [name for name in meeting.get("10_frames", []) if name not in meeting["full"]]
    parts = []
    if meeting["full"]:
        parts.append(f"met without a model by {_names(meeting['full'])}")
    if early:
        parts.append(f"over the first second {'also ' if parts else 'met without a model '}by {_names(early)}")
    return "; ".join(parts) or "no baseline meets it"


def _names(names: list[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)
