"""A match as it stands before a ball, read from a match file: what a simulation starts from.

Belongs here: cutting a match file off at a ball, and what was known then: score, who plays, who may come in. Must not
come here: what follows (``course``, ``simulate``). Nothing after the ball is looked at but who plays, which is known
from the toss on. In which order players are listed is not: Cricsheet lists them as they went on to bat.

The file is Cricsheet's, and may be as short as the match so far: of ``info`` only ``teams`` must be there; players are
known by the registry where it names them, else by their names.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sport_assets.cricket import innings_state
from sport_assets.cricket.cricsheet import MatchFileError, read_match
from sport_assets.cricket.deliveries import clean_year
from sport_assets.cricket.innings import Innings
from sport_assets.cricket.kinds_of_deliveries import kinds_of
from sport_assets.cricket.labels import NOT_OUT_KINDS, outcome
from sport_assets.cricket.phases import BALLS_PER_OVER, FULL_OVERS, PLAYERS
from sport_assets.cricket.state_format import fault_of
from sport_assets.cricket.years import FIRST_YEAR

NEXT = ("batter", "non_striker", "bowler")
_PERSON = re.compile(r"[0-9a-f]{8}")


class SituationError(ValueError):
    """A match file or place from which nothing can be simulated; the message says what to do."""


@dataclass(frozen=True)
class At:
    """A ball: innings from 1, over and ball from 0, wides and no-balls counted."""

    innings: int
    over: int
    ball_in_over: int

    @classmethod
    def parse(cls, text: str) -> At:
        """Read ``1.15.3``. Raises SituationError."""
        found = re.fullmatch(r"([12])\.(\d{1,2})\.(\d{1,2})", text)
        if found is None:
            raise SituationError(
                f"at {text!r}: write innings.over.ball, as 1.15.3: innings from 1, over and ball from 0"
            )
        return cls(*map(int, found.groups()))

    def __str__(self) -> str:
        return f"{self.innings}.{self.over}.{self.ball_in_over}"


@dataclass(frozen=True)
class Situation:
    """A match before a ball."""

    match_id: str
    day: int | None
    """Days from 1970; None where the file says no date."""
    venue: str
    at: At
    batting: str
    bowling: str
    overs_limit: int
    phase: int
    target: int
    """Runs to win; 0 in a first innings."""
    played: Innings
    """The balls of this innings so far."""
    kinds: Mapping[str, np.ndarray]
    """Their kinds, by ``extras.COLUMNS``."""
    next_persons: tuple[str, str, str] | None
    """Ids of striker, batter at the other end and bowler, where the file says who they are."""
    elevens: Mapping[str, tuple[str, ...]]
    """Ids of each team's players, listed or seen so far, in the order of the ids; maybe none."""
    out: frozenset[str]
    """Ids of who is out in this innings."""
    names: Mapping[str, str]
    """Names by id."""
    notes: tuple[str, ...] = ()
    """What whoever reads the answer must know of how the file was taken."""


