"""The cricket line's commands: `sample-data`, `tune`, `predict` and `simulate cricket`.

Belongs here: their arguments and tables. Must not come here: the work (`sport_assets.cricket`).
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from sport_assets.cli.common import JSON, clear_errors, err, observed, opened, out, plain, print_json, summarise
from sport_assets.cli.groups import predict_app, sample_app, simulate_app, tune_app
from sport_assets.lineage.home import Home


@sample_app.command("cricket")
def sample_cricket(
    output: Annotated[Path | None, typer.Option(help="Where to; by default SPORT_ASSETS_DATA/cricket.")] = None,
    matches: Annotated[int, typer.Option(min=1, max=20_000, help="Number of matches, over two years.")] = 60,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    defects: Annotated[
        bool, typer.Option("--defects", help="Add a damaged file for every rule; their year is rejected for it.")
    ] = False,
    as_json: JSON = False,
) -> None:
    """Generated matches in Cricsheet's format, one file each. Files that are there and differ are not overwritten."""
    from sport_assets.cricket.synthetic import generate

    with clear_errors():
        folder = output or Home.from_environment().data / "cricket"
        with err.status("generating") as status:
            made = generate(
                folder,
                matches=matches,
                seed=seed,
                defects=defects,
                progress=lambda done, total: status.update(f"generating: {done} of {total} matches"),
            )
        if as_json:
            files = [str(path) for path in (*made.files, *(path for path, _ in made.defects))]
            print_json({"folder": folder, "files": files, "deliveries": made.deliveries})
        else:
            count = len(made.files) + len(made.defects)
            err.print(f"{count} files, {made.deliveries} deliveries in {folder}", highlight=False, soft_wrap=True)


@tune_app.command("cricket")
def tune_cricket(
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE of cricket/tuning or what it stands on, as `build` has it. Repeatable."),
    ] = None,
    as_json: JSON = False,
) -> None:
    """Stage 1: the grid over width, layers, learning rate and heads. Stopped or killed, it goes on where it was."""
    from sport_assets.definitions import defs
    from sport_assets.orchestration.build import Builder

    with clear_errors(), observed() as observe:
        report = Builder(defs, Home.from_environment(), settings or []).run("cricket/tuning", None, observe)
    summarise(report)
    result = _tuning()
    if as_json:
        print_json(result)
    else:
        _show_tuning(result)


def _tuning() -> dict[str, Any]:
    """The newest tuning: its version, folder, settings, reasons, and every trial."""
    import polars as pl

    from sport_assets.cricket.stage_tuning import TRIALS_FILE
    from sport_assets.cricket.stages import decision

    with opened() as lineage:
        found = lineage.read("cricket/tuning")
        decided = decision(found.folder)
        return {
            "asset": "cricket/tuning",
            "version": found.ref.version,
            "folder": str(found.folder),
            **{name: decided[name] for name in ("overrides", "log_loss", "steps", "why")},
            "trials": pl.read_parquet(found.path(TRIALS_FILE)).to_dicts(),
        }


def _show_tuning(result: dict[str, Any]) -> None:
    chosen = result["overrides"]
    table = Table(
        title=f"{len(result['trials'])} trials: log-loss per ball on validation matches", title_justify="left"
    )
    for name in (*chosen, "parameters", "log-loss", "macro F1"):
        table.add_column(name.split(".")[-1].replace("_", " "), justify="right")
    for trial in result["trials"]:
        taken = all(trial[name] == value for name, value in chosen.items())
        cells = [*(f"{trial[name]:g}" for name in chosen), f"{trial['parameters']:,}"]
        cells += [f"{trial['log_loss']:.4f}", f"{trial['macro_f1']:.3f}"]
        table.add_row(*cells, style="bold" if taken else "")
    out.print(table)
    for step in result["steps"]:
        out.print(f"{step['setting']} = {step['taken']}: {step['why']}", highlight=False, soft_wrap=True)
    out.print(f"{result['asset']} version {result['version'][:12]}", highlight=False)
    out.print(f"  folder: {result['folder']}", highlight=False, soft_wrap=True)
    out.print("  the next stage: sport-assets build cricket/stage_comparison", highlight=False, soft_wrap=True)


@predict_app.command("cricket")
def predict_cricket(
    model: Annotated[str, typer.Option(help="ONNX file, version folder, digest, or cricket/exported_model:'42|full'.")],
    input_: Annotated[
        Path, typer.Option("--input", help="Match file (.json), archive of them, or a folder with either.")
    ],
    output: Annotated[Path, typer.Option(help="CSV to write: match_id,innings,over,ball_in_over,p_dot,...,p_wicket.")],
    as_json: JSON = False,
) -> None:
    """Forecast every delivery from what was known before it. Match files that break a rule are named and left out."""
    from sport_assets.cricket.predict import predict
    from sport_assets.lineage.models import find_model

    with clear_errors():
        path = find_model(Home.from_environment(), model)
        report = predict(path, input_, output)
        if as_json:
            print_json({"model": path, "output": output, **asdict(report)})
            return
        err.print(f"{report.rows} deliveries of {report.matches} matches in {output}", highlight=False, soft_wrap=True)
        if report.super_over_deliveries:
            err.print(f"{report.super_over_deliveries} deliveries of super overs are left out", highlight=False)
        for file, rule, value in report.quarantined:
            err.print(plain(f"not used: {file} breaks the rule {rule}: {value}"), highlight=False, soft_wrap=True)


