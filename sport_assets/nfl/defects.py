"""Deliberate damage to generated NFL files, each kind listed with rule, file and line in `defects.json`.

Here belongs making files wrong in known ways, so that validation can be proved. `inject` damages single
lines of a
generated week and leaves every other line as it was, byte for byte; the functions at the end break a whole
file. What is
right and wrong is decided by the line's schemas, not here; `rule` names the check expected to find the
defect.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

Key = tuple[str, str]


@dataclass(frozen=True)
class Defect:
    """One injected defect. `lines` are 1-based lines of `file` as written, the header being line 1.

    They are the damaged or added lines; for something left out they are the lines that show it (the row
    after a missing
    frame, the tracked rows of a player without outputs), or none where a whole row is gone without trace.
    """

    kind: str
    rule: str
    file: str
    lines: tuple[int, ...]
    column: str
    value: str
    game_id: int
    play_id: int
    what: str


# kind: (rule, column, new value, what) of a defect in one value of one row of an input file.
_VALUES: dict[str, tuple[str, str, str, str]] = {
    "null_in_critical_column": ("missing_value", "x", "NA", "x is missing"),
    "mistyped_value": ("type", "x", "abc", "text where a number belongs"),
    "coordinate_outside_field": ("x_off_field", "x", "250.0", "far beyond the end line"),
    "coordinate_beside_field": ("y_off_field", "y", "-40.0", "far beyond the side line"),
    "impossible_speed": ("speed_range", "s", "45.0", "faster than anyone runs"),
    "negative_speed": ("speed_range", "s", "-3.0", "speed has no sign"),
    "impossible_acceleration": ("acceleration_range", "a", "95.0", "harder than anyone accelerates"),
    "nan_value": ("not_finite", "y", "NaN", "not a number"),
    "infinite_value": ("not_finite", "s", "inf", "infinite"),
    "angle_out_of_range": ("dir_range", "dir", "725.0", "an angle beyond 360 degrees"),
    "orientation_out_of_range": ("o_range", "o", "-15.0", "a negative angle"),
    "yardline_outside_field": ("yardline_range", "absolute_yardline_number", "150", "beyond the end line"),
    "landing_far_outside": ("ball_land_x_range", "ball_land_x", "300.0", "a landing point far from the field"),
    "unknown_role": ("player_role_vocabulary", "player_role", "Mascot", "a role outside the vocabulary"),
    "unknown_direction": ("play_direction_vocabulary", "play_direction", "up", "a direction outside the vocabulary"),
    "unknown_side": ("player_side_vocabulary", "player_side", "Bench", "a side outside the vocabulary"),
    "malformed_height": ("player_height_format", "player_height", "tall", "a height that is not feet-inches"),
    "implausible_weight": ("player_weight_range", "player_weight", "20", "lighter than any player"),
}
_OTHERS: dict[str, str] = {
    "truncated_line": "field_count",
    "inconsistent_ball_land": "ball_land_inconsistent",
    "duplicate_row": "duplicate_frame",
    "conflicting_row": "conflicting_frame",
    "missing_frame": "frame_gap",
    "two_targeted_receivers": "several_targeted_receivers",
    "wrong_num_frames_output": "wrong_num_frames_output",
    "player_to_predict_without_outputs": "missing_outputs",
    "output_without_input": "output_without_input",
    "duplicate_output_row": "duplicate_frame",
    "missing_output_frame": "output_frame_gap",
    "supplementary_missing_play": "play_without_supplementary",
    "duplicate_supplementary_row": "duplicate_play",
}
_VALUES_PER_PLAY = 4
KINDS = (*_VALUES, *_OTHERS)


@dataclass
class _Text:
    """The lines of one file under repair in reverse: replaced, removed and added lines, by original index."""

    name: str
    lines: list[str]
    first_line: int = 1
    replaced: dict[int, str] = field(default_factory=dict)
    removed: set[int] = field(default_factory=set)
    added: dict[int, list[str]] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        return self.lines[0].split(",")

    def set(self, index: int, column: str, value: str) -> None:
        cells = self.replaced.get(index, self.lines[index]).split(",")
        cells[self.columns.index(column)] = value
        self.replaced[index] = ",".join(cells)

    def finish(self) -> tuple[str, dict[int, int], dict[int, list[int]]]:
        """The text, and where the original and the added lines ended up."""
        result: list[str] = []
        kept: dict[int, int] = {}
        new: dict[int, list[int]] = {}
        for index, line in enumerate(self.lines):
            if index not in self.removed:
                result.append(self.replaced.get(index, line))
                kept[index] = len(result) - 1 + self.first_line
            for extra in self.added.get(index, ()):
                result.append(extra)
                new.setdefault(index, []).append(len(result) - 1 + self.first_line)
        return "\n".join(result) + "\n", kept, new


@dataclass(frozen=True)
class _Mark:
    """Where a defect is, in original indices; turned into lines when all files are finished."""

    kind: str
    table: str
    play: Key
    what: str
    at: tuple[int, ...] = ()
    added_after: int | None = None
    column: str = ""
    value: str = ""


def inject(
    text: Mapping[str, str],
    names: Mapping[str, str],
    *,
    rng: np.random.Generator,
    supplementary_line: int = 2,
) -> tuple[dict[str, str], list[Defect]]:
    """Damages one week's three tables (`input`, `output`, `supplementary`: CSV text with header), one
    defect of every
    kind, each in a play of its own. `supplementary_line` is the file line of the week's first supplementary
    row.

    Raises ValueError where the week has too few plays to keep the defects apart.
    """
    files = {table: _Text(names[table], text[table].rstrip("\n").split("\n")) for table in text}
    files["supplementary"].first_line = supplementary_line - 1
    week = _index(files)
    # Damaged values share plays, four different players each; what concerns a whole play has one of its own.
    slots = [(number // _VALUES_PER_PLAY, number % _VALUES_PER_PLAY) for number in range(len(_VALUES))]
    alone = slots[-1][0] + 1
    plays = [play for play in week.players if len(week.players[play]) >= _VALUES_PER_PLAY]
    needed = alone + len(_OTHERS)
    if len(plays) < needed:
        raise ValueError(f"defects need a week of at least {needed} plays, not {len(plays)}")
    order = [plays[index] for index in rng.permutation(len(plays))]
    marks = [
        _value(kind, order[number], player, files, week, rng)
        for kind, (number, player) in zip(_VALUES, slots, strict=True)
    ]
    marks += [_other(kind, play, files, week, rng) for kind, play in zip(_OTHERS, order[alone:], strict=False)]
    done = {table: file.finish() for table, file in files.items()}
    found = []
    for mark in marks:
        _, kept, new = done[mark.table]
        lines = new[mark.added_after] if mark.added_after is not None else [kept[index] for index in mark.at]
        rule = _VALUES[mark.kind][0] if mark.kind in _VALUES else _OTHERS[mark.kind]
        found.append(
            Defect(mark.kind, rule, names[mark.table], tuple(lines), mark.column, mark.value,
                   int(mark.play[0]), int(mark.play[1]), mark.what)
        )  # fmt: skip
    return {table: result[0] for table, result in done.items()}, found


@dataclass(frozen=True)
class _Week:
    """Original line indices: rows of each player of each play, in the input and in the output, and of each
    play."""

    players: dict[Key, dict[str, list[int]]]
    outputs: dict[Key, dict[str, list[int]]]
    plays: dict[Key, int]


def _index(files: Mapping[str, _Text]) -> _Week:
    rows: dict[str, dict[Key, dict[str, list[int]]]] = {"input": {}, "output": {}}
    for table in rows:
        nfl_id = files[table].columns.index("nfl_id")
        for index, line in enumerate(files[table].lines[1:], start=1):
            cells = line.split(",", nfl_id + 1)
            rows[table].setdefault((cells[0], cells[1]), {}).setdefault(cells[nfl_id], []).append(index)
    play_id = files["supplementary"].columns.index("play_id")
    plays = {}
    for index, line in enumerate(files["supplementary"].lines[1:], start=1):
        cells = line.split(",", play_id + 1)
        plays[(cells[0], cells[play_id])] = index
    return _Week(rows["input"], rows["output"], plays)


def _value(
    kind: str, play: Key, player: int, files: Mapping[str, _Text], week: _Week, rng: np.random.Generator
) -> _Mark:
    _, column, value, what = _VALUES[kind]
    index = _row_inside(play, week, rng, player)
    files["input"].set(index, column, value)
    return _Mark(kind, "input", play, what, (index,), None, column, value)


def _row_inside(play: Key, week: _Week, rng: np.random.Generator, player: int | None = None) -> int:
    """A row of a player (by order in the play; any by default), neither among the first nor the last frames."""
    players = list(week.players[play].values())
    rows = players[int(rng.integers(len(players))) if player is None else player]
    return rows[int(rng.integers(2, len(rows) - 2))]


def _other(kind: str, play: Key, files: Mapping[str, _Text], week: _Week, rng: np.random.Generator) -> _Mark:
    tracking, targets, supplementary = files["input"], files["output"], files["supplementary"]
    outputs = week.outputs[play]
    predicted = sorted(outputs)[int(rng.integers(len(outputs)))]
    role = tracking.columns.index("player_role")
    if kind == "inconsistent_ball_land":
        index = _row_inside(play, week, rng)
        cells = tracking.lines[index].split(",")
        value = str(round(float(cells[tracking.columns.index("ball_land_x")]) + 3.0, 2))
        tracking.set(index, "ball_land_x", value)
        return _Mark(kind, "input", play, "another landing point than the rest of the play", (index,), None,
                     "ball_land_x", value)  # fmt: skip
    if kind == "truncated_line":
        index = _row_inside(play, week, rng)
        cells = tracking.lines[index].split(",")
        tracking.replaced[index] = ",".join(cells[: len(cells) - 6])
        return _Mark(kind, "input", play, "the line ends six fields early", (index,))
    if kind == "conflicting_row":
        index = _row_inside(play, week, rng)
        cells = tracking.lines[index].split(",")
        x = tracking.columns.index("x")
        cells[x] = str(round(float(cells[x]) + 1.0, 2))
        tracking.added[index] = [",".join(cells)]
        return _Mark(kind, "input", play, "the same frame again, one yard off", (), index, "x", cells[x])
    if kind == "duplicate_row":
        index = _row_inside(play, week, rng)
        tracking.added[index] = [tracking.lines[index]]
        return _Mark(kind, "input", play, "the same row twice", (), index)
    if kind == "missing_frame":
        index = _row_inside(play, week, rng)
        tracking.removed.add(index)
        return _Mark(kind, "input", play, "a frame is missing before this row", (index + 1,), None, "frame_id")
    if kind == "two_targeted_receivers":
        second = next(
            rows for rows in week.players[play].values()
            if tracking.lines[rows[0]].split(",")[role] == "Other Route Runner"
        )  # fmt: skip
        for index in second:
            tracking.set(index, "player_role", "Targeted Receiver")
        return _Mark(kind, "input", play, "a second targeted receiver", tuple(second), None, "player_role",
                     "Targeted Receiver")  # fmt: skip
    if kind == "wrong_num_frames_output":
        rows = [index for player in week.players[play].values() for index in player]
        value = str(len(outputs[predicted]) + 2)
        for index in rows:
            tracking.set(index, "num_frames_output", value)
        return _Mark(kind, "input", play, "two frames more than the output has", tuple(rows), None,
                     "num_frames_output", value)  # fmt: skip
    if kind == "player_to_predict_without_outputs":
        targets.removed.update(outputs[predicted])
        return _Mark(kind, "input", play, "to be predicted, but the output has no row of this player",
                     tuple(week.players[play][predicted]), None, "player_to_predict", "True")  # fmt: skip
    if kind == "output_without_input":
        last = outputs[predicted][-1]
        nfl_id = targets.columns.index("nfl_id")
        extra = []
        for index in outputs[predicted]:
            cells = targets.lines[index].split(",")
            cells[nfl_id] = "99999"
            extra.append(",".join(cells))
        targets.added[last] = extra
        return _Mark(kind, "output", play, "output of a player who is not in the input", (), last, "nfl_id", "99999")
    if kind == "duplicate_output_row":
        index = outputs[predicted][len(outputs[predicted]) // 2]
        targets.added[index] = [targets.lines[index]]
        return _Mark(kind, "output", play, "the same row twice", (), index)
    if kind == "missing_output_frame":
        index = outputs[predicted][len(outputs[predicted]) // 2]
        targets.removed.add(index)
        return _Mark(kind, "output", play, "a frame is missing before this row", (index + 1,), None, "frame_id")
    index = week.plays[play]
    if kind == "supplementary_missing_play":
        supplementary.removed.add(index)
        return _Mark(kind, "supplementary", play, "a tracked play without its row")
    supplementary.added[index] = [supplementary.lines[index]]
    return _Mark(kind, "supplementary", play, "the same row twice", (), index)


def write_manifest(defects: Sequence[Defect], path: Path) -> Path:
    """Writes `defects.json`: a list of objects with the fields of `Defect`, sorted by file and line.
    Returns `path`."""
    ordered = sorted(defects, key=lambda defect: (defect.file, defect.lines, defect.kind))
    text = json.dumps([asdict(defect) for defect in ordered], indent=1, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _plain(source: Path) -> bytes:
    return gzip.decompress(source.read_bytes()) if source.suffix == ".gz" else source.read_bytes()


def truncate_gzip(source: Path, target: Path, *, keep: float = 0.6) -> Path:
    """A gzip file that ends early, as after an interrupted copy: the first `keep` of the bytes. Returns
    `target`."""
    data = source.read_bytes() if source.suffix == ".gz" else gzip.compress(_plain(source), 6, mtime=0)
    target.write_bytes(data[: max(20, int(len(data) * keep))])
    return target


def wrong_encoding(source: Path, target: Path, *, encoding: str = "latin-1") -> Path:
    """Plain text in another encoding, with an accented letter in the first data row that has a letter
    (always so in input
    files), so that `latin-1` is not valid UTF-8. Returns `target`. Raises ValueError where no row has a
    letter."""
    lines = _plain(source).decode("utf-8").split("\n")
    for index, line in enumerate(lines[1:], start=1):
        letter = next((place for place in reversed(range(len(line))) if line[place].isalpha()), None)
        if letter is not None:
            lines[index] = f"{line[:letter]}\u00e9{line[letter + 1 :]}"
            break
    else:
        raise ValueError(f"{source.name} has no text to encode differently")
    target.write_bytes("\n".join(lines).encode(encoding))
    return target


def empty_file(target: Path) -> Path:
    """A file of no bytes. Returns `target`."""
    target.write_bytes(b"")
    return target


def header_only(source: Path, target: Path) -> Path:
    """The header of `source` without any row, as plain text. Returns `target`."""
    target.write_bytes(_plain(source).split(b"\n", 1)[0] + b"\n")
    return target


def other_season_header(source: Path, target: Path) -> Path:
    """The rows of `source` under the column names of earlier seasons' data (`gameId`, `nflId`, …), as plain
    text.
    Returns `target`."""
    header, rows = _plain(source).split(b"\n", 1)
    names = []
    for name in header.decode("utf-8").split(","):
        first, *rest = name.split("_")
        names.append(first + "".join(part.capitalize() for part in rest))
    target.write_bytes(",".join(names).encode("utf-8") + b"\n" + rows)
    return target
