"""Events of a match, brought to the clock of the video that shows them.

Belongs here: reading both shapes of event files, and the files of the ``events`` asset. Must not come here: which
frames are taken near an event (``frame_choice``), where the files lie (``videos``).

Two shapes are read. **Annotations**, as SoccerNet and SoccerTrack's clips have them::

    {"UrlLocal": "", "UrlYoutube": "", "annotations": [
        {"gameTime": "1 - 0:01", "label": "PASS", "position": "1760", "team": "left", "visibility": ""}]}

``position`` is in milliseconds, as text or as a number, and counts from the start of the half that ``gameTime`` begins
with. **Actions**, as SoccerTrack v2 has them::

    {"match_id": "117093", "fps": 25.0, "actions": [
        {"time": 12.5, "event_class": "Pass", "team": "left", "player_id": 10}]}

``time`` is in seconds of the video. In both, ``VideoSettings.half_offset_s`` is what the clock reads at the first frame
of the video, and is subtracted. (https://atomscott.github.io/SoccerTrack-v2/task-bas.html)
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from sport_assets.detection.errors import BadEventsError
from sport_assets.detection.schemas import EVENTS
from sport_assets.detection.step_report import StepReport
from sport_assets.detection.video_settings import VideoSettings
from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult
from sport_assets.lineage.quarantine import QUARANTINE_FILE, QUARANTINE_SCHEMA

EVENTS_FILE = "events.parquet"
LABELS = (
    *("PASS", "DRIVE", "HEADER", "HIGH PASS", "OUT", "CROSS", "THROW IN", "SHOT"),
    *("BALL PLAYER BLOCK", "PLAYER SUCCESSFUL TACKLE", "FREE KICK", "GOAL"),
)
"""The classes of ball action spotting."""
QUARANTINE_LIMIT = 0.2
"""Largest share of events that may be defective before the file is rejected."""
RULES = {
    "not_an_event": "an entry that is no JSON object",
    "no_label": "an event without a label",
    "no_position": "an event without a position",
    "wrong_position": "a position that is no finite number",
    "no_half": "an event that does not say its half, where the video shows one half of several",
    "other_half": "an event of another half than the video shows",
    "before_video": "an event before the first frame of the video",
    "after_video": "an event after the end of the video",
}
"""Why an event is set aside, by name."""
_ELSEWHERE = ("other_half", "before_video", "after_video")
_DEFECTS = tuple(rule for rule in RULES if rule not in _ELSEWHERE)

CHECKS: dict[str, tuple[bool, str]] = {
    "events_well_formed": (
        True,
        f"At most {QUARANTINE_LIMIT:.0%} of the events are defective: without label, or without a position that is a "
        "number.",
    ),
    "some_event_in_video": (
        True,
        "Where there are events, one at least lies inside the video; else half_offset_s or half is wrong, or the "
        "events are of another video.",
    ),
    "one_clock": (
        True,
        "Events of several halves do not count anew in each, unless the settings say the half that the video shows.",
    ),
    "events_in_video": (False, "No event lies outside the video."),
    "labels_known": (False, "Every label is one of the twelve classes of ball action spotting."),
}
"""Every check of ``write_events``: blocking or not, and its description."""

_BLANKS = (" ", "\t", "\n", "\r")
_GAME_TIME = re.compile(r"\s*(\d+)\s*-\s*(\d+):(\d\d(?:\.\d+)?)\s*")
_SHAPES = {"annotations": ("label", "position", 1.0), "actions": ("event_class", "time", 1000.0)}
"""By the key of the list: the entries for label and position, and milliseconds in a unit of the position."""


@dataclass(frozen=True)
class Events:
    """``table``: ``EVENTS``, by time; ``quarantined``: ``QUARANTINE_SCHEMA``, one row an event, as in the file."""

    table: pl.DataFrame
    quarantined: pl.DataFrame
    one_clock: bool = True
    """Whether positions of different halves do not overlap, or the settings say which half is meant."""

    @property
    def count(self) -> int:
        """All events of the file."""
        return len(self.table) + len(self.quarantined)


def read_events(
    path: Path | None,
    *,
    duration_s: float = math.inf,
    settings: VideoSettings | None = None,
    name: str | None = None,
) -> Events:
    """Events of a file (None: a video without) on the clock of a video of that length.

    ``name``: what the quarantine calls the file; by default its name. Raises ``BadEventsError`` for a file that cannot
    be read, is not JSON or has neither shape.
    """
    if path is None:
        return Events(pl.DataFrame(schema=EVENTS.types), pl.DataFrame(schema=QUARANTINE_SCHEMA))
    settings = settings or VideoSettings()
    shape, entries = _entries(path)
    rows, faults = [], []
    spans: dict[int, tuple[float, float]] = {}
    for number, (line, entry) in enumerate(entries, start=1):
        row, fault = _event(number, entry, shape, duration_s, settings)
        if row["half"] is not None and row["time_ms"] is not None:
            low, high = spans.get(row["half"], (math.inf, -math.inf))
            spans[row["half"]] = min(low, row["time_ms"]), max(high, row["time_ms"])
        if fault is None:
            rows.append(row)
        else:
            rule, column = fault
            value = entry.get(column) if isinstance(entry, dict) else entry
            faults.append(
                {
                    "rule": rule,
                    "column": column,
                    "value": "missing" if value is None else str(value),
                    "file": name or path.name,
                    "line": line,
                    "row": json.dumps({"event": number, "entry": entry}, sort_keys=True, ensure_ascii=False),
                }
            )
    table = pl.DataFrame(rows, schema=EVENTS.types).sort("time_ms", "event")
    order = sorted(spans)
    clear = all(spans[a][1] <= spans[b][0] for a, b in pairwise(order))
    return Events(table, pl.DataFrame(faults, schema=QUARANTINE_SCHEMA), clear or settings.half is not None)


def write_events(
    key: str,
    events_file: Path | None,
    out: Path,
    *,
    duration_s: float,
    settings: VideoSettings | None = None,
    name: str | None = None,
) -> StepReport:
    """Write events.parquet (``EVENTS``) and quarantine.parquet (what was set aside) of the video ``key`` to ``out``.

    Arguments and errors as for ``read_events``. The same file and settings give the same bytes.
    """
    found = read_events(events_file, duration_s=duration_s, settings=settings, name=name)
    found.table.write_parquet(out / EVENTS_FILE)
    found.quarantined.write_parquet(out / QUARANTINE_FILE)
    rules = _counted(found.quarantined["rule"])
    facts: dict[str, Any] = {
        "events": len(found.table),
        "events_in_file": found.count,
        "has_events_file": events_file is not None,
        "labels": _counted(found.table["label"]),
        "set_aside": rules,
        "meaning": {rule: RULES[rule] for rule in rules},
        "settings": (settings or VideoSettings()).model_dump(),
    }
    return StepReport(event_checks(found), facts, len(found.quarantined))


def event_checks(found: Events) -> tuple[CheckResult, ...]:
    """The results of CHECKS, in their order."""
    rules = _counted(found.quarantined["rule"])
    defects = {rule: count for rule, count in rules.items() if rule in _DEFECTS}
    elsewhere = {rule: count for rule, count in rules.items() if rule in _ELSEWHERE}
    defective, outside = sum(defects.values()), sum(elsewhere.values())
    unknown = _counted(found.table.filter(~pl.col("label").is_in(LABELS))["label"])
    return (
        _result(
            "events_well_formed",
            defective <= QUARANTINE_LIMIT * found.count,
            checked=found.count,
            failed=defective,
            rules=defects,
            sample=_sample(found, _DEFECTS),
            metadata={"share": round(defective / max(found.count, 1), 6), "limit": QUARANTINE_LIMIT},
        ),
        _result("some_event_in_video", not outside or len(found.table) > 0, checked=found.count),
        _result("one_clock", found.one_clock, checked=found.count),
        _result(
            "events_in_video",
            not outside,
            checked=found.count,
            failed=outside,
            rules=elsewhere,
            sample=_sample(found, _ELSEWHERE),
        ),
        _result("labels_known", not unknown, checked=len(found.table), failed=sum(unknown.values()), rules=unknown),
    )


# -- parts -----------------------------------------------------------------------------------------------------------


def _event(
    number: int, entry: Any, shape: str, duration_s: float, settings: VideoSettings
) -> tuple[dict[str, Any], tuple[str, str] | None]:
    """A row of ``EVENTS`` as far as it can be told, and what is wrong with it: rule and entry."""
    label_name, position_name, unit_ms = _SHAPES[shape]
    if not isinstance(entry, dict):
        return {"half": None, "time_ms": None}, ("not_an_event", "")
    label, position = entry.get(label_name), entry.get(position_name)
    half, clock = _game_time(entry.get("gameTime"))
    time_ms = _number(position)
    if time_ms is not None:
        time_ms = round(time_ms * unit_ms - settings.half_offset_s * 1000, 3)
    row = {
        "event": number,
        "label": label.strip().upper() if isinstance(label, str) else None,
        "team": _text(entry.get("team")),
        "player": _text(entry.get("player_id")),
        "half": half,
        "game_clock_s": clock,
        "time_ms": time_ms,
        "visibility": _text(entry.get("visibility")),
    }
    fault = None
    if not row["label"]:
        fault = ("no_label", label_name)
    elif _text(position) is None:
        fault = ("no_position", position_name)
    elif time_ms is None:
        fault = ("wrong_position", position_name)
    elif settings.half is not None and shape == "annotations" and half != settings.half:
        fault = ("no_half" if half is None else "other_half", "gameTime")
    elif time_ms < 0:
        fault = ("before_video", position_name)
    elif time_ms > duration_s * 1000:
        fault = ("after_video", position_name)
    return row, fault


def _number(value: Any) -> float | None:
    """A position as a finite number, given as one or as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str | None:
    """A value as text; None for what is missing or blank."""
    text = "" if value is None else str(value).strip()
    return text or None


