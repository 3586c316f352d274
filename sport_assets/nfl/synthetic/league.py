"""The people and the calendar of generated NFL weeks: teams, rosters, games, personnel and play situations.

Here belongs everything that is fixed before the snap and does not move. How players move is in
`synthetic_movement`,
how files are written is in `synthetic`. Teams are the league's 32 abbreviations; players are invented.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.str_]

_TEAMS_TEXT = """
ARI ATL BAL BUF CAR CHI CIN CLE DAL DEN DET GB HOU IND JAX KC LA LAC LV MIA MIN NE NO NYG NYJ PHI
PIT SEA SF TB TEN WAS
"""
TEAMS = tuple(_TEAMS_TEXT.split())

# position: players on a roster, mean height (inches), mean weight (pounds), mean top speed (yards/s), mean
# acceleration
_POSITIONS = {
    "QB": (2, 75, 220, 7.6, 4.8),
    "RB": (3, 70, 210, 9.1, 6.6),
    "FB": (1, 72, 245, 8.2, 5.6),
    "TE": (3, 77, 252, 8.6, 5.8),
    "WR": (6, 73, 198, 9.4, 6.6),
    "CB": (5, 72, 194, 9.4, 6.7),
    "SS": (2, 73, 205, 9.1, 6.3),
    "FS": (2, 73, 201, 9.2, 6.4),
    "ILB": (2, 74, 235, 8.4, 5.7),
    "MLB": (1, 73, 238, 8.4, 5.6),
    "OLB": (3, 74, 240, 8.6, 5.8),
}
_FIRST_TEXT = """
Aaron Abel Adrian Amos Andre Barrett Blake Bryce Caleb Cedric Clay Corey Damon Darius Dell Desmond
Devon Elias Emmett Ezra Felix Grant Hollis Isaac Jalen Jonah Kareem Keenan Lamont Leon Malik Marcus
Miles Nolan Omar Percy Quentin Reggie Roman Silas Terrence Tobias Vernon Wade Xavier Zion
"""
_FIRST = tuple(_FIRST_TEXT.split())
_LAST_TEXT = """
Abbot Alder Ashdown Barlow Beckworth Bramley Brightwell Calloway Cardew Colby Copeland Darrow
Dunmore Eastman Ellery Fairbank Farrow Garrick Glenfield Hadley Halloran Harwood Hollins Ingram
Jessop Kimble Kirkland Lambert Langley Lockhart Marlowe Merritt Norwood Oakley Pemberton Prescott
Quarles Radcliff Redmond Rowan Sedgwick Sheffield Stanton Sutter Thackeray Tillman Underhill Varden
Wakefield Westbrook Whitlock Winslow Yardley
"""
_LAST = tuple(_LAST_TEXT.split())

ROSTER_POSITION: Texts = np.array([name for name, row in _POSITIONS.items() for _ in range(row[0])])
_POSTSEASON_GAMES = {19: 6, 20: 4, 21: 2, 22: 1}
LAST_WEEK = 22


@dataclass(frozen=True)
class Rosters:
    """All players of the league; every array is [32 teams, 30 roster places], the place fixes the
    position."""

    nfl_id: Ints
    name: Texts
    height: Texts
    weight_pounds: Ints
    birth_date: Texts
    top_speed: Floats
    acceleration: Floats


def rosters(seed: int) -> Rosters:
    """The same league for a seed whatever the week: `nfl_id`s follow a player through seasons and weeks."""
    rng = np.random.default_rng([seed, 1])
    shape = (len(TEAMS), len(ROSTER_POSITION))
    typical = np.array([_POSITIONS[str(position)] for position in ROSTER_POSITION], dtype=np.float64)
    inches = np.rint(typical[:, 1] + rng.normal(0, 1.3, shape)).astype(np.int64)
    ids = rng.permutation(shape[0] * shape[1] * 8)[: shape[0] * shape[1]].reshape(shape) + 38000
    first, last = rng.choice(_FIRST, shape), rng.choice(_LAST, shape)
    born = np.datetime64("1989-01-01") + rng.integers(0, 4700, shape)
    return Rosters(
        nfl_id=ids.astype(np.int64),
        name=np.char.add(np.char.add(first, " "), last),
        height=np.char.add(np.char.add((inches // 12).astype(str), "-"), (inches % 12).astype(str)),
        weight_pounds=np.rint(typical[:, 2] + rng.normal(0, 8, shape)).astype(np.int64),
        birth_date=born.astype("datetime64[D]").astype(str),
        top_speed=np.clip(typical[:, 3] + rng.normal(0, 0.3, shape), 6.8, 10.2),
        acceleration=np.clip(typical[:, 4] + rng.normal(0, 0.4, shape), 4.2, 7.6),
    )


@dataclass(frozen=True)
class Games:
    """One week's games; arrays are [games]. Teams are indices into `TEAMS`."""

    game_id: Ints
    date: Texts
    time: Texts
    home: Ints
    visitor: Ints


