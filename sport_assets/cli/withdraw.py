"""`sport-assets withdraw` and `restore`: closing what may not be used any more, and opening it again.

Belongs here: their arguments and what is said afterwards. Must not come here: the work (`sport_assets.audit.withdraw`).
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sport_assets.cli.audit import row_set
from sport_assets.cli.common import JSON, err, opened, out, print_json

if TYPE_CHECKING:
    from sport_assets.audit.withdraw import Withdrawal

app = typer.Typer()

REASON = Annotated[str, typer.Option(help="Why; it is recorded.")]
BY = Annotated[str | None, typer.Option(help="Who; by default the user's name.")]


@app.command()
def withdraw(
    subject: Annotated[
        str | None, typer.Argument(help="A raw file (path or digest), or line/asset[:partition].", show_default=False)
    ] = None,
    *,
    reason: REASON,
    version: Annotated[str | None, typer.Option(help="Only this version of the partition (digest).")] = None,
    rows: Annotated[
        list[str] | None, typer.Option("--row", help="COLUMN=VALUE of rows instead; repeated, all must agree.")
    ] = None,
    asset: Annotated[str | None, typer.Option(help="Only the rows of this asset.")] = None,
    by: BY = None,
    as_json: JSON = False,
) -> None:
    """Close a raw file, a partition, a version or rows: nothing may read it from now on. Nothing is deleted."""
    from sport_assets.audit.withdraw import of_rows, of_text
    from sport_assets.audit.withdraw import withdraw as withdraw_event
    from sport_assets.lineage.environment import environment

    with opened() as lineage:
        said = {"by": by or environment().user, "reason": reason}
        if (subject is None) == (not rows):
            raise ValueError(
                "give either what is withdrawn (a file, an asset with its partition), or --row COLUMN=VALUE"
            )
        if subject is not None:
            if asset is not None:
                raise ValueError("--asset goes with --row; write the asset and partition as KEY:PARTITION")
            event = of_text(lineage.ledger, subject, version=version, **said)
        else:
            if version is not None:
                raise ValueError("--version goes with KEY:PARTITION, not with --row")
            event = of_rows(lineage.ledger, row_set(rows or []), key=asset, **said)
        _tell(lineage, withdraw_event(lineage.ledger, event), as_json, restored=False)


@app.command()
def restore(
    record: Annotated[str, typer.Argument(help="Record id of the withdrawal.")],
    reason: REASON,
    by: BY = None,
    as_json: JSON = False,
) -> None:
    """Undo a withdrawal. Both stay on record."""
    from sport_assets.audit.withdraw import restore as restore_event
    from sport_assets.lineage.environment import environment

    with opened() as lineage:
        found = restore_event(lineage.ledger, record, by=by or environment().user, reason=reason)
        _tell(lineage, found, as_json, restored=True)


def _tell(lineage: Any, found: "Withdrawal", as_json: bool, *, restored: bool) -> None:
    from sport_assets.orchestration.taint import show

    show(lineage, found.marked)
    again = _again(found)
    if as_json:
        print_json(
            {
                "record": found.event.id,
                "restored": restored,
                "impact": found.impact.to_json(),
                "closed": [{"name": made.name, "record": made.record} for made, _ in found.marked.closed],
                "opened": [{"name": made.name, "record": made.record} for made in found.marked.opened],
                "again": again,
            }
        )
        return
    current = found.impact.current
    holds = [one for one in current if one.how == "holds"]
    models = ", ".join(one.made.name for one in current if one.is_model) or "none"
    verb = "restored" if restored else "withdrawn"
    err.print(f"{verb}: {found.impact.subject.text} (record {found.event.id})", highlight=False, soft_wrap=True)
    out.print(
        f"{len(holds)} current materializations hold it, {len(current) - len(holds)} stand on them; models: {models}",
        highlight=False,
        soft_wrap=True,
    )
    if restored:
        out.print(f"{len(found.marked.opened)} opened again", highlight=False)
    elif current:
        out.print(f"none of them may be read now. To make again what can be: {again}", highlight=False, soft_wrap=True)


def _again(found: "Withdrawal") -> str:
    """The command that makes again what the withdrawal touched."""
    event = found.event
    if event.rows is not None:
        asked = " ".join(f"--row {name}={value}" for name, value in sorted(event.rows.items()))
    elif event.raw_sha256 is not None:
        asked = event.raw_sha256
    else:
        asked = event.version or (event.key or "") + (f":'{event.partition}'" if event.partition is not None else "")
    return f"sport-assets impact {asked} --launch"
