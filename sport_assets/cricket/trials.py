"""Trainings of an experiment: built so that no test match can be read, and measured ball by ball.

Belongs here: the guarded builder, the check that says so, and what is kept of a trained model's forecasts. Must not
come here: which trainings an experiment has (``stage_*``), comparing them (``comparison``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from sport_assets.cricket.split import Split, leakage_check
from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.row_index import Identifiers, RowIndex
from sport_assets.training.errors import BadSpecError
from sport_assets.training.job import TrainingJob
from sport_assets.training.names import SPLIT_FILE
from sport_assets.training.spec import TrainingSpec
from sport_assets.training.trials import NO_TEST_DATA, Finished, Study


def build(spec: TrainingSpec) -> TrainingJob:
    """The training job of a trial: that of `models.build`, once no match of it is a test match.

    Raises BadSpecError where one is, whatever the spec asks for: the part `all` has some, a fold none.
    """
    from sport_assets.cricket import models

    job = models.build(spec)
    assert job.identifiers is not None
    test = set(Split.load(spec.input_path(models.SPLIT_KEY) / SPLIT_FILE).test)
    seen = sorted(test & {row[0] for found in job.identifiers.identifiers() for row in found.rows})
    if seen:
        raise BadSpecError(
            f"test matches would be read to compare settings: {', '.join(seen[:5])}; build cricket/split again"
        )
    return job


def guard(dataset: Path, read: Iterable[Identifiers]) -> CheckResult:
    """Whether all that was read to train (side `train`) and to choose (`valid`) is on that very side of the split."""
    used: dict[str, set[str]] = {}
    for rows in read:
        used.setdefault(rows.side, set()).update(row[0] for row in rows.rows)
    found = leakage_check(Split.load(dataset / SPLIT_FILE), used)
    return CheckResult(
        NO_TEST_DATA,
        found.passed,
        failed=found.failed,
        checked=sum(map(len, used.values())),
        rules=found.rules,
        sample=found.sample,
    )


def measure(study: Study, side: str, made: Sequence[tuple[Finished, Path]]) -> RowIndex:
    """Write what each trained model says of the balls of a side into its folder (see `comparison.Measured`).

    Log odds are calibrated on validation balls, where the decision rule of the tuned F1 is tuned as well: for the test
    side, both are those that were noted when the validation side was measured.
    """
    from sport_assets.cricket.balls import Balls
    from sport_assets.cricket.comparison import Measured, Rule
    from sport_assets.cricket.measuring import log_odds
    from sport_assets.cricket.player_history import read_past

    matches = Split.load(study.dataset / SPLIT_FILE).side(side)
    past = read_past(study.further["player_history"])
    balls = Balls.load(study.samples, past, matches).select(matches, f"the {side} side")
    scored = balls.scored
    columns = {name: values[scored] for name, values in balls.innings.balls.items()}
    match = balls.innings.match_of_balls[scored]
    for finished, out in made:
        odds = log_odds(finished.checkpoint, balls)[scored]
        if side == "valid":
            rule = Rule.tuned(odds, columns["outcome"])
        else:
            rule = Rule.load(finished.measured["valid"])
        rule.save(out)
        Measured.of(rule, odds, columns, match).save(out)
    rows = RowIndex()
    rows.add(("match_id",), balls.innings.match_ids, side)
    return rows
