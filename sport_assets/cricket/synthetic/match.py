"""A generated match: two innings, what is unusual about it, and the match file around them.

Belongs here: the course of a match, and Cricsheet's format. Must not come here: what a ball brings (`play`), writing
files (`sample`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np

from sport_assets.cricket.synthetic.league import ELEVEN, GROUNDS, TEAMS, League, Player, day
from sport_assets.cricket.synthetic.play import Innings

FIRST_ID = 9_000_001
KINDS = (
    "plain", "super over", "rain at the end", "plain", "shortened", "no result", "revised", "fifty overs", "plain",
    "no target", "bare", "two super overs",
)  # fmt: skip
"""What is unusual about a match, in turn by its number."""
EVENTS = ("retired hurt", "two wickets", "penalty", "five", "seven", "four run", "miscounted", "")
"""What happens in one over of a match on purpose, in turn by its number."""


def match(league: League, seed: int, number: int) -> tuple[str, dict[str, Any]]:
    """(match id, content of its file) of the match of that number, whatever other matches there are."""
    rng = np.random.default_rng([seed, 2, number])
    kind, event = KINDS[number % len(KINDS)], EVENTS[number % len(EVENTS)]
    one, two = (TEAMS[index] for index in rng.choice(len(TEAMS), size=2, replace=False))
    elevens = {team: _eleven(league.squads[team], rng) for team in (one, two)}
    ground = int(rng.integers(len(GROUNDS)))
    overs = int(rng.integers(5, 19)) if kind == "shortened" else 20
    stop = int(rng.integers(40, 100)) if kind == "no result" else None
    first = Innings(
        elevens[one], elevens[two][::-1], overs, league.grounds[ground], stop_after=stop, events=_events(event, overs)
    )
    first.play(rng)
    innings = [_innings(one, first)]
    outcome: dict[str, Any] = {"result": "no result"}
    if kind != "no result":
        outcome = _second(league, rng, kind, first, (one, two), elevens, ground, innings)
    if event == "miscounted":
        innings[0]["miscounted_overs"] = {"2": {"balls": 5}}
    return str(FIRST_ID + number), _file(number, kind, (one, two), elevens, ground, outcome, innings, rng)


def _eleven(squad: tuple[Player, ...], rng: np.random.Generator) -> list[Player]:
    """Eleven of a squad in batting order. The first always plays."""
    places = sorted({0, *rng.choice(np.arange(1, len(squad)), size=ELEVEN - 1, replace=False).tolist()})
    return [squad[place] for place in places]


def _events(event: str, overs: int) -> dict[tuple[int, int], str]:
    return {(2, 0 if event == "miscounted" else 2): event} if event and overs > 2 else {}


def _second(
    league: League,
    rng: np.random.Generator,
    kind: str,
    first: Innings,
    teams: tuple[str, str],
    elevens: dict[str, list[Player]],
    ground: int,
    innings: list[dict[str, Any]],
) -> dict[str, Any]:
    """Play the chase and what follows it; the outcome of the match."""
    one, two = teams
    overs, runs = first.overs, first.runs + 1
    if kind == "revised":
        overs = 12
        runs = round(0.68 * runs)
    tie = "super over" in kind
    stop = int(rng.integers(40, 90)) if kind == "rain at the end" else None
    ease = 0.9 if tie else 0.0
    second = Innings(
        elevens[two], elevens[one][::-1], overs, league.grounds[ground] + ease, target=runs, tie=tie, stop_after=stop
    )
    second.play(rng)
    target: dict[str, Any] = {"overs": overs, "runs": runs}
    method = {}
    if kind == "rain at the end" and second.legal == stop:
        balls = second.legal
        target = {"overs": float(f"{balls // 6}.{balls % 6}"), "runs": max(round(runs * balls / 130), 1)}
        method = {"method": "D/L"}
    elif kind == "revised":
        method = {"method": "D/L"}
    innings.append(_innings(two, second))
    if kind != "no target":
        innings[-1]["target"] = target
    if second.runs >= target["runs"]:
        return {"winner": two, "by": {"wickets": 10 - second.wickets}, **method}
    if second.runs == target["runs"] - 1:
        return {"result": "tie", **method, **_super_overs(league, rng, kind, teams, elevens, innings)}
    return {"winner": one, "by": {"runs": target["runs"] - 1 - second.runs}, **method}


def _super_overs(
    league: League,
    rng: np.random.Generator,
    kind: str,
    teams: tuple[str, str],
    elevens: dict[str, list[Player]],
    innings: list[dict[str, Any]],
) -> dict[str, Any]:
    """Overs of one over a side until one side has more, by force the second time where one tie is wanted."""
    order = teams[::-1]
    for number in range(5):
        made: list[int] = []
        for team, other in (order, order[::-1]):
            target = made[0] + 1 if made else None
            again = kind == "two super overs" and number == 0
            each = Innings(
                elevens[team], elevens[other][::-1], 1, 1.5 if again and made else 0.0, target, again, most_wickets=2
            )
            each.play(rng)
            innings.append({"team": team, "overs": each.over_list, "super_over": True})
            made.append(each.runs)
        if made[0] != made[1]:
            return {"eliminator": order[0] if made[0] > made[1] else order[1]}
        order = order[::-1]
    return {}


def _innings(team: str, played: Innings) -> dict[str, Any]:
    last = played.over_list[-1]
    powerplay = int(0.3 * played.overs + 0.5)
    if last["over"] < powerplay:
        end = float(f"{last['over']}.{len(last['deliveries'])}")
    else:
        end = float(f"{powerplay - 1}.{len(played.over_list[powerplay - 1]['deliveries'])}")
    powerplays = [{"from": 0.1, "to": end, "type": "mandatory"}]
    return {"team": team, "overs": played.over_list, "powerplays": powerplays}


def _file(
    number: int,
    kind: str,
    teams: tuple[str, str],
    elevens: dict[str, list[Player]],
    ground: int,
    outcome: dict[str, Any],
    innings: list[dict[str, Any]],
    rng: np.random.Generator,
) -> dict[str, Any]:
    began = day(number)
    venue, city = GROUNDS[ground]
    dates = [began, began + timedelta(days=1)] if number % 17 == 5 else [began]
    toss = {"decision": "bat", "winner": teams[0]}
    if rng.random() < 0.5:
        toss = {"decision": "field", "winner": teams[1]}
    info: dict[str, Any] = {
        "balls_per_over": 6,
        **({"city": city} if city else {}),
        "dates": [each.isoformat() for each in dates],
        **({} if kind == "bare" else {"event": {"name": f"{teams[0]} tour of {teams[1]}", "match_number": 1}}),
        "gender": "male",
        "match_type": "T20",
        "match_type_number": number + 1,
        **({"missing": ["player_of_match"]} if kind == "bare" else {}),
        "outcome": outcome,
        "overs": 50 if kind == "fifty overs" else 20,
        "players": {team: [player.name for player in elevens[team]] for team in teams},
        "registry": {"people": {player.name: player.id for eleven in elevens.values() for player in eleven}},
        "season": began.year if kind == "bare" else f"{began.year}/{(began.year + 1) % 100:02d}",
        "team_type": "international",
        "teams": list(teams),
        "toss": toss,
        "venue": venue,
    }
    meta = {"data_version": "1.0.0" if kind == "bare" else "1.1.0", "created": began.isoformat(), "revision": 1}
    return {"meta": meta, "info": info, "innings": innings}