def _game_time(value: Any) -> tuple[int | None, float | None]:
    """Half and clock in seconds of a ``gameTime`` like "1 - 12:30"; None each where it is not like that."""
    match = _GAME_TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[1]) < 1:
        return None, None
    return int(match[1]), 60 * int(match[2]) + float(match[3])


def _entries(path: Path) -> tuple[str, list[tuple[int, Any]]]:
    """The shape of a file, by the key of its list, and the list with the line on which each entry begins."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadEventsError(f"{path}: cannot be read ({error.strerror or error}). Give a JSON file.") from error
    except UnicodeDecodeError as error:
        raise BadEventsError(f"{path}: not UTF-8 text (byte {error.start}). Give events as JSON in UTF-8.") from error
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadEventsError(f"{path}: not JSON ({error}). Export the events again.") from error
    wanted = 'Events are an object with a list "annotations" or "actions".'
    if not isinstance(content, dict):
        raise BadEventsError(f"{path}: a {type(content).__name__}, not an object. {wanted}")
    shapes = [shape for shape in _SHAPES if shape in content]
    if len(shapes) != 1:
        what = "both shapes at once" if shapes else f"neither shape (its keys: {', '.join(sorted(content)) or 'none'})"
        raise BadEventsError(f"{path}: {what}. {wanted}")
    if not isinstance(content[shapes[0]], list):
        raise BadEventsError(f"{path}: {shapes[0]} is a {type(content[shapes[0]]).__name__}, not a list. {wanted}")
    return shapes[0], list(zip(_lines(text, shapes[0]), content[shapes[0]], strict=True))


def _lines(text: str, shape: str) -> Iterator[int]:
    """The line, from 1, on which each entry of the object's list ``shape`` begins. ``text`` is valid JSON."""
    read = json.JSONDecoder().raw_decode

    def skip(position: int) -> int:
        while text[position : position + 1] in _BLANKS:
            position += 1
        return position

    position = skip(text.index("{", skip(0)) + 1)
    places: list[int] = []
    while text[position] != "}":
        name, position = read(text, position)
        position = skip(skip(position) + 1)  # over the colon
        if name == shape:
            places = []  # of a key that is there twice JSON keeps the last
            inside = skip(position + 1)
            while text[inside] != "]":
                places.append(inside)
                _, inside = read(text, inside)
                inside = skip(inside)
                inside = skip(inside + 1) if text[inside] == "," else inside
        _, position = read(text, position)
        position = skip(position)
        position = skip(position + 1) if text[position] == "," else position
    line, before = 1, 0
    for place in places:
        line += text.count("\n", before, place)
        before = place
        yield line


def _counted(values: pl.Series) -> dict[str, int]:
    return dict(sorted(Counter(values.to_list()).items()))


def _sample(found: Events, rules: tuple[str, ...]) -> Sequence[Mapping[str, Any]]:
    return found.quarantined.filter(pl.col("rule").is_in(rules)).head(SAMPLE_ROWS).to_dicts()


def _result(name: str, passed: bool, **more: Any) -> CheckResult:
    blocking, description = CHECKS[name]
    return CheckResult(name, passed, blocking, description, **more)
