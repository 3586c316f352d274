"""`sport-assets audit` and `impact`: what a model was made of, and what something went into.

Belongs here: their arguments and tables. Must not come here: the answers (`sport_assets.audit`).
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from sport_assets.cli.common import (
    JSON,
    NO_VERDICT,
    err,
    metrics_table,
    observed,
    opened,
    out,
    plain,
    print_json,
    summarise,
)
from sport_assets.lineage.home import Home

if TYPE_CHECKING:
    from sport_assets.audit.impact import Impact

app = typer.Typer()

MODEL_HELP = "A file (also a copy), a folder of the store, a digest, line/asset:partition, or a record id."
_STYLES = {"error": "red", "warning": "yellow", "note": "dim"}
_PARTITIONS = 6
_RAW_FILES = 24


@app.command()
def audit(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    html: Annotated[Path | None, typer.Option(help="Also write one self-contained page to this file.")] = None,
    fail_on: Annotated[
        str | None, typer.Option(help="Exit with 1 on findings of this severity or worse: error, warning, note.")
    ] = None,
    as_json: JSON = False,
) -> None:
    """Say what MODEL was made of, back to every raw file, and what an auditor must look at."""
    from sport_assets.audit.chain import walk
    from sport_assets.audit.findings import SEVERITIES
    from sport_assets.audit.page import page
    from sport_assets.audit.records import LedgerRecords
    from sport_assets.audit.report import report
    from sport_assets.lineage.models import find_record

    with opened(NO_VERDICT) as lineage:
        if fail_on is not None and fail_on not in SEVERITIES:
            raise ValueError(f"--fail-on {fail_on}: it is one of {', '.join(SEVERITIES)}")
        records = LedgerRecords(lineage)
        made = find_record(lineage.ledger, model)
        content = report(walk(records, made.id), records)
        if html is not None:
            html.write_text(page(content), encoding="utf-8")
            err.print(f"page written to {html}", highlight=False, soft_wrap=True)
        if as_json:
            print_json(content)
        else:
            _show(content)
    counted = SEVERITIES[: [*SEVERITIES].index(fail_on) + 1] if fail_on in SEVERITIES else ()
    if any(finding["severity"] in counted for finding in content["findings"]):
        raise typer.Exit(1)


def _show(content: dict[str, Any]) -> None:
    model, made, counts = content["model"], content["model"]["made"], content["counts"]
    out.print(plain(f"{model['name']}  ({model['kind']}, record {model['record']})"), style="bold", highlight=False)
    for file in model["files"]:
        out.print(f"  {file['path']}  {file['size']:,} bytes  sha256 {file['sha256']}", highlight=False, soft_wrap=True)
    out.print(f"  version {model['version']}", highlight=False, soft_wrap=True)
    commit = made["git_commit"] or "unknown"
    out.print(
        f"  made {made['at'][:19]} UTC by {made['user']} on {made['host']} ({made['device']}, {made['threads']} "
        f"threads, Python {made['python']}), commit {commit[:12]}"
        f"{' with uncommitted changes' if made['git_dirty'] else ''}",
        highlight=False,
        soft_wrap=True,
    )
    for training in content["training"]:
        facts = training["facts"]
        out.print(
            f"\ntraining {training['name']}: spec {facts['spec_digest'][:12]}, seed {training['seed']}, "
            f"{facts.get('epochs')} epochs, {facts.get('parameters')} parameters; {facts.get('fitted_on')}",
            highlight=False,
            soft_wrap=True,
        )
        if training["settings"]:
            out.print(f"  {json.dumps(training['settings'])}", highlight=False, soft_wrap=True, style="dim")
    if content["evaluation"]:
        out.print()
        found = content["evaluation"]
        out.print(metrics_table(f"{found['name']}: the model beside its baselines", found))
    out.print()
    out.print(_steps(content))
    out.print(
        f"{counts['steps']} materializations of {counts['assets']} assets, {counts['checks']} check results, "
        f"{counts['quarantined_rows']:,} rows in quarantine",
        highlight=False,
    )
    out.print()
    out.print(_raw_files(content["raw_files"]))
    _show_findings(content["findings"])
    head = content["head"]
    out.print(f"head of the ledger: {head['records']} {head['hash']}", highlight=False, soft_wrap=True)


def _steps(content: dict[str, Any]) -> Table:
    """One line for each asset where its partitions are many, else one for each."""
    table = Table(title="what it was made of, upstream first", title_justify="left")
    for name in ("asset", "partition", "version", "rows", "quarantined", "checks", "record"):
        table.add_column(name, justify="right" if name in ("rows", "quarantined") else "left", no_wrap=name != "checks")
    by_asset: dict[str, list[dict[str, Any]]] = {}
    for node in content["nodes"]:
        by_asset.setdefault(node["asset"], []).append(node)
    for asset, nodes in by_asset.items():
        if len(nodes) > _PARTITIONS:
            total = sum(node["rows"] or 0 for node in nodes)
            aside = sum(node["quarantined_rows"] for node in nodes)
            names = f"{nodes[0]['partition']} … {nodes[-1]['partition']} ({len(nodes)})"
            checks = [check for node in nodes for check in node["checks"]]
            table.add_row(asset, names, "(--json has each)", f"{total:,}", f"{aside:,}", _verdicts(checks), "")
            continue
        for node in nodes:
            rows = "" if node["rows"] is None else f"{node['rows']:,}"
            cells = (asset, node["partition"] or "", node["version"][:12], rows, f"{node['quarantined_rows']:,}")
            table.add_row(*cells, _verdicts(node["checks"]), node["id"])
    return table


def _verdicts(checks: list[dict[str, Any]]) -> str:
    failed = [check for check in checks if not check["passed"]]
    said = f"{len(checks) - len(failed)} of {len(checks)} passed" if checks else ""
    named = sorted({f"{check['name']}{' (overridden)' if check['overridden_by'] else ''}" for check in failed})
    return f"{said}; not: {', '.join(named)}" if failed else said


def _raw_files(files: list[dict[str, Any]]) -> Table:
    """One line for each, and where they are many for the first ones alone."""
    table = Table("raw file", title=f"{len(files)} raw files", title_justify="left")
    table.add_column("bytes", justify="right")
    table.add_column("SHA-256", no_wrap=True)
    shown = files if len(files) <= _RAW_FILES else files[: _RAW_FILES - 1]
    for file in shown:
        table.add_row(file["path"], f"{file['size']:,}", file["sha256"])
    if more := files[len(shown) :]:
        table.add_row(f"{len(more)} more", f"{sum(file['size'] for file in more):,}", "(--json and --html have each)")
    return table


def _show_findings(findings: list[dict[str, Any]]) -> None:
    counted = {severity: sum(one["severity"] == severity for one in findings) for severity in _STYLES}
    said = ", ".join(f"{count} {severity}{'s' if count > 1 else ''}" for severity, count in counted.items() if count)
    out.print(f"\nfindings: {said or 'none'}", style="bold", highlight=False)
    for finding in findings:
        style = _STYLES[finding["severity"]]
        text = f"{finding['name']}: {finding['message']}"
        out.print(f"  [{style}]{finding['severity']}[/{style}] {finding['kind']}  {plain(text)}", soft_wrap=True)
        if finding["remedy"]:
            out.print(f"      {plain(finding['remedy'])}", style="dim", highlight=False, soft_wrap=True)


@app.command("impact")
def impact_command(
    subject: Annotated[
        str | None,
        typer.Argument(help="A raw file (path or digest), line/asset[:partition], a version or a model file."),
    ] = None,
    rows: Annotated[
        list[str] | None, typer.Option("--row", help="COLUMN=VALUE of rows instead; repeated, all must agree.")
    ] = None,
    launch: Annotated[
        bool, typer.Option("--launch", help="Make again what of it is not current, as it was made.")
    ] = False,
    as_json: JSON = False,
) -> None:
    """Say what something went into: every asset, checkpoint, export and model card that holds it or stands on it."""
    from sport_assets.audit.impact import impact, subject_of, subject_of_rows

    with opened() as lineage:
        if (subject is None) == (not rows):
            raise ValueError("give either what it is about (a file, an asset, a version), or --row COLUMN=VALUE")
        asked = subject_of(lineage.ledger, subject) if subject is not None else None
        found = impact(lineage.ledger, asked or subject_of_rows(lineage.ledger, row_set(rows or [])))
        if not as_json:
            _show_impact(found)
        made = {"made": _launch(found)} if launch else {}
        if as_json:
            print_json({**found.to_json(), **made})


def _launch(found: "Impact") -> list[str]:
    """Make again what is not current of what was found."""
    from sport_assets.definitions import defs
    from sport_assets.orchestration.again import launch

    with observed() as observe:
        report = launch(defs, Home.from_environment(), found, observe)
    return [str(done.step) for done in summarise(report)]


def row_set(options: list[str]) -> dict[str, str]:
    """``COLUMN=VALUE`` options as a row set. Raises ``ValueError`` for one without a value and for one given twice."""
    found: dict[str, str] = {}
    for text in options:
        column, _, value = text.partition("=")
        if not column or not value:
            raise ValueError(f"--row {text}: write COLUMN=VALUE, as --row game_id=2023090700")
        if column in found:
            raise ValueError(f"--row {column} is given twice")
        found[column] = value
    return found


def _show_impact(found: "Impact") -> None:
    if not found.affected:
        out.print(f"{found.subject.text}: in nothing that was recorded", highlight=False)
        return
    table = Table("asset", "partition", "version", "made", "how", "now", title=found.subject.text, title_justify="left")
    for one in found.affected:
        how = f"{one.how} it" + (f" ({', '.join(one.sides)})" if one.sides else "")
        made, now = one.made, "current" if one.newest else "replaced"
        table.add_row(made.key, made.partition or "", made.version[:12], made.at[:19], how, now)
    out.print(table)
    models = [one.made.name for one in found.models if one.newest]
    out.print(
        f"{len(found.affected)} materializations, {len(found.current)} of them current; current models: "
        f"{', '.join(models) or 'none'}",
        highlight=False,
        soft_wrap=True,
    )
