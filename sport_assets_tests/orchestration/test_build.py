"""`build`: what it makes, what it leaves alone, and what it refuses."""

import os
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from sport_assets.lineage.errors import LineageError
from sport_assets.orchestration.assets import asset
from sport_assets.orchestration.build import Builder, BuildError
from sport_assets.orchestration.build_settings import Settings
from sport_assets.orchestration.console import console_logger
from sport_assets.orchestration.recording import LineageResource
from sport_assets_tests.orchestration.toy_home import ToyHome
from sport_assets_tests.orchestration.toy_line import DAYS

BOTH = ["toy/raw:d1", "toy/raw:d3", "toy/clean:d1", "toy/clean:d3", "toy/split"]


def test_makes_what_is_not_there_in_the_order_data_flows_and_nothing_twice(toy: ToyHome) -> None:
    report = toy.build("toy/split")
    assert [str(done.step) for done in report.made()] == BOTH
    assert {done.reason for done in report.made()} == {"never made"}
    assert report.skipped == {"toy/raw": ["d2"]}
    again = toy.build("toy/split")
    assert not again.made()
    assert [(done.outcome, done.version) for done in again.done] == [("current", done.version) for done in report.done]


def test_content_decides_not_time(toy: ToyHome) -> None:
    toy.build("toy/split")
    os.utime(toy.home.data / "toy" / "d1.csv", (1, 1))
    assert toy.made("toy/split") == []
    toy.write_day("d1", 1, 2)
    report = toy.build("toy/split")
    assert [(str(d.step), d.reason) for d in report.made()] == [
        ("toy/raw:d1", "raw file toy/d1.csv changed"),
        ("toy/clean:d1", "input toy/raw:d1 changed"),
        ("toy/split", "input toy/clean:d1 changed"),
    ]


def test_other_bytes_that_give_the_same_table_stop_there(toy: ToyHome) -> None:
    toy.build("toy/split")
    path = toy.home.data / "toy" / "d1.csv"
    path.write_text(path.read_text().replace("\n2\n", "\n2.00\n"))
    assert toy.made("toy/split") == ["toy/raw:d1", "toy/clean:d1"]


def test_configuration_remakes_only_what_depends_on_it(toy: ToyHome) -> None:
    toy.build("toy/split")
    report = toy.build("toy/split", None, "factor=2")
    assert [(str(d.step), d.reason) for d in report.made()] == [
        ("toy/clean:d1", "configuration changed"),
        ("toy/clean:d3", "configuration changed"),
        ("toy/split", "input toy/clean:d1 changed"),
    ]
    assert toy.latest("toy/clean", "d1").config == {"factor": 2.0}
    assert toy.made("toy/split", None, "toy/clean.factor=2.0") == []


def test_a_new_day_comes_in(toy: ToyHome) -> None:
    toy.build("toy/split")
    toy.write_day("d2", 7)
    report = toy.build("toy/split")
    assert [(str(d.step), d.reason) for d in report.made()] == [
        ("toy/raw:d2", "never made"),
        ("toy/clean:d2", "never made"),
        ("toy/split", "new input toy/clean:d2"),
    ]
    assert report.skipped == {}


def test_a_day_that_was_taken_away_goes_out_of_what_stands_on_it(toy: ToyHome) -> None:
    toy.build("toy/split")
    (toy.home.data / "toy" / "d1.csv").unlink()
    report = toy.build("toy/split")
    assert report.skipped == {"toy/raw": ["d1", "d2"]}
    assert [(str(d.step), d.reason) for d in report.made()] == [("toy/split", "input toy/clean:d1 is gone")]


def test_one_partition_alone(toy: ToyHome) -> None:
    assert toy.made("toy/clean", "d3") == ["toy/raw:d3", "toy/clean:d3"]