@simulate_app.command("cricket")
def simulate_cricket(
    model: Annotated[str, typer.Option(help="ONNX file, version folder, digest, or cricket/exported_model:'42|full'.")],
    match: Annotated[Path | None, typer.Option(help="A match file; with --at, cut off there.")] = None,
    at: Annotated[
        str | None,
        typer.Option(help="Before which ball: innings.over.ball, as 1.15.3; innings from 1, others from 0."),
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="A match file no longer than the match so far; simulated from its end.")
    ] = None,
    simulations: Annotated[int, typer.Option(min=1, max=1_000_000)] = 10_000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    bowler: Annotated[str | None, typer.Option(help="What if: name or id of another bowler of this over.")] = None,
    batter: Annotated[str | None, typer.Option(help="What if: name or id of another batter to face.")] = None,
    innings_only: Annotated[bool, typer.Option("--innings-only", help="Leave out the chase that follows.")] = False,
    output: Annotated[Path | None, typer.Option(help="JSON to write: distributions of scores and wickets.")] = None,
    plot: Annotated[Path | None, typer.Option(help="SVG or PNG to write: runs by over, and their fan.")] = None,
    as_json: JSON = False,
) -> None:
    """Play the rest of a match many times: score, wickets, chances of winning; with another player, what changes."""
    from sport_assets.cricket.simulate import simulate
    from sport_assets.cricket.situation import At
    from sport_assets.cricket.worm import check_format, draw_worm
    from sport_assets.lineage.durable import write_durably
    from sport_assets.lineage.models import find_model

    with clear_errors():
        file = _one_of(match, state)
        if state is not None and at is not None:
            raise ValueError("--at cuts a match off; a state is simulated from its end: give --match FILE --at")
        for written in (output, plot):
            if written is not None and written.is_dir():
                raise ValueError(f"{written} is a folder: give the name of a file to write")
        if plot is not None:
            check_format(plot)
        path = find_model(Home.from_environment(), model)
        place = None if at is None else At.parse(at)
        with err.status("simulating"):
            result = simulate(
                path,
                file,
                place,
                simulations=simulations,
                seed=seed,
                bowler=bowler,
                batter=batter,
                innings_only=innings_only,
            )
        content = result.content()
        for note in content["notes"]:
            err.print(plain(f"note: {note}"), highlight=False, soft_wrap=True)
        if output is not None:
            write_durably(output, (json.dumps(content, sort_keys=True, indent=1) + "\n").encode())
        if plot is not None:
            write_durably(plot, draw_worm(result, plot.suffix))
        if as_json:
            print_json(content)
            return
        _show_simulation(content)
        for written in (output, plot):
            if written is not None:
                err.print(f"written: {written}", highlight=False, soft_wrap=True)


def _one_of(match: Path | None, state: Path | None) -> Path:
    given = [path for path in (match, state) if path is not None]
    if len(given) != 1:
        raise ValueError("give either --match FILE, with --at, or --state FILE")
    return given[0]


def _show_simulation(content: dict[str, Any]) -> None:
    from sport_assets.cricket.phases import BALLS_PER_OVER

    standing = content["standing"]
    overs, balls = divmod(standing["legal_balls"], BALLS_PER_OVER)
    score = f"{standing['batting']} {standing['runs']}/{standing['wickets']} after {overs}.{balls} overs"
    score += "" if standing["target"] is None else f", {standing['target']} to win"
    start = f"{content['simulations']} courses from {content['at']}: {score}"
    out.print(plain(start), highlight=False, soft_wrap=True)
    what_if = content.get("what_if")
    out.print(plain(_who_plays("as it stands", standing)), highlight=False, soft_wrap=True)
    if what_if is not None:
        out.print(plain(_who_plays("what if", what_if["standing"])), highlight=False, soft_wrap=True)
    table = Table()
    for name in ("", "as it stands", *(["what if", "change"] if what_if else [])):
        table.add_column(name, justify="right" if name else "left")
    rows = [_row(content, what_if, name, "win") for name in content["win"]]
    for name in ("runs", "wickets"):
        rows.append(_row(content, what_if, name, name))
    for row in rows:
        table.add_row(*row)
    out.print(table)
    for innings in content["innings"]:
        quantiles = innings["runs"]["quantiles"]
        out.print(
            f"innings {innings['innings']}, {innings['batting']}: {quantiles['50']:.0f} runs, "
            f"{quantiles['5']:.0f} to {quantiles['95']:.0f} in nine of ten",
            highlight=False,
        )


def _who_plays(side: str, standing: dict[str, Any]) -> str:
    bowler = standing["bowler"] or "not known yet"
    return f"{side}: {standing['striker']} faces, {standing['non_striker']} at the other end; bowler: {bowler}"


def _row(content: dict[str, Any], what_if: dict[str, Any] | None, name: str, kind: str) -> list[str]:
    def of(told: dict[str, Any]) -> str:
        if kind == "win":
            return f"{told['win'][name]['probability']:.3f}"
        return f"{told['innings'][0][kind]['mean']:.1f}"

    found = [name if kind == "win" else f"{name} of the innings", of(content)]
    if what_if is not None:
        change = what_if["difference"]["win"][name] if kind == "win" else what_if["difference"][kind]
        found += [of(what_if), f"{change['mean']:+.3f} ± {change['standard_error']:.3f}"]
    return found