def games(rng: np.random.Generator, season: int, week: int, plays: int) -> Games:
    """13 to 16 games where the plays allow (fewer after week 18), never fewer than 6 unless there are fewer
    plays."""
    most = _POSTSEASON_GAMES.get(week, int(rng.integers(13, 17)))
    count = min(most, plays, max(6, plays // 6))
    pairs = rng.permutation(len(TEAMS))[: 2 * count].reshape(count, 2)
    first_of_september = date(season, 9, 1)
    labor_day = first_of_september + timedelta(days=(7 - first_of_september.weekday()) % 7)
    calendar_week = week + 1 if season >= 2021 and week == LAST_WEEK else week  # a free week before the last game
    thursday = labor_day + timedelta(days=3 + 7 * (calendar_week - 1))
    days, times = [], []
    for index in range(count):
        if index == 0:
            days.append(thursday)
            times.append("20:15:00")
        elif index == count - 1:
            days.append(thursday + timedelta(days=4))
            times.append("20:15:00")
        else:
            days.append(thursday + timedelta(days=3))
            times.append(("13:00:00", "13:00:00", "16:05:00", "16:25:00")[(4 * index) // count])
    numbers = [days[:index].count(day) for index, day in enumerate(days)]
    ids = [int(f"{day:%Y%m%d}{number:02d}") for day, number in zip(days, numbers, strict=True)]
    return Games(
        game_id=np.array(ids, dtype=np.int64),
        date=np.array([f"{day:%m/%d/%Y}" for day in days]),
        time=np.array(times),
        home=pairs[:, 0].astype(np.int64),
        visitor=pairs[:, 1].astype(np.int64),
    )


# Five eligible spots: lateral yards from the ball (positive towards the strong side) and depth behind the
# line.
# The last spot is the back; in `2x1` the fourth receiver stays in to block and is not tracked.
ALIGNMENTS: dict[str, tuple[tuple[float, float], ...]] = {
    "2x2": ((18, 0.8), (-18, 0.8), (10, 1.2), (-6.5, 1.0), (2.2, 5.2)),
    "3x1": ((18.5, 0.8), (-18, 0.8), (12, 1.2), (6.5, 1.0), (-2.2, 5.2)),
    "3x2": ((18.5, 0.8), (-18, 0.8), (12.5, 1.2), (-10, 1.2), (6.5, 1.0)),
    "2x1": ((17, 0.8), (-17, 0.8), (8, 1.2), (0, 0), (1.5, 5.2)),
    "4x1": ((19, 0.8), (-18, 0.8), (14.5, 1.2), (10, 1.2), (6, 1.0)),
}
_ALIGNMENT_SHARE = (0.44, 0.38, 0.11, 0.06, 0.01)
COVERAGE_SHARE = {
    "COVER_3_ZONE": 0.317, "COVER_1_MAN": 0.227, "COVER_4_ZONE": 0.164, "COVER_2_ZONE": 0.131,
    "COVER_6_ZONE": 0.099, "COVER_0_MAN": 0.042, "COVER_2_MAN": 0.018, "PREVENT": 0.002,
}  # fmt: skip
# What keeps coverage from being told with certainty: charters and defences that err, and defences that deceive.
PLAYED_OTHERWISE_SHARE = 0.07  # charted man and played as zone, or the reverse: a zone that matches, a broken play
DISGUISED_SHARE = 0.25  # lined up as for the other kind
UNCHARTED_SHARE = 0.03
DROPBACKS = (
    "TRADITIONAL", "SCRAMBLE", "DESIGNED_ROLLOUT_RIGHT", "DESIGNED_ROLLOUT_LEFT",
    "SCRAMBLE_ROLLOUT_RIGHT", "SCRAMBLE_ROLLOUT_LEFT",
)  # fmt: skip
_DROPBACK_SHARE = (0.885, 0.048, 0.038, 0.022, 0.005, 0.002)
# Which position stands in each eligible spot, by personnel: 11, 12 and 10 (backs, tight ends).
_PERSONNEL = (("WR", "WR", "WR", "TE", "RB"), ("WR", "WR", "TE", "TE", "RB"), ("WR", "WR", "WR", "WR", "RB"))


@dataclass(frozen=True)
class Plays:
    """The situation of every play of a week before the snap; arrays are [plays] unless said otherwise."""

    game: Ints
    play_id: Ints
    offence: Ints
    defence: Ints
    direction_left: npt.NDArray[np.bool_]
    yardline: Ints  # line of scrimmage, standardised yards from the offence's own back line, 11..109
    ball_y: Floats
    alignment: Texts
    strong_side: Floats  # +1 or -1 along y
    formation: Texts
    coverage: Texts  # as it will be charted
    played: Texts  # as the defence plays it: on some plays the other kind
    disguised: npt.NDArray[np.bool_]
    charted: npt.NDArray[np.bool_]  # whether anybody will have charted it
    dropback: Texts
    play_action: npt.NDArray[np.bool_]
    defenders: Ints  # tracked defenders, 6..8
    receivers: npt.NDArray[np.bool_]  # [plays, 5], False where the spot is empty
    offence_places: Ints  # [plays, 6] roster places: passer, then the five spots
    corners: Ints  # [plays, 4] roster places
    safeties: Ints  # [plays, 4]
    linebackers: Ints  # [plays, 4]

    def __len__(self) -> int:
        return len(self.play_id)


def _pick(rng: np.random.Generator, plays: int, positions: tuple[str, ...], count: int) -> Ints:
    """Roster places, starters more often: the rank on the roster plus noise decides. [plays, count]"""
    places = np.concatenate([np.flatnonzero(np.isin(ROSTER_POSITION, position)) for position in positions])
    order = np.argsort(np.arange(len(places)) * 1.1 - rng.gumbel(0, 1, (plays, len(places))), axis=1)
    return places[order[:, :count]].astype(np.int64)


def is_man(coverage: Texts) -> npt.NDArray[np.bool_]:
    """Whether each coverage is man coverage; every other one is zone."""
    return np.asarray(np.char.endswith(coverage, "MAN"))


def _played(rng: np.random.Generator, coverage: Texts) -> Texts:
    """The coverage that is played: mostly the charted one, else one of the other kind."""
    names, shares = np.array(list(COVERAGE_SHARE)), np.array(list(COVERAGE_SHARE.values()))
    otherwise = rng.random(len(coverage)) < PLAYED_OTHERWISE_SHARE
    man = is_man(coverage)
    for kind in (True, False):
        share = np.where(is_man(names) == kind, shares, 0.0)
        other = rng.choice(names, len(coverage), p=share / share.sum())
        coverage = np.where(otherwise & (man != kind), other, coverage)
    return coverage


def plays(rng: np.random.Generator, week_games: Games, count: int) -> Plays:
    """`count` pass plays, spread evenly over the week's games in order of `play_id`."""
    of_game = np.sort(np.arange(count) % len(week_games.game_id))
    play_id = np.empty(count, dtype=np.int64)
    for game in range(len(week_games.game_id)):
        mine = np.flatnonzero(of_game == game)
        step = max(2, int(2 * (4700 / max(len(mine), 6) - 10)))
        play_id[mine] = 40 + np.cumsum(rng.integers(1, step, len(mine)) + 10)
    home_ball = rng.random(count) < 0.5
    home, visitor = week_games.home[of_game], week_games.visitor[of_game]
    yardline = np.clip(np.rint(10 + 100 * rng.beta(1.7, 1.6, count)), 12, 107).astype(np.int64)
    yardline = np.where(rng.random(count) < 0.08, 35, yardline)
    alignment = rng.choice(list(ALIGNMENTS), count, p=_ALIGNMENT_SHARE)
    coverage = rng.choice(list(COVERAGE_SHARE), count, p=list(COVERAGE_SHARE.values()))
    deception = rng.spawn(1)[0]  # a stream of its own
    played = _played(deception, coverage)
    defenders = rng.choice((6, 7, 8), count, p=(0.18, 0.55, 0.27))
    defenders = np.where(played == "COVER_2_MAN", np.maximum(defenders, 7), defenders)
    receivers = np.ones((count, 5), dtype=np.bool_)
    receivers[alignment == "2x1", 3] = False
    backs, ends = _pick(rng, count, ("RB", "FB"), 1), _pick(rng, count, ("TE",), 2)
    wides, passers = _pick(rng, count, ("WR",), 4), _pick(rng, count, ("QB",), 1)
    personnel = rng.choice(len(_PERSONNEL), count, p=(0.68, 0.2, 0.12))
    places = np.zeros((count, 6), dtype=np.int64)
    places[:, 0] = passers[:, 0]
    pools = {"WR": wides, "TE": ends, "RB": backs}
    for kind, positions in enumerate(_PERSONNEL):
        rows = personnel == kind
        for spot, position in enumerate(positions):
            places[rows, spot + 1] = pools[position][rows, positions[:spot].count(position)]
    under_centre = rng.random(count) < 0.17
    empty = np.isin(alignment, ("3x2", "4x1"))
    formation = np.where(
        under_centre, rng.choice(("SINGLEBACK", "I_FORM", "PISTOL"), count, p=(0.7, 0.12, 0.18)), "SHOTGUN"
    )
    return Plays(
        game=of_game.astype(np.int64),
        play_id=play_id,
        offence=np.where(home_ball, home, visitor),
        defence=np.where(home_ball, visitor, home),
        direction_left=rng.random(count) < 0.5,
        yardline=yardline,
        ball_y=rng.choice((23.58, 26.65, 29.72), count, p=(0.36, 0.28, 0.36)),
        alignment=alignment,
        strong_side=np.where(rng.random(count) < 0.5, 1.0, -1.0),
        formation=np.where(empty, "EMPTY", formation),
        coverage=coverage,
        played=played,
        disguised=deception.random(count) < DISGUISED_SHARE,
        charted=deception.random(count) >= UNCHARTED_SHARE,
        dropback=rng.choice(DROPBACKS, count, p=_DROPBACK_SHARE),
        play_action=rng.random(count) < 0.21,
        defenders=defenders.astype(np.int64),
        receivers=receivers,
        offence_places=places,
        corners=_pick(rng, count, ("CB",), 4),
        safeties=_pick(rng, count, ("FS", "SS"), 4),
        linebackers=_pick(rng, count, ("MLB", "ILB", "OLB"), 4),
    )
