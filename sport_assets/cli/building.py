"""`sport-assets init`, `build`, `override`: bringing things up to date.

Belongs here: their arguments and how a finished target is shown. Must not come here: the build (`orchestration.build`).
"""

import json
from typing import Annotated, Any

import typer
from rich.table import Table

from sport_assets.cli.common import (
    JSON,
    clear_errors,
    err,
    first_of,
    metrics_table,
    observed,
    out,
    print_json,
    summarise,
)
from sport_assets.lineage.home import Home

app = typer.Typer()


@app.command()
def init(as_json: JSON = False) -> None:
    """Make the home (SPORT_ASSETS_HOME) with its ledger and Dagster instance."""
    from sport_assets.orchestration.instance import initialise

    with clear_errors():
        home = Home.from_environment()
        made = initialise(home)
        if as_json:
            print_json({"home": home.root, "data": home.data, "made": made})
        else:
            err.print(
                f"{'made' if made else 'found'} {home.root}; raw files are looked for in {home.data}", soft_wrap=True
            )


@app.command()
def build(
    target: Annotated[str, typer.Argument(help="An asset, as nfl/model_card.")],
    partition: Annotated[str | None, typer.Option(help="Its partition, as 2023-w01 or 'sanity|0'; else all.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="FIELD=VALUE for every asset that has it, or line/asset.FIELD=VALUE. Repeatable."),
    ] = None,
    as_json: JSON = False,
) -> None:
    """Bring TARGET and all it stands on up to date, skipping what is current."""
    from sport_assets.definitions import defs
    from sport_assets.orchestration.build import Builder

    with clear_errors():
        home = Home.from_environment()
        _announce(target, partition)
        with observed() as observe:
            report = Builder(defs, home, settings or []).run(target, partition, observe)
        made = summarise(report)
        results = [_result(home, done.step.key, done.step.partition) for done in report.done if done.step.key == target]
        if as_json:
            print_json(
                {
                    "target": results,
                    "made": [str(done.step) for done in made],
                    "skipped": report.skipped,
                    "reasons": report.reasons,
                    "withdrawn": report.withdrawn,
                }
            )
        else:
            for result in results:
                _show(result)


@app.command()
def override(
    record: Annotated[str, typer.Argument(help="Record id of the rejected materialization.")],
    check: Annotated[str, typer.Argument(help="The failed check to let pass.")],
    reason: Annotated[str, typer.Option(help="Why; it is recorded.")],
    by: Annotated[str | None, typer.Option(help="Who; by default the user's name.")] = None,
    as_json: JSON = False,
) -> None:
    """Let a rejected materialization pass the gate, by name and reason. It is recorded."""
    from sport_assets.lineage.environment import environment
    from sport_assets.lineage.gate import override as let_pass
    from sport_assets.lineage.record import Lineage

    with clear_errors():
        lineage = Lineage(Home.from_environment())
        try:
            event = let_pass(lineage.ledger, record, check, by=by or environment().user, reason=reason)
            if as_json:
                print_json(event.model_dump(mode="json"))
            else:
                err.print(f"{check} of {record} is overridden (record {event.id})", highlight=False)
        finally:
            lineage.close()


def _announce(target: str, partition: str | None) -> None:
    """Say before anything is made that all models are asked for: each is a training of its own."""
    import dagster as dg

    from sport_assets.orchestration.assets import DECLARATIONS

    declared = DECLARATIONS.get(target)
    if partition is not None or declared is None:
        return
    if isinstance(declared.partitions_def, dg.MultiPartitionsDefinition):
        keys = declared.partitions()
        err.print(
            f"no --partition: all {len(keys)} of {target}, {first_of(keys)}. Ctrl-C stops; --partition KEY takes one",
            highlight=False,
            soft_wrap=True,
        )


def _result(home: Home, key: str, partition: str | None) -> dict[str, Any]:
    """What a person wants to know of a finished target: metrics beside baselines, and where the files are."""
    from sport_assets.lineage.record import Lineage

    lineage = Lineage(home)
    try:
        made = lineage.ledger.latest(key, partition)
        assert made is not None
        folder = lineage.store.folder(key, partition, made.version)
        # of this very model: an evaluation that this target is, or was made from
        own = {made.id, *(ref.record for ref in made.inputs)}
        line = key.split("/")[0]
        newest = [lineage.ledger.latest(f"{line}/{name}", partition) for name in ("evaluation", "exported_model")]
        evaluation, exported = (found if found is not None and found.id in own else None for found in newest)
        result: dict[str, Any] = {
            "asset": key,
            "partition": partition,
            "version": made.version,
            "folder": str(folder),
            "files": [file.path for file in made.files],
            "rows": made.rows,
            "quarantined_rows": made.quarantined_rows,
            "checks": {check.name: check.passed for check in made.checks},
        }
        if "trainings" in made.facts:
            result["trainings"] = made.facts["trainings"]
        if exported is not None:
            result["exported_model"] = str(lineage.store.folder(exported.key, partition, exported.version))
        if evaluation is not None:
            path = lineage.store.folder(evaluation.key, partition, evaluation.version) / "evaluation.json"
            result["evaluation"] = json.loads(path.read_text(encoding="utf-8"))
        return result
    finally:
        lineage.close()


def _show(result: dict[str, Any]) -> None:
    name = result["asset"] if result["partition"] is None else f"{result['asset']}:{result['partition']}"
    if "evaluation" in result:
        samples = result["evaluation"]["samples"]
        counts = ", ".join(f"{count} {what}" for what, count in samples.items() if isinstance(count, int))
        out.print(metrics_table(f"{name} on held-out data: {counts}", result["evaluation"]))
        if "spec_targets" in result["evaluation"]:
            out.print(_targets_table(result["evaluation"]["spec_targets"]))
    if "trainings" in result:
        out.print(_cost_table(result["trainings"]))
    out.print(f"{name} version {result['version'][:12]}", highlight=False)
    for label in ("folder", "exported_model"):
        if label in result:
            out.print(f"  {label.replace('_', ' ')}: {result[label]}", highlight=False, soft_wrap=True)
    failed = [check for check, passed in result["checks"].items() if not passed]
    if failed:
        out.print(f"  failed checks: {', '.join(failed)}", highlight=False)


def _targets_table(rows: list[dict[str, Any]]) -> Table:
    """The targets of a line's specification beside what was reached, from any line's evaluation.json."""
    table = Table("target", "asked", "here", "met", "remark", title="targets of the specification")
    table.title_justify = "left"
    for row in rows:
        value = "" if row["value"] is None else f"{row['value']:.3f}"
        met = {True: "yes", False: "no", None: ""}[row["met"]]
        table.add_row(row["name"], f"{row['good']} {row['target']:g}", value, met, row["remark"])
    return table


def _cost_table(trainings: dict[str, Any]) -> Table:
    """What each training of an experiment took, from any line's record."""
    from sport_assets.orchestration.experiments import COST_COLUMNS, cost_rows

    table = Table(title="what the trainings took", title_justify="left")
    for column in COST_COLUMNS:
        table.add_column(column, justify="left" if column in ("training", "remark") else "right")
    for row in cost_rows(trainings):
        table.add_row(*row)
    return table
