"""`sport-assets reproduce`: makes a recorded chain again and says what came out the same.

Belongs here: its arguments, where the scratch home lies, its table. Must not come here: the work
(`orchestration.reproduce`).
"""

import os
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from sport_assets.cli.common import JSON, NO_VERDICT, clear_errors, observed, out, plain, print_json
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.home import Home

if TYPE_CHECKING:
    from sport_assets.audit.chain import Chain
    from sport_assets.orchestration.reproduced import Outcome, Result

app = typer.Typer()
_SHOWN = 6


class Start(StrEnum):
    """Where a reproduction begins."""

    raw = "raw"
    checkpoint = "checkpoint"


@app.command()
def reproduce(
    model: Annotated[
        str,
        typer.Argument(
            help="A file (also a copy), a folder of the store, a digest, line/asset:partition, or a bundle."
        ),
    ],
    start: Annotated[
        Start, typer.Option("--from", help="Make everything again, or only what follows the checkpoint.")
    ] = Start.raw,
    into: Annotated[
        Path | None, typer.Option(help="Empty folder to work in; by default a temporary one, kept if anything differs.")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(help="A folder to search for raw files, under whatever names, by their digests. Repeatable."),
    ] = None,
    as_json: JSON = False,
) -> None:
    """Make MODEL again from its record, in a home of its own, and compare every version.

    Exit code 1 if one differs, 2 if it cannot be made.
    """
    from sport_assets.orchestration.recorded import recorded

    with clear_errors(NO_VERDICT):
        home = Home.from_environment()
        for folder in data or []:
            if not folder.is_dir():
                raise LineageError(f"--data {folder}: no such folder")
        with recorded(home, model) as known:
            chain = known.chain
            _open_seasons(chain)
            from sport_assets.definitions import defs  # after the seasons: partitions are made when it is loaded
            from sport_assets.orchestration.likeness import DIFFERENT, IDENTICAL
            from sport_assets.orchestration.reproduce import Reproduction
            from sport_assets.orchestration.scratch import Scratch

            folder = into or Path(tempfile.mkdtemp(prefix="sport-assets-reproduce-"))
            scratch = Scratch(folder, chain.target.made.id)
            kept = True
            try:
                with observed() as observe:
                    made = Reproduction(defs, known, scratch, data or [])
                    result = made.run(from_checkpoint=start is Start.checkpoint, observe=observe)
                kept = into is not None or result.verdict != IDENTICAL
            except LineageError:
                kept = into is not None or scratch.home.root.exists()  # else it did not begin
                raise
            finally:
                if not kept:
                    scratch.remove()
        if as_json:
            about = {"model": chain.target.name, "record": chain.target.made.id, "from": start.value}
            print_json({**about, "into": str(folder.resolve()) if kept else None, **result.as_json()})
        else:
            _show(result, folder.resolve() if kept else None)
    if result.verdict == DIFFERENT:
        raise typer.Exit(1)


def _open_seasons(chain: "Chain") -> None:
    """Make the seasons of the recorded weeks partitions, whatever seasons are configured here."""
    from sport_assets.nfl.weeks import SEASONS_VARIABLE, seasons, seasons_of

    recorded = seasons_of(step.made.partition for step in chain.steps if step.made.key.startswith("nfl/"))
    if recorded:
        os.environ[SEASONS_VARIABLE] = ",".join(str(season) for season in sorted({*seasons(), *recorded}))


def _show(result: "Result", folder: Path | None) -> None:
    table = Table("asset", "recorded", "now", "verdict", "seconds")
    for outcome in result.outcomes:
        style = {"identical": "green", "within tolerance": "yellow", "taken over": "dim"}.get(outcome.verdict, "red")
        versions = (outcome.recorded[:12], (outcome.reproduced or "")[:12])
        table.add_row(plain(str(outcome.step)), *versions, f"[{style}]{outcome.verdict}", f"{outcome.seconds:.1f}")
    out.print(table)
    if result.first is not None:
        _tell(result.first)
    counts: dict[str, int] = {}
    for outcome in result.outcomes:
        counts[outcome.verdict] = counts.get(outcome.verdict, 0) + 1
    out.print(f"{result.verdict}: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    if any(outcome.verdict == "within tolerance" for outcome in result.outcomes):
        limits = result.as_json()["tolerance"]
        what = "; ".join(f"{name} {each['relative']:g} × value + {each['absolute']:g}" for name, each in limits.items())
        out.print(f"tolerance: {what}", highlight=False)
    if folder is not None:
        out.print(f"what was made lies in {folder}", highlight=False, soft_wrap=True)


def _tell(first: "Outcome") -> None:
    """The first step that is not identical, and why it may not be."""
    out.print(plain(f"the first that is not identical: {first.step} ({first.verdict})"), style="bold")
    for text in (*first.differences, *(f"not compared: {name}" for name in first.not_compared), *first.notes):
        out.print(plain(f"  {text}"), highlight=False, soft_wrap=True)
    if first.reasons:
        out.print("  what was another one when it was recorded:", highlight=False)
    for reason in first.reasons[:_SHOWN]:
        line = f"    {reason.what}: {_short(reason.before)} then, {_short(reason.after)} now"
        out.print(plain(line), highlight=False, soft_wrap=True)
    if len(first.reasons) > _SHOWN:
        out.print(f"    and {len(first.reasons) - _SHOWN} more (--json lists all)", highlight=False)
    if not first.reasons and first.verdict in ("different", "within tolerance"):
        out.print("  nothing that is recorded was another one: the step itself does not repeat its bits")


def _short(value: Any) -> str:
    return "none" if value is None else str(value)[:60]
