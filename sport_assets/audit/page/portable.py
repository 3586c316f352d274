"""A report without the circumstances of its making: what is left depends on the versions alone.

Belongs here: what counts as circumstance. Must not come here: how anything is shown.

The store promises that the same content is the same version. So a page that is published there may hold no time, host,
user, path, record id or run id, and nothing that can happen to a version afterwards: withdrawals, newer versions, later
findings. What is kept is named, so that a new field of the report stays out until somebody puts it here.
"""

from collections.abc import Mapping
from typing import Any

from sport_assets.lineage.checks import UNTAINTED

_MODEL = ("asset", "partition", "name", "version", "kind", "files")
_NODE = ("asset", "partition", "name", "version", "kind", "rows", "quarantined_rows", "files", "code_version", "config")
_NODE_TOO = ("seed", "withdrawn_rows")
_CHECK = ("name", "passed", "blocking", "failed", "checked", "description", "rules")
_RAW_FILE = ("path", "sha256", "size")
_FINDING = ("kind", "severity", "name", "message", "remedy")
_TRAINING = ("name", "version", "seed", "settings")
_TRAINED = ("spec_digest", "epochs", "published_epoch", "steps", "parameters", "train_samples", "validation_samples")
_TRAINED_TOO = ("monitor", "selected", "fitted_on", "folds", "members", "part", "bit_exact")
_COUNTS = ("assets", "raw_files", "raw_bytes")
# Findings about what the versions hold. All others are about machines, people or what came later.
CONTENT_FINDINGS = frozenset(
    {
        *("failed_check", "check_warning", "rows_left_out", "final_fit", "not_bit_exact"),
        *("split_leakage", "test_data_in_training", "leakage_unknown"),
    }
)


def without_circumstances(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report as any machine would give it on the day the model was made.

    Records become versions: two materializations of the same content are one node.
    """
    names = {str(node["id"]): f"{node['name']}@{node['version']}" for node in report["nodes"]}
    nodes = {
        names[node["id"]]: {
            "id": names[node["id"]],
            **_kept(node, *_NODE, *_NODE_TOO),
            "checks": [_kept(check, *_CHECK) for check in node.get("checks") or () if check["name"] != UNTAINTED],
            "identifiers": {
                columns: found
                for columns, found in (node.get("identifiers") or {}).items()
                if isinstance(found, Mapping)  # else why the list cannot be read here and now
            },
            "raw_files": sorted(node.get("raw_files") or ()),
            "inputs": sorted({names.get(record, "unknown") for record in node.get("inputs") or ()}),
        }
        for node in report["nodes"]
    }
    raw_files = {
        (file["path"], file["sha256"], names.get(file["node"] or "")): _kept(file, *_RAW_FILE)
        for file in report["raw_files"]
    }
    findings = [
        {**_kept(finding, *_FINDING), "node": names.get(finding["node"] or "")}
        for finding in report["findings"]
        if finding["kind"] in CONTENT_FINDINGS
    ]
    trainings = [
        {
            **_kept(own, *_TRAINING),
            "node": names.get(own["node"]),
            "facts": _kept(own["facts"], *_TRAINED, *_TRAINED_TOO),
        }
        for own in report["training"]
    ]
    evaluation = report["evaluation"]
    return {
        "model": {**_kept(report["model"], *_MODEL), "record": names.get(report["model"]["record"])},
        "training": trainings,
        "evaluation": evaluation
        and {**_kept(evaluation, "name", "metrics", "baselines"), "node": names.get(evaluation["node"])},
        "nodes": _in_order(nodes),
        "raw_files": [{**file, "node": owner} for (_, _, owner), file in sorted(raw_files.items(), key=repr)],
        "findings": sorted(findings, key=repr),
        "counts": {
            **_kept(report["counts"], *_COUNTS),
            "steps": len(nodes),
            "quarantined_rows": sum(node["quarantined_rows"] for node in nodes.values()),
            "checks": sum(len(node["checks"]) for node in nodes.values()),
        },
        "head": None,
    }


def _kept(of: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: of[name] for name in names if name in of}


def _in_order(nodes: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Upstream first, and by name where nothing else decides: records were numbered as chance had it."""
    from graphlib import TopologicalSorter

    sorter = TopologicalSorter({name: [i for i in node["inputs"] if i in nodes] for name, node in nodes.items()})
    sorter.prepare()
    ordered: list[dict[str, Any]] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        ordered += [nodes[name] for name in ready]
        sorter.done(*ready)
    return ordered
