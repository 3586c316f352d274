"""What the terminal says of a step that fails."""

import dagster as dg
import pytest

from sport_assets.orchestration.console import Console, console_logger


@dg.asset
def defect() -> None:
    columns: dict[str, str] = {}
    try:
        columns["x"]
    except KeyError as error:
        raise TypeError("columns must be\nnamed") from error


@dg.asset
def bad_input() -> None:
    raise dg.Failure("week_01.csv has no column x")


def _said(asset: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(Console, "sink", staticmethod(lines.append))
    defs = dg.Definitions(
        assets=[defect, bad_input], loggers={"console": console_logger}, jobs=[dg.define_asset_job("all")]
    )
    with dg.DagsterInstance.ephemeral() as instance:
        defs.resolve_job_def("all").execute_in_process(
            instance=instance,
            run_config={"loggers": {"console": {}}},
            asset_selection=[dg.AssetKey(asset)],
            raise_on_error=False,
        )
    return lines


def test_an_internal_error_is_told_with_its_class_and_message_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = [line for line in _said("defect", monkeypatch) if "Execution of step" in line]
    assert line == '  defect: error: Execution of step "defect" failed. TypeError: columns must be named'


def test_a_clear_failure_is_left_to_whoever_runs_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = [line for line in _said("bad_input", monkeypatch) if "Execution of step" in line]
    assert line.endswith("failed.")
