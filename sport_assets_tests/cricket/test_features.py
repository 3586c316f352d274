"""Features: every name has its column, of a size that a network can take, from what came before alone."""

import numpy as np
import polars as pl
import pytest

from sport_assets.cricket import features, innings_state
from sport_assets.cricket.history import Situations, rates
from sport_assets.cricket.nodes import (
    FEATURES,
    HISTORY_FEATURES,
    HISTORY_KINDS,
    NODE_ENTITIES,
    NODE_FEATURES,
    NODE_TYPES,
    RESULT_NODE,
)
from sport_assets_tests.cricket.several_matches import at, tables

Tables = tuple[pl.DataFrame, pl.DataFrame]


@pytest.fixture(scope="module")
def made_of(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return tables(tmp_path_factory.mktemp("matches"), matches=20)


def test_nodes_share_out_all_features() -> None:
    assert len(NODE_TYPES) == 21
    assert (
        len(set(FEATURES)) == len(FEATURES) == sum(map(len, NODE_FEATURES.values())) - len(NODE_FEATURES[RESULT_NODE])
    )
    assert set(HISTORY_FEATURES) <= set(FEATURES) and set(NODE_ENTITIES) <= set(NODE_TYPES)
    assert len(HISTORY_FEATURES) == 7 + 8 * len(HISTORY_KINDS)
    columns = [column for node in NODE_TYPES if node != RESULT_NODE for column in features.of_node(node)]
    assert columns == list(range(len(FEATURES)))


def test_every_feature_is_finite_and_of_order_one(made_of: Tables) -> None:
    made = innings_state.build(*made_of)
    for found in (features.table(made), features.results(made)):
        assert found.dtype == np.float32 and len(found) == len(made)
        assert np.isfinite(found).all() and np.abs(found).max() < 15
    history = rates(Situations.of(made))
    np.testing.assert_array_equal(features.table(made), features.table(made, history=history))


def test_results_say_what_each_ball_brought(made_of: Tables) -> None:
    made = innings_state.build(*made_of)
    found = dict(zip(NODE_FEATURES[RESULT_NODE], features.results(made).T, strict=True))
    assert (np.argmax(list(found.values())[:7], axis=0) == made.balls["outcome"]).all()
    np.testing.assert_allclose(found["ball_runs"] * 6, made.balls["runs_total"], rtol=1e-6)


@pytest.mark.parametrize("number", range(3))
def test_a_ball_and_what_follows_it_change_none_of_its_features(made_of: Tables, number: int) -> None:
    deliveries, matches = made_of
    made = innings_state.build(deliveries, matches)
    row = made.table.sample(1, seed=number).to_dicts()[0]
    place = at(made, row["match_id"], row["innings"])
    ball = row["length"] // 2
    rows = deliveries.with_row_index().filter(
        (pl.col("match_id") == row["match_id"]) & (pl.col("innings") == row["innings"])
    )["index"]
    results = ["runs_batter", "runs_extras", "runs_total", "wides", "noballs", "wicket_kind", "outcome"]
    later = pl.int_range(pl.len()) >= rows[ball]
    altered = deliveries.with_columns(
        pl.when(later).then(pl.col(name).shuffle(seed=number)).otherwise(pl.col(name)).alias(name) for name in results
    )
    other = innings_state.build(altered, matches)
    known = slice(0, place.start + ball + 1)
    one, two = features.table(made), features.table(other)
    np.testing.assert_allclose(two[known], one[known], atol=1e-6)
    assert not np.allclose(two[known.stop :], one[known.stop :])


def test_a_chase(made_of: Tables) -> None:
    made = innings_state.build(*made_of)
    found = dict(zip(FEATURES, features.table(made).T, strict=True))
    chase = made.balls["second_innings"] == 1
    assert (found["is_chase"] == chase).all() and not found["required_rate"][~chase].any()
    needed = made.balls["target"] - made.balls["runs"]
    np.testing.assert_allclose(found["runs_needed"][chase] * 100, needed[chase], rtol=1e-4, atol=1e-3)
