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
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sport_assets.nfl.synthetic.lines import Key, Lines, Rows, index_rows


@dataclass(frozen=True)
class Defect:
    """One injected defect. `lines` are 1-based lines of `file` as written, the header being line 1.

    They are the damaged or added lines; for something left out they are the lines that show it (the row after a
    missing frame, the tracked rows of a player without outputs), or none where a whole row is gone without trace.
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
    "landing_far_beside": ("ball_land_y_range", "ball_land_y", "-200.0", "a landing point far from the field"),
    "no_frames_to_predict": ("num_frames_output_range", "num_frames_output", "0", "no frame in the air"),
    "unknown_role": ("player_role_vocabulary", "player_role", "Mascot", "a role outside the vocabulary"),
    "unknown_direction": ("play_direction_vocabulary", "play_direction", "up", "a direction outside the vocabulary"),
    "unknown_side": ("player_side_vocabulary", "player_side", "Bench", "a side outside the vocabulary"),
    "malformed_height": ("player_height_format", "player_height", "tall", "a height that is not feet-inches"),
    "implausible_weight": ("player_weight_range", "player_weight", "20", "lighter than any player"),
}
# The same for one value of a supplementary row.
_SITUATIONS: dict[str, tuple[str, str, str, str]] = {
    "impossible_down": ("down_range", "down", "7", "there are four downs"),
    "unknown_pass_result": ("pass_result_vocabulary", "pass_result", "X", "a result outside the vocabulary"),
    "team_not_playing": ("possession_team_not_playing", "possession_team", "XYZ", "neither home nor visitor"),
}
# kind: rule, for defects of several values, rows or tables.
_OTHERS: dict[str, str] = {
    "truncated_line": "field_count",
    "side_of_the_other_team": "role_side_mismatch",
    "negative_id": "id_not_positive",
    "frame_before_the_first": "frame_id_range",
    "game_of_another_season": "game_of_another_season",
    "duplicate_row": "duplicate_frame",
    "conflicting_row": "conflicting_frame",
    "missing_frame": "frame_gap",
    "missing_first_frame": "first_frame_not_1",
    "missing_last_frames": "frame_counts_differ",
    "position_jump": "position_jump",
    "inconsistent_ball_land": "ball_land_x_varies",
    "inconsistent_weight": "player_weight_varies",
    "two_targeted_receivers": "several_targeted_receivers",
    "no_targeted_receiver": "no_targeted_receiver",
    "two_passers": "several_passers",
    "wrong_num_frames_output": "num_frames_output_mismatch",
    "player_without_outputs": "player_without_output",
    "play_without_outputs": "play_without_output",
    "output_without_input": "output_without_input_player",
    "output_without_play": "output_without_input_play",
    "output_of_unflagged_player": "output_of_unflagged_player",
    "duplicate_output_row": "duplicate_frame",
    "missing_output_frame": "output_frame_gap",
    "jump_at_throw": "jump_at_throw",
    "supplementary_missing_play": "play_without_context",
    "duplicate_supplementary_row": "duplicate_play",
}
_VALUES_PER_PLAY = 4
KINDS = (*_VALUES, *_SITUATIONS, *_OTHERS)
_RULES = {**{kind: row[0] for kind, row in {**_VALUES, **_SITUATIONS}.items()}, **_OTHERS}


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
    """Damages one week's three tables (`input`, `output`, `supplementary`: CSV text with header), one defect
    of every kind. `supplementary_line` is the file line of the week's first supplementary row.

    Raises ValueError where the week has too few plays to keep the defects apart.
    """
    files = {table: Lines(names[table], text[table].rstrip("\n").split("\n")) for table in text}
    files["supplementary"].first_line = supplementary_line - 1
    week = index_rows(files)
    # Damaged values share plays, four different players each; what concerns a whole play has one of its own.
    slots = [(number // _VALUES_PER_PLAY, number % _VALUES_PER_PLAY) for number in range(len(_VALUES))]
    alone = slots[-1][0] + 1
    plays = [play for play in week.players if len(week.players[play]) >= _VALUES_PER_PLAY]
    single = (*_SITUATIONS, *_OTHERS)
    needed = alone + len(single)
    if len(plays) < needed:
        raise ValueError(f"defects need a week of at least {needed} plays, not {len(plays)}")
    order = [plays[index] for index in rng.permutation(len(plays))]
    marks = [
        _value(kind, order[number], player, files, week, rng)
        for kind, (number, player) in zip(_VALUES, slots, strict=True)
    ]
    left = order[alone:]
    for kind in single:
        # Some need a play with two predicted players, so that the others' outputs stay.
        play = next(play for play in left if kind not in _NEEDS_TWO or len(week.outputs[play]) >= 2)
        left.remove(play)
        marks.append(_row(kind, play, files, week, rng))
    done = {table: file.finish() for table, file in files.items()}
    found = []
    for mark in marks:
        _, kept, new = done[mark.table]
        lines = new[mark.added_after] if mark.added_after is not None else [kept[index] for index in mark.at]
        rule = _RULES[mark.kind]
        found.append(
            Defect(mark.kind, rule, names[mark.table], tuple(lines), mark.column, mark.value,
                   int(mark.play[0]), int(mark.play[1]), mark.what)
        )  # fmt: skip
    return {table: result[0] for table, result in done.items()}, found


def _value(
    kind: str, play: Key, player: int, files: Mapping[str, Lines], week: Rows, rng: np.random.Generator
) -> _Mark:
    _, column, value, what = _VALUES[kind]
    index = _row_inside(play, week, rng, player)
    files["input"].set(index, **{column: value})
    return _Mark(kind, "input", play, what, (index,), None, column, value)


def _row_inside(play: Key, week: Rows, rng: np.random.Generator, player: int | None = None) -> int:
    """A row of a player (by order in the play; any by default), neither among the first nor the last frames."""
    players = list(week.players[play].values())
    rows = players[int(rng.integers(len(players))) if player is None else player]
    return rows[int(rng.integers(2, len(rows) - 2))]


def _row(kind: str, play: Key, files: Mapping[str, Lines], week: Rows, rng: np.random.Generator) -> _Mark:
    if kind in _SITUATIONS:
        _, column, value, what = _SITUATIONS[kind]
        files["supplementary"].set(week.plays[play], **{column: value})
        return _Mark(kind, "supplementary", play, what, (week.plays[play],), None, column, value)
    if kind.endswith("supplementary_row") or kind == "supplementary_missing_play":
        return _supplementary(kind, play, files["supplementary"], week)
    if kind in _OUTPUTS:
        return _outputs(kind, play, files["output"], files["input"], week, rng)
    return _tracking(kind, play, files["input"], week, rng)


def _tracking(kind: str, play: Key, file: Lines, week: Rows, rng: np.random.Generator) -> _Mark:
    """Damage to several values or rows of the input."""

    def mark(what: str, at: Sequence[int] = (), after: int | None = None, column: str = "", value: str = "") -> _Mark:
        return _Mark(kind, "input", play, what, tuple(at), after, column, value)

    def changed(what: str, at: Sequence[int], column: str, value: str) -> _Mark:
        for index in at:
            file.set(index, **{column: value})
        return mark(what, at, None, column, value)

    players = week.players[play]
    index = _row_inside(play, week, rng)
    rows = next(rows for rows in players.values() if index in rows)
    by_role = {file.cells(player[0])[file.columns.index("player_role")]: player for player in players.values()}
    if kind == "truncated_line":
        file.replaced[index] = ",".join(file.lines[index].split(",")[:-6])
        return mark("the line ends six fields early", (index,))
    if kind == "side_of_the_other_team":
        defends = file.cells(index)[file.columns.index("player_role")] == "Defensive Coverage"
        return changed("role and side contradict", (index,), "player_side", "Offense" if defends else "Defense")
    if kind in _STRAYS:
        column, value = _STRAYS[kind]
        value = value or f"{int(play[0][:4]) - 4}{play[0][4:]}"
        # An extra row: changing the id of a row of the play would leave a gap there.
        file.added[rows[-1]] = [file.edited(rows[-1], **{column: value})]
        return mark(f"a stray row with {column} {value}", (), rows[-1], column, value)
    if kind == "duplicate_row":
        file.added[index] = [file.lines[index]]
        return mark("the same row twice", (), index)
    if kind == "conflicting_row":
        value = file.shifted(index, "x", 1.0)
        file.added[index] = [file.edited(index, x=value)]
        return mark("the same frame again, one yard off", (), index, "x", value)
    if kind == "missing_frame":
        file.removed.add(index)
        return mark("a frame is missing before this row", (index + 1,), None, "frame_id")
    if kind == "missing_first_frame":
        file.removed.add(rows[0])
        return mark("the player's first frame is missing", (rows[1],), None, "frame_id")
    if kind == "missing_last_frames":
        file.removed.update(rows[-2:])
        return mark("the player's last two frames are missing after this row", (rows[-3],), None, "frame_id")
    if kind == "position_jump":
        value = file.shifted(index, "x", 8.0)
        file.set(index, x=value)
        return mark("eight yards away for one frame: there and back", (index, index + 1), None, "x", value)
    if kind == "inconsistent_ball_land":
        value = file.shifted(index, "ball_land_x", 3.0)
        return changed("another landing point than in the rest of the play", (index,), "ball_land_x", value)
    if kind == "inconsistent_weight":
        return changed("another weight than in the player's other rows", (index,), "player_weight", "333")
    if kind in ("two_targeted_receivers", "two_passers"):
        role = "Targeted Receiver" if kind == "two_targeted_receivers" else "Passer"
        return changed(f"a second {role}", by_role["Other Route Runner"], "player_role", role)
    if kind == "no_targeted_receiver":
        return changed("the targeted receiver is not marked", by_role["Targeted Receiver"], "player_role",
                       "Other Route Runner")  # fmt: skip
    every = [row for player in players.values() for row in player]
    frames = len(next(iter(week.outputs[play].values())))
    return changed("two frames more than the output has", every, "num_frames_output", str(frames + 2))


_STRAYS = {
    "negative_id": ("nfl_id", "-7"),
    "frame_before_the_first": ("frame_id", "0"),
    "game_of_another_season": ("game_id", ""),
}
_OUTPUTS = (
    "player_without_outputs",
    "play_without_outputs",
    "output_without_input",
    "output_without_play",
    "output_of_unflagged_player",
    "duplicate_output_row",
    "missing_output_frame",
    "jump_at_throw",
)
_NEEDS_TWO = ("player_without_outputs",)
_NOBODY, _NO_PLAY = "99999", "99999"


def _outputs(kind: str, play: Key, file: Lines, tracking: Lines, week: Rows, rng: np.random.Generator) -> _Mark:
    """Damage to the output, and to what joins it to the input."""
    outputs, players = week.outputs[play], week.players[play]
    predicted = sorted(outputs)[int(rng.integers(len(outputs)))]
    rows = outputs[predicted]
    middle = rows[len(rows) // 2]
    if kind == "player_without_outputs":
        file.removed.update(rows)
        return _Mark(kind, "input", play, "to be predicted, but the output has no row of this player",
                     tuple(players[predicted]), None, "player_to_predict", "True")  # fmt: skip
    if kind == "play_without_outputs":
        file.removed.update(row for player in outputs.values() for row in player)
        tracked = tuple(row for name in outputs for row in players[name])
        return _Mark(kind, "input", play, "the output has no row of this play", tracked, None,
                     "player_to_predict", "True")  # fmt: skip
    if kind == "output_of_unflagged_player":
        name = next(name for name in players if name not in outputs)
        last = dict(zip(tracking.columns, tracking.cells(players[name][-1]), strict=True))
        # He stands where he was last seen: only the flag is wrong.
        file.added[rows[-1]] = [file.edited(row, nfl_id=name, x=last["x"], y=last["y"]) for row in rows]
        return _Mark(kind, "output", play, "output of a player who is not to be predicted", (), rows[-1],
                     "nfl_id", name)  # fmt: skip
    if kind in ("output_without_input", "output_without_play"):
        column, value, what = {
            "output_without_input": ("nfl_id", _NOBODY, "output of a player who is not in the input"),
            "output_without_play": ("play_id", _NO_PLAY, "output of a play that is not in the input"),
        }[kind]
        file.added[rows[-1]] = [file.edited(row, **{column: value}) for row in rows]
        return _Mark(kind, "output", play, what, (), rows[-1], column, value)
    if kind == "duplicate_output_row":
        file.added[middle] = [file.lines[middle]]
        return _Mark(kind, "output", play, "the same row twice", (), middle)
    if kind == "missing_output_frame":
        file.removed.add(middle)
        return _Mark(kind, "output", play, "a frame is missing before this row", (middle + 1,), None, "frame_id")
    for row in rows:
        file.set(row, x=file.shifted(row, "x", 8.0))
    return _Mark(kind, "output", play, "eight yards away from where the player was", tuple(rows), None, "x")


def _supplementary(kind: str, play: Key, file: Lines, week: Rows) -> _Mark:
    index = week.plays[play]
    if kind == "supplementary_missing_play":
        file.removed.add(index)
        return _Mark(kind, "supplementary", play, "a tracked play without its row")
    file.added[index] = [file.lines[index]]
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
