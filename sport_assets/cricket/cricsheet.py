"""One match file in Cricsheet's JSON (versions 1.0 and 1.1), read into a match row and its deliveries.

Belongs here: the format, and what makes a file unreadable: which innings, over and ball, and what is wrong there. Must
not come here: rules that a readable match may break (``match_rules``), files and archives (``archive``).

Players are known by the file's registry, since two people may share a name. Deliveries are as in play: super overs are
innings 3 and up; a ball's number in its over counts wides and no-balls.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sport_assets.cricket.labels import NOT_OUT_KINDS
from sport_assets.cricket.phases import PLAYERS, Length, overs_of_chase, scheduled_overs

MATCH_TYPES = ("T20", "IT20")
"""Types of twenty-over matches: what the line reads."""

MATCH_COLUMNS = (
    "match_id", "date", "season", "team_a", "team_b", "venue", "city", "event", "winner", "result", "method",
    "eliminator", "by", "toss_winner", "toss_decision", "overs", "bpo", "n_innings", "n_super", "gender", "team_type",
    "data_version", "missing",
)  # fmt: skip
DELIVERY_COLUMNS = (
    "innings", "super_over", "batting_team", "target_runs", "target_overs", "over", "ball_in_over", "batter", "bowler",
    "non_striker", "batter_id", "bowler_id", "non_striker_id", "runs_batter", "runs_extras", "runs_total",
    "non_boundary", "wides", "noballs", "byes", "legbyes", "penalty", "n_wickets", "wicket_kind", "player_out",
    "wicket_kind2", "phase", "known_overs", "known_target",
)  # fmt: skip
_TEXTS = {"batting_team", "batter", "bowler", "non_striker", "batter_id", "bowler_id", "non_striker_id"}
_OPTIONAL_TEXTS = {"wicket_kind", "player_out", "wicket_kind2"}
_FLAGS = {"super_over", "non_boundary"}
_OPTIONAL = {"target_runs": int, "target_overs": float, "known_target": int}


class MatchFileError(ValueError):
    """A match file that cannot be used: the rule it breaks, where in the file, what is wrong, and the text's line."""

    def __init__(self, rule: str, what: str, place: Mapping[str, int] | None = None, line: int | None = None) -> None:
        self.rule, self.what, self.place, self.line = rule, what, dict(place or {}), line
        where = ", ".join(f"{name} {number}" for name, number in self.place.items())
        super().__init__(f"{where}: {what}" if where else what)


@dataclass(frozen=True)
class Match:
    """A match: its row by MATCH_COLUMNS, and its deliveries in play order as columns by DELIVERY_COLUMNS."""

    match_id: str
    row: dict[str, Any]
    deliveries: dict[str, tuple[Any, ...]]
    players: frozenset[str]
    """Registry ids of all who batted, bowled, stood at the other end or were out."""
    miscounted: frozenset[tuple[int, int]]
    """(innings, over) of which the file itself says that the umpires miscounted."""

    @property
    def balls(self) -> int:
        """Number of deliveries."""
        return len(self.deliveries["innings"])


def read_match(match_id: str, data: bytes) -> Match:
    """Read one match. Raises ``MatchFileError`` where the file is no readable match of twenty overs a side."""
    content = _parsed(data)
    place: dict[str, int] = {}
    try:
        return _match(match_id, content, place)
    except MatchFileError:
        raise
    except KeyError as error:
        raise MatchFileError("structure", f"{error.args[0]} is missing", place) from error
    except (TypeError, AttributeError, IndexError, ValueError) as error:
        raise MatchFileError("structure", f"something is not of the kind it should be ({error})", place) from error


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except json.JSONDecodeError as error:
        end = "it is no JSON" if data.rstrip().endswith(b"}") else "it is cut off"
        raise MatchFileError("unreadable", f"{end} (line {error.lineno}: {error.msg})", line=error.lineno) from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise MatchFileError("unreadable", f"it is not UTF-8 (line {line})", line=line) from error
    if not isinstance(content, dict) or not isinstance(content.get("info"), dict):
        raise MatchFileError("structure", "it is no match file: it has no info")
    kind = content["info"].get("match_type")
    if kind not in MATCH_TYPES:
        raise MatchFileError("not_twenty_overs", f"its match_type is {kind}, not {' or '.join(MATCH_TYPES)}")
    return content


