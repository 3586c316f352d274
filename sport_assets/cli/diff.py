"""`sport-assets diff`: what differs between two models.

Belongs here: its arguments and tables. Must not come here: the answer (`sport_assets.audit.diff`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from sport_assets.cli.audit import MODEL_HELP
from sport_assets.cli.common import JSON, opened, out, plain, print_json

if TYPE_CHECKING:
    from sport_assets.audit.differences import Difference, PartitionChange

app = typer.Typer()
_SHOWN = 12

Model = Annotated[str, typer.Argument(help=MODEL_HELP)]


@app.command()
def diff(model_a: Model, model_b: Model, as_json: JSON = False) -> None:
    """Say what differs between two models by their records: data, settings, code, environment, checks and metrics."""
    from sport_assets.audit.chain import walk
    from sport_assets.audit.diff import diff as compare
    from sport_assets.audit.records import LedgerRecords
    from sport_assets.lineage.models import find_record

    with opened() as lineage:
        records = LedgerRecords(lineage)
        before, after = (walk(records, find_record(lineage.ledger, model).id) for model in (model_a, model_b))
        found = compare(before, after, records)
    if as_json:
        print_json(found.as_json())
    else:
        _show(found)


def _show(found: "Difference") -> None:
    for letter, name, version in zip("AB", found.models, found.versions, strict=True):
        out.print(plain(f"{letter}  {name} version {version[:12]}"), highlight=False)
    if found.same:
        out.print("the same content, made from the same content", highlight=False)
    _data(found)
    _section(
        "settings", ("asset", "setting", "A", "B"), [(s.asset, s.setting, s.before, s.after) for s in found.settings]
    )
    code = [(each.asset, ", ".join(each.before), ", ".join(each.after)) for each in found.code]
    _section("code", ("asset", "A", "B"), code)
    if found.commits[0] != found.commits[1]:
        for letter, commits in zip("AB", found.commits, strict=True):
            out.print(plain(f"  commits of {letter}: {'; '.join(commits)}"), highlight=False, soft_wrap=True)
    _section("environment", ("what", "A", "B"), found.environment)
    checks = [(c.name, c.check, c.before or "not run", c.after or "not run") for c in found.checks]
    _section("checks", ("of", "check", "A", "B"), checks)
    metrics = [(m.name, m.metric, _figure(m.before), _figure(m.after), _figure(m.difference)) for m in found.metrics]
    _section("metrics", ("of", "metric", "A", "B", "B - A"), metrics)


def _data(found: "Difference") -> None:
    """Partitions that came, went or changed; what only follows from others is counted."""
    changes = [*found.data, *found.model]
    follows = [each for each in changes if each.kind == "changed" and not each.origin]
    telling = [each for each in changes if each not in follows]
    rows = [(each.name, _what(each), _count(each.rows[0]), _count(each.rows[1]), _remark(each)) for each in telling]
    _section("data and steps", ("asset", "what", "rows A", "rows B", ""), rows)
    if follows:
        names = ", ".join(each.name for each in follows[:6]) + (" …" if len(follows) > 6 else "")
        out.print(plain(f"  {len(follows)} more follow from what they read: {names}"), highlight=False, soft_wrap=True)
    out.print(f"  {found.same_partitions} are the same in both", highlight=False)


def _what(change: "PartitionChange") -> str:
    if change.kind != "changed":
        return {"added": "only B", "removed": "only A"}[change.kind]
    return f"changed: {', '.join(change.because)}" if change.because else "changed, though nothing recorded did"


def _remark(change: "PartitionChange") -> str:
    said = list(change.raw_files)
    for each in change.identifiers:
        side = f" ({each.side})" if each.side else ""
        for count, sign, examples in (
            (each.added, "+", each.examples_added),
            (each.removed, "-", each.examples_removed),
        ):
            if count:
                shown = ", ".join(examples[:3]) + (" …" if count > 3 else "")
                said.append(f"{sign}{count} {each.columns}{side}: {shown}")
    return "; ".join(said)


def _section(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    if not rows:
        return
    table = Table(*columns, title=title, title_justify="left")
    for row in rows[:_SHOWN]:
        table.add_row(*(plain("" if cell is None else str(cell)) for cell in row))
    out.print()
    out.print(table)
    if len(rows) > _SHOWN:
        out.print(f"  and {len(rows) - _SHOWN} more (--json lists all)", highlight=False)


def _count(rows: int | None) -> str:
    return "" if rows is None else f"{rows:,}"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"
