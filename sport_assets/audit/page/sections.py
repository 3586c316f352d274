"""What the page's first view says: the model, findings, tables and the boxes of the graph, ready to be written out.

Belongs here: choosing, grouping and wording. Must not come here: HTML (``page.html``), colours (``page.css``).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from math import floor, log10
from typing import Any

from sport_assets.audit.page.pack import Packed
from sport_assets.audit.page.status import folded

SEVERITIES = {"error": "Error", "warning": "Warning", "note": "Note"}
# Findings of one kind that stand on the page before somebody asks for the rest.
SHOWN = 5
SHORT = 12
# What a training recorded that an auditor asks for; the rest is folded.
_TOLD_FIRST = (
    *("seed", "epochs", "parameters", "train_samples", "validation_samples", "fitted_on", "selected", "monitor"),
    *("published_epoch", "published_value", "folds", "members", "bit_exact", "not_bit_exact_because", "device"),
    *("precision", "seconds", "spec_digest"),
)


def identity(report: Mapping[str, Any]) -> dict[str, Any]:
    """Name, version and files of the model."""
    model = report["model"]
    return {
        "asset": model["asset"],
        "partition": model.get("partition"),
        "name": f"{model['asset']}:{model['partition']}" if model.get("partition") else model["asset"],
        "version": model["version"],
        "short": model["version"][:SHORT],
        "record": model.get("record"),
        "rejected": model.get("kind") == "rejected",
        "files": model.get("files") or [],
    }


def made(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """When, by whom and on what the model was made; nothing where the report leaves it out."""
    facts = report["model"].get("made") or {}
    git = str(facts["git_commit"])[:SHORT] if facts.get("git_commit") else "outside a git checkout"
    if facts.get("git_dirty"):
        git += ", and the working tree differed from it"
    rows = [
        ("Made", moment(facts.get("ended") or facts.get("at"))),
        ("By", " on ".join(str(facts[name]) for name in ("user", "host") if facts.get(name))),
        ("Device", _device(facts)),
        ("Python", ", ".join(str(facts[name]) for name in ("python", "platform") if facts.get(name))),
        ("Commit", git),
        ("Run", str(facts.get("run_id") or "")),
    ]
    return [(name, text) for name, text in rows if text] if facts else []


def _device(facts: Mapping[str, Any]) -> str:
    threads = facts.get("threads")
    return f"{facts.get('device') or ''}" + (f", {threads} thread{'s' if threads != 1 else ''}" if threads else "")


def moment(text: str | None) -> str:
    """A time as people read it, in UTC; as given where it is none."""
    if not text:
        return ""
    try:
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return str(text)


def size(number: int | float) -> str:
    """A file size for people."""
    value, unit = float(number), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def findings(report: Mapping[str, Any]) -> dict[str, Any]:
    """The findings by severity and kind, the worst first, and how many there are of each severity."""
    found = [{**finding, "number": number} for number, finding in enumerate(report.get("findings") or ())]
    groups = []
    for severity, word in SEVERITIES.items():
        for kind in dict.fromkeys(finding["kind"] for finding in found if finding["severity"] == severity):
            own = [finding for finding in found if (finding["severity"], finding["kind"]) == (severity, kind)]
            shown = own if len(own) <= SHOWN + 1 else own[:SHOWN]
            # what is said once for the group need not be said for each
            remedies = {finding.get("remedy") or "" for finding in own}
            same = remedies.pop() if len(remedies) == 1 else ""
            groups.append(
                {
                    "severity": severity,
                    "word": word,
                    "kind": words(kind),
                    "count": len(own),
                    "shown": shown,
                    "remedy": same,
                    "rest": [finding["number"] for finding in own[len(shown) :]],
                }
            )
    counts = [(s, word, sum(f["severity"] == s for f in found)) for s, word in SEVERITIES.items()]
    return {"groups": groups, "counts": [(s, word, number) for s, word, number in counts if number]}


def words(name: str) -> str:
    """A name from code as words."""
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def trainings(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each training of the chain with its facts, and its settings by dotted name; the model's own first."""
    return [
        {
            "name": own["name"],
            "node": own.get("node"),
            "facts": _said({name: facts[name] for name in _TOLD_FIRST if name in facts}),
            "more": _said({name: value for name, value in facts.items() if name not in _TOLD_FIRST}),
            "settings": _said(own.get("settings") or {}),
        }
        for own in reversed(report.get("training") or [])
        for facts in [{"seed": own.get("seed"), **(own.get("facts") or {})}]
    ]


