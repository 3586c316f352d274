"""A complete line of a few numbers, to test what all lines share without any sport.

Raw files ``toy/<day>.csv`` with a column ``value`` -> clean -> split -> model. Training is that of the training tests.
"""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.quarantine import sift, write_quarantine
from sport_assets.lineage.row_index import RowIndex
from sport_assets.orchestration.assets import asset
from sport_assets.orchestration.checks import AssetChecks, Check
from sport_assets.orchestration.console import console_logger
from sport_assets.orchestration.model_assets import model_assets
from sport_assets.orchestration.model_line import ModelLine, Stage
from sport_assets.orchestration.recording import LineageResource
from sport_assets.orchestration.resources import Accelerator, mlflow_resource
from sport_assets.orchestration.withdrawn import without_withdrawn

DAYS = dg.StaticPartitionsDefinition(["d1", "d2", "d3"])
MODELS = dg.MultiPartitionsDefinition(
    {"preset": dg.StaticPartitionsDefinition(["small", "strict"]), "seed": dg.StaticPartitionsDefinition(["0", "1"])}
)
# Samples that no training of the toy model reads.
TESTED = range(1000, 1010)
MODULE = "sport_assets_tests.orchestration.toy_line"
SCHEMA = pa.DataFrameSchema({"value": pa.Column(pl.Float64, pa.Check.in_range(0, 10, error="range"))})
CLEAN = AssetChecks([Check("few_quarantined", "less than half of the rows are quarantined"), Check("warns", "", False)])


@asset("toy", description="raw", partitions_def=DAYS, raw_paths=lambda day: [f"toy/{day}.csv"])
def raw(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        record.register_raw([f"toy/{context.partition_key}.csv"])
        return record.publish()


class CleanConfig(dg.Config):
    factor: float = 1.0


@asset("toy", description="clean", reads=["raw"], partitions_def=DAYS, checks=CLEAN)
def clean(context: dg.AssetExecutionContext, lineage: LineageResource, config: CleanConfig) -> dg.MaterializeResult:
    with lineage.record(context, config) as record:
        path = record.read("toy/raw").raw_path("*.csv")
        sifted = sift(pl.read_csv(path, schema={"value": pl.Float64}), SCHEMA, file=path.name)
        (sifted.clean * config.factor).write_parquet(record.output("clean.parquet"))
        bad = write_quarantine([sifted.quarantined], record.folder)
        record.quarantined(bad)
        total = len(sifted.clean) + bad
        sample = sifted.quarantined.to_dicts()
        record.check(
            CheckResult("few_quarantined", bad * 2 < total, True, "", bad, total, rules=sifted.rules, sample=sample)
        )
        record.check(CheckResult("warns", bad == 0, blocking=False))
        return record.publish(rows=len(sifted.clean))


@asset("toy", description="split", reads=["clean"])
def split(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        inner = record.inner.lineage
        there = [day for day in ("d1", "d2", "d3") if (inner.home.data / "toy" / f"{day}.csv").is_file()]
        days = [day for day in without_withdrawn(inner, "toy/clean", there) if inner.ledger.latest("toy/clean", day)]
        for day in days:
            record.read("toy/clean", day)
        record.output("split.json").write_text(json.dumps(days))
        return record.publish()


def settings(dimensions: Mapping[str, str], overrides: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "training": {"max_epochs": 2, "batch_size": 16, "checkpoint_every_s": 300.0},
        "model": {"hidden": 8, "delay_s": 0.0, "nan_at_step": None, "raise_at_step": None, "wrong_part": None},
        "data": {"folds": 0},
    }
    for name, value in overrides.items():
        section, _, field = name.partition(".")
        if field not in result.get(section, {}):
            raise ValueError(f"unknown setting {name}")
        result[section][field] = value
    return result


def evaluate(
    *, checkpoint: Path, split: Path, samples: Mapping[str, Path], out: Path
) -> tuple[dict[str, Any], list[CheckResult], RowIndex]:
    measured = RowIndex()
    measured.add(["sample"], TESTED, "test")
    (out / "evaluation.json").write_text(
        json.dumps({"metrics": {"full": {"ade": {"value": 1.0}}}, "baselines": {}, "samples": sorted(samples)})
    )
    return {"ade": 1.0}, [CheckResult("beats_baselines", False)], measured


def export(
    *, checkpoint: Path, split: Path, samples: Mapping[str, Path], out: Path
) -> tuple[dict[str, Any], list[CheckResult]]:
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 6]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "toy", ends[:1], ends[1:])
    made = helper.make_model(graph, doc_string=sha256((checkpoint / "weights.safetensors").read_bytes()).hexdigest())
    (out / "model.onnx").write_bytes(made.SerializeToString(deterministic=True))
    return {}, [CheckResult("parity", True)]


def card(*, checkpoint: Path, evaluation: Path, exported: Path, facts: Mapping[str, Any], out: Path) -> str:
    text = "# toy\n" + json.dumps(facts, sort_keys=True)
    (out / "model_card.md").write_text(text)
    return text


def choose(settings: Mapping[str, Any], available: Sequence[str], dataset: Path) -> Sequence[str]:
    """The first day alone: what is evaluated on is more than what is trained on."""
    assert json.loads((dataset / "split.json").read_text()) == list(available)
    return available[:1]


class TuningConfig(dg.Config):
    found: dict[str, Any] = {}


@asset("toy", description="what a search found", reads=["split"])
def tuning(context: dg.AssetExecutionContext, lineage: LineageResource, config: TuningConfig) -> dg.MaterializeResult:
    with lineage.record(context, config) as record:
        record.read("toy/split")
        record.output("best.json").write_text(json.dumps({"preset": "small", "overrides": config.found}))
        return record.publish()


MODEL = ModelLine(
    line="toy",
    partitions_def=MODELS,
    dataset="split",
    samples="clean",
    settings=f"{MODULE}:settings",
    stages=[Stage("checkpoint", "sport_assets_tests.training.toy:build", "weights")],
    evaluate=f"{MODULE}:evaluate",
    export=f"{MODULE}:export",
    card=f"{MODULE}:card",
    choose=choose,
    may_lose=lambda dimensions: dimensions["preset"] == "small",
    folds=lambda settings, dataset: settings["data"]["folds"],
    tuning="tuning",
)

DEFS = dg.Definitions(
    assets=[raw, clean, split, tuning, *model_assets(MODEL)],
    resources={"lineage": LineageResource(), "accelerator": Accelerator(), "mlflow": mlflow_resource},
    executor=dg.in_process_executor,
    loggers={"console": console_logger},
)
