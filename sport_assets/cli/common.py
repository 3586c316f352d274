"""What all commands share: options, consoles, errors as one message, JSON.

Belongs here: how a command talks. Must not come here: commands.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.home import Home

if TYPE_CHECKING:
    from sport_assets.lineage.record import Lineage

JSON = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
# of commands whose exit code 1 is a verdict: there is none
NO_VERDICT = 2
# a pipe has no width: nothing is cut there. Keys are a user's own: ``:soccer:`` in one is no picture
out = Console(width=None if sys.stdout.isatty() else 200, emoji=False)
err = Console(stderr=True, emoji=False)


@contextmanager
def clear_errors(exit_code: int = 1) -> Iterator[None]:
    """What is the user's to mend ends with its message and ``exit_code``. SPORT_ASSETS_TRACEBACK=1 shows where."""
    from sport_assets.orchestration.build_settings import USERS_TO_MEND

    try:
        yield
    except USERS_TO_MEND as error:
        if os.environ.get("SPORT_ASSETS_TRACEBACK"):
            raise
        err.print(f"[red]error:[/red] {plain(str(error))}", soft_wrap=True)
        raise typer.Exit(exit_code) from error


def plain(text: str) -> str:
    """Text that the console takes as it is, brackets and all."""
    return text.replace("[", r"\[")


def print_json(value: Any) -> None:
    """A result for scripts, on standard output."""
    sys.stdout.write(json.dumps(value, indent=1, sort_keys=True, default=str) + "\n")


@contextmanager
def opened(exit_code: int = 1) -> Iterator["Lineage"]:
    """The home's lineage, open. Errors are told as `clear_errors` does."""
    from sport_assets.lineage.record import Lineage

    with clear_errors(exit_code):
        home = Home.from_environment()
        if not home.ledger.exists():
            raise LineageError(f"{home.root} has no ledger. Run: sport-assets init")
        lineage = Lineage(home)
        try:
            yield lineage
        finally:
            lineage.close()


@contextmanager
def observed() -> Iterator[Any]:
    """An observer of a build that shows where it is, while runs print their lines above."""
    from sport_assets.orchestration.build import Step
    from sport_assets.orchestration.console import Console as RunConsole

    with err.status("planning") as status:

        def observe(step: Step, reason: str, number: int, total: int) -> None:
            status.update(plain(f"{number + 1} of {total}  {step}"))
            if reason != "current":
                err.print(plain(f"[{number + 1}/{total}] {step}: {reason}"), highlight=False, soft_wrap=True)

        RunConsole.sink = staticmethod(lambda line: err.print(plain(line), highlight=False, soft_wrap=True))
        yield observe


def first_of(names: Sequence[str], count: int = 6) -> str:
    """The first names of a list, and how many more there are."""
    return ", ".join(names[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")


def summarise(report: Any) -> Any:
    """Say what a build skipped and made; the steps it made."""
    for key, partitions in report.skipped.items():
        silent = [partition for partition in partitions if partition not in report.reasons.get(key, {})]
        if silent:
            err.print(f"skipped, no raw file: {key} {first_of(silent)}", highlight=False, soft_wrap=True)
    for line in report.explained():
        err.print(plain(line), highlight=False, soft_wrap=True)
    for name, reason in report.withdrawn.items():
        err.print(f"skipped, withdrawn: {plain(name)} ({plain(reason)})", highlight=False, soft_wrap=True)
    made = report.made()
    err.print(f"{len(made)} made, {len(report.done) - len(made)} current", highlight=False)
    return made


def metrics_table(title: str, evaluation: dict[str, Any]) -> Table:
    """The model's metrics beside every baseline's, from any line's evaluation; blank where one has no such metric.

    Where there are many, the evaluation says which come first (``headline``: pairs of group and metric).
    """
    forecasts = {"model": evaluation["metrics"], **evaluation["baselines"]}
    table = Table("metric", title=title, title_justify="left")
    for label in forecasts:
        table.add_column(label.replace("_", " "), justify="right", style="bold" if label == "model" else "")
    every = [(group, metric) for group, metrics in evaluation["metrics"].items() for metric in metrics]
    for group, metric in evaluation.get("headline", every):
        cells = (values.get(group, {}).get(metric, {}).get("value") for values in forecasts.values())
        row = ("" if cell is None else f"{cell:.4f}" for cell in cells)
        table.add_row(f"{metric}, {group}".replace("_", " "), *row)
    return table
