"""`sport-assets verify` and `gc`: whether all is as recorded, and making room without losing what counts.

Belongs here: their arguments, the progress bar, how mismatches are told. Must not come here: the comparisons and the
choice of what goes (`sport_assets.audit`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from sport_assets.cli.common import JSON, NO_VERDICT, clear_errors, err, opened, out, plain, print_json
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.home import Home

if TYPE_CHECKING:
    from sport_assets.audit.collect import Plan
    from sport_assets.audit.mismatch import Mismatch
    from sport_assets.audit.verify import Verification

app = typer.Typer()

_SHOWN = 100
_MB = 1e6
Said = Callable[[str, int, int], None]


@app.command()
def verify(
    subject: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL|BUNDLE",
            help="A model (file, folder of the store, digest, line/asset:partition, record id) or a bundle (.zip).",
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything in the home.")] = False,
    head: Annotated[
        str | None, typer.Option(help="What `ledger head` printed once, in quotes: is the chain still that one?")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Of a bundle: the public key that must have signed it.")] = None,
    with_home: Annotated[
        bool, typer.Option("--home", help="Of a bundle: also compare its chain of records with that of this home.")
    ] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="To hash with; by default one for each core.")] = None,
    as_json: JSON = False,
) -> None:
    """Hash what is on disk and compare it with the records.

    Exit code 1 when anything was changed, 2 when it cannot be told.
    """
    if (subject is None) == (not everything):
        raise typer.BadParameter("give a model, a bundle, or --all")
    with clear_errors(NO_VERDICT):
        if subject is not None and subject.endswith(".zip") and Path(subject).is_file():
            _refuse(head, "--head", "a model or --all")
            content, found = _bundle(Path(subject), key, with_home)
        else:
            _refuse(key, "--key", "a bundle")
            _refuse(with_home or None, "--home", "a bundle")
            content, found = _home(subject, head, threads, as_json)
        failed = any(mismatch.severity == "error" for mismatch in found)
        if as_json:
            print_json({"ok": not failed, **content})
        else:
            _show_mismatches(found)
    if failed:
        raise typer.Exit(1)


def _refuse(option: object, name: str, subject: str) -> None:
    if option is not None:
        raise LineageError(f"{name} goes with {subject}")


def _home(
    model: str | None, head: str | None, threads: int | None, as_json: bool
) -> tuple[dict[str, Any], Sequence["Mismatch"]]:
    from sport_assets.audit.verify import KeptHead
    from sport_assets.audit.verify import verify as compare

    kept = KeptHead.parse(head) if head is not None else None
    with _progress() as progress:
        done = compare(Home.from_environment(), model, head=kept, threads=threads, progress=progress)
    content = {
        "target": done.target,
        "records": done.records,
        "versions": done.versions,
        "files": done.files,
        "raw_files": done.raw_files,
        "bytes": done.bytes,
        "seconds": round(done.seconds, 3),
        "mismatches": [mismatch.as_json() for mismatch in done.mismatches],
    }
    if not as_json:
        _show_counts(done, kept is not None)
    return content, done.mismatches


def _show_counts(done: "Verification", with_head: bool) -> None:
    what = f"{done.target} and all it stands on" if done.target is not None else "everything"
    out.print(
        f"{what}: {done.records:,} records, {done.versions:,} versions with {done.files:,} files and "
        f"{done.raw_files:,} raw files ({done.bytes / _MB:,.1f} MB) compared in {done.seconds:.1f} s"
        f"{', and the chain with the kept head' if with_head else ''}",
        highlight=False,
        soft_wrap=True,
    )


def _bundle(path: Path, key: Path | None, with_home: bool) -> tuple[dict[str, Any], Sequence["Mismatch"]]:
    from sport_assets.audit.bundle.verify import inspect_bundle

    if with_home:
        with opened(NO_VERDICT) as lineage:
            verdict = inspect_bundle(path, key, lineage.ledger)
    else:
        verdict = inspect_bundle(path, key)
    for line in verdict.lines():
        err.print(plain(line), highlight=False, soft_wrap=True)
    return verdict.as_json(), verdict.mismatches


def _show_mismatches(found: Sequence["Mismatch"]) -> None:
    ordered = sorted(found, key=lambda mismatch: mismatch.severity != "error")
    for mismatch in ordered[:_SHOWN]:
        first, *more = mismatch.lines()
        style = "red" if mismatch.severity == "error" else "dim"
        out.print(f"[{style}]{mismatch.severity}[/{style}] {plain(first)}", highlight=False, soft_wrap=True)
        for line in more:
            out.print(plain(line), highlight=False, soft_wrap=True)
    if len(ordered) > _SHOWN:
        out.print(f"and {len(ordered) - _SHOWN} more (--json has all)", highlight=False)
    count = sum(mismatch.severity == "error" for mismatch in found)
    notes = len(found) - count
    said = [f"{count} mismatch{'es' if count > 1 else ''}" if count else "all as recorded"]
    if notes:
        said.append(f"{notes} note{'s' if notes > 1 else ''}")
    out.print(", ".join(said), style="bold")


@contextmanager
def _progress() -> Iterator[Said]:
    """A bar on standard error while records are read and files are hashed."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def said(what: str, done: int, total: int) -> None:
            # bytes of a large home would be unreadable
            scale, unit = (1_000_000, "MB") if what == "bytes" else (1, what)
            if what not in tasks:
                tasks[what] = bars.add_task(unit, total=total // scale)
            bars.update(tasks[what], completed=done // scale, total=total // scale)

        yield said


@app.command()
def gc(
    versions: Annotated[
        list[str] | None,
        typer.Argument(help="No more than these: folders of the store, digests, line/asset:partition."),
    ] = None,
    keep_models: Annotated[
        bool,
        typer.Option(
            "--keep-models/--keep-newest",
            help="Keep every model that was not withdrawn with all it stands on, or only what is newest.",
        ),
    ] = True,
    older_than: Annotated[str, typer.Option(help="Only what is older: 30d, 12h, 2w, or a number of days.")] = "0d",
    training: Annotated[bool, typer.Option("--training", help="Also working files of finished trainings.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Free it. Without, it is only listed.")] = False,
    as_json: JSON = False,
) -> None:
    """List (with --apply: free) versions that nothing kept stands on. Their records stay."""
    from sport_assets.audit.collect import Keep, free, parse_age, plan
    from sport_assets.audit.collect_training import finished_trainings, free_trainings

    with opened() as lineage:
        keep = Keep(models=keep_models, older_than=parse_age(older_than))
        chosen = plan(lineage, keep, versions or [])
        trainings = finished_trainings(lineage.home, keep.older_than) if training else []
        freed = 0
        if apply:
            with err.status("freeing") as status:
                freed = free(lineage, keep, chosen, lambda each: status.update(plain(f"freed {each.name}")))
            freed += free_trainings(trainings)
        if as_json:
            print_json(
                _plan_json(chosen)
                | {
                    "trainings": [{"folder": str(each.folder), "bytes": each.bytes} for each in trainings],
                    "bytes": chosen.bytes + sum(each.bytes for each in trainings),
                    "applied": apply,
                    "freed_bytes": freed,
                }
            )
            return
        _show_plan(chosen, [(str(each.folder), each.bytes) for each in trainings])
        total = chosen.bytes + sum(each.bytes for each in trainings)
        out.print(
            f"freed {freed / _MB:,.1f} MB" if apply else f"{total / _MB:,.1f} MB could be freed: add --apply",
            style="bold",
            highlight=False,
        )


def _plan_json(chosen: "Plan") -> dict[str, Any]:
    return {
        "versions": [
            {
                "asset": each.identity[0],
                "partition": each.identity[1],
                "version": each.identity[2],
                "folder": str(each.folder),
                "bytes": each.bytes,
            }
            for each in chosen.free
            if each.identity is not None
        ],
        "unrecorded": [
            {"folder": str(each.folder), "bytes": each.bytes} for each in chosen.free if each.identity is None
        ],
        "kept_versions": chosen.kept_versions,
        "models": chosen.models,
    }


def _show_plan(chosen: "Plan", trainings: list[tuple[str, int]]) -> None:
    table = Table("what", "version", title="nothing that is kept stands on", title_justify="left")
    table.add_column("MB", justify="right")
    for each in chosen.free:
        version = each.identity[2][:12] if each.identity is not None else "no record"
        table.add_row(plain(each.name), version, f"{each.bytes / _MB:,.1f}")
    for folder, size in trainings:
        table.add_row(plain(folder), "finished training", f"{size / _MB:,.1f}")
    if table.row_count:
        out.print(table)
    out.print(
        f"{chosen.kept_versions:,} versions stay"
        + (f"; {chosen.models} models are kept with all they stand on" if chosen.models else ""),
        highlight=False,
        soft_wrap=True,
    )
