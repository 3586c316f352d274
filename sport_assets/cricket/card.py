"""The model card: what a reader must know before using a cricket model, in Hugging Face's sections.

Here belongs text made of an evaluation, the settings and the versions a model came from; nothing is computed here. The
card carries no times, paths or hosts: the same model has the same card.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sport_assets.cricket.labels import DEFAULT_RULE, LABEL_RULES
from sport_assets.cricket.report import GROUP, best_baseline
from sport_assets.training.reports import (
    CARD_FILE,
    data_table,
    front_matter,
    markdown_table,
    provenance,
    settings_table,
)

NAMES: Mapping[str, str] = {
    "model": "Model",
    "uncalibrated": "Model before calibration",
    "marginal": "Always the same shares",
    "phase": "Shares by phase",
    "over": "Shares by over",
    "over_innings_wickets": "Shares by over, innings and wickets",
    "logistic_regression": "Multinomial logistic regression",
    "boosted_trees": "Boosted trees (LightGBM)",
}
METRICS: Mapping[str, str] = {
    "log_loss": "log-loss",
    "skill_over": "skill over shares by over",
    "calibration_error": "calibration error",
    "run_bias": "run bias",
    "wicket_auc": "wicket AUC",
    "ranked_probability_score": "RPS",
    "brier": "Brier",
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
}


def card(*, checkpoint: Path, evaluation: Path, exported: Path, facts: Mapping[str, Any], out: Path) -> str:
    """Write model_card.md to the folder `out` from the folders of a model's steps; returns its Markdown.

    facts: as the factory gives them (partition, versions, data, code_version, checks).
    """
    report = json.loads((evaluation / "evaluation.json").read_text(encoding="utf-8"))
    settings = json.loads((checkpoint / "settings.json").read_text(encoding="utf-8"))
    files = sorted(path.name for path in exported.iterdir() if path.is_file())
    name = str(facts.get("partition", "model")).split("|")
    parts = [
        front_matter("cricket", "outcome-forecasting"),
        f"# Cricket, ball by ball: {name[-1]}, seed {name[0]}",
        _summary(report),
        _use(files),
        _data(report, facts),
        _training(report, settings),
        _results(report),
        _groups(report),
        LIMITATIONS,
        ETHICS,
        provenance(facts),
    ]
    text = "\n\n".join(part.strip("\n") for part in parts) + "\n"
    (out / CARD_FILE).write_text(text, encoding="utf-8")
    return text


def _summary(report: Mapping[str, Any]) -> str:
    loss, samples = report["metrics"][GROUP]["log_loss"], report["samples"]
    best = best_baseline(report)
    gap, skill = report["difference_of_log_loss"][best], report["metrics"][GROUP]["skill_over"]
    return (
        "Says of every delivery of a T20 innings, before it is bowled, how likely a dot, a single, a two, a three, a "
        "four, a six and a wicket are. One causal graph per innings: how things stand before the ball, who is in and "
        "who bowls, and what the earlier balls of the innings brought.\n\n"
        f"On {samples['scored_balls']:,} balls of {samples['matches']:,} later matches, which it has never seen, its "
        f"log-loss is **{loss['value']:.4f} nats per ball** (95 % interval over matches {loss['low']:.4f} to "
        f"{loss['high']:.4f}). The best baseline ({NAMES[best].lower()}) has "
        f"{report['baselines'][best][GROUP]['log_loss']['value']:.4f}; the difference is {gap['value']:+.4f} "
        f"({gap['low']:+.4f} to {gap['high']:+.4f}). Its skill over the shares of each over is {skill['value']:.4f} "
        f"({skill['low']:.4f} to {skill['high']:.4f})."
    )


def _use(files: list[str]) -> str:
    return f"""## Intended use

Studying matches: what a situation was worth, whom it favoured, how a score may go on. Files:
{", ".join(f"`{name}`" for name in files)}. `sport-assets predict cricket --model MODEL --input PATH --output FILE`
forecasts every delivery of match files from what was known before it; `sport-assets simulate cricket` plays the rest of
a match many times. Prediction needs no PyTorch.

