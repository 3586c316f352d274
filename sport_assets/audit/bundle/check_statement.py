"""Whether the provenance statement is about just this bundle.

Belongs here: comparing its digests with the files and records. Must not come here: who signed it (``verify``).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sport_assets.audit.bundle.archive import Opened
from sport_assets.audit.bundle.check_records import Records
from sport_assets.audit.bundle.names import ENVELOPE, MODEL, RECORDS, SIGNER, STATEMENT, SUMS, record_file
from sport_assets.audit.bundle.provenance import PREDICATE_TYPE, RAW, STATEMENT_TYPE
from sport_assets.lineage.manifest import Materialization

_NOT_NAMED = frozenset({STATEMENT, ENVELOPE, SIGNER, SUMS})


class Fault(NamedTuple):
    """What a statement says, and what is so."""

    place: str
    message: str
    expected: str | None = None
    found: str | None = None


def check_statement(text: bytes, opened: Opened, records: Records) -> Iterator[Fault]:
    """What is wrong with it. Raises ``ValueError``, ``KeyError`` or ``TypeError`` when it is no such statement."""
    read = json.loads(text)
    for name, expected in (("_type", STATEMENT_TYPE), ("predicateType", PREDICATE_TYPE)):
        if read[name] != expected:
            yield Fault(STATEMENT, f"its {name} is another", expected, str(read[name]))
    definition, run = read["predicate"]["buildDefinition"], read["predicate"]["runDetails"]
    files = {name: digest for name, digest in opened.digests.items() if name not in _NOT_NAMED}
    model = {name: digest for name, digest in files.items() if name.startswith(MODEL)}
    yield from _compare("subject", _digests(read["subject"]), model)
    rest = {name: digest for name, digest in files.items() if name not in model}
    yield from _compare("byproducts", _digests(run["byproducts"]), rest)
    dependencies = definition["resolvedDependencies"]
    chain = _behind(records)
    raw = {f"{RAW}{file.path}": file.sha256 for made in chain.values() for file in made.raw_files}
    named = {name: digest for name, digest in _digests(dependencies).items() if name.startswith(RAW)}
    yield from _compare("raw files", named, raw)
    used = {record_file(name): opened.digests[record_file(name)] for name in chain if name != records.target}
    named = {name: digest for name, digest in _digests(dependencies).items() if name.startswith(RECORDS)}
    yield from _compare("inputs", named, used)
    yield from _parameters(definition, chain, records.target)


def _compare(what: str, said: Mapping[str, str | None], so: Mapping[str, str]) -> Iterator[Fault]:
    for name in sorted(said.keys() | so.keys()):
        if name not in so:
            yield Fault(name, f"the statement names it ({what}); the bundle does not have it", found=said[name])
        elif said.get(name) != so[name]:
            yield Fault(name, f"is not what the statement says ({what})", expected=said.get(name), found=so[name])


def _digests(described: list[dict[str, Any]]) -> dict[str, str | None]:
    """SHA-256 by name, of those that are described by one. One name with two digests keeps none of them."""
    found: dict[str, str | None] = {}
    for each in described:
        if "sha256" in each["digest"]:
            found[each["name"]] = None if each["name"] in found else each["digest"]["sha256"]
    return found


def _behind(records: Records) -> dict[str, Materialization]:
    """The chain of the model alone, without its card."""
    made = records.made
    found: dict[str, Materialization] = {}
    waiting = [records.target]
    while waiting:
        name = waiting.pop()
        if name in made and name not in found:
            found[name] = made[name]
            waiting += [ref.record for ref in made[name].inputs]
    return found


def _parameters(definition: dict[str, Any], chain: Mapping[str, Materialization], target: str) -> Iterator[Fault]:
    """Configuration, seed and code of every step are those of the records."""
    steps = definition["internalParameters"]["steps"]
    for name in sorted(steps.keys() | chain.keys()):
        if name not in chain or name not in steps:
            yield Fault(STATEMENT, f"its steps and the bundle's records differ at {name}")
            continue
        made = chain[name]
        for parameter, so in (
            ("version", made.version),
            ("code_version", made.code_version),
            ("config", made.config or None),
            ("seed", made.seed),
            ("git_commit", made.environment.git_commit),
        ):
            if steps[name].get(parameter) != so:
                said = str(steps[name].get(parameter))
                yield Fault(STATEMENT, f"{parameter} of {name} is not as recorded", str(so), said)
    outside = definition["externalParameters"]
    if target in chain and (outside.get("asset"), outside.get("partition")) != (
        chain[target].key,
        chain[target].partition,
    ):
        yield Fault(STATEMENT, "it is about another asset or partition than the model's record")
