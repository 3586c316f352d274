"""The audit of a model as plain data: what ``sport-assets audit --json`` prints and the page is made from.

Belongs here: putting chain and findings into JSON. Must not come here: finding them (``findings``), how they look.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sport_assets.audit.chain import Chain, Step, name_of
from sport_assets.audit.findings import Finding, findings, worst_first
from sport_assets.audit.leakage import leakage
from sport_assets.audit.records import Records
from sport_assets.lineage.errors import ChainBroken
from sport_assets.lineage.manifest import Materialization

REPORT_VERSION = 1
# An index of more rows is counted, not listed: the page must stay small.
_LISTED_ROWS = 400
_SETTINGS = "settings"


def report(chain: Chain, records: Records) -> dict[str, Any]:
    """Everything the records know of the chain's target."""
    found = worst_first([*leakage(chain, records.row_index), *findings(chain)])
    return {
        "report_version": REPORT_VERSION,
        "model": _model(chain.target.made),
        "training": _training(chain),
        "evaluation": _evaluation(chain),
        "nodes": [_node(step, found, records) for step in chain.steps],
        "raw_files": [{**file.model_dump(), "node": step.made.id} for file, step in chain.raw_files],
        "findings": [_finding(one) for one in found],
        "counts": _counts(chain),
        "head": {"records": chain.head.seq, "hash": chain.head.hash},
    }


def _model(made: Materialization) -> dict[str, Any]:
    where = made.environment
    return {
        "asset": made.key,
        "partition": made.partition,
        "name": name_of(made.key, made.partition),
        "version": made.version,
        "record": made.id,
        "kind": made.kind,
        "files": [file.model_dump() for file in made.files],
        "made": {
            "at": made.at.isoformat(),
            "started": made.started.isoformat(),
            "ended": made.ended.isoformat(),
            "run_id": made.run_id,
            **where.model_dump(include={"user", "host", "platform", "python", "device", "threads"}),
            **where.model_dump(include={"git_commit", "git_dirty", "lock"}),
        },
    }


def _training(chain: Chain) -> list[dict[str, Any]]:
    """What each training in the chain recorded; the last one is the model's own."""
    return [
        {
            "node": step.made.id,
            "name": step.name,
            "version": step.made.version,
            "seed": step.made.seed,
            "settings": step.made.facts.get(_SETTINGS),
            "facts": {name: value for name, value in step.made.facts.items() if name != _SETTINGS},
        }
        for step in chain.steps
        if step.is_trained
    ]


def _evaluation(chain: Chain) -> dict[str, Any] | None:
    """Metrics beside baselines of the nearest evaluation: the target's own, or the last one behind it."""
    for step in reversed(chain.steps):
        facts = step.made.facts
        if "metrics" in facts and "baselines" in facts:
            return {
                "node": step.made.id,
                "name": step.name,
                "metrics": facts["metrics"],
                "baselines": facts["baselines"],
                "facts": {name: value for name, value in facts.items() if name not in ("metrics", "baselines")},
            }
    return None


def _node(step: Step, found: Sequence[Finding], records: Records) -> dict[str, Any]:
    made = step.made
    return {
        "id": made.id,
        "asset": made.key,
        "partition": made.partition,
        "name": step.name,
        "version": made.version,
        "kind": made.kind,
        "at": made.at.isoformat(),
        "rows": made.rows,
        "quarantined_rows": made.quarantined_rows,
        "inputs": [ref.record for ref in made.inputs],
        "raw_files": [file.path for file in made.raw_files],
        "files": [file.model_dump() for file in made.files],
        "checks": [
            {
                **check.model_dump(include={"name", "passed", "blocking", "failed", "checked", "description", "rules"}),
                "overridden_by": step.overrides[name].by if name in step.overrides else None,
                "reason": step.overrides[name].reason if name in step.overrides else None,
            }
            for name, check in sorted(step.checks.items())
        ],
        "code_version": made.code_version,
        "config": made.config,
        "seed": made.seed,
        "facts": {name: value for name, value in made.facts.items() if not isinstance(value, dict | list)},
        "device": made.environment.device,
        "git_commit": made.environment.git_commit,
        "git_dirty": made.environment.git_dirty,
        "newer_version": step.newer,
        "withdrawn": (
            {
                "by": step.withdrawn.by,
                "reason": step.withdrawn.reason,
                "at": step.withdrawn.at.isoformat(),
                "record": step.withdrawn.id,
                "rows": step.withdrawn.rows,
            }
            if step.withdrawn is not None
            else None
        ),
        "withdrawn_rows": made.withdrawn_rows,
        "identifiers": _identifiers(made, records),
        "findings": [number for number, finding in enumerate(found) if finding.record == made.id],
    }


def _identifiers(made: Materialization, records: Records) -> dict[str, Any] | None:
    """By columns: how many values the rows are about, and the values where they are few; sides together."""
    if made.row_index is None:
        return None
    try:
        index = records.row_index(made.row_index)
    except ChainBroken as error:
        return {"error": str(error)}
    values: dict[str, set[str]] = defaultdict(set)
    for identifiers in index:
        values[identifiers.name] |= set(identifiers.values())
    return {
        columns: {"count": len(found), "values": sorted(found) if len(found) <= _LISTED_ROWS else None}
        for columns, found in sorted(values.items())
    }


def _finding(finding: Finding) -> dict[str, Any]:
    content = asdict(finding)
    return {**content, "node": content.pop("record")}


def _counts(chain: Chain) -> dict[str, int]:
    return {
        "assets": len({step.made.key for step in chain.steps}),
        "steps": len(chain.steps),
        "raw_files": len({file.sha256 for file, _ in chain.raw_files}),
        "raw_bytes": sum(file.size for file in {file.path: file for file, _ in chain.raw_files}.values()),
        "quarantined_rows": sum(step.made.quarantined_rows for step in chain.steps),
        "checks": sum(len(step.checks) for step in chain.steps),
    }
