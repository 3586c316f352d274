"""`sport-assets ledger`: the chained records themselves.

Belongs here: head, log, rebuild. Must not come here: questions about a model (`audit`).
"""

from typing import Annotated

import typer
from rich.table import Column, Table

from sport_assets.cli.common import JSON, clear_errors, opened, out, print_json
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.home import Home

app = typer.Typer(help="The chained records of everything that was made.", no_args_is_help=True)


@app.command()
def head(as_json: JSON = False) -> None:
    """Print how many records there are and the hash of the last: keep it elsewhere as evidence."""
    with opened() as lineage:
        found = lineage.ledger.head()
        if as_json:
            print_json({"records": found.seq, "hash": found.hash})
        else:
            out.print(f"{found.seq} {found.hash}", highlight=False)


@app.command()
def log(
    key: Annotated[str | None, typer.Argument(help="Only this asset, as nfl/tracking.")] = None,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1)] = 20,
    as_json: JSON = False,
) -> None:
    """List the newest records."""
    from sport_assets.lineage.ledger import ENTRIES

    with opened() as lineage:
        rows = lineage.ledger.entries(*([ENTRIES.c.key == key] if key else []), newest_first=True, limit=limit)
        if as_json:
            print_json([dict(row._mapping) for row in rows])
            return
        record_id = Column("record", no_wrap=True, min_width=21)  # what `override` wants, whole
        table = Table(record_id, "when", "kind", "asset", "partition", "version")
        for row in rows:
            cells = (row.id, row.at[:19], row.kind, row.key, row.partition, (row.version or "")[:12])
            table.add_row(*(cell or "" for cell in cells))
        out.print(table)


@app.command()
def rebuild(as_json: JSON = False) -> None:
    """Make the ledger's index anew from the record files alone."""
    from sport_assets.lineage.ledger import Ledger

    with clear_errors():
        home = Home.from_environment()
        if not home.records.is_dir():
            raise LineageError(f"{home.root} has no records to rebuild from; is SPORT_ASSETS_HOME the right folder?")
        ledger = Ledger.rebuilt(home)
        try:
            found = ledger.head()
        finally:
            ledger.close()
        if as_json:
            print_json({"records": found.seq, "hash": found.hash})
        else:
            out.print(f"rebuilt {found.seq} records; head {found.hash}", highlight=False, soft_wrap=True)
