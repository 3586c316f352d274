"""Another player in a what-if: who is meant by a name, and whether the laws let him play.

Belongs here: finding a player by name or id, and refusing who cannot bowl or face the ball. Must not come here: what
changes with him (``simulate``).

A name must be one of the team's: listed in the file, or seen in play before the ball. So a name that is not spelt as
the file has it is refused, not taken for somebody whom nobody knows; where a file lists nobody, so is every name that
was not seen. Anybody whom the model knows may be told by his registry id.
"""

from __future__ import annotations

import polars as pl

from sport_assets.cricket.course import Attack
from sport_assets.cricket.shipped import Shipped
from sport_assets.cricket.situation import Situation, SituationError

_ANOTHER = "name another player"


def bowler_of(situation: Situation, shipped: Shipped, person: str) -> str:
    """Id of who bowls instead, told by name or id. Raises SituationError where he may not."""
    found = _player(situation, shipped, f"--bowler {person}", person, situation.bowling)
    balls, players, over = situation.played.balls, situation.played.players, situation.at.over
    by_over = {(int(at), players[bowler]) for at, bowler in zip(balls["over"], balls["bowler"], strict=True)}
    if (over - 1, found) in by_over:
        raise SituationError(f"--bowler {person}: he bowled the over before, and nobody bowls two in a row; {_ANOTHER}")
    begun = sum(bowler == found and at != over for at, bowler in by_over)
    most = Attack.most_of(situation.overs_limit)
    if begun >= most:
        raise SituationError(f"--bowler {person}: he has bowled his {most} overs; {_ANOTHER}")
    return found


def batter_of(situation: Situation, shipped: Shipped, person: str, other: str) -> str:
    """Id of who faces instead, told by name or id; other: id of who stands at the other end. Raises SituationError."""
    found = _player(situation, shipped, f"--batter {person}", person, situation.batting)
    if found == other:
        raise SituationError(f"--batter {person}: stands at the other end; {_ANOTHER}")
    if found in situation.out:
        raise SituationError(f"--batter {person}: he is out already; {_ANOTHER}")
    return found


def _player(situation: Situation, shipped: Shipped, option: str, person: str, team: str) -> str:
    own = situation.elevens.get(team, ())
    found = {name: each for each, name in situation.names.items()}.get(person, person)
    if found in own:
        return found
    for side, people in situation.elevens.items():
        if found in people:
            raise SituationError(f"{option}: plays for {side}, not for {team}; {_ANOTHER}")
    if _knows(shipped, found):
        return found
    listed = ", ".join(sorted(situation.names[each] for each in own)) or "nobody"
    raise SituationError(
        f"{option}: {team} has no such player, and the model knows no such id; the file lists {listed}: name one of "
        f"them, or add the player to info.players.{team}"
    )


def _knows(shipped: Shipped, person: str) -> bool:
    """Whether the model has a row for him, or balls on record."""
    on_record = (pl.col(end).cast(pl.String) == person for end in ("striker", "non_striker", "bowler"))
    return person in shipped.entities.players or bool(
        shipped.past.rows.select(pl.any_horizontal(*on_record).any()).item()
    )
