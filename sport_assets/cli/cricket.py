"""The cricket line's commands: `sample-data cricket`, `predict cricket`.

Belongs here: their arguments and tables. Must not come here: the work (`sport_assets.cricket`).
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sport_assets.cli.common import JSON, clear_errors, err, plain, print_json
from sport_assets.cli.groups import predict_app, sample_app
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
