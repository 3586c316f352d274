"""Whether two files say the same: arrays, networks, tables, JSON and texts, with their numbers within limits.

Belongs here: one comparison per kind of file. Must not come here: which files are judged, and how strictly
(``likeness``).
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_TEXTS = {".md", ".txt", ".csv", ".yaml", ".yml"}
_DIGEST = re.compile(r"[0-9a-f]{12,64}")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


@dataclass(frozen=True)
class Limits:
    """Two numbers are alike when they differ by no more than ``absolute`` + ``relative`` times the recorded one."""

    relative: float
    absolute: float

    def alike(self, recorded: float, now: float) -> bool:
        """Whether two numbers are; NaN is like NaN."""
        if recorded == now or (math.isnan(recorded) and math.isnan(now)):
            return True
        return abs(recorded - now) <= self.absolute + self.relative * abs(recorded)


@dataclass(frozen=True)
class Files:
    """Compares files.

    ``numbers`` are the limits of numbers in JSON, texts and tables, ``arrays`` those of arrays and a network's weights.
    Unless ``values``, tables are compared by rows and columns, and networks by operators and weights alone. ``names``:
    digests that texts may name, and what they became.
    """

    numbers: Limits
    arrays: Limits
    values: bool
    names: Mapping[str, str]

    def differs(self, path: str, old: Path, new: Path) -> str | None:
        """What differs between two files, or None where they are alike. They are read by the suffix of ``path``."""
        suffix = Path(path).suffix
        if suffix == ".safetensors":
            return self._arrays(_tensors(old), _tensors(new))
        if suffix == ".onnx":
            return self._onnx(old, new)
        if suffix == ".parquet":
            return self._tables(old, new)
        if suffix == ".json":
            trees = (json.loads(file.read_text(encoding="utf-8")) for file in (old, new))
            return next(self._trees(*trees), None)
        if suffix in _TEXTS:
            return self._texts(old.read_text(encoding="utf-8"), new.read_text(encoding="utf-8"))
        return "other bytes"

    def _arrays(self, old: Mapping[str, "np.ndarray"], new: Mapping[str, "np.ndarray"]) -> str | None:
        import numpy as np

        if old.keys() != new.keys():
            return f"other arrays: {', '.join(sorted(old.keys() ^ new.keys())[:5])}"
        worst: tuple[float, str] = (0.0, "")
        outside = total = 0
        for name, before in old.items():
            now = new[name]
            if before.shape != now.shape or before.dtype != now.dtype:
                return f"{name} was {before.dtype}{list(before.shape)}, is {now.dtype}{list(now.shape)}"
            total += before.size
            if not np.issubdtype(before.dtype, np.floating):
                wrong = before != now
            else:
                limits = self.arrays
                wrong = ~np.isclose(now, before, rtol=limits.relative, atol=limits.absolute, equal_nan=True)
            count = int(wrong.sum())
            outside += count
            if count and np.issubdtype(before.dtype, np.number):
                gap = float(np.nanmax(np.abs(now[wrong].astype(np.float64) - before[wrong].astype(np.float64))))
                worst = max(worst, (gap, name))
        if not outside:
            return None
        return f"{outside:,} of {total:,} numbers are outside the tolerance, most in {worst[1]} (by {worst[0]:.3g})"

    def _onnx(self, old: Path, new: Path) -> str | None:
        import onnx

        before, now = (onnx.load(str(path), load_external_data=False) for path in (old, new))
        kinds = ([node.op_type for node in model.graph.node] for model in (before, now))
        if len({tuple(found) for found in kinds}) > 1:
            return "another graph of operators"
        weights = (
            {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer} for model in (before, now)
        )
        found = self._arrays(*weights)
        if found is not None or not self.values:
            return found
        was, is_ = ({entry.key: entry.value for entry in model.metadata_props} for model in (before, now))
        return next(self._trees(was, is_), None)

    def _tables(self, old: Path, new: Path) -> str | None:
        import polars as pl

        before, now = pl.scan_parquet(old), pl.scan_parquet(new)
        columns = before.collect_schema()
        if columns != now.collect_schema():
            return "other columns or types"
        rows = [int(table.select(pl.len()).collect().item()) for table in (before, now)]
        if rows[0] != rows[1]:
            return f"{rows[0]:,} rows, now {rows[1]:,}"
        if not self.values:
            return None
        for name, kind in columns.items():  # one at a time: a week is large
            was, is_ = (pl.read_parquet(path, columns=[name])[name] for path in (old, new))
            if kind.is_float():
                far = (was - is_).abs() > self.numbers.absolute + self.numbers.relative * was.abs()
                alike = was.eq_missing(is_) | ~far.fill_null(True)
            else:
                alike = was.eq_missing(is_)
            wrong = int((~alike).sum())
            if wrong:
                return f"column {name}: {wrong:,} of {rows[0]:,} values differ"
        return None

    def _trees(self, old: Any, new: Any, at: str = "") -> Iterator[str]:
        """What differs in two JSON values, the first first."""
        place = at or "it"
        if isinstance(old, dict) and isinstance(new, dict):
            for name in sorted(old.keys() ^ new.keys()):
                yield f"{at}.{name}".lstrip(".") + (" is not there any more" if name in old else " was not there")
            for name in old.keys() & new.keys():
                yield from self._trees(old[name], new[name], f"{at}.{name}".lstrip("."))
        elif isinstance(old, list) and isinstance(new, list):
            if len(old) != len(new):
                yield f"{place} had {len(old)} entries, has {len(new)}"
            for number, (before, now) in enumerate(zip(old, new, strict=False)):
                yield from self._trees(before, now, f"{at}[{number}]")
        elif is_number(old) and is_number(new):
            if not self.numbers.alike(float(old), float(new)):
                yield f"{place} was {old:.6g}, is {new:.6g}"
        elif isinstance(old, str) and isinstance(new, str):
            if self._texts(old, new) is not None:
                yield f"{place} was {old[:60]!r}, is {new[:60]!r}"
        elif old != new:
            yield f"{place} was {str(old)[:60]}, is {str(new)[:60]}"

    def _texts(self, old: str, new: str) -> str | None:
        """Texts are alike when their words are, and their numbers within the tolerance."""
        old = _DIGEST.sub(lambda found: self.names.get(found[0], found[0]), old)
        if old == new:
            return None
        for number, (before, now) in enumerate(zip(old.splitlines(), new.splitlines(), strict=False), start=1):
            figures = (_NUMBER.findall(before), _NUMBER.findall(now))
            if _NUMBER.split(before) != _NUMBER.split(now) or not all(
                self.numbers.alike(float(a), float(b)) for a, b in zip(*figures, strict=True)
            ):
                return f"line {number} was {before[:60]!r}, is {now[:60]!r}"
        lengths = len(old.splitlines()), len(new.splitlines())
        return None if lengths[0] == lengths[1] else f"{lengths[0]} lines, now {lengths[1]}"


def _tensors(path: Path) -> Mapping[str, "np.ndarray"]:
    from safetensors.numpy import load_file

    found: Mapping[str, np.ndarray] = load_file(path)
    return found


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)
