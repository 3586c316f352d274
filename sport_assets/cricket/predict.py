"""Batch prediction from raw match files with an exported ONNX model; no torch.

Belongs here: the way from match files to a table of probabilities, one row a delivery. Reading and cleaning is in
``archive`` and ``deliveries``, states and features in ``innings_state`` and ``features``; training code must not be
imported here, nor anything that loads torch.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sport_assets.cricket import archive, innings_state
from sport_assets.cricket.batches import InningsSource
from sport_assets.cricket.deliveries import CleanYear, Fault, clean_year, read_year
from sport_assets.cricket.features import table
from sport_assets.cricket.history import Situations
from sport_assets.cricket.innings import Innings
from sport_assets.cricket.labels import OUTCOMES, outcome
from sport_assets.cricket.shipped import OUTPUT, Shipped
from sport_assets.lineage.durable import write_durably
from sport_assets.training.exported import PredictionError, open_session

BATCH_INNINGS = 16
COLUMNS = ("match_id", "innings", "over", "ball_in_over", *(f"p_{name}" for name in OUTCOMES))
KNOWN_SHARE = 0.5
"""Share of a match's balls that the shipped past must hold for the match to be part of it."""
_SAME_BALL = ("day", "second_innings", "over", "outcome", "striker", "non_striker", "bowler")
"""What a ball is known again by; names of grounds and teams are not among it, for files respell them."""
_CONFLICT = "conflicting_files"


@dataclass(frozen=True)
class PredictionReport:
    """What a prediction wrote, and what it could not use."""

    rows: int
    """Deliveries forecast."""
    matches: int
    """Matches with at least one delivery forecast."""
    matches_known: int
    """Of those, matches that the model's own past holds; they are forecast from earlier dates all the same."""
    super_over_deliveries: int
    """Deliveries of super overs, which are left out."""
    quarantined: tuple[tuple[str, str, str], ...]
    """(file, rule, what is wrong) of each match file that breaks a rule and was not used, its first fault."""


def predict(model: Path, input_path: Path, output: Path) -> PredictionReport:
    """Forecast every delivery of the match files and write a CSV of COLUMNS: matches by date and id, in play order.

    model: ONNX file of ``cricket/exported_model``. input_path: a match file, an archive of them, or a folder with
    either, however deep. Each delivery is forecast from what was known before it: of its match, the deliveries
    before; of other matches, those of earlier dates, in the model's past and in the input. A match file that breaks a
    rule is named in the report; the others are predicted. The output is written whole or not at all.
    Raises PredictionError where no match can be used, ModelError for a model of another kind, ``RawFileUnreadable``
    for a damaged archive.
    """
    if output.is_dir():
        raise PredictionError(f"{output} is a folder: give the name of a file to write")
    session, shipped = open_model(model)
    clean, faults = read_input(input_path, shipped.label_rule)
    if clean.matches.is_empty():
        first = f", first {faults[0]['file']}: {faults[0]['rule']} ({faults[0]['value']})" if faults else ""
        raise PredictionError(f"{input_path}: no match can be predicted; {len(faults)} files break a rule{first}")
    innings = innings_state.build(clean.deliveries, clean.matches)
    past, known = with_input(shipped.past, innings)
    found = forecast(session, InningsSource(innings, table(innings, past), shipped.entities))
    rows = rows_of(innings, np.exp(found))
    write_durably(output, rows.write_csv(float_precision=8).encode())
    first_of = {fault["match_id"]: fault for fault in reversed(faults)}
    quarantined = tuple((each["file"], each["rule"], each["value"]) for _, each in sorted(first_of.items()))
    return PredictionReport(
        rows=len(rows),
        matches=len(innings.match_ids),
        matches_known=len(known),
        super_over_deliveries=int(clean.deliveries["super_over"].sum()),
        quarantined=quarantined,
    )


def open_model(path: Path) -> tuple[Any, Shipped]:
    """An ONNX Runtime session of an exported cricket model, on one CPU thread, and what the model ships.

    Raises ModelError where the file is absent, is no such model, or was exported for another layout.
    """
    session = open_session(path, "cricket/exported_model")
    return session, Shipped.from_metadata(session.get_modelmeta().custom_metadata_map, path.name)