def _match(match_id: str, content: Mapping[str, Any], place: dict[str, int]) -> Match:
    info, innings = content["info"], content["innings"]
    row = _row(match_id, content)
    rows = list(_deliveries(innings, info, place))
    place.clear()
    columns = dict(zip(DELIVERY_COLUMNS, zip(*rows, strict=True), strict=True)) if rows else _empty()
    _check_types(columns)
    people = info["registry"]["people"]
    out = {people[name] for name in columns["player_out"] if name is not None}
    return Match(
        match_id,
        row,
        columns,
        frozenset(out.union(columns["batter_id"], columns["bowler_id"], columns["non_striker_id"])),
        frozenset(
            (number, int(over))
            for number, each in enumerate(innings, start=1)
            for over in each.get("miscounted_overs", ())
        ),
    )


def _empty() -> dict[str, tuple[Any, ...]]:
    return dict.fromkeys(DELIVERY_COLUMNS, ())


def _row(match_id: str, content: Mapping[str, Any]) -> dict[str, Any]:
    info, innings = content["info"], content["innings"]
    outcome, toss = info["outcome"], info["toss"]
    first, second = info["teams"]
    row = {
        "match_id": match_id,
        "date": info["dates"][0],
        "season": str(info["season"]),
        "team_a": first,
        "team_b": second,
        "venue": info["venue"],
        "city": info.get("city"),
        "event": info["event"]["name"] if "event" in info else None,
        "winner": outcome.get("winner"),
        "result": outcome.get("result"),
        "method": outcome.get("method"),
        "eliminator": outcome.get("eliminator"),
        "by": json.dumps(outcome["by"]) if "by" in outcome else None,
        "toss_winner": toss["winner"],
        "toss_decision": toss["decision"],
        "overs": info["overs"],
        "bpo": info["balls_per_over"],
        "n_innings": len(innings),
        "n_super": sum(bool(each.get("super_over")) for each in innings),
        "gender": info["gender"],
        "team_type": info["team_type"],
        "data_version": content["meta"]["data_version"],
        "missing": json.dumps(info["missing"]) if "missing" in info else None,
    }
    numbers = ("overs", "bpo", "n_innings", "n_super")
    for name, value in row.items():
        if not isinstance(value, int if name in numbers else str | None):
            raise TypeError(f"{name}: {value!r}")
    return row


def _deliveries(
    innings: Iterable[Mapping[str, Any]], info: Mapping[str, Any], place: dict[str, int]
) -> Iterable[tuple[Any, ...]]:
    """Rows by DELIVERY_COLUMNS, in play order. ``place`` says where reading is."""
    ids = info["registry"]["people"]
    first: _Innings | None = None
    for number, each in enumerate(innings, start=1):
        place.clear()
        place["innings"] = number
        super_over = bool(each.get("super_over"))
        chase = number == 2 and first is not None and not super_over
        length, known_target = _known_before(each, info, first if chase else None, super_over=super_over)
        team, target = each["team"], each.get("target") or {}
        target_runs, target_overs = target.get("runs"), target.get("overs")
        target_overs = None if target_overs is None else float(target_overs)
        before = (number, super_over, team, target_runs, target_overs)
        so_far = _Innings(each, length, len(info["players"][team]))
        for over in each.get("overs", ()):
            place.pop("ball_in_over", None)
            place["over"] = index = over["over"]
            known = (length.phase(index), length.known(index), known_target)
            for ball, delivery in enumerate(over["deliveries"]):
                place["ball_in_over"] = ball
                batter, bowler, partner = delivery["batter"], delivery["bowler"], delivery["non_striker"]
                try:
                    people = (ids[batter], ids[bowler], ids[partner])
                except KeyError as error:
                    raise MatchFileError("unknown_player", f"{error.args[0]} is not in the registry", place) from error
                runs = delivery["runs"]
                extras = _extras(delivery["extras"]) if "extras" in delivery else _NO_EXTRAS
                wickets = _wickets(delivery["wickets"], ids, place) if "wickets" in delivery else _NO_WICKETS
                scored = (runs["batter"], runs["extras"], runs["total"], "non_boundary" in runs)
                yield (*before, index, ball, batter, bowler, partner, *people, *scored, *extras, *wickets, *known)
                so_far.add(delivery, extras)
        if number == 1:
            first = so_far


