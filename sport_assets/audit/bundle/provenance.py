"""How the model was built, as an in-toto statement with SLSA's provenance predicate.

Belongs here: the statement (https://in-toto.io/Statement/v1 and https://slsa.dev/provenance/v1). Must not come here:
signing it (``signing``). It names every other file of the bundle by digest, so that one signature covers them all.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sport_assets.audit.bundle.names import CARD, EVALUATION, MODEL, PRODUCER, name_of, record_file, timestamp
from sport_assets.audit.bundle.names import without_none as known
from sport_assets.audit.bundle.subject import Subject
from sport_assets.audit.chain import Step
from sport_assets.lineage.manifest import Materialization

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://slsa.dev/provenance/v1"
BUILD_TYPE: Final = f"{PRODUCER}#sport_assets/orchestration"
RAW: Final = "raw/"
SOURCE: Final = "source"


def statement(subject: Subject, digests: Mapping[str, str]) -> bytes:
    """The statement about a bundle whose files so far have these digests."""
    made = subject.made
    document = {
        "_type": STATEMENT_TYPE,
        "subject": subjects(digests),
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": known(
                    {"asset": made.key, "partition": made.partition, "config": made.config, "seed": made.seed}
                ),
                "internalParameters": {
                    "code_version": made.code_version,
                    "steps": {step.made.id: _parameters(step) for step in subject.chain.steps},
                },
                "resolvedDependencies": list(_dependencies(subject, digests)),
            },
            "runDetails": {
                "builder": {"id": PRODUCER, "version": {"python": made.environment.python}},
                "metadata": known(
                    {
                        "invocationId": made.run_id or None,
                        "startedOn": timestamp(made.started),
                        "finishedOn": timestamp(made.ended),
                    }
                ),
                "byproducts": [_file(name, digests[name]) for name in sorted(by_products(digests))],
            },
        },
    }
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def subjects(digests: Mapping[str, str]) -> list[dict[str, Any]]:
    """The model's own files."""
    return [_file(name, digests[name]) for name in sorted(digests) if name.startswith(MODEL)]


def by_products(digests: Mapping[str, str]) -> Iterable[str]:
    """The names of everything else in the bundle."""
    return (name for name in digests if not name.startswith(MODEL))


def _parameters(step: Step) -> dict[str, Any]:
    made, environment = step.made, step.made.environment
    return known(
        {
            "asset": made.key,
            "partition": made.partition,
            "version": made.version,
            "code_version": made.code_version,
            "config": made.config or None,
            "seed": made.seed,
            "git_commit": environment.git_commit,
            "git_dirty": environment.git_dirty,
            "host": environment.host,
            "user": environment.user,
            "platform": environment.platform,
            "python": environment.python,
            "device": environment.device,
            "threads": environment.threads,
        }
    )


def _dependencies(subject: Subject, digests: Mapping[str, str]) -> Iterable[dict[str, Any]]:
    """Raw files by content, every version in the chain by its record, and the source by commit."""
    raw = {(file.path, file.sha256): file for file, _ in subject.chain.raw_files}
    for (path, sha256), file in sorted(raw.items()):
        yield {"name": f"{RAW}{path}", "digest": {"sha256": sha256}, "annotations": {"size": file.size}}
    for step in subject.chain.steps:
        if step.made.id != subject.made.id:
            yield _version(step.made, digests)
    commits = {step.made.environment.git_commit for step in subject.chain.steps} - {None}
    for commit in sorted(str(each) for each in commits):
        yield {"name": SOURCE, "digest": {"gitCommit": commit}}


def _version(made: Materialization, digests: Mapping[str, str]) -> dict[str, Any]:
    name = record_file(made.id)
    return _file(name, digests[name]) | {"annotations": {"asset": name_of(made), "version": made.version}}


def _file(name: str, sha256: str) -> dict[str, Any]:
    described = {"name": name, "digest": {"sha256": sha256}}
    kind = {EVALUATION: "application/json", CARD: "text/markdown"}.get(name)
    return described if kind is None else {**described, "mediaType": kind}