def read_situation(path: Path, at: At | None, label_rule: str = "batter") -> Situation:
    """The match of a file before the ball ``at``; by default after its last delivery. Raises SituationError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SituationError(f"{path}: it cannot be read as a match file ({error})") from error
    wrong = fault_of(content)
    if wrong is not None:
        raise SituationError(f"{path}: {wrong}")
    content = _filled(content)
    listed = {team: list(content["info"]["players"].get(team, ())) for team in content["info"]["teams"]}
    # whether all are out is told by how many play
    content["info"]["players"] = {
        team: names + [f"unlisted {number}" for number in range(len(names), PLAYERS)] for team, names in listed.items()
    }
    dated = bool(content["info"].get("dates"))
    content["info"]["dates"] = content["info"].get("dates") or [f"{FIRST_YEAR}-01-01"]
    try:
        cut, place, persons = _cut(content, at, listed)
        read = read_match(path.stem, json.dumps(cut).encode())
    except SituationError as error:
        raise SituationError(f"{path}: {error}") from error
    except MatchFileError as error:
        raise SituationError(f"{path}: {error}; mend it as Cricsheet's format has it") from error
    clean = clean_year([read])
    if clean.faults:
        fault = clean.faults[0]
        raise SituationError(f"{path}: it breaks the rule {fault['rule']} ({fault['column']} {fault['value']})")
    rows = clean.deliveries.with_columns(outcome(label_rule))
    every = innings_state.build(rows, clean.matches)
    own = every.balls["second_innings"] == place.innings - 1
    balls = {name: values[own] for name, values in every.balls.items()}
    rows = rows.filter(pl.col("innings") == place.innings)
    last = {name: int(values[-1]) for name, values in balls.items()}
    people = cut["info"]["registry"]["people"]
    target, overs_limit, notes = _target_and_overs(content, place, last["target"], last["overs_limit"])
    return Situation(
        match_id=path.stem,
        day=last["day"] if dated else None,
        venue=every.venues[last["venue"]],
        at=place,
        batting=every.teams[last["batting_team"]],
        bowling=every.teams[last["bowling_team"]],
        overs_limit=overs_limit,
        phase=last["phase"],
        target=target,
        played=Innings(
            every.table, {name: values[:-1] for name, values in balls.items()}, every.players, every.teams, every.venues
        ),
        kinds={name: values[:-1] for name, values in kinds_of(rows).items()},
        next_persons=persons,
        elevens={
            team: tuple(sorted({people[name] for name in (*names, *_seen(cut, team, told=persons is not None))}))
            for team, names in listed.items()
        },
        out=frozenset(people[name] for name in _out(cut["innings"][-1])),
        names={each: name for name, each in people.items()},
        notes=notes,
    )


def _target_and_overs(
    content: Mapping[str, Any], at: At, target: int, overs_limit: int
) -> tuple[int, int, tuple[str, ...]]:
    """(runs to win, overs, notes) of the innings at a place, from what follows from the first innings.

    What the file says of the target is taken where the file ends there: it was set by then. Before, it may have been
    set later, so it is not looked at, and the answer says so.
    """
    played = content["innings"]
    if at.innings == 1:
        return target, overs_limit, ()
    told = played[1].get("target") or {}
    runs, overs = told.get("runs") or target, told.get("overs") or overs_limit
    if (runs, overs) == (target, overs_limit):
        if overs_limit < min(content["info"]["overs"], FULL_OVERS):
            return target, overs_limit, (f"the chase has {overs_limit} overs, as the first innings had",)
        return target, overs_limit, ()
    set_by_the_file = f"{runs} in {overs:g} overs"
    if at != _after_last(played):
        return target, overs_limit, (
            f"played with a target of {target} in {overs_limit} overs, as the first innings has it; that of the file, "
            f"{set_by_the_file}, may have been set later",
        )  # fmt: skip
    whole = min(ceil(overs), FULL_OVERS)
    notes = () if whole == overs else (f"whole overs alone are played: {whole} for {overs:g}",)
    return runs, whole, notes


def _filled(content: dict[str, Any]) -> dict[str, Any]:
    """The match file with what a simulation does not need, where it is not there, and without super overs."""
    content = copy.deepcopy(content)
    info = content["info"]
    one, _ = info["teams"]
    defaults: dict[str, Any] = {
        "match_type": "T20", "overs": FULL_OVERS, "balls_per_over": BALLS_PER_OVER, "gender": "male",
        "team_type": "international", "season": "", "venue": "", "outcome": {}, "players": {},
        "toss": {"decision": "bat", "winner": one}, "registry": {},
    }  # fmt: skip
    for name, value in defaults.items():
        info.setdefault(name, value)
    content.setdefault("meta", {}).setdefault("data_version", "1.1.0")
    content["innings"] = [each for each in content.get("innings", ()) if not each.get("super_over")]
    people = info["registry"].setdefault("people", {})
    told = [content["next"][name] for name in NEXT] if content.get("next") else []
    for name in (*(n for each in info["players"].values() for n in each), *_appearing(content), *told):
        people.setdefault(name, name if _PERSON.fullmatch(name) else _made_up(name))
    return content


def _appearing(content: Mapping[str, Any]) -> list[str]:
    balls = [ball for each in content["innings"] for over in each.get("overs", ()) for ball in over["deliveries"]]
    return [ball[name] for ball in balls for name in NEXT]


def _seen(cut: Mapping[str, Any], team: str, *, told: bool) -> set[str]:
    """Names of who has played for a team; told: whether the last ball is one of which the file says who plays it."""
    found = set()
    for each in cut["innings"]:
        balls = [ball for over in each.get("overs", ()) for ball in over["deliveries"]]
        if each is cut["innings"][-1] and not told:
            del balls[-1]
        ends = ("batter", "non_striker") if each["team"] == team else ("bowler",)
        found |= {ball[end] for ball in balls for end in ends}
    return found


def _out(innings: Mapping[str, Any]) -> set[str]:
    """Names of who is out, retired ones not among them."""
    wickets = [
        each for over in innings.get("overs", ()) for ball in over["deliveries"] for each in ball.get("wickets", ())
    ]
    return {each["player_out"] for each in wickets if each["kind"] not in NOT_OUT_KINDS}


def _made_up(name: str) -> str:
    """An id for who has none: nobody on record has it."""
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def _cut(
    content: dict[str, Any], at: At | None, listed: Mapping[str, list[str]]
) -> tuple[dict[str, Any], At, tuple[str, str, str] | None]:
    """The match up to a ball and, in that ball's place, one that brings nothing; its place; and who plays it.

    With that ball, whatever is known before it follows as it does for all balls. listed: names by team.
    """
    played = content["innings"]
    teams = content["info"]["teams"]
    if not played:
        played.append({"team": content.get("batting") or _bats_first(content["info"]), "overs": []})
    if at is None:
        at = _after_last(played)
    if at.innings == len(played) + 1 == 2:
        first = played[0]["team"]
        played.append({"team": teams[1] if first == teams[0] else teams[0], "overs": []})
    if at.innings > len(played):
        raise SituationError(f"at {at}: the match has no innings {at.innings}")
    innings = played[at.innings - 1]
    overs = innings.get("overs", [])
    at = _next_over_where_one_is_done(at, overs)
    kept = [over for over in overs if over["over"] < at.over]
    nothing: dict[str, Any] = {"over": at.over, "deliveries": []}
    now = next((over for over in overs if over["over"] == at.over), nothing)
    if len(kept) != at.over or at.ball_in_over > len(now["deliveries"]):
        balls = len(now["deliveries"])
        where = f"over {at.over} has {balls} deliveries, from 0 on; " if balls else ""
        last = _after_last(played[: at.innings])
        raise SituationError(f"at {at}: no such ball; {where}innings {at.innings} goes up to {last}")
    told = now["deliveries"][at.ball_in_over] if at.ball_in_over < len(now["deliveries"]) else None
    if told is None and content.get("next"):
        told = content["next"]
        _check_next(content, at, listed)
    people = content["info"]["registry"]["people"]
    names = _anybody(content) if told is None else [told[name] for name in NEXT]
    ball = {**dict(zip(NEXT, names, strict=True)), "runs": {"batter": 0, "extras": 0, "total": 0}}
    before = {**now, "deliveries": [*now["deliveries"][: at.ball_in_over], ball]}
    if at.over >= FULL_OVERS:  # the innings is over; the ball will not be bowled
        kept[-1] = {**kept[-1], "deliveries": [*kept[-1]["deliveries"], ball]}
    else:
        kept = [*kept, before]
    cut = {**content, "innings": [*played[: at.innings - 1], {**innings, "overs": kept}]}
    striker, other, bowler = (people[name] for name in names)
    return cut, at, None if told is None else (striker, other, bowler)


def _bats_first(info: Mapping[str, Any]) -> str:
    """As the toss has it."""
    one, other = info["teams"]
    toss = info["toss"]
    loser = other if toss["winner"] == one else one
    return str(toss["winner"] if toss["decision"] == "bat" else loser)


def _check_next(content: Mapping[str, Any], at: At, listed: Mapping[str, list[str]]) -> None:
    """Raise SituationError where who is said to play the next ball cannot."""
    persons, people = content["next"], content["info"]["registry"]["people"]
    innings = content["innings"][at.innings - 1]
    batting, bowling = innings["team"], next(team for team in listed if team != innings["team"])
    own = {
        team: {people[name] for name in (*names, *_seen(content, team, told=True))} for team, names in listed.items()
    }
    for role, team, other in (
        ("batter", batting, bowling),
        ("non_striker", batting, bowling),
        ("bowler", bowling, batting),
    ):
        name = persons[role]
        key = f"next.{role} {name}"
        if people[name] in own[other] - own[team]:
            raise SituationError(f"{key}: plays for {other}, not for {team}")
        if len(listed[team]) >= PLAYERS and people[name] not in own[team]:
            raise SituationError(f"{key}: {team} has no such player; the file lists {', '.join(sorted(listed[team]))}")
        if role != "bowler" and name in _out(innings):
            raise SituationError(f"{key}: he is out already")
    if len({people[persons[role]] for role in NEXT}) < len(NEXT):
        raise SituationError("next: batter, non_striker and bowler must be three people")
    over_before = [
        ball for over in innings.get("overs", ()) if over["over"] == at.over - 1 for ball in over["deliveries"]
    ]
    if at.ball_in_over == 0 and any(people[ball["bowler"]] == people[persons["bowler"]] for ball in over_before):
        raise SituationError(
            f"next.bowler {persons['bowler']}: he bowled the over before, and nobody bowls two in a row"
        )


def _anybody(content: Mapping[str, Any]) -> list[str]:
    """Names of two who bat and one who bowls, for a ball of which only the place is read."""
    people = content["info"]["registry"]["people"]
    for name in ("one batter", "another batter", "a bowler"):
        people.setdefault(name, _made_up(name))
    return ["one batter", "another batter", "a bowler"]


def _after_last(played: list[dict[str, Any]]) -> At:
    """The place after the last delivery."""
    overs = played[-1].get("overs", [])
    if not overs:
        return At(len(played), 0, 0)
    last = overs[-1]
    return _next_over_where_one_is_done(At(len(played), last["over"], len(last["deliveries"])), overs)


def _next_over_where_one_is_done(at: At, overs: list[dict[str, Any]]) -> At:
    """The place itself, or the next over's start where it is after the last delivery of an over that is over."""
    deliveries: list[dict[str, Any]] = next((over["deliveries"] for over in overs if over["over"] == at.over), [])
    extras = [ball.get("extras", {}) for ball in deliveries]
    legal = sum(not each.get("wides") and not each.get("noballs") for each in extras)
    done = legal >= BALLS_PER_OVER and at.ball_in_over == len(deliveries)
    return At(at.innings, at.over + 1, 0) if done else at
