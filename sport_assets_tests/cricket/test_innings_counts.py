"""Counts from ball to ball: the state before every ball of generated matches, as counted over whole tables."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from sport_assets.cricket import innings_state
from sport_assets.cricket.innings import AFTER, BEFORE, Innings
from sport_assets.cricket.innings_counts import Counts
from sport_assets.cricket.kinds_of_deliveries import kinds_of
from sport_assets_tests.cricket import several_matches


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Innings, pl.DataFrame]:
    deliveries, matches = several_matches.tables(tmp_path_factory.mktemp("matches"), matches=20)
    return innings_state.build(deliveries, matches), deliveries.filter(~pl.col("super_over"))


def test_every_state_is_that_of_the_tables(played: tuple[Innings, pl.DataFrame]) -> None:
    made, rows = played
    kinds = kinds_of(rows)
    for each in made.table.to_dicts():
        balls = slice(each["start"], each["start"] + each["length"])
        b = {name: values[balls].astype(np.int64) for name, values in made.balls.items()}
        batters, bowlers = (sorted({*map(int, np.concatenate(found))}) for found in _people(b))
        b["striker"], b["non_striker"] = (np.searchsorted(batters, b[end]) for end in ("striker", "non_striker"))
        b["bowler"] = np.searchsorted(bowlers, b["bowler"])
        limit = int(b["overs_limit"][-1])
        counts = Counts(2, len(batters), len(bowlers), overs_limit=limit, second=bool(b["second_innings"][0]))
        counts.now["target"][:] = b["target"][0]
        for ball in range(each["length"]):
            places = [np.full(2, b[name][ball]) for name in _FACED]
            counts.face(*places)
            before = counts.before()
            for name in BEFORE:
                if name != "overs_limit":
                    assert before[name].tolist() == [b[name][ball]] * 2, (each["match_id"], ball, name)
            after = counts.advance({name: np.full(2, values[balls][ball]) for name, values in kinds.items()})
            for name in AFTER:
                assert after[name].tolist() == [b[name][ball]] * 2, (each["match_id"], ball, name)
            if ball == 30:
                counts.take(np.array([1, 0]))


_FACED = ("over", "ball_in_over", "phase", "striker", "non_striker", "bowler")


def _people(b: dict[str, np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    return [b["striker"], b["non_striker"]], [b["bowler"]]
