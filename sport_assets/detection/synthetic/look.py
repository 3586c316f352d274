"""Colours of a generated scene: kits, skin, grass, boards. All are BGR, 0 to 255.

Belongs here: which colours, drawn for a scene. Must not come here: shapes.
"""

from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]

WHITE: Colour = (238, 240, 240)
_SHIRTS: tuple[Colour, ...] = (
    (40, 34, 200),  # red
    (190, 80, 30),  # blue
    (40, 200, 235),  # yellow
    (90, 30, 110),  # claret
    (225, 190, 120),  # sky blue
    (35, 110, 235),  # orange
    (80, 30, 25),  # navy
)
_GOALKEEPERS: tuple[Colour, ...] = ((60, 230, 250), (230, 90, 200), (240, 200, 60))
_REFEREES: tuple[Colour, ...] = ((28, 28, 30), (30, 28, 34), (70, 215, 240))
_SKINS: tuple[Colour, ...] = ((150, 178, 222), (120, 155, 205), (80, 112, 160), (48, 70, 108))
_HAIRS: tuple[Colour, ...] = ((22, 24, 30), (30, 42, 62), (60, 100, 140))


@dataclass(frozen=True)
class Kit:
    """What one wears."""

    shirt: Colour
    shorts: Colour
    socks: Colour


@dataclass(frozen=True)
class Person:
    """What one looks like."""

    kit: Kit
    skin: Colour
    hair: Colour
    boots: Colour
    height_m: float


@dataclass(frozen=True)
class Look:
    """Colours of a scene. ``people``: in the order of the play's people."""

    people: tuple[Person, ...]
    grass: Colour
    stripe: float
    """How much brighter every other stripe is, as a share."""
    line: float
    """How well lines cover the grass, 0 to 1."""
    seats: Colour
    supporters: tuple[Colour, Colour]
    boards: tuple[Colour, ...]


def draw_look(rng: np.random.Generator, *, players: int, decoys: bool) -> Look:
    """Colours for a scene; with decoys one side may wear white, and socks are mostly white."""
    first, second = (_SHIRTS[int(number)] for number in rng.choice(len(_SHIRTS), 2, replace=False))
    if decoys and rng.random() < 0.5:
        second = WHITE
    kits = [_kit(rng, shirt, decoys=decoys) for shirt in (first, second)]
    keepers = rng.choice(len(_GOALKEEPERS), 2, replace=False)
    keeper_kits = [Kit(*[_GOALKEEPERS[int(number)]] * 3) for number in keepers]
    referee = _REFEREES[int(rng.integers(2 + (first != _SHIRTS[2])))]  # yellow only where no side wears it
    outfits = [kit for side in (0, 1) for kit in (keeper_kits[side], *[kits[side]] * (players - 1))]
    outfits.append(Kit(referee, _REFEREES[0], _REFEREES[0]))
    green = rng.uniform(-1, 1, 3)
    return Look(
        people=tuple(_person(rng, kit, decoys=decoys) for kit in outfits),
        grass=(int(52 + 12 * green[0]), int(122 + 16 * green[1]), int(72 + 14 * green[2])),
        stripe=float(rng.uniform(0.06, 0.16)),
        line=0.9 if decoys else 0.3,
        seats=(int(rng.integers(50, 90)), int(rng.integers(45, 80)), int(rng.integers(45, 80))),
        supporters=(first, second),
        boards=tuple(
            [*(_SHIRTS[int(number)] for number in rng.choice(len(_SHIRTS), 4)), (30, 30, 34)]
            + ([WHITE, WHITE] if decoys else [])
        ),
    )


def _kit(rng: np.random.Generator, shirt: Colour, *, decoys: bool) -> Kit:
    dark: Colour = (45, 38, 34)
    shorts = (shirt, WHITE, dark)[int(rng.integers(3))] if decoys else dark
    socks = (WHITE if rng.random() < 0.75 else shirt) if decoys else dark
    return Kit(shirt, shorts, socks)


def _person(rng: np.random.Generator, kit: Kit, *, decoys: bool) -> Person:
    boots: tuple[Colour, ...] = ((25, 25, 25), (60, 60, 220), WHITE if decoys else (30, 30, 40))
    return Person(
        kit,
        _SKINS[int(rng.integers(len(_SKINS)))],
        _HAIRS[int(rng.integers(len(_HAIRS)))],
        boots[int(rng.integers(3))],
        float(rng.uniform(1.72, 1.9)),
    )