@pytest.mark.parametrize(
    ("target", "partition", "settings", "message"),
    [
        ("toy/clean", "d2", [], r"toy/raw.*toy/d2\.csv"),
        ("toy/raw", "d2", [], r"toy/raw:d2 needs raw files that .*: toy/d2\.csv is not there"),
        ("toy/clean", "d9", [], "no partition 'd9'; its partitions: d1, d2, d3"),
        ("toy/split", "d1", [], "toy/split has no partitions"),
        ("toy/nothing", None, [], "no asset 'toy/nothing'; there are: toy/audit_page, toy/checkpoint, toy/clean"),
        ("toy/split", None, ["nothing=1"], r"no asset of this build has a setting 'nothing'.*toy/clean\.factor"),
        ("toy/split", None, ["toy/raw.factor=1"], r"no asset of this build has a setting 'factor'"),
        ("toy/split", None, ["toy/checkpoint.max_epochs=1"], "toy/checkpoint is not part of this build"),
        ("toy/split", None, ["factor"], "write FIELD=VALUE"),
        ("toy/split", None, ["factor=many"], r"toy/clean:\n  factor: .*'many'"),
        (
            "toy/checkpoint",
            "small|0",
            ["training.nothing=1"],
            "no asset of this build has a setting 'training.nothing'",
        ),
        ("toy/checkpoint", "small|0", ["nothing=1"], "training.max_epochs"),
        (
            "toy/checkpoint",
            "small|0",
            ["precision=fp8"],
            r"toy/checkpoint:\n  precision: .*auto\|32\|bf16-mixed\|16-mixed.*'fp8'",
        ),
        ("toy/checkpoint", "small|0", ["device=gpu"], r"toy/checkpoint:\n  device: .*cuda.*'gpu'"),
        ("toy/checkpoint", "small|0", ["threads=0"], r"toy/checkpoint:\n  threads: .*greater than or equal to 1"),
        ("toy/checkpoint", "small|0", ["parallel=0"], r"toy/checkpoint:\n  parallel: .*greater than or equal to 1"),
    ],
)
def test_refusals_name_the_remedy_and_make_nothing(
    toy: ToyHome, target: str, partition: str | None, settings: list[str], message: str
) -> None:
    with pytest.raises(BuildError, match=rf"(?s){message}"):
        toy.build(target, partition, *settings)
    with toy.lineage() as lineage:
        assert lineage.ledger.head().seq == 0