Not intended: betting, judging a player by single balls, other formats than T20."""


def _data(report: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    split = report["split"]
    return f"""## Data

Match files in Cricsheet's format, validated; matches that break a rule are in quarantine. Whole matches are divided by
date: the future never trains. Matches before {split["valid_from"]} train, those before {split["test_from"]} choose the
epoch and calibrate, later ones are the test. Rates of players, teams and grounds come from earlier dates alone, also
for the balls that train.

The outcome of a ball by the label rule {_rules(report["label_rule"])}.

What the weights were trained on:

{data_table(facts)}"""


def _rules(name: str) -> str:
    """The label rule in words, and the one that it refers to."""
    return "; ".join(f"`{rule}`: {LABEL_RULES[rule]}" for rule in dict.fromkeys((name, DEFAULT_RULE)))


def _training(report: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    validation = report["validation"]
    method = validation["calibration"]["method"]
    return f"""## Training

AdamW with warm-up and a cosine schedule; the epoch with the least log-loss on validation matches. Then the log odds are
calibrated on these matches ({method} scaling: {validation["uncalibrated_log_loss"]:.4f} before,
{validation["log_loss"]:.4f} after, on the balls it was fitted on). Players, teams and grounds are hidden at random in
training, so that who is new finds a trained vector.

{settings_table(settings)}"""


def _results(report: Mapping[str, Any]) -> str:
    tables = {"model": report["metrics"], "uncalibrated": report["uncalibrated"], **report["baselines"]}
    rows = [
        [NAMES[name], *(_cell(table[GROUP].get(metric, {}).get("value")) for metric in METRICS)]
        for name, table in tables.items()
    ]
    gaps = [
        [NAMES[name], f"{gap['value']:+.4f}", f"{gap['low']:+.4f} to {gap['high']:+.4f}"]
        for name, gap in report["difference_of_log_loss"].items()
    ]
    return "\n\n".join(
        [
            "## Results on test matches",
            markdown_table(["", *METRICS.values()], rows),
            "Log-loss is the metric that selects, in nats per ball. Skill is the share of the log-loss of the shares "
            "by over that is saved. Calibration error: mean over classes and ten bins of equally many balls. Run bias: "
            "expected less true runs a ball. F1 depends on the decision rule more than on the model, and selects "
            "nothing.",
            "Difference of log-loss, model less baseline, paired over matches:",
            markdown_table(["", "difference", "95 % interval"], gaps),
        ]
    )


def _groups(report: Mapping[str, Any]) -> str:
    rows = [
        [
            row["group"].replace("_", " "),
            f"{row['balls']:,}",
            f"{row['log_loss']['model']:.4f}",
            f"{row['log_loss'][row['best_baseline']]:.4f} ({NAMES[row['best_baseline']].lower()})",
            f"{row['difference']['value']:+.4f} ({row['difference']['low']:+.4f} to {row['difference']['high']:+.4f})",
        ]
        for row in report["by_group"]
    ]
    header = ["balls of", "balls", "model", "best baseline", "difference"]
    return "### By phase, innings and experience of the batter\n\n" + markdown_table(header, rows)


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


LIMITATIONS = """## Limitations

- Outcomes of single balls are mostly chance: the whole gain over frequencies by over is a few per cent of the log-loss.
- Wides and no-balls are no classes of their own; what is said of a ball does not say whether it is one.
- Pitch, weather, injuries, field placings and the speed of the ball are not known to it.
- Players and grounds without history are forecast as their team, or as anybody.
- A target that rain revised later is not known before; shortened innings are forecast by the overs known then.
- The presets' dropout, weight decay and hidden share of players were chosen while figures of matches from 2025 on stood
  beside those of validation: on these matches the figures of such a model are slightly too good."""

ETHICS = """## Ethical considerations

Match records are public and about people at work. Players are known by registry ids. Do not use forecasts of single
balls to decide about a player. Forecasts can be misused for gambling, which harms; this model is not made for it."""
