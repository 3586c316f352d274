"""`sport-assets checkpoints`: the checkpoints of a training, by name.

Belongs here: the command. Must not come here: which file a name stands for (`training.checkpoint_names`).
"""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from sport_assets.cli.common import JSON, opened, out, print_json
from sport_assets.lineage.errors import LineageError

app = typer.Typer()


@app.command()
def checkpoints(
    model: Annotated[
        str, typer.Argument(help="A checkpoint asset: line/asset:partition, a version folder, a digest or a record.")
    ],
    as_json: JSON = False,
) -> None:
    """List the checkpoints of a training: best_model, latest, epoch_N and epoch_N_lightweight, with their files."""
    from sport_assets.lineage.models import find_record
    from sport_assets.training.checkpoint_names import named_checkpoints

    with opened() as lineage:
        made = find_record(lineage.ledger, model)
        digest = made.facts.get("spec_digest")
        if digest is None:
            raise LineageError(f"{made.key} is no checkpoint: name one, as nfl/checkpoint:'sanity|0'")
        found = named_checkpoints(
            lineage.store.folder(made.key, made.partition, made.version), lineage.home.training / digest
        )
        if as_json:
            print_json([asdict(each) for each in found])
            return
        table = Table("name", "holds", "bytes", "file")
        for each in found:
            table.add_row(each.name, each.holds, f"{each.path.stat().st_size:,}", str(each.path))
        out.print(table)
