"""``sport-assets``: thin commands over the rooms below. Says results, and errors as one message with exit code 1.

Belongs here: arguments, tables, progress. Must not come here: work; each command imports what it needs when it runs.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.home import Home

app = typer.Typer(
    name="sport-assets",
    help="From raw sports data to exported models, with a record of everything they were made from.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
ledger_app = typer.Typer(name="ledger", help="The chained records of everything that was made.", no_args_is_help=True)
sample_app = typer.Typer(name="sample-data", help="Generated raw files in a line's own format.", no_args_is_help=True)
predict_app = typer.Typer(
    name="predict", help="Batch prediction with an exported model, without torch.", no_args_is_help=True
)
tune_app = typer.Typer(
    name="tune", help="Search better settings for a preset, never on test data.", no_args_is_help=True
)
for group in (ledger_app, sample_app, predict_app, tune_app):
    app.add_typer(group)

JSON = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
# a pipe has no width: nothing is cut there
out, err = Console(width=None if sys.stdout.isatty() else 200), Console(stderr=True)


@contextmanager
def _clear_errors() -> Iterator[None]:
    """What is the user's to mend ends with its message and exit code 1. SPORT_ASSETS_TRACEBACK=1 shows where."""
    from sport_assets.orchestration.build import BuildError
    from sport_assets.training.errors import TrainingError

    try:
        yield
    except (LineageError, BuildError, TrainingError, OSError, ValueError) as error:
        if os.environ.get("SPORT_ASSETS_TRACEBACK"):
            raise
        err.print(f"[red]error:[/red] {_plain(str(error))}", soft_wrap=True)
        raise typer.Exit(1) from error


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=1, sort_keys=True, default=str) + "\n")


@app.command()
def init(as_json: JSON = False) -> None:
    """Make the home (SPORT_ASSETS_HOME) with its ledger and Dagster instance."""
    from sport_assets.orchestration.instance import initialise

    with _clear_errors():
        home = Home.from_environment()
        made = initialise(home)
        if as_json:
            _print_json({"home": home.root, "data": home.data, "made": made})
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

    with _clear_errors():
        home = Home.from_environment()
        with _observed() as observe:
            report = Builder(defs, home, settings or []).run(target, partition, observe)
        made = _summarise(report)
        results = [_result(home, done.step.key, done.step.partition) for done in report.done if done.step.key == target]
        if as_json:
            _print_json({"target": results, "made": [str(done.step) for done in made], "skipped": report.skipped})
        else:
            for result in results:
                _show(result)


@contextmanager
def _observed() -> Iterator[Any]:
    """An observer of a build that shows where it is, while runs print their lines above."""
    from sport_assets.orchestration.build import Step
    from sport_assets.orchestration.console import Console as RunConsole

    with err.status("planning") as status:

        def observe(step: Step, reason: str, number: int, total: int) -> None:
            status.update(_plain(f"{number + 1} of {total}  {step}"))
            if reason != "current":
                err.print(_plain(f"[{number + 1}/{total}] {step}: {reason}"), highlight=False, soft_wrap=True)

        RunConsole.sink = staticmethod(lambda line: err.print(_plain(line), highlight=False, soft_wrap=True))
        yield observe


def _summarise(report: Any) -> Any:
    """Say what a build skipped and made; the steps it made."""
    for key, partitions in report.skipped.items():
        shown = ", ".join(partitions[:6]) + (f" and {len(partitions) - 6} more" if len(partitions) > 6 else "")
        err.print(f"skipped, no raw file: {key} {shown}", highlight=False, soft_wrap=True)
    made = report.made()
    err.print(f"{len(made)} made, {len(report.done) - len(made)} current", highlight=False)
    return made


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
        out.print(_metrics_table(name, result["evaluation"]))
        if "spec_targets" in result["evaluation"]:
            out.print(_targets_table(result["evaluation"]["spec_targets"]))
    out.print(f"{name} version {result['version'][:12]}", highlight=False)
    for label in ("folder", "exported_model"):
        if label in result:
            out.print(f"  {label.replace('_', ' ')}: {result[label]}", highlight=False, soft_wrap=True)
    failed = [check for check, passed in result["checks"].items() if not passed]
    if failed:
        out.print(f"  failed checks: {', '.join(failed)}", highlight=False)