_NO_EXTRAS = (0, 0, 0, 0, 0)
_NO_WICKETS = (0, None, None, None)


def _extras(extras: Mapping[str, int]) -> tuple[int, int, int, int, int]:
    get = extras.get
    return get("wides", 0), get("noballs", 0), get("byes", 0), get("legbyes", 0), get("penalty", 0)


def _wickets(
    wickets: list[Mapping[str, Any]], ids: Mapping[str, str], place: Mapping[str, int]
) -> tuple[int, str | None, str | None, str | None]:
    if not wickets:
        return _NO_WICKETS
    for each in wickets:
        if each["player_out"] not in ids:
            raise MatchFileError("unknown_player", f"{each['player_out']} is not in the registry", place)
    second = wickets[1]["kind"] if len(wickets) > 1 else None
    return len(wickets), wickets[0]["kind"], wickets[0]["player_out"], second


class _Innings:
    """What an innings came to, for the one that chases it."""

    def __init__(self, innings: Mapping[str, Any], length: Length, players: int) -> None:
        self.length = length
        self._players = min(players, PLAYERS)
        self.runs = (innings.get("penalty_runs") or {}).get("pre", 0)
        self.legal_balls = 0
        self._out: set[str] = set()
        self._away: set[str] = set(innings.get("absent_hurt") or ())

    def add(self, delivery: Mapping[str, Any], extras: tuple[int, ...]) -> None:
        self.runs += delivery["runs"]["total"]
        if not extras[0] and not extras[1]:
            self.legal_balls += 1
        if self._away:  # who was retired may come back
            self._away -= {delivery["batter"], delivery["non_striker"]}
        for wicket in delivery.get("wickets", ()):
            retired = wicket["kind"] in NOT_OUT_KINDS
            (self._away if retired else self._out).add(wicket["player_out"])

    @property
    def all_out(self) -> bool:
        """Whether nobody was left to bat with."""
        return len(self._out | self._away) >= self._players - 1


def _known_before(
    innings: Mapping[str, Any], info: Mapping[str, Any], chased: _Innings | None, *, super_over: bool
) -> tuple[Length, int | None]:
    """How long an innings is and what it chases, as far as that is known before its balls."""
    if super_over:
        return Length(1), None
    ends = [float(each["to"]) for each in innings.get("powerplays", ()) if each["type"] == "mandatory"]
    powerplay = int(max(ends)) + 1 if ends else None
    if chased is None:
        return Length(scheduled_overs(info["overs"]), powerplay), None
    return Length(overs_of_chase(chased.length, chased.legal_balls, chased.all_out), powerplay), chased.runs + 1


def _check_types(columns: Mapping[str, tuple[Any, ...]]) -> None:
    """Raise ``MatchFileError`` where a value is not of its column's type."""
    for name, values in columns.items():
        if name in _FLAGS:
            allowed: set[type] = {bool}
        elif name in _TEXTS:
            allowed = {str}
        elif name in _OPTIONAL_TEXTS:
            allowed = {str, type(None)}
        elif name in _OPTIONAL:
            allowed = {_OPTIONAL[name], type(None)}
        else:
            allowed = {int}
        if set(map(type, values)) <= allowed:
            continue
        index = next(i for i, value in enumerate(values) if type(value) not in allowed)
        place = {part: columns[part][index] for part in ("innings", "over", "ball_in_over")}
        raise MatchFileError("type", f"{name} is {values[index]!r}", place)
