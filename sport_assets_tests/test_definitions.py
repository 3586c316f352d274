"""Every asset, check, job, sensor and resource as people and scripts see it, against a file that a change must edit.

`SPORT_ASSETS_UPDATE_SNAPSHOTS=1 pytest sport_assets_tests/test_definitions.py` writes the file anew; read its diff.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

SNAPSHOT = Path(__file__).parent / "snapshots" / "definitions.json"


def described() -> dict[str, Any]:
    """The definitions without what changes with every edit of code (code versions)."""
    from sport_assets.definitions import defs

    graph = defs.resolve_asset_graph()
    assets = {}
    for key in sorted(graph.get_all_asset_keys(), key=lambda key: key.to_user_string()):
        node = graph.get(key)
        columns = node.metadata.get("dagster/column_schema")
        assets[key.to_user_string()] = {
            "description": node.description,
            "group": node.group_name,
            "kinds": sorted(node.kinds),
            "owners": sorted(node.owners),
            "partitions": _partitions(node.partitions_def),
            "pools": sorted(node.pools or ()),
            "reads": sorted(parent.to_user_string() for parent in node.parent_keys),
            "checks": {
                check.name: {
                    "blocking": graph.get_check_spec(check).blocking,
                    "partitioned": _partitioned(graph, check),
                }
                for check in sorted(node.check_keys, key=lambda check: check.name)
            },
            "columns": [column.name for column in columns.columns] if isinstance(columns, dg.TableSchema) else [],
            "further_tables": {
                name: [column.name for column in schema.columns]
                for name, schema in sorted(_schemas(node.metadata).items())
                if name != "dagster/column_schema"
            },
            "has_code_version": bool(node.code_version),
        }
    repository = defs.get_repository_def()
    return {
        "assets": assets,
        "sensors": sorted(sensor.name for sensor in repository.sensor_defs),
        "resources": sorted(repository.get_top_level_resources()),
    }


def _schemas(metadata: Mapping[str, Any]) -> dict[str, dg.TableSchema]:
    values = {name: getattr(value, "schema", value) for name, value in metadata.items()}
    return {name: value for name, value in values.items() if isinstance(value, dg.TableSchema)}


def _partitions(definition: dg.PartitionsDefinition[str] | None) -> list[str]:
    if isinstance(definition, dg.DynamicPartitionsDefinition):
        return [f"dynamic: {definition.name}"]
    keys = list(definition.get_partition_keys()) if definition is not None else []
    return keys if len(keys) <= 4 else [*keys[:2], f"… {len(keys)} in all", keys[-1]]


def _partitioned(graph: Any, check: dg.AssetCheckKey) -> bool:
    return graph.get_check_spec(check).partitions_def is not None


def test_definitions_are_those_of_the_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPORT_ASSETS_NFL_SEASONS", raising=False)
    found = json.dumps(described(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if os.environ.get("SPORT_ASSETS_UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(found, encoding="utf-8")
    assert found == SNAPSHOT.read_text(encoding="utf-8"), "the definitions changed; see this module's docstring"


def test_every_asset_is_described_and_its_checks_keep_their_partitions() -> None:
    for key, asset in described()["assets"].items():
        assert len(asset["description"] or "") > 20, key
        assert asset["group"] == key.split("/")[0]
        assert asset["kinds"] and asset["owners"] and asset["has_code_version"], key
        for name, check in asset["checks"].items():
            assert check["partitioned"] == bool(asset["partitions"]), f"{key} {name}"


def test_the_facts_that_alerts_watch_are_facts_of_the_evaluation() -> None:
    """Else nobody would be told when one of them falls behind."""
    from sport_assets.definitions import WATCHED
    from sport_assets.nfl.measuring import HORIZONS
    from sport_assets.nfl.metrics import METRICS

    known = {f"{metric}_{horizon}" for metric in METRICS for horizon in HORIZONS} | {"coverage_accuracy"}
    assert {metric.fact for metric in WATCHED["nfl/evaluation"]} <= known
    assert {metric.fact for metric in WATCHED["nfl/evaluation"] if metric.better == "higher"} == {"coverage_accuracy"}