def read_input(path: Path, label_rule: str) -> tuple[CleanYear, list[Fault]]:
    """The clean tables of all matches that a path names, and the faults of those that break a rule."""
    if path.is_dir():
        files = {file.relative_to(path).as_posix(): file for file in archive.files_below(path)}
    elif path.is_file() and path.name.endswith((archive.MATCH_SUFFIX, *archive.ARCHIVE_SUFFIXES)):
        files = {path.name: path}
    else:
        files = {}
    by_id: dict[str, dict[str, archive.Member]] = defaultdict(dict)
    for name, file in files.items():
        for member in archive.list_file(file, name):
            by_id[member.match_id].setdefault(member.sha256, member)
    if not by_id:
        raise PredictionError(
            f"no match file in {path}: give a .json, an archive ({', '.join(archive.ARCHIVE_SUFFIXES)}) of them, or a "
            "folder with either"
        )
    single = {match: next(iter(each.values())) for match, each in by_id.items() if len(each) == 1}
    wanted = {match: member.sha256 for match, member in single.items()}
    used = {member.file for member in single.values()}
    read, faults = read_year(archive.read([(name, file) for name, file in files.items() if name in used], wanted))
    faults += [_conflict(match, list(each.values())) for match, each in by_id.items() if len(each) > 1]
    clean = clean_year(read, faults)
    return replace(clean, deliveries=clean.deliveries.with_columns(outcome(label_rule))), clean.faults


def _conflict(match_id: str, members: list[archive.Member]) -> Fault:
    where = " and ".join(member.place for member in members)
    return {
        "match_id": match_id,
        "rule": _CONFLICT,
        "column": "",
        "value": f"files of one name that differ: {where}",
        "file": f"{match_id}{archive.MATCH_SUFFIX}",
        "line": 0,
        "row": "{}",
    }


def with_input(past: Situations, innings: Innings) -> tuple[Situations, list[str]]:
    """The past and, added to it, the matches of the input that it does not hold; and those that it does hold.

    The past says of its balls who played on which day, but no match. A match is taken for one of it when at
    least KNOWN_SHARE of its balls are there, each counted as often as it is there: so no ball counts twice, and a
    second match of the same two teams on the same day still counts.
    """
    own = Situations.of(innings).rows
    names = [name for name in own.columns if own[name].dtype == pl.Categorical]
    texts = [pl.col(name).cast(pl.String) for name in names]
    rows = own.with_columns(*texts, match_id=pl.Series(innings.match_of_balls, dtype=pl.String)).with_row_index("ball")
    there = past.rows.filter(pl.col("day").is_in(own["day"].unique().implode())).with_columns(*texts)
    counts = there.group_by(_SAME_BALL).len("there")
    rows = rows.with_columns(time=pl.int_range(pl.len()).over("match_id", *_SAME_BALL))
    rows = rows.join(counts, on=_SAME_BALL, how="left", nulls_equal=True, maintain_order="left")
    share = rows.group_by("match_id", maintain_order=True).agg(
        share=(pl.col("time") < pl.col("there").fill_null(0)).mean()
    )
    known = share.filter(pl.col("share") >= KNOWN_SHARE)["match_id"].to_list()
    new = own.filter(~pl.Series(innings.match_of_balls, dtype=pl.String).is_in(known))
    together = [past.rows.with_columns(*texts), new.with_columns(*texts).select(past.rows.columns)]
    return Situations(pl.concat(together)), known


def forecast(session: Any, source: InningsSource) -> np.ndarray:
    """Log-probabilities of every ball [N, 7], in order. Innings of like length share a batch."""
    wanted = {entry.name for entry in session.get_inputs()}
    found = np.zeros((len(source.columns["outcome"]), len(OUTCOMES)), dtype=np.float32)
    order = np.argsort(source.lengths, kind="stable")
    for first in range(0, len(order), BATCH_INNINGS):
        chosen = order[first : first + BATCH_INNINGS]
        batch = source.batch(chosen)
        (said,) = session.run([OUTPUT], {name: value for name, value in batch.items() if name in wanted})
        for row, number in enumerate(chosen):
            start, length = source.starts[number], source.lengths[number]
            found[start : start + length] = said[row, :length]
    return found


def rows_of(innings: Innings, probability: np.ndarray) -> pl.DataFrame:
    """A table of COLUMNS from probabilities of every ball [N, 7]."""
    index = innings.balls["innings_index"]
    table = innings.table[index.tolist()] if len(index) else innings.table
    return pl.DataFrame(
        {
            "match_id": table["match_id"],
            "innings": table["innings"],
            "over": innings.balls["over"],
            "ball_in_over": innings.balls["ball_in_over"],
            **{f"p_{name}": probability[:, number] for number, name in enumerate(OUTCOMES)},
        }
    )
