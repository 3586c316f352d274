"""Which raw files a partition stands for, and what of the raw data is passed over, with the reason.

Belongs here: what builds and sensors say of raw data that they do not take up. Must not come here: layouts of folders
(the lines), hashing (``lineage.raw``).
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sport_assets.orchestration.assets import Declaration

_SHOWN = 6


def raw_paths(declared: Declaration, partition: str | None) -> list[str]:
    """The raw files that a partition stands for, relative to the data folder, whether they are there or not."""
    return list(declared.raw_paths(partition)) if declared.raw_paths is not None else []


def has_raw(data: Path, declared: Declaration, partition: str | None) -> bool:
    """Whether a partition has raw files, and all of them are there."""
    paths = raw_paths(declared, partition)
    return bool(paths) and all((data / path).is_file() for path in paths)


def missing(data: Path, declared: Declaration, partition: str | None) -> list[str]:
    """What is the matter with each raw file of a partition that is not there."""
    return [_why(data, path) for path in raw_paths(declared, partition) if not (data / path).is_file()]


def passed_over(data: Path, declared: Declaration, partitions: Iterable[str | None]) -> dict[str, str]:
    """Those of the partitions that have raw files of which some are not there, and what is the matter with them.

    A partition without any raw file is not among them: where they are optional, that is nothing to mend.
    """
    found = {str(partition): missing(data, declared, partition) for partition in partitions}
    return {partition: "; ".join(reasons) for partition, reasons in found.items() if reasons}


def all_passed_over(data: Path, declared: Declaration) -> dict[str, str]:
    """All that is there for an asset whose partitions the raw files make, and is not taken up: by name, and why."""
    if declared.partition_keys is None:
        return {}
    return passed_over(data, declared, declared.partitions()) | dict(declared.left_out())


def can_do_without(declared: Declaration, partitions: Sequence[str | None]) -> bool:
    """Whether what stands on an asset is built where none of these partitions has its raw files.

    Not where a file of an asset without partitions is missing: what is there of it would be left out with it.
    """
    listed = list(partitions) == [None] and bool(raw_paths(declared, None))
    return declared.raw_optional and not listed


def no_raw(data: Path, declared: Declaration, partitions: Sequence[str | None], *, named: bool) -> str:
    """What to say where none of these partitions has its raw files, with the remedy.

    ``named``: what is there and cannot be used is named after this.
    """
    if named:
        return f"none of what is there for it in {data} can be used. Mend what is named:"
    if declared.raw_optional and not can_do_without(declared, partitions):
        return f"{'; '.join(missing(data, declared, None))}. Put it back below {data}, or remove the link."
    examples = raw_paths(declared, partitions[0] if partitions else None)
    layout = declared.raw_layout
    expected = f"Expected: {layout}" if layout else f"Expected, for example: {', '.join(examples)}"
    samples = f", or make some: sport-assets sample-data {declared.key.split('/')[0]}" if declared.raw_samples else ""
    return f"none of its raw files are in {data}. {expected}. Put yours there (see data/README.md){samples}"


def lines(key: str, reasons: Mapping[str, str]) -> list[str]:
    """One line for each thing that is passed over; of many, the first."""
    texts = [f"skipped: {key} {name}: {reason}" for name, reason in list(reasons.items())[:_SHOWN]]
    return texts + ([f"skipped: {key}: {len(reasons) - _SHOWN} more"] if len(reasons) > _SHOWN else [])


def _why(data: Path, path: str) -> str:
    file = data / path
    if file.is_symlink() and not file.exists():
        return f"{path} is a link to {file.readlink()}, which is not there"
    return f"{path} is {'no file' if file.exists() else 'not there'}"