def test_a_device_that_is_not_here_is_told_before_anything_is_made(
    toy: ToyHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sport_assets.orchestration.resources.visible_gpus", lambda: 0)
    with pytest.raises(
        BuildError, match=r"^toy/checkpoint:small\|0: device cuda was asked for, but this machine shows 0"
    ):
        toy.build("toy/checkpoint", "small|0", "device=cuda")
    with toy.lineage() as lineage:
        assert lineage.ledger.head().seq == 0


def test_no_raw_file_at_all_says_where_to_put_them(toy: ToyHome) -> None:
    for path in Path(toy.home.data / "toy").iterdir():
        path.unlink()
    with pytest.raises(BuildError, match=r"none of its raw files are in .*toy/d1\.csv.*sport-assets sample-data toy"):
        toy.build("toy/split")


def test_a_rejected_step_ends_the_build_and_says_why_and_what_next(toy: ToyHome) -> None:
    toy.write_day("d1", 99, 99, 1)
    with pytest.raises(BuildError, match=r"toy/clean:d1 was rejected by its checks: few_quarantined: 2 of 3") as error:
        toy.build("toy/split")
    record = toy.latest("toy/clean", "d1")
    assert f"sport-assets override {record.id} few_quarantined --reason TEXT" in str(error.value)
    toy.write_day("d1", 9, 9, 1)
    assert "toy/clean:d1" in toy.made("toy/split")


def test_runs_show_in_dagster_with_partition_selection_and_configuration(toy: ToyHome) -> None:
    toy.build("toy/clean", "d1", "factor=3")
    with toy.instance() as dagster:
        runs = {run.run_id: run for run in dagster.get_runs()}
        run = runs[toy.latest("toy/clean", "d1").run_id]
    assert len(runs) == 2
    assert run.tags["dagster/partition"] == "d1"
    assert run.asset_selection == {dg.AssetKey(["toy", "clean"])}
    configured: Any = run.run_config["ops"]
    assert configured["toy__clean"]["config"] == {"factor": 3}
    assert run.is_success


def test_two_builds_at_once_on_a_new_home(toy: ToyHome) -> None:
    code = (
        "import sys; from sport_assets.lineage.home import Home; "
        "from sport_assets.orchestration.build import Builder; "
        "from sport_assets_tests.orchestration.toy_line import DEFS; "
        "r = Builder(DEFS, Home.from_environment()).run('toy/split', None); print(len(r.done))"
    )
    processes = [toy.python(code) for _ in range(2)]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
    assert toy.made("toy/split") == []
    assert toy.staging_is_empty()


@pytest.mark.parametrize("digest", ["1234567", "12e4567"])
def test_a_text_that_looks_like_a_number_stays_text(toy: ToyHome, digest: str) -> None:
    with pytest.raises(LineageError, match=f"none of its versions begin with {digest}"):
        toy.build("toy/checkpoint", "small|0", f"resume_from={digest}")


@pytest.mark.parametrize("field", ["resume_from", "tuned"])
def test_a_version_that_is_not_there_is_refused_before_anything_is_made(toy: ToyHome, field: str) -> None:
    with pytest.raises(LineageError, match="none of its versions begin with abcdef"):
        toy.build("toy/checkpoint", "small|0", f"{field}=abcdef")
    with toy.lineage() as lineage:
        assert lineage.ledger.head().seq == 0


@pytest.mark.parametrize("value", ["32", "bf16-mixed", "auto"])
def test_a_precision_is_text_also_where_it_is_a_number(toy: ToyHome, value: str) -> None:
    settings = Settings([f"precision={value}"])
    settings.spread(["toy/checkpoint"], "small|0")
    assert settings.complete("toy/checkpoint")["precision"] == value


@asset("diamond", description="a day", partitions_def=DAYS, raw_paths=lambda day: [f"toy/{day}.csv"])
def day(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        record.register_raw([f"toy/{context.partition_key}.csv"])
        return record.publish()


@asset("diamond", description="stands on all days", reads=["day"])
def mean(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        days = [key for key in ("d1", "d2", "d3") if record.inner.lineage.ledger.latest("diamond/day", key)]
        record.output("mean.txt").write_text(" ".join(record.read("diamond/day", key).ref.version for key in days))
        return record.publish()


@asset("diamond", description="one day beside all", reads=["day", "mean"], partitions_def=DAYS)
def compared(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        both = [record.read("diamond/day"), record.read("diamond/mean", None)]
        record.output("compared.txt").write_text(" ".join(found.ref.version for found in both))
        return record.publish()


def test_one_partition_is_made_with_all_that_it_stands_on(toy: ToyHome) -> None:
    """A day compared to the mean of all days needs all days; none of the other comparisons."""
    definitions = dg.Definitions(
        assets=[day, mean, compared], resources={"lineage": LineageResource()}, loggers={"console": console_logger}
    )
    report = Builder(definitions, toy.home).run("diamond/compared", "d3")
    made = [str(done.step) for done in report.made()]
    assert made == ["diamond/day:d1", "diamond/day:d3", "diamond/mean", "diamond/compared:d3"]
    assert not Builder(definitions, toy.home).run("diamond/compared", "d3").made()
    assert [str(d.step) for d in Builder(definitions, toy.home).run("diamond/compared", "d1").made()] == [
        "diamond/compared:d1"
    ]


class ScaledConfig(dg.Config):
    weights: str | None = None


@asset("diamond", description="what its configuration says besides", reads=["day"], partitions_def=DAYS)
def scaled(context: dg.AssetExecutionContext, lineage: LineageResource, config: ScaledConfig) -> dg.MaterializeResult:
    with lineage.record(context, config) as record:
        record.read("diamond/day")
        files = record.register_raw([config.weights] if config.weights is not None else [], listed=False)
        record.output("scaled.txt").write_text(str([file.sha256 for file in files]))
        return record.publish()


def test_a_raw_file_that_the_configuration_names_makes_it_again_when_it_changes_alone(toy: ToyHome) -> None:
    definitions = dg.Definitions(
        assets=[day, scaled], resources={"lineage": LineageResource()}, loggers={"console": console_logger}
    )
    weights = toy.home.data / "toy" / "weights.bin"
    weights.write_bytes(b"1")

    def made(*settings: str) -> dict[str, str]:
        report = Builder(definitions, toy.home, settings).run("diamond/scaled", "d1")
        return {str(done.step): done.reason for done in report.made()}

    named = "weights=toy/weights.bin"
    assert made(named) == {"diamond/day:d1": "never made", "diamond/scaled:d1": "never made"}
    assert made(named) == {}
    weights.write_bytes(b"2")
    assert made(named) == {"diamond/scaled:d1": "raw file toy/weights.bin changed"}
    assert made() == {"diamond/scaled:d1": "configuration changed"}
    assert made() == {}
