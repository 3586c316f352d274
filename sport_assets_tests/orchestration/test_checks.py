"""Checks as Dagster is told of them, and as it shows their results."""

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.errors import LineageError
from sport_assets.orchestration.checks import AssetChecks, Check, shown, table_check

KEY = dg.AssetKey(["toy", "table"])
DAYS = dg.StaticPartitionsDefinition(["d1", "d2"])
SCHEMA = pa.DataFrameSchema(
    {
        "speed_yards_per_s": pa.Column(pl.Float64, pa.Check.le(10, error="speed")),
        "team": pa.Column(pl.String, nullable=True),
    }
)
CHECKS = AssetChecks([Check("sound", "every row keeps the rules", schema=lambda: SCHEMA), Check("usual", "", False)])


def test_specs_carry_partitions_and_say_what_blocks() -> None:
    specs = {spec.name: spec for spec in CHECKS.specs(KEY, DAYS)}
    assert set(specs) == {"sound", "usual"}
    assert all(spec.partitions_def == DAYS and spec.asset_key == KEY for spec in specs.values())
    assert specs["sound"].blocking and not specs["usual"].blocking
    assert specs["sound"].description == "every row keeps the rules"


def test_results_come_in_the_order_of_their_declaration() -> None:
    results = [CheckResult("usual", True), CheckResult("sound", True)]
    assert [result.name for result in CHECKS.complete("toy/table", results)] == ["sound", "usual"]


@pytest.mark.parametrize(
    ("noted", "named"),
    [
        (["sound"], r"declared but not run: \['usual'\]"),
        ([], r"declared but not run: \['sound', 'usual'\]"),
        (["sound", "usual", "other"], r"run but not declared: \['other'\]"),
    ],
)
def test_a_check_that_is_missing_or_unknown_is_an_error(noted: list[str], named: str) -> None:
    with pytest.raises(LineageError, match=named):
        CHECKS.complete("toy/table", [CheckResult(name, True) for name in noted])


def test_a_table_check_finds_all_failures_at_once() -> None:
    frame = pl.DataFrame({"speed_yards_per_s": [1.0, 11.0, 12.0, None], "team": ["a", None, "b", "c"]})
    [result] = CHECKS.validate(frame)
    assert not result.passed and result.blocking
    assert (result.failed, result.checked) == (3, 4)
    assert result.rules["speed"] == 2
    assert {row["row"] for row in result.sample} == {1, 2, 3}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_no_number_fails_although_no_rule_names_it(value: float) -> None:
    frame = pl.DataFrame({"speed_yards_per_s": [1.0, value], "team": ["a", "b"]})
    loose = pa.DataFrameSchema({"speed_yards_per_s": pa.Column(pl.Float64), "team": pa.Column(pl.String)})
    result = table_check(frame, loose, name="sound")
    assert not result.passed
    assert result.failed == 1 and result.rules["finite"] == 1
    assert {row["row"] for row in result.sample} == {1}


def test_a_table_check_tells_where_a_failing_row_comes_from() -> None:
    frame = pl.DataFrame({"speed_yards_per_s": [1.0, 11.0], "team": ["a", "b"], "file": ["f.csv"] * 2, "line": [2, 3]})
    check = Check("sound", "", schema=lambda: SCHEMA, where=("file", "line"))
    [result] = AssetChecks([check]).validate(frame)
    [row] = result.sample
    assert (row["file"], row["line"], row["rule"]) == ("f.csv", 3, "speed")
    [whole] = AssetChecks([check]).validate(frame.drop("speed_yards_per_s"))
    assert not whole.passed and "file" not in whole.sample[0], "a missing column has no line"


def test_sound_rows_pass() -> None:
    [result] = CHECKS.validate(
        pl.DataFrame({"speed_yards_per_s": [1.0], "team": [None]}, schema_overrides={"team": pl.String})
    )
    assert result.passed and result.failed == 0 and not result.sample


@pytest.mark.parametrize(
    ("blocking", "severity"), [(True, dg.AssetCheckSeverity.ERROR), (False, dg.AssetCheckSeverity.WARN)]
)
def test_severity_tells_whether_the_gate_closes(blocking: bool, severity: dg.AssetCheckSeverity) -> None:
    assert shown(CheckResult("sound", False, blocking), KEY).severity == severity


def test_failing_rows_are_shown_with_file_and_line() -> None:
    rows = [
        {"rule": "speed", "file": "input_2023_w01.csv", "line": 17, "value": "99"},
        {"rule": "finite", "file": "input_2023_w01.csv", "line": 18, "value": None},
    ]
    result = shown(CheckResult("sound", False, failed=2, checked=40, rules={"speed": 1, "finite": 1}, sample=rows), KEY)
    table = result.metadata["failing_rows"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data for record in table.records] == [
        {"rule": "speed", "file": "input_2023_w01.csv", "line": "17", "value": "99"},
        {"rule": "finite", "file": "input_2023_w01.csv", "line": "18", "value": ""},
    ]
    assert result.metadata["failed"].value == 2 and result.metadata["checked"].value == 40
    assert "| speed | 1 |" in str(result.metadata["rules"].value)
