"""What a match file must look like for a simulation to start from it, and what is wrong with one that does not.

Belongs here: the keys that are read and of which kind their values are, and messages for who writes a state by hand.
Must not come here: what follows from a state (``situation``), rules that a readable match may break (``match_rules``).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

_KINDS = {
    "missing": "is missing: add it",
    "model_type": "must be an object {…}",
    "dict_type": "must be an object {…}",
    "list_type": "must be a list […]",
    "string_type": 'must be a text "…"',
    "string_unicode": "must be a text of whole characters",
    "string_too_short": "must not be empty",
    "too_short": "must have two names",
    "too_long": "must have two names",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "greater_than": "must be more than 0",
}
"""What is to be done, by Pydantic's type of error."""
_AS_SHOWN = "A state is a match file in Cricsheet's format; docs/cricket-forecasts.md shows the least that it holds"
_HINTS = {
    ("info", "teams"): "Name the two teams there",
    ("next",): "Name batter, non_striker and bowler there, or leave next out",
}
"""Instead of the general hint, by where the key begins."""

_Name = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Persons(_Part):
    batter: _Name
    non_striker: _Name
    bowler: _Name


class _Runs(_Part):
    batter: int
    extras: int
    total: int


class _Wicket(_Part):
    kind: _Name
    player_out: _Name


class _Delivery(_Persons):
    runs: _Runs
    extras: dict[str, int] = {}
    wickets: list[_Wicket] = []


class _Over(_Part):
    over: int
    deliveries: list[_Delivery]


class _Powerplay(_Part):
    to: float
    type: str


class _Target(_Part):
    runs: Annotated[int, Field(gt=0)] | None = None
    overs: Annotated[float, Field(gt=0)] | None = None


class _Innings(_Part):
    team: _Name
    overs: list[_Over] = []
    super_over: bool = False
    powerplays: list[_Powerplay] = []
    absent_hurt: list[_Name] = []
    penalty_runs: dict[str, int] = {}
    miscounted_overs: dict[str, Any] = {}
    target: _Target | None = None


class _Registry(_Part):
    people: dict[_Name, _Name] = {}


class _Toss(_Part):
    winner: str
    decision: str


class _Event(_Part):
    name: str


class _Info(_Part):
    teams: Annotated[list[_Name], Field(min_length=2, max_length=2)]
    players: dict[str, list[_Name]] = {}
    registry: _Registry = _Registry()
    dates: list[str] = []
    venue: str = ""
    overs: int = 0
    balls_per_over: int = 0
    match_type: str = ""
    gender: str = ""
    team_type: str = ""
    city: str = ""
    event: _Event = _Event(name="")
    outcome: dict[str, Any] = {}
    toss: _Toss = _Toss(winner="", decision="")


class _Meta(_Part):
    data_version: str = ""


class _State(_Part):
    info: _Info
    innings: list[_Innings] = []
    meta: _Meta = _Meta()
    next: _Persons | None = None
    batting: str | None = None


def fault_of(content: Any) -> str | None:
    """What is wrong first with the content of a file: the key, what it must be, and a hint; None where nothing is."""
    try:
        state = _State.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        what = _KINDS.get(first["type"], f"is not as it should be: {first['msg']}")
        return f"{_key(first['loc'])} {what}. {_hint(first['loc'])}"
    named = [(f"innings[{number}].team", each.team) for number, each in enumerate(state.innings)]
    named += [(f"info.players.{team}", team) for team in state.info.players]
    named += [
        (key, team) for key, team in (("batting", state.batting), ("info.toss.winner", state.info.toss.winner)) if team
    ]
    for key, team in named:
        if team not in state.info.teams:
            return f"{key} names {team}, which is none of the two teams: write {' or '.join(state.info.teams)}"
    own = [(number, each.team) for number, each in enumerate(state.innings) if not each.super_over]
    if len(own) > 2:
        return f"innings[{own[2][0]}] is a third innings: take it out, or mark a super over with super_over: true"
    if len(own) == 2 and own[0][1] == own[1][1]:
        return f"innings[{own[1][0]}].team is {own[1][1]}, which batted first: the other team bats second"
    for number, each in enumerate(state.innings):
        before = -1
        for place, over in enumerate(each.overs):
            if over.over not in ((0,) if place == 0 else (before, before + 1)):
                return f"innings[{number}].overs[{place}].over is {over.over}: overs count 0, 1, 2 …, none left out"
            before = over.over
    return None


def _key(place: tuple[str | int, ...]) -> str:
    """As ``innings[0].overs[2].deliveries``; the file itself where there is none."""
    text = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in place)
    return text.removeprefix(".") or "the file"


def _hint(place: tuple[str | int, ...]) -> str:
    return next((hint for key, hint in _HINTS.items() if place[: len(key)] == key), _AS_SHOWN)