def _metrics_table(name: str, evaluation: dict[str, Any]) -> Table:
    """The model's metrics beside every baseline's, from any line's evaluation.json."""
    counts = ", ".join(f"{n} {what}" for what, n in evaluation["samples"].items() if isinstance(n, int))
    forecasts = {"model": evaluation["metrics"], **evaluation["baselines"]}
    table = Table(title=f"{name} on held-out data: {counts}", title_justify="left")
    table.add_column("metric")
    for label in forecasts:
        table.add_column(label.replace("_", " "), justify="right", style="bold" if label == "model" else "")
    for group, metrics in evaluation["metrics"].items():
        for metric in metrics:
            cells = [values[group][metric]["value"] for values in forecasts.values()]
            table.add_row(f"{metric}, {group}".replace("_", " "), *(f"{cell:.3f}" for cell in cells))
    return table


def _targets_table(rows: list[dict[str, Any]]) -> Table:
    """The targets of a line's specification beside what was reached, from any line's evaluation.json."""
    table = Table("target", "asked", "here", "met", "remark", title="targets of the specification")
    table.title_justify = "left"
    for row in rows:
        value = "" if row["value"] is None else f"{row['value']:.3f}"
        met = {True: "yes", False: "no", None: ""}[row["met"]]
        table.add_row(row["name"], f"{row['good']} {row['target']:g}", value, met, row["remark"])
    return table


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

    with _clear_errors():
        lineage = Lineage(Home.from_environment())
        try:
            event = let_pass(lineage.ledger, record, check, by=by or environment().user, reason=reason)
            if as_json:
                _print_json(event.model_dump(mode="json"))
            else:
                err.print(f"{check} of {record} is overridden (record {event.id})", highlight=False)
        finally:
            lineage.close()


@ledger_app.command()
def head(as_json: JSON = False) -> None:
    """Print how many records there are and the hash of the last: keep it elsewhere as evidence."""
    with _opened() as lineage:
        found = lineage.ledger.head()
        if as_json:
            _print_json({"records": found.seq, "hash": found.hash})
        else:
            out.print(f"{found.seq} {found.hash}", highlight=False)


@ledger_app.command()
def log(
    key: Annotated[str | None, typer.Argument(help="Only this asset, as nfl/tracking.")] = None,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1)] = 20,
    as_json: JSON = False,
) -> None:
    """List the newest records."""
    from sport_assets.lineage.ledger import ENTRIES

    with _opened() as lineage:
        rows = lineage.ledger.entries(*([ENTRIES.c.key == key] if key else []), newest_first=True, limit=limit)
        if as_json:
            _print_json([dict(row._mapping) for row in rows])
            return
        record_id = Column("record", no_wrap=True, min_width=21)  # what `override` wants, whole
        table = Table(record_id, "when", "kind", "asset", "partition", "version")
        for row in rows:
            cells = (row.id, row.at[:19], row.kind, row.key, row.partition, (row.version or "")[:12])
            table.add_row(*(cell or "" for cell in cells))
        out.print(table)


@ledger_app.command()
def rebuild(as_json: JSON = False) -> None:
    """Make the ledger's index anew from the record files alone."""
    from sport_assets.lineage.ledger import Ledger

    with _clear_errors():
        home = Home.from_environment()
        if not home.records.is_dir():
            raise LineageError(f"{home.root} has no records to rebuild from; is SPORT_ASSETS_HOME the right folder?")
        ledger = Ledger.rebuilt(home)
        try:
            found = ledger.head()
        finally:
            ledger.close()
        if as_json:
            _print_json({"records": found.seq, "hash": found.hash})
        else:
            out.print(f"rebuilt {found.seq} records; head {found.hash}", highlight=False, soft_wrap=True)


@contextmanager
def _opened() -> Iterator[Any]:
    from sport_assets.lineage.record import Lineage

    with _clear_errors():
        home = Home.from_environment()
        if not home.ledger.exists():
            raise LineageError(f"{home.root} has no ledger. Run: sport-assets init")
        lineage = Lineage(home)
        try:
            yield lineage
        finally:
            lineage.close()


@sample_app.command("nfl")
def sample_nfl(
    output: Annotated[Path | None, typer.Option(help="Where to; by default SPORT_ASSETS_DATA/nfl.")] = None,
    season: Annotated[int, typer.Option(min=1999, max=2100)] = 2023,
    weeks: Annotated[int, typer.Option(min=1, max=22)] = 2,
    plays_per_week: Annotated[int, typer.Option(min=1, max=5000)] = 60,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    defects: Annotated[bool, typer.Option("--defects", help="Put in every kind of defect the checks know.")] = False,
    as_json: JSON = False,
) -> None:
    """Generated weeks of plays in the competition's format. Files that are there and differ are not overwritten."""
    from sport_assets.nfl.synthetic import generate

    with _clear_errors():
        folder = output or Home.from_environment().data / "nfl"
        with err.status("generating") as status:
            made = generate(
                folder,
                season=season,
                weeks=weeks,
                plays_per_week=plays_per_week,
                seed=seed,
                defects=defects,
                progress=lambda done, total: status.update(f"generating: {done} of {total} weeks"),
            )
        if as_json:
            _print_json({"folder": folder, "files": [str(path) for path in made.files]})
        else:
            err.print(f"{len(made.files)} files in {folder}", highlight=False, soft_wrap=True)