def _said(tree: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values as text, without those that say nothing."""
    return [(words(name), text(value)) for name, value in leaves(tree) if value not in (None, "", [], {})]


def evaluation(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """Metrics beside baselines, one row a metric, and the evaluation's other facts."""
    found = report.get("evaluation")
    if not found:
        return None
    metrics = dict(leaves(found.get("metrics") or {}))
    rivals = {name: dict(leaves(value)) for name, value in (found.get("baselines") or {}).items()}
    rows = [
        {"metric": name, "model": figure(value), "baselines": [figure(own.get(name)) for own in rivals.values()]}
        for name, value in metrics.items()
    ]
    # facts that the table has already
    told = {_value(value) for own in (metrics, *rivals.values()) for value in own.values()} if rows else set()
    return {
        "rows": rows,
        "baselines": [words(name) for name in rivals],
        "facts": _said(
            {
                name: value
                for name, value in (found.get("facts") or {}).items()
                if not (isinstance(value, float) and value in told)
            }
        ),
        "node": found.get("node"),
        "name": found.get("name"),
    }


def _value(figure: Any) -> float | None:
    own = figure.get("value") if isinstance(figure, Mapping) else figure
    return own if isinstance(own, float) else None


def leaves(tree: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """The values of nested mappings by dotted name. A figure with its interval is one value."""
    if isinstance(tree, Mapping) and tree and "value" not in tree:
        for name, value in tree.items():
            yield from leaves(value, f"{prefix}.{name}" if prefix else str(name))
    elif prefix:
        yield prefix, tree


def figure(value: Any) -> dict[str, str]:
    """A metric's value, and its interval where it has one."""
    if isinstance(value, Mapping):
        own, low, high = value.get("value"), value.get("low"), value.get("high")
        if not isinstance(own, int | float) or low is None or high is None:
            return {"value": text(own), "interval": ""}
        digits = max(0, 2 - floor(log10(abs(own)))) if own else 2  # three that count, and as many in the interval
        return {"value": f"{own:,.{digits}f}", "interval": f"{low:,.{digits}f} to {high:,.{digits}f}"}
    return {"value": "" if value is None else text(value), "interval": ""}


def text(value: Any) -> str:
    """A value as a table shows it: four digits of what is measured, all of what is counted."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    if isinstance(value, list | tuple):
        return ", ".join(text(item) for item in value)
    return "none" if value is None else str(value)


def boxes(packed: Packed) -> list[dict[str, Any]]:
    """The boxes of the graph: one for each asset, then one for each asset's raw files."""
    lines = {asset.split("/")[0] for asset in packed.assets}
    found = []
    for number, asset in enumerate(packed.assets):
        own = packed.members[number]
        nodes = [packed.nodes[place] for place in own]
        level, states = folded([packed.statuses[place] for place in own])
        partitions = len({node.get("partition") for node in nodes})
        rows = [node["rows"] for node in nodes if node.get("rows") is not None]
        found.append(
            {
                "asset": asset,
                "name": asset.split("/", 1)[-1] if len(lines) == 1 else asset,
                "number": number,
                "one": len(own) == 1,
                "partition": nodes[0].get("partition") if len(own) == 1 else None,
                "versions": len(own),
                "partitions": partitions,
                "version": nodes[0]["version"][:SHORT] if len(own) == 1 else "",
                "rows": sum(rows) if rows else None,
                "quarantined": sum(node.get("quarantined_rows") or 0 for node in nodes),
                "checks": sum(len(node.get("checks") or ()) for node in nodes),
                "code": sorted({node["code_version"] for node in nodes if node.get("code_version")}),
                "reads": [packed.assets[other] for other in packed.reads[number] if other != number],
                "level": level,
                "states": states,
            }
        )
    for owner in packed.raw_owners:
        files = [f for n in packed.members[owner] for f in packed.raw_files if f.get("node") == packed.nodes[n]["id"]]
        found.append(
            {
                "raw": True,
                "owner": owner,
                "of": packed.assets[owner],
                "files": len(files),
                "size": sum(f["size"] for f in files),
            }
        )
    return found
