"""Writing generated matches to files, one each.

Belongs here: files, order and numbers. Must not come here: what is in a match (`match`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sport_assets.cricket.synthetic.defects import damaged, text
from sport_assets.cricket.synthetic.league import league
from sport_assets.cricket.synthetic.match import match

_DEFECTS_FROM = 100_000


@dataclass(frozen=True)
class GeneratedSample:
    """What `generate` wrote: the files, their deliveries, and the damaged ones with the rule that each breaks."""

    output: Path
    files: tuple[Path, ...]
    matches: int
    deliveries: int
    defects: tuple[tuple[Path, str], ...] = ()


def generate(
    output: Path,
    *,
    matches: int = 60,
    seed: int = 0,
    defects: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> GeneratedSample:
    """Writes that many match files into `output`, besides one damaged file for each rule with `defects`.

    The same arguments give the same bytes, and a match is the same however many there are. Files that are there and
    say something else are kept: FileExistsError, unless `overwrite`; more matches may be added. `progress` is called
    with (matches done, matches). Raises ValueError for matches < 1 or a negative seed.
    """
    if not 1 <= matches < _DEFECTS_FROM:
        raise ValueError(f"matches must be 1 to {_DEFECTS_FROM - 1}, not {matches}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, not {seed}")
    output.mkdir(parents=True, exist_ok=True)
    players = league(seed)
    files: list[Path] = []
    deliveries = 0
    for number in range(matches):
        match_id, content = match(players, seed, number)
        deliveries += sum(len(over["deliveries"]) for innings in content["innings"] for over in innings["overs"])
        files.append(_write(output / f"{match_id}.json", text(content), overwrite=overwrite))
        if progress is not None:
            progress(number + 1, matches)
    found: list[tuple[Path, str]] = []
    if defects:
        match_id, content = match(players, seed, _DEFECTS_FROM - _DEFECTS_FROM % 24)  # a plain match with a retirement
        for number, (rule, data) in enumerate(damaged(content)):
            path = output / f"{int(match_id) + number}_{rule}.json"
            found.append((_write(path, data, overwrite=overwrite), rule))
    return GeneratedSample(output, tuple(files), matches, deliveries, tuple(found))


def _write(path: Path, data: bytes, *, overwrite: bool) -> Path:
    """Writes a file, or leaves it where it says the same."""
    if not path.exists() or (overwrite and path.read_bytes() != data):
        path.write_bytes(data)
    elif path.read_bytes() != data:
        raise FileExistsError(f"{path} is there and differs: choose another folder or seed, or remove it first")
    return path
