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
    model: Mapping[str, Any], baselines: Mapping[str, Mapping[str, Any]], coverage: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """`spec_targets` of evaluation.json: each target with the model's figure and who meets it.

    model and each of the baselines: metric -> {value} over the full horizon; coverage: `coverage` of evaluation.json.
    `value`, `met` and `excellent_met` are None where there is no figure, as for coverage without labels. `remark` says
    what the data show of the target itself.
    """
    rows = []
    for name, metric, good, target, excellent in TARGETS:
        if metric == "accuracy":
            value, others = coverage.get("accuracy"), {MAJORITY: coverage.get("majority_class_share")}
        else:
            value = model[metric]["value"]
            others = {other: one[metric]["value"] for other, one in baselines.items()}
        meeting = sorted(other for other, one in others.items() if _met(one, good, target))
        rows.append(
            {
                "name": name,
                "good": good,
                "target": target,
                "excellent": excellent,
                "value": value,
                "met": _met(value, good, target),
                "excellent_met": None if excellent is None else _met(value, good, excellent),
                "met_by_baselines": meeting,
                "remark": _remark(value, meeting),
            }
        )
    return rows


def _met(value: float | None, good: str, bound: float) -> bool | None:
    if value is None:
        return None
    return value < bound if good == "below" else value > bound


def _remark(value: float | None, meeting: list[str]) -> str:
    if value is None:
        return "not measured: no play that was evaluated has a label"
    if meeting:
        return f"says little here: {', '.join(name.replace('_', ' ') for name in meeting)} alone meets it"
    return "no baseline meets it"