@tune_app.command("nfl")
def tune_nfl(
    preset: Annotated[str, typer.Option(help="The preset to start from.")] = "production",
    trials: Annotated[int, typer.Option(min=1, help="Finished trials in all; those of earlier searches count.")] = 30,
    timeout: Annotated[float | None, typer.Option(help="Seconds after which it ends; run again to go on.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the proposals and of every training.")] = 0,
    folds: Annotated[int | None, typer.Option(min=1, help="Folds to train, from the first; by default all.")] = None,
    space: Annotated[
        Path | None, typer.Option(help="YAML file of other ranges: NAME: {kind: log, low: 0.001, high: 0.01}.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE: a setting fixed by hand, which is not searched. Repeatable."),
    ] = None,
    as_json: JSON = False,
) -> None:
    """Search better settings on folds of the training games. Stopped or killed, it goes on where it was."""
    from sport_assets.definitions import defs
    from sport_assets.orchestration.tuning import TuningBuild, read_result, read_space_file

    with _clear_errors():
        home = Home.from_environment()
        ranges = read_space_file(space) if space is not None else None
        fields = {"preset": preset, "trials": trials, "timeout_s": timeout, "seed": seed, "folds": folds}
        build = TuningBuild(defs, home, "nfl/tuning", {**fields, "space": ranges}, settings or [])
        with _observed() as observe:
            report = build.search(observe)
        _summarise(report)
        result = read_result(home, "nfl/tuning")
        if as_json:
            _print_json(result)
        else:
            _show_tuning(result)


def _show_tuning(result: dict[str, Any]) -> None:
    best, counts = result["best"], result["best"]["trials"]
    metric = f"{best['metric']}, mean of {best['folds']} folds"
    table = Table(title=f"{sum(counts.values())} trials from {best['preset']}: {metric}", title_justify="left")
    for name in ("setting", "preset", "best"):
        table.add_column(name, justify="left" if name == "setting" else "right")
    table.add_row(best["metric"], f"{best['baseline_value']:.4f}", f"{best['value']:.4f}", style="bold")
    for name, value in best["baseline_settings"].items():
        found = best["overrides"].get(name, value)
        table.add_row(name, *(f"{each:.4g}" if isinstance(each, float) else str(each) for each in (value, found)))
    out.print(table)
    if not best["trial"]:
        out.print("no trial was better than the preset itself", highlight=False)
    out.print(f"{result['asset']} version {result['version'][:12]}", highlight=False)
    out.print(f"  folder: {result['folder']}", highlight=False, soft_wrap=True)
    out.print(f"  to use it: {result['use']}", highlight=False, soft_wrap=True)


@predict_app.command("nfl")
def predict_nfl(
    model: Annotated[str, typer.Option(help="ONNX file, version folder, digest, or nfl/exported_model:'sanity|0'.")],
    input_: Annotated[
        Path, typer.Option("--input", help="Folder with input_*.csv[.gz], or with train/ that has them.")
    ],
    output: Annotated[Path, typer.Option(help="CSV to write: game_id,play_id,nfl_id,frame_id,x,y.")],
    modes: Annotated[
        Path | None, typer.Option(help="Parquet to write: each mode's probability, mean and sigma by frame.")
    ] = None,
    coverage: Annotated[Path | None, typer.Option(help="CSV to write: game_id,play_id,p_man.")] = None,
    as_json: JSON = False,
) -> None:
    """Predict the movement after the throw, in original coordinates."""
    from sport_assets.lineage.models import find_model
    from sport_assets.nfl.predict import predict

    with _clear_errors():
        path = find_model(Home.from_environment(), model)
        report = predict(path, input_, output, modes=modes, coverage=coverage)
        if as_json:
            _print_json({"model": path, "output": output, "modes": modes, "coverage": coverage, **asdict(report)})
            return
        written = ((report.rows, output), (report.mode_rows, modes), (report.coverage_rows, coverage))
        for rows, file in written:
            if file is not None:
                err.print(f"{rows} rows in {file}", highlight=False, soft_wrap=True)
        if report.rows_quarantined or report.players_left_out:
            err.print(
                f"{report.rows_quarantined} input rows break a rule and were not used; "
                f"{report.players_left_out} players to predict were left out",
                highlight=False,
                soft_wrap=True,
            )


if __name__ == "__main__":
    app()
