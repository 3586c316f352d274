"""A report's nodes as compact data for the page: tables instead of objects, and each repeated value once.

Belongs here: the form in which the page's script reads them. Must not come here: words and numbers for people.

A season has thousands of partitions that share their configuration, code version, checks and games. They are numbered
into one pool, and partitions name one another by number.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sport_assets.audit.page.status import STATES, Status, status_of

# Written once in the pool and named by number.
_POOLED = ("kind", "code_version", "config", "facts", "device", "git_commit", "git_dirty", "withdrawn")
_PLAIN = ("id", "partition", "version", "at", "rows", "quarantined_rows", "seed", "newer_version")
_REPLACED = ("asset", "inputs", "raw_files", "files", "checks", "identifiers", "findings", "name")
# Characters of identifiers (games, plays, players) that a page carries. The longest lists stay out first.
IDENTIFIERS = 1_200_000


@dataclass(frozen=True)
class Packed:
    """``data`` is what the script reads; the rest is what the page's first view needs of it.

    ``members``: by asset, its nodes' numbers. ``reads``: by asset, the assets that it is made from. ``raw_owners``: the
    assets that read raw files.
    """

    data: dict[str, Any]
    nodes: list[Mapping[str, Any]]
    statuses: list[Status]
    assets: list[str]
    members: list[list[int]]
    reads: list[list[int]]
    raw_files: list[Mapping[str, Any]]
    raw_owners: list[int]


class _Pool:
    """Values by number, each once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[str, int] = {}

    def number(self, value: Any) -> int:
        text = json.dumps(value, sort_keys=True, ensure_ascii=False)
        if text not in self._numbers:
            self._numbers[text] = len(self.values)
            self.values.append(value)
        return self._numbers[text]


def pack(report: Mapping[str, Any]) -> Packed:
    """Pack the nodes, raw files and findings of a report."""
    nodes: list[Mapping[str, Any]] = list(report["nodes"])
    findings: list[Mapping[str, Any]] = list(report.get("findings") or ())
    raw_files: list[Mapping[str, Any]] = list(report.get("raw_files") or ())
    number = {str(node["id"]): place for place, node in enumerate(nodes)}
    assets = list(dict.fromkeys(str(node["asset"]) for node in nodes))
    members: list[list[int]] = [[] for _ in assets]
    for place, node in enumerate(nodes):
        members[assets.index(node["asset"])].append(place)
    found: list[list[int]] = [[] for _ in nodes]
    for place, finding in enumerate(findings):
        if finding.get("node") in number:
            found[number[finding["node"]]].append(place)
    tainted = _tainted(nodes, number)
    statuses = [
        status_of(node, (findings[f]["severity"] for f in found[place]), place in tainted)
        for place, node in enumerate(nodes)
    ]
    owned: dict[int, dict[str, int]] = {}
    for place, file in enumerate(raw_files):
        if file.get("node") in number:
            owned.setdefault(number[file["node"]], {})[file["path"]] = place

    pool, checks = _Pool(), _Pool()
    identifiers = _identifiers(nodes, pool)
    more = sorted({name for node in nodes for name in node} - {*_POOLED, *_PLAIN, *_REPLACED})
    rows = []
    for place, node in enumerate(nodes):
        rows.append(
            [
                *(node.get(name) for name in _PLAIN),
                *(pool.number(node.get(name)) for name in (*_POOLED, *more)),
                assets.index(node["asset"]),
                [number.get(record, record) for record in node.get("inputs") or ()],
                [owned.get(place, {}).get(path, path) for path in node.get("raw_files") or ()],
                [[pool.number(file["path"]), file["sha256"], file["size"]] for file in node.get("files") or ()],
                [_check(check, checks) for check in node.get("checks") or ()],
                identifiers[place],
                found[place],
                statuses[place].level,
                pool.number(statuses[place].states),
            ]
        )
    names = [
        *_PLAIN,
        *_POOLED,
        *more,
        "asset",
        "inputs",
        "raw_files",
        "files",
        "checks",
        "identifiers",
        "findings",
        "level",
        "states",
    ]
    of_asset = [assets.index(node["asset"]) for node in nodes]
    reads = [
        sorted(
            {
                of_asset[number[record]]
                for place in own
                for record in nodes[place].get("inputs") or ()
                if record in number
            }
        )
        for own in members
    ]
    data = {
        "assets": assets,
        "nodes": {"columns": names, "pooled": [*_POOLED, *more, "states"], "rows": rows},
        "more": more,
        "pool": pool.values,
        "checks": checks.values,
        "states": STATES,
        "raw_files": [[f["path"], f["sha256"], f["size"], number.get(f.get("node") or "")] for f in raw_files],
        "findings": [
            [f["severity"], f["kind"], f["message"], f.get("remedy") or "", number.get(f.get("node") or "")]
            for f in findings
        ],
        "model": {"node": number.get(report["model"].get("record") or "", len(nodes) - 1)},
    }
    raw_owners = sorted({of_asset[place] for place in owned})
    return Packed(data, nodes, statuses, assets, members, reads, raw_files, raw_owners)


def _tainted(nodes: list[Mapping[str, Any]], number: Mapping[str, int]) -> set[int]:
    """The nodes that stand on a withdrawn one. Nodes come upstream first.

    How far withdrawn rows went, row indexes tell and not the graph: there each node's check `untainted` counts
    (`status`).
    """
    tainted: set[int] = set()
    bad: set[int] = set()
    for place, node in enumerate(nodes):
        if any(number.get(record) in bad for record in node.get("inputs") or ()):
            tainted.add(place)
        withdrawn = node.get("withdrawn")
        if place in tainted or (withdrawn and not withdrawn.get("rows")):
            bad.add(place)
    return tainted


def _check(check: Mapping[str, Any], pool: _Pool) -> list[Any]:
    what = pool.number([check["name"], check.get("description") or "", bool(check["blocking"])])
    verdict = [what, int(check["passed"]), check.get("failed") or 0, check.get("checked") or 0]
    told = [check.get("overridden_by") or "", check.get("reason") or "", check.get("rules") or {}]
    return verdict + told if any(told) else verdict


def _identifiers(nodes: list[Mapping[str, Any]], pool: _Pool) -> list[dict[str, Any]]:
    """By node and column: [how many, the number of the list in the pool or None where it is not carried].

    A version that was made from another is mostly about the same games, so a list is carried once for many.
    """
    lists: dict[str, int] = {}
    for node in nodes:
        for found in (node.get("identifiers") or {}).values():
            if isinstance(found, Mapping) and found.get("values"):
                own = json.dumps(found["values"], ensure_ascii=False)
                lists[own] = len(own)
    room, carried = IDENTIFIERS, set()
    for own, length in sorted(lists.items(), key=lambda item: (item[1], item[0])):
        room -= length
        if room < 0:
            break
        carried.add(own)
    packed = []
    for node in nodes:
        by_column: dict[str, Any] = {}
        for column, found in (node.get("identifiers") or {}).items():
            if not isinstance(found, Mapping):  # why the list cannot be read
                by_column[column] = str(found)
                continue
            values = found.get("values")
            listed = values is not None and json.dumps(values, ensure_ascii=False) in carried
            by_column[column] = [found["count"], pool.number(values) if listed else None]
        packed.append(by_column)
    return packed
