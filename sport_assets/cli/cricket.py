"""The cricket line's commands: `sample-data cricket`.

Belongs here: their arguments and tables. Must not come here: the work (`sport_assets.cricket`).
"""

from pathlib import Path
from typing import Annotated

import typer

from sport_assets.cli.common import JSON, clear_errors, err, print_json
from sport_assets.cli.groups import sample_app
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
