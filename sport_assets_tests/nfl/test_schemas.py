"""Schemas as documentation: every column and rule explained, bounds wide enough for real data."""

from __future__ import annotations

import subprocess
import sys

import polars as pl
import pytest

from sport_assets.lineage.quarantine import QUARANTINE_SCHEMA, failures
from sport_assets.lineage.table import Table
from sport_assets.nfl import schemas
from sport_assets.nfl.schemas import INPUT, OUTPUT, PLAY_CONTEXT, SUPPLEMENTARY, TARGETS, TRACKING

ALL = [INPUT, OUTPUT, SUPPLEMENTARY, PLAY_CONTEXT, TRACKING, TARGETS, schemas.QUARANTINE, schemas.PREDICTIONS]


@pytest.mark.parametrize("schema", ALL, ids=lambda schema: schema.name)
def test_every_column_is_described(schema: Table) -> None:
    assert all(column.description for column in schema.columns.values())
    assert schemas.column_types(schema) == schema.types


def test_the_raw_files_have_their_columns() -> None:
    assert [len(schema.columns) for schema in (INPUT, OUTPUT, SUPPLEMENTARY)] == [23, 6, 41]
    assert list(SUPPLEMENTARY.columns)[-1] == "visitor_team_win_probility_added"


@pytest.mark.parametrize("schema", [INPUT, OUTPUT], ids=lambda schema: schema.name)
def test_every_check_of_a_row_has_a_rule_that_people_can_read(schema: Table) -> None:
    named = {rule.name for column in schema.columns.values() for rule in column.rules}
    assert named <= set(schemas.ROW_RULES)


def test_quarantine_is_described_as_it_is_written() -> None:
    assert {name: column.dtype() for name, column in schemas.QUARANTINE.columns.items()} == QUARANTINE_SCHEMA


def test_standardised_columns_say_so() -> None:
    for name in schemas.STANDARDISED_COLUMNS:
        assert "standardised" in str(TRACKING.columns[name].description)
        assert "standardised" not in str(INPUT.columns[name].description)
    assert "direction_left" in TRACKING.columns
    assert "standardised" in str(TARGETS.columns["x"].description)


def test_bounds_at_their_edges() -> None:
    rows = pl.DataFrame(
        {
            "game_id": [1, 1, 1, 1],
            "play_id": [1, 1, 1, 1],
            "nfl_id": [1, 1, 1, 1],
            "frame_id": [1, 600, 601, 1],
            "x": [-5.0, 125.0, 1.0, 125.1],
            "y": [-5.0, 58.3, 1.0, -5.1],
        }
    )
    found = failures(rows, OUTPUT).sort("index", "rule")
    assert found.select("index", "rule").rows() == [(2, "frame_id_range"), (3, "x_off_field"), (3, "y_off_field")]


def test_results_are_not_allowed() -> None:
    allowed = set(schemas.ALLOWED_PRE_SNAP)
    for name in SUPPLEMENTARY.columns:
        described = str(SUPPLEMENTARY.columns[name].description)
        if any(word in described for word in ("result", "charted", "after the snap", "outside model", "Change for")):
            assert name not in allowed, name
    for name in ("pass_result", "pass_length", "yards_gained", "play_action", "dropback_type", "team_coverage_type"):
        assert name not in allowed


def test_loading_the_schemas_loads_nothing_heavy() -> None:
    code = (
        "import sys, sport_assets.nfl.schemas, sport_assets.nfl.features, sport_assets.nfl.context, "
        "sport_assets.nfl.split, sport_assets.nfl.plays;"
        "heavy = {'torch', 'dagster', 'matplotlib', 'mlflow', 'onnx', 'onnxruntime'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
