"""What is detected: the ids and names of the categories, and what other data sets call them.

Belongs here: ids, names, aliases. Must not come here: reading files.
"""

from collections.abc import Mapping

PLAYER, BALL, GOALKEEPER, REFEREE = 1, 2, 3, 4

CATEGORIES: Mapping[int, str] = {PLAYER: "player", BALL: "ball"}
"""Ids as COCO files have them. 0 stays free: in some detectors it is the background."""

ROLE_CATEGORIES: Mapping[int, str] = {**CATEGORIES, GOALKEEPER: "goalkeeper", REFEREE: "referee"}
"""With the roles apart, by option. By default goalkeepers and referees count as players."""

_ALIASES = {
    "player": PLAYER,
    "players": PLAYER,
    "person": PLAYER,
    "footballer": PLAYER,
    "ball": BALL,
    "football": BALL,
    "soccer ball": BALL,
    "sports ball": BALL,
    "goalkeeper": GOALKEEPER,
    "keeper": GOALKEEPER,
    "goalie": GOALKEEPER,
    "referee": REFEREE,
    "ref": REFEREE,
    "linesman": REFEREE,
    "assistant referee": REFEREE,
}


def category_of(name: str, *, roles: bool = False) -> int | None:
    """The category that another data set's class of that name is, or None for a class that is not ours.

    ``roles``: keep goalkeepers and referees apart instead of counting them as players.
    """
    found = _ALIASES.get(name.strip().lower().replace("_", " ").replace("-", " "))
    if found in (GOALKEEPER, REFEREE) and not roles:
        return PLAYER
    return found
