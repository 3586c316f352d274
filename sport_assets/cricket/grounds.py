"""One name for each ground, whatever way a match file spells it.

Belongs here: the rule by which the venue and city of one match file name its ground. Must not come here: anything of
other files or a table of aliases: a match alone has to give the same name in training and in a forecast.

Cricsheet writes a ground with its town, district and country after commas, some, all or none of them, and that changes
over the years: ``Hagley Oval`` and ``Hagley Oval, Christchurch``. So the part before the first comma names a ground.
Where that part could be anywhere (``County Ground``, ``National Stadium``), the city belongs to the name.
"""

from __future__ import annotations

import re
from functools import lru_cache

ANYWHERE = frozenset((
    "a", "academy", "and", "army", "association", "b", "bottom", "center", "central", "centre", "city", "civil",
    "club", "college", "combined", "community", "complex", "county", "cricket", "district", "field", "gardens",
    "ground", "grounds", "gymkhana", "high", "independence", "international", "main", "memorial", "municipal",
    "national", "navy", "new", "no", "of", "old", "oval", "park", "pavilion", "police", "polo", "public", "railway",
    "recreation", "road", "school", "service", "services", "sport", "sports", "stadium", "the", "top", "town", "turf",
    "united", "university", "village", "wanderers", "wicket",
))  # fmt: skip
"""Words that say what a ground is, or that grounds of many towns are called by; so do numbers."""
_SENTENCE = re.compile(r"(?<=[a-z]{4})\. ")
"""A full stop in a comma's place: ``Cricket Stadium. Rwanda``; not that of ``Dr. Y.S.`` or ``St. George's``."""


@lru_cache(maxsize=4096)
def ground_name(venue: str, city: str | None) -> str:
    """The one name of a ground, from a match file's ``venue`` and ``city`` (None where the file names none).

    Example: ``Kensington Oval`` for ``Kensington Oval, Bridgetown, Barbados``; ``County Ground, Bristol`` for
    ``County Ground`` in the city of Bristol.
    """
    first, *places = [_plain(part) for part in _SENTENCE.sub(", ", venue).split(",")]
    words = re.findall(r"\w+", first.lower())
    if not all(word in ANYWHERE or word.isdigit() for word in words):
        return first
    place = _plain(city or "") or next(filter(None, reversed(places)), "")
    return f"{first}, {place}" if place else first


def _plain(text: str) -> str:
    """Alike with or without full stops, and with any spaces: ``R.Premadasa Stadium`` is ``R Premadasa Stadium``."""
    return " ".join(text.replace(".", " ").split())
