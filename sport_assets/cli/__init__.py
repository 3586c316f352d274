"""``sport-assets``: thin commands over the rooms below. Says results, and errors as one message with exit code 1.

Belongs here: putting the commands together. Must not come here: work; each command imports what it needs when it runs.
"""

import typer

# a line's commands join their groups by themselves
from sport_assets.cli import (  # noqa: F401
    audit,
    building,
    bundle,
    checkpoints,
    cricket,
    detection,
    diff,
    ledger,
    nfl,
    reproduce,
    verify,
    withdraw,
)
from sport_assets.cli.groups import predict_app, sample_app, simulate_app, tune_app

app = typer.Typer(
    name="sport-assets",
    help="From raw sports data to exported models, with a record of everything they were made from.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(building.app)
app.add_typer(detection.app)
app.add_typer(checkpoints.app)
app.add_typer(audit.app)
app.add_typer(bundle.app)
app.add_typer(reproduce.app)
app.add_typer(diff.app)
app.add_typer(verify.app)
app.add_typer(withdraw.app)
app.add_typer(ledger.app, name="ledger")
app.add_typer(sample_app, name="sample-data")
app.add_typer(predict_app, name="predict")
app.add_typer(simulate_app, name="simulate")
app.add_typer(tune_app, name="tune")
