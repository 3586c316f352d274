"""Damage on purpose: one match file for each rule that a match can break.

Belongs here: what is damaged and how. Must not come here: which checks find it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

Content = dict[str, Any]


def text(content: Content) -> bytes:
    """A match file's bytes: one innings a line."""
    innings = ",\n".join(json.dumps(each, ensure_ascii=False) for each in content["innings"])
    head = ",\n".join(f'"{name}": {json.dumps(content[name], ensure_ascii=False)}' for name in ("meta", "info"))
    return f'{{{head},\n"innings": [\n{innings}\n]}}\n'.encode()


def damaged(content: Content) -> Iterator[tuple[str, bytes]]:
    """(rule, bytes) of a file that breaks each rule, made from a whole match of two innings."""
    whole = text(content)
    yield "unreadable", whole[: len(whole) // 2]
    for rule, damage in _DAMAGE:
        each = copy.deepcopy(content)
        damage(each)
        yield rule, text(each)


def _delivery(content: Content) -> dict[str, Any]:
    found: dict[str, Any] = content["innings"][0]["overs"][1]["deliveries"][2]
    return found


def _change(path: str, value: Any) -> Callable[[Content], None]:
    """Set a value of the file's info (``info.overs``), or of a delivery (``runs.total``)."""

    def damage(content: Content) -> None:
        *folders, name = path.split(".")
        place = content if folders and folders[0] == "info" else _delivery(content)
        for folder in folders:
            place = place[folder]
        place[name] = value

    return damage


def _same_end(content: Content) -> None:
    _delivery(content)["non_striker"] = _delivery(content)["batter"]


def _skipped_over(content: Content) -> None:
    del content["innings"][0]["overs"][3]


def _long_innings(content: Content) -> None:
    overs = content["innings"][0]["overs"]
    overs += [{**copy.deepcopy(overs[-1]), "over": number} for number in range(len(overs), 21)]


def _many_out(content: Content) -> None:
    for over in content["innings"][0]["overs"][:11]:
        delivery = over["deliveries"][0]
        delivery["wickets"] = [{"kind": "bowled", "player_out": delivery["batter"]}]


def _third_innings(content: Content) -> None:
    content["innings"].append(copy.deepcopy(content["innings"][0]))


def _bats_twice(content: Content) -> None:
    content["innings"][1] = copy.deepcopy(content["innings"][0])


def _bad_id(content: Content) -> None:
    content["info"]["registry"]["people"][_delivery(content)["batter"]] = "nobody"


def _without_runs(content: Content) -> None:
    del _delivery(content)["runs"]


_WICKET = {"kind": "bowled", "player_out": "Nobody At All"}
_DAMAGE: tuple[tuple[str, Callable[[Content], None]], ...] = (
    ("structure", _without_runs),
    ("not_twenty_overs", _change("info.match_type", "ODI")),
    ("overs_range", _change("info.overs", 90)),
    ("balls_per_over", _change("info.balls_per_over", 5)),
    ("unknown_player", _change("batter", "Nobody At All")),
    ("unknown_player", _change("wickets", [_WICKET])),
    ("player_id_format", _bad_id),
    ("type", _change("runs", {"batter": 1.5, "extras": 0, "total": 1})),
    ("impossible_date", _change("info.dates", ["2024-02-31"])),
    ("toss_vocabulary", _change("info.toss", {"decision": "sleep", "winner": "Albia"})),
    ("result_vocabulary", _change("info.outcome", {"result": "who knows"})),
    ("runs_range", _change("runs", {"batter": 40, "extras": 0, "total": 40})),
    ("runs_do_not_add_up", _change("runs", {"batter": 1, "extras": 0, "total": 3})),
    ("extras_do_not_add_up", _change("extras", {"wides": 1, "byes": 2})),
    ("batter_at_both_ends", _same_end),
    ("team_not_playing", _change("info.teams", ["Albia", "Nowhere"])),
    ("same_team_twice", _change("info.teams", ["Albia", "Albia"])),
    ("third_innings", _third_innings),
    ("team_bats_twice", _bats_twice),
    ("overs_out_of_order", _skipped_over),
    ("over_range", _long_innings),
    ("too_many_wickets", _many_out),
)
