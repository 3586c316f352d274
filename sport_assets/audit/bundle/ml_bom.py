"""The bill of materials: model, data and packages as CycloneDX 1.6.

Belongs here: the ML-BOM (https://cyclonedx.org/docs/1.6/json). Must not come here: anything the records do not know,
such as licences or suppliers; what is unknown is left out rather than guessed.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote

from sport_assets import __version__
from sport_assets.audit.bundle.names import CROISSANT, PAGE, PRODUCER, identifier, name_of, timestamp
from sport_assets.audit.bundle.names import without_none as known
from sport_assets.audit.bundle.subject import Measure, Subject, bullets
from sport_assets.audit.chain import Step
from sport_assets.lineage.manifest import Materialization, RawFile

_SCHEMA: Final = "http://cyclonedx.org/schema/bom-1.6.schema.json"
_MODEL: Final = "model"


def ml_bom(subject: Subject) -> bytes:
    """The document. Its serial number and time are those of the model's record, so it is the same each time."""
    made = subject.made
    data = [*_raw_files(subject), *(_version(step) for step in subject.data)]
    packages = _packages(step.made for step in subject.chain.steps)
    document = {
        "$schema": _SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{identifier('bom', subject.digest(made.id))}",
        "version": 1,
        "metadata": {
            "timestamp": timestamp(made.at),
            "tools": {
                "components": [
                    {"type": "application", "name": "sport_assets", "version": __version__, "purl": PRODUCER}
                ]
            },
            "component": _model(subject, [component["bom-ref"] for component in data]),
        },
        "components": [*data, *packages],
        "dependencies": _dependencies(subject, [component["bom-ref"] for component in packages]),
        "compositions": [
            {"aggregate": "complete" if not subject.chain.missing else "incomplete", "dependencies": [_MODEL]}
        ],
    }
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _model(subject: Subject, data: list[str]) -> dict[str, Any]:
    made = subject.made
    return {
        "type": "machine-learning-model",
        "bom-ref": _MODEL,
        "name": name_of(made),
        "version": made.version,
        "components": [
            {
                "type": "file",
                "bom-ref": f"{_MODEL}/{file.path}",
                "name": file.path,
                "hashes": [{"alg": "SHA-256", "content": file.sha256}],
                "properties": _properties({"size": file.size}),
            }
            for file in made.files
        ],
        "externalReferences": [
            {"type": "evidence", "url": PAGE, "comment": "the audit page in this bundle"},
            {"type": "documentation", "url": CROISSANT, "comment": "the data sets in this bundle"},
        ],
        "modelCard": _card(subject, data),
        "properties": _properties(
            {
                "record": made.id,
                "record_sha256": subject.digest(made.id),
                "code_version": made.code_version,
                "git_commit": made.environment.git_commit,
                "git_dirty": made.environment.git_dirty,
                "gate": made.kind,
                "withdrawn": None if subject.chain.target.withdrawn is None else subject.chain.target.withdrawn.reason,
            }
        ),
    }


def _card(subject: Subject, data: list[str]) -> dict[str, Any]:
    considerations = known(
        {
            "useCases": bullets(subject.sections.get("intended use", "")) or None,
            "technicalLimitations": [
                *bullets(subject.sections.get("limitations", "")),
                *(finding["message"] for finding in subject.report.get("findings", ())),
            ]
            or None,
            "ethicalConsiderations": [
                {"name": text} for text in bullets(subject.sections.get("ethical considerations", ""))
            ]
            or None,
        }
    )
    settings = {
        f"{step.name}/{name}": value
        for step in subject.trained
        for name, value in {**step.made.facts, "seed": step.made.seed}.items()
    }
    return known(
        {
            "modelParameters": {"datasets": [{"ref": ref} for ref in data]},
            "quantitativeAnalysis": {"performanceMetrics": [_metric(measure) for measure in subject.measures]},
            "considerations": considerations or None,
            "properties": _properties(settings) or None,
        }
    )


def _metric(measure: Measure) -> dict[str, Any]:
    kind, *within, name = measure.path
    interval = known(
        {
            "lowerBound": None if measure.low is None else str(measure.low),
            "upperBound": None if measure.high is None else str(measure.high),
        }
    )
    place = ["baseline", *within] if kind == "baselines" else within
    return known(
        {
            "type": name,
            "value": str(measure.value),
            "slice": " / ".join(place) or None,
            "confidenceInterval": interval or None,
        }
    )


def _raw_files(subject: Subject) -> list[dict[str, Any]]:
    found = {_raw_ref(file): file for file, _ in subject.chain.raw_files}
    return [
        {
            "type": "data",
            "bom-ref": ref,
            "name": file.path,
            "hashes": [{"alg": "SHA-256", "content": file.sha256}],
            "data": [{"type": "dataset", "name": file.path}],
            "properties": _properties({"size": file.size}),
        }
        for ref, file in sorted(found.items())
    ]


def _version(step: Step) -> dict[str, Any]:
    """A data asset's partition. Its version is a digest over a list of files, so it is no hash of any one file."""
    made = step.made
    return {
        "type": "data",
        "bom-ref": made.id,
        "name": step.name,
        "version": made.version,
        "data": [{"type": "dataset", "name": step.name}],
        "properties": _properties(
            {
                "record": made.id,
                "rows": made.rows,
                "quarantined_rows": made.quarantined_rows,
                "checks_failed": [name for name, check in sorted(step.checks.items()) if not check.passed] or None,
                "withdrawn": None if step.withdrawn is None else step.withdrawn.reason,
            }
        ),
    }


def _packages(steps: Iterable[Materialization]) -> list[dict[str, Any]]:
    """Every package that any step of the chain had installed."""
    found = {(name, version) for made in steps for name, version in made.environment.packages.items()}
    return [
        {
            "type": "library",
            "bom-ref": _purl(*package),
            "name": package[0],
            "version": package[1],
            "purl": _purl(*package),
        }
        for package in sorted(found)
    ]


def _dependencies(subject: Subject, packages: list[str]) -> list[dict[str, Any]]:
    """The model on its data and packages; each data version on what it was made from."""
    raw = {step.made.id: [_raw_ref(file) for file in step.made.raw_files] for step in subject.data}
    data = set(raw)
    found = [{"ref": _MODEL, "dependsOn": sorted({*data, *packages})}]
    for step in subject.data:
        inputs = {ref.record for ref in step.made.inputs} & data
        found.append({"ref": step.made.id, "dependsOn": sorted({*inputs, *raw[step.made.id]})})
    return found


def _raw_ref(file: RawFile) -> str:
    return f"raw/{file.path}/{file.sha256[:12]}"


def _purl(name: str, version: str) -> str:
    return f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{quote(version, safe='')}"


def _properties(values: dict[str, Any]) -> list[dict[str, str]]:
    return [
        {"name": f"sport_assets:{name}", "value": value if isinstance(value, str) else json.dumps(value)}
        for name, value in sorted(values.items())
        if value is not None
    ]
