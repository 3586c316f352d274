"""The NFL line's commands: `sample-data nfl`, `tune nfl`, `predict nfl`.

Belongs here: their arguments and tables. Must not come here: the work (`sport_assets.nfl`).
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from sport_assets.cli.common import JSON, clear_errors, err, observed, out, print_json, summarise
from sport_assets.cli.groups import predict_app, sample_app, tune_app
from sport_assets.lineage.home import Home


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

    with clear_errors():
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
            print_json({"folder": folder, "files": [str(path) for path in made.files]})
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

    with clear_errors():
        home = Home.from_environment()
        ranges = read_space_file(space) if space is not None else None
        fields = {"preset": preset, "trials": trials, "timeout_s": timeout, "seed": seed, "folds": folds}
        build = TuningBuild(defs, home, "nfl/tuning", {**fields, "space": ranges}, settings or [])
        with observed() as observe:
            report = build.search(observe)
        summarise(report)
        result = read_result(home, "nfl/tuning")
        if as_json:
            print_json(result)
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

    with clear_errors():
        path = find_model(Home.from_environment(), model)
        report = predict(path, input_, output, modes=modes, coverage=coverage)
        if as_json:
            print_json({"model": path, "output": output, "modes": modes, "coverage": coverage, **asdict(report)})
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
