"""The model card's sections of figures: how a model was evaluated, and what came of it.

Here belongs text and tables made of evaluation.json. Nothing is computed here. What a model is, what it is for and
where it comes from is in `card`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sport_assets.nfl.plots import NAMES
from sport_assets.training.reports import markdown_table

METRIC_TITLES = {
    "ade": "ADE",
    "fde": "FDE",
    "miss_rate_2yd": "missed by 2 yd",
    "rmse": "RMSE",
    "rms_distance": "RMS distance",
}
HORIZON_TITLES = {"full": "Full horizon", "10_frames": "First 10 frames (1 s)"}


def by_folds(evaluation: Mapping[str, Any]) -> bool:
    return bool(evaluation["evaluated_by"] == "folds")


def unseen(evaluation: Mapping[str, Any]) -> str:
    return "each forecast by weights that had not seen its game" if by_folds(evaluation) else "which it has never seen"


def evaluated(evaluation: Mapping[str, Any]) -> str:
    if not by_folds(evaluation):
        return (
            "## How it was evaluated\n\nBy hold-out: the weights in this model forecast the games of the test side, "
            "which neither trained them nor chose their epoch."
        )
    folds, side = evaluation["folds"], evaluation["held_out_side"]
    rows = []
    for horizon, title in HORIZON_TITLES.items():
        spread = folds["over_folds"][horizon]
        rows.append(
            [title, *(f"{spread[m]['mean']:.3f} ± {spread[m]['standard_deviation']:.3f}" for m in METRIC_TITLES)]
        )
    parts = [
        "## How it was evaluated",
        f"By {folds['count']} folds: all games were dealt into {folds['count']} parts, and each part was forecast by "
        "weights trained, with the same settings, on the others alone. The figures below are over all these forecasts. "
        f"The weights in this model are none of them: they were fitted afterwards on all "
        f"{evaluation['fit']['plays']:,} plays, more than each fold had, and no game is left to judge them by.",
        "Mean and standard deviation over the folds:",
        markdown_table(["", *METRIC_TITLES.values()], rows),
    ]
    if side is not None:
        ade, best = side["metrics"]["full"]["ade"], best_baseline(side)
        parts.append(
            "Settings may have been tuned on the games of the train and valid sides of the split, never on those of "
            f"its test side. On these {side['samples']['plays']:,} plays of {side['samples']['games']:,} games alone "
            f"the same forecasts have an ADE of {ade['value']:.3f} ({ade['low']:.2f}–{ade['high']:.2f}) yards, and an "
            f"RMSE of {side['metrics']['full']['rmse']['value']:.3f}; {shown_name(best).lower()} has "
            f"{side['baselines'][best]['full']['ade']['value']:.3f} and "
            f"{side['baselines'][best]['full']['rmse']['value']:.3f}."
        )
    return "\n\n".join(parts)


def best_baseline(evaluation: Mapping[str, Any]) -> str:
    return min(evaluation["baselines"], key=lambda name: evaluation["baselines"][name]["full"]["ade"]["value"])


def results(evaluation: Mapping[str, Any]) -> str:
    parts = ["## Results on held-out games"]
    for horizon, title in HORIZON_TITLES.items():
        counts = evaluation["samples"][horizon]
        tables = {"model": evaluation["metrics"], **evaluation["baselines"]}
        order = sorted(tables, key=lambda name: (name != "model", tables[name][horizon]["ade"]["value"]))
        rows = [[_bold(shown_name(n), n), *(_cell(tables[n][horizon][m], n) for m in METRIC_TITLES)] for n in order]
        parts.append(f"### {title}: {counts['players']:,} players, {counts['frames']:,} frames")
        parts.append(markdown_table(["", *METRIC_TITLES.values()], rows))
    interval = evaluation["intervals"]
    parts.append(
        "ADE: mean distance over all frames. FDE: distance at the last frame. Missed: share of players whose last "
        "position is off by more than 2 yards. RMSE: sqrt(sum(dx² + dy²) / 2N), the score of the Big Data Bowl 2026. "
        "RMS distance: the root mean square of the distance itself, √2 times that. "
        f"All in yards. Intervals: {interval['level']:.0%}, {interval['resamples']:,} resamples of plays."
    )
    roles = evaluation.get("by_role", {})
    if roles:
        best = [n for n in NAMES if any(n in one for one in roles.values())]
        rows = [
            [role.replace("_", " "), f"{one['players']:,}", *(f"{one[n]['ade']:.2f}" for n in best if n in one)]
            for role, one in roles.items()
        ]
        parts.append("### Mean error (ADE) by role")
        parts.append(markdown_table(["role", "players", *(shown_name(n) for n in best)], rows))
    return "\n\n".join(parts)


def uncertainty(evaluation: Mapping[str, Any]) -> str:
    if "distribution" not in evaluation:
        return ""
    found = evaluation["distribution"]
    regions, likelihood = found["regions"], found["negative_log_likelihood"]
    order = [
        ("Point forecast", evaluation["metrics"]),
        ("Most probable mode", found["most_probable_mode"]),
        ("Best mode, known afterwards", found["best_mode"]),
    ]
    errors = [
        [title, *(f"{metrics[horizon][m]['value']:.3f}" for horizon in HORIZON_TITLES for m in ("ade", "fde"))]
        for title, metrics in order
    ]
    shares = [
        [
            f"{level} % region",
            *(_share(regions[f"inside_{level}"]),),
            *(_of_time(one, level) for one in found["by_time"]),
        ]
        for level in (50, 90)
    ]
    counts = ["frames", f"{evaluation['samples']['full']['frames']:,}", *(f"{o['frames']:,}" for o in found["by_time"])]
    return "\n\n".join(
        [
            "## Uncertainty",
            f"Each player has {found['modes']} modes: paths with a probability and, at each frame, a standard "
            "deviation along x and y. The modes together are the forecast distribution of a frame.",
            markdown_table(["", "ADE", "FDE", "ADE, 10 frames", "FDE, 10 frames"], errors),
            "True positions inside the region that is said to hold them:",
            markdown_table(["", "all", *(_span(one) for one in found["by_time"])], [*shares, counts]),
            f"Negative log likelihood: {likelihood['model']['value']:.3f} nats per frame "
            f"({_range(likelihood['model'])}); "
            f"{shown_name('damped_landing').lower()} with a Gaussian that widens with time has "
            f"{likelihood['baseline']['value']:.3f} ({_range(likelihood['baseline'])}). Lower is better.",
            f"Modes in use: {found['effective_modes']:.1f} of {found['modes']} explain the truth over all players, "
            f"{found['effective_modes_of_a_player']:.1f} are open for a single one (effective numbers). At the last "
            f"frame the modes lie {found['spread_between_modes_yards']:.2f} yards about their mean, and each is "
            f"{found['spread_within_modes_yards']:.2f} yards wide (root mean squares).",
            "Frames of one player are not independent: do not multiply their probabilities.",
        ]
    )


def _share(value: Mapping[str, float]) -> str:
    return f"{value['value']:.1%} ({value['low']:.0%}–{value['high']:.0%})"


def _of_time(one: Mapping[str, Any], level: int) -> str:
    if not one["frames"]:
        return "–"
    return f"{one['inside'][level // 5 - 1]:.1%}"


def _span(one: Mapping[str, Any]) -> str:
    return f"{one['after_s']:g} to {one['to_s']:g} s" if one["to_s"] is not None else f"over {one['after_s']:g} s"


def _range(value: Mapping[str, float]) -> str:
    return f"{value['low']:.2f} to {value['high']:.2f}"


def coverage(evaluation: Mapping[str, Any]) -> str:
    found = evaluation["coverage"]
    if not found["predicted"]:
        return ""
    text = "## Coverage\n\nThe model also says how likely it is that the defence plays man and not zone.\n\n"
    if not found["labelled_plays"]:
        return text + (
            "**Unverified: none of the plays that it was evaluated on has a label.** How well it tells man from zone "
            "is not known."
        )
    rows = [
        ["accuracy", f"{found['accuracy']:.3f}", f"{found['majority_class_share']:.3f} (always the more frequent)"],
        ["balanced accuracy", _number(found["balanced_accuracy"]), "0.500"],
        ["AUC", _number(found["auc"]), "0.500"],
        ["log loss, nats", f"{found['log_loss']:.3f}", f"{found['log_loss_of_shares']:.3f} (always the shares)"],
    ]
    return (
        text
        + f"On {found['labelled_plays']:,} held-out plays with a label ({found['man_plays']:,} man, "
        + f"{found['zone_plays']:,} zone):\n\n"
        + markdown_table(["", "model", "without a model"], rows)
        + "\n\nOn generated plays, whose coverage shows in the movement by construction, these figures say nothing of "
        "football: there the model is unverified on real data."
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def targets(evaluation: Mapping[str, Any]) -> str:
    rows = [
        [
            f"`{row['name']}`",
            f"{'below' if row['good'] == 'below' else 'above'} {row['target']:g}",
            "–" if row["excellent"] is None else f"{row['excellent']:g}",
            _number(row["value"]),
            {True: "yes", False: "**no**", None: "–"}[row["met"]],
            {True: "yes", False: "no", None: "–"}[row["excellent_met"]],
            row["remark"],
        ]
        for row in evaluation["spec_targets"]
    ]
    header = ["target", "asked", "excellent", "here", "met", "excellent met", "remark"]
    return "## Targets\n\nWhat was asked of the model, over the full horizon.\n\n" + markdown_table(header, rows)


def shown_name(name: str) -> str:
    return NAMES.get(name, name.replace("_", " ").capitalize())


def _bold(text: str, name: str) -> str:
    return f"**{text}**" if name == "model" else text


def _cell(value: Mapping[str, float], name: str) -> str:
    return _bold(f"{value['value']:.3f}", name) + f" ({value['low']:.2f}–{value['high']:.2f})"
