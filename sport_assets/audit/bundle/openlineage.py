"""The chain as OpenLineage run events, for tools that read those.

Belongs here: the events (https://openlineage.io/spec, 2-0-2) and their standard facets. Must not come here: facets of
our own, which no other tool could read. Each partition is a dataset of its own, since an event that names one dataset
twice keeps only one of its versions in most tools.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sport_assets.audit.bundle.names import PRODUCER, identifier, name_of, timestamp, without_none
from sport_assets.audit.bundle.subject import ColumnOf, Subject
from sport_assets.audit.chain import Step
from sport_assets.lineage.manifest import Checked, InputRef, Materialization, RawFile, RecordedCheck

NAMESPACE: Final = "sport_assets"
RAW_NAMESPACE: Final = "sport_assets_data"  # raw files, by their path below SPORT_ASSETS_DATA
_SPEC: Final = "https://openlineage.io/spec"
_EVENT: Final = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_DATASET_VERSION: Final = ("DatasetVersionDatasetFacet", "1-0-1")
_SCHEMA: Final = ("SchemaDatasetFacet", "1-2-0")
_STATISTICS: Final = ("OutputStatisticsOutputDatasetFacet", "1-0-2")
_ASSERTIONS: Final = ("DataQualityAssertionsDatasetFacet", "1-1-0")
_TAGS: Final = ("TagsRunFacet", "1-0-0")
_ENGINE: Final = ("ProcessingEngineRunFacet", "1-1-1")
_JOB_TYPE: Final = ("JobTypeJobFacet", "2-0-4")


def events(subject: Subject) -> bytes:
    """One JSON object per line, in the order of the chain."""
    lines = [json.dumps(event, sort_keys=True, ensure_ascii=False) for event in _events(subject)]
    return ("\n".join(lines) + "\n").encode()


def _events(subject: Subject) -> Iterator[dict[str, Any]]:
    """For each materialization one event of its making, one of its checks, and one for each later check."""
    for step in subject.chain.steps:
        made = step.made
        yield _made(subject, step)
        if made.checks:
            yield _checked(made, made.checks, timestamp(made.ended), subject.digest(made.id))
        for event in step.later:
            if isinstance(event, Checked):
                yield _checked(made, [event.check], timestamp(event.at), event.id)


def _made(subject: Subject, step: Step) -> dict[str, Any]:
    made = step.made
    environment = made.environment
    tags = without_none(
        {
            "record": made.id,
            "record_sha256": subject.digest(made.id),
            "code_version": made.code_version,
            "git_commit": environment.git_commit,
            "git_dirty": None if environment.git_dirty is None else str(environment.git_dirty).lower(),
            "seed": None if made.seed is None else str(made.seed),
            "config": json.dumps(made.config, sort_keys=True) if made.config else None,
            "device": environment.device,
            "dagster_run": made.run_id or None,
            "gate": "rejected" if made.kind == "rejected" else None,
            "withdrawn": None if step.withdrawn is None else step.withdrawn.reason,
        }
        | {f"overridden:{name}": f"{event.by}: {event.reason}" for name, event in step.overrides.items()}
    )
    output = _dataset(made, _columns(subject, made))
    output["outputFacets"] = {
        "outputStatistics": _facet(
            _STATISTICS,
            without_none(
                {
                    "rowCount": made.rows,
                    "size": sum(file.size for file in made.files),
                    "fileCount": len(made.files),
                }
            ),
        )
    }
    return _event(
        made.key,
        identifier("made", subject.digest(made.id)),
        timestamp(made.ended),
        run_facets={
            "tags": _facet(
                _TAGS, {"tags": [{"key": k, "value": v, "source": "sport_assets"} for k, v in tags.items()]}
            ),
            "processing_engine": _facet(_ENGINE, {"name": "python", "version": environment.python}),
        },
        inputs=[*map(_dataset, made.inputs), *map(_raw, made.raw_files)],
        outputs=[output],
    )


def _checked(made: Materialization, checks: Sequence[RecordedCheck], when: str, identity: str) -> dict[str, Any]:
    """Checks are a run that reads what it checks: OpenLineage keeps assertions on inputs."""
    dataset = _dataset(made)
    dataset["inputFacets"] = {
        "dataQualityAssertions": _facet(_ASSERTIONS, {"assertions": [_assertion(check) for check in checks]})
    }
    return _event(f"{made.key} checks", identifier("checked", identity), when, inputs=[dataset])


def _assertion(check: RecordedCheck) -> dict[str, Any]:
    return without_none(
        {
            "assertion": "custom",
            "name": check.name,
            "success": check.passed,
            "severity": "error" if check.blocking else "warn",
            "description": check.description or None,
            "actual": f"{check.failed} of {check.checked} failed" if check.checked else None,
        }
    )


def _event(
    job: str,
    run: str,
    when: str,
    *,
    run_facets: dict[str, Any] | None = None,
    inputs: Sequence[dict[str, Any]] = (),
    outputs: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    kind = _facet(_JOB_TYPE, {"processingType": "BATCH", "integration": "SPORT_ASSETS", "jobType": "ASSET"})
    return {
        "eventType": "COMPLETE",
        "eventTime": when,
        "producer": PRODUCER,
        "schemaURL": _EVENT,
        "run": {"runId": run, "facets": run_facets or {}},
        "job": {"namespace": NAMESPACE, "name": job, "facets": {"jobType": kind}},
        "inputs": list(inputs),
        "outputs": list(outputs),
    }


def _dataset(ref: Materialization | InputRef, columns: Sequence[ColumnOf] = ()) -> dict[str, Any]:
    facets = {"version": _facet(_DATASET_VERSION, {"datasetVersion": ref.version})}
    if columns:
        fields = [{"name": column.name, "type": column.dtype} for column in columns]
        facets["schema"] = _facet(_SCHEMA, {"fields": fields})
    return {"namespace": NAMESPACE, "name": name_of(ref), "facets": facets}


def _raw(file: RawFile) -> dict[str, Any]:
    facets = {"version": _facet(_DATASET_VERSION, {"datasetVersion": file.sha256})}
    return {"namespace": RAW_NAMESPACE, "name": file.path, "facets": facets}


def _columns(subject: Subject, made: Materialization) -> Sequence[ColumnOf]:
    """The columns of a version that holds one table; of several, OpenLineage could not tell which they belong to."""
    tables = [columns for (record, _), columns in subject.columns.items() if record == made.id]
    return tables[0] if len(tables) == 1 else ()


def _facet(kind: tuple[str, str], content: dict[str, Any]) -> dict[str, Any]:
    name, version = kind
    return {"_producer": PRODUCER, "_schemaURL": f"{_SPEC}/facets/{version}/{name}.json#/$defs/{name}", **content}
