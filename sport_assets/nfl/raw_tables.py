"""Raw CSV files read so that one bad value costs its row and not its file, and a bad file says what is wrong.

Belongs here: opening, decoding and parsing one CSV (plain or gzip) against a schema, and sorting its rows
into clean and quarantined. Does not belong here: what the rows mean (``plays``, ``context``), rules of
several rows (``findings``).

The usual file is parsed straight into its types. Only where a value that must be there is missing, the file
is read again as text, to tell a missing value from a mistyped one and from a line with too few or too many
fields.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from sport_assets.lineage.quarantine import FAILURE_SCHEMA, Sifted, empty_failures, failures, sift
from sport_assets.lineage.table import Table
from sport_assets.nfl.schemas import WITHDRAWN, column_types, rule_name

MISSING = "NA"
FIRST_LINE = 2  # the header is line 1
_NOTHING = Table("nothing", {})
# A row that cannot be read at all says nothing about its values, and a value of the wrong type nothing about
# ranges.
_PRECEDENCE = {WITHDRAWN: 0, "field_count": 1, "type": 2, "not_finite": 3, "missing_value": 4}
_WHOLE_ROW = {WITHDRAWN: 0, "field_count": 1}

_OTHER_SEASONS = (
    ({"gameId", "playId", "nflId"}, "the tracking format of the Big Data Bowls up to 2025 (gameId, playId, nflId)"),
    ({"GameId", "PlayId", "NflId"}, "the format of the Big Data Bowl 2020 (GameId, PlayId, NflId)"),
)


class RawFileError(ValueError):
    """A raw file that cannot be used as a whole: which file, what is wrong with it, and the remedy."""

    def __init__(self, file: str, what: str, remedy: str) -> None:
        super().__init__(f"{file}: {what}. {remedy}")
        self.file, self.what, self.remedy = file, what, remedy


@dataclass(frozen=True)
class RawTable:
    """One file's rows with the schema's columns and types; row ``i`` stands on line ``i + 2``."""

    file: str
    frame: pl.DataFrame
    failures: pl.DataFrame
    """What reading found: rules ``type`` and ``field_count`` (columns index, rule, column, value)."""
    original: pl.DataFrame | None = None
    """The same rows as text, where the file had to be read as text."""
    last_line_whole: bool = True
    """Whether the file ends with a line break; if not, it may have been cut off."""
    bytes_read: int = 0
    """Size of the text, after decompression."""


def read_table(path: Path, schema: Table, what: str) -> RawTable:
    """Read one CSV file, plain or gzip, NA or nothing = missing.

    what: the kind of file for messages, as "input file". Raises RawFileError if the file is missing, empty,
    has a header and no rows, is truncated or damaged gzip, is not UTF-8, or has other columns than the
    schema.
    """
    data = read_bytes(path)
    header = _header(path.name, data, schema, what)
    types = column_types(schema)
    required = [name for name, column in schema.columns.items() if not column.nullable]
    # Columns that may be missing are parsed from text: there a null does not tell whether the value was
    # mistyped.
    texts = [name for name in header if name not in required and types[name] != pl.String]
    plan = {name: pl.String() if name in texts else types[name] for name in header}
    ragged = False
    try:
        frame = _parse(path.name, data, plan)
    except pl.exceptions.ComputeError as error:
        if "more fields" not in str(error):
            raise RawFileError(
                path.name, f"it is no readable CSV ({str(error).splitlines()[0]})", "Export or download it again."
            ) from error
        ragged = True
        frame = _parse(path.name, data, plan, ragged=True)
    if frame.is_empty():
        raise RawFileError(path.name, "it has a header and no rows", f"Replace it by a complete {what}.")
    if b'"' in data:  # only a quotation mark can make a row of several lines
        lines = data.count(b"\n") + (0 if data.endswith(b"\n") else 1) - 1
        if len(frame) != lines:
            raise RawFileError(
                path.name,
                f"its {lines} lines make {len(frame)} rows: "
                "a quotation mark is not closed or a field holds a line break",
                "Look for a stray quotation mark.",
            )
    found = [empty_failures()]
    original = None
    gaps = frame.select(pl.col(required).null_count()).row(0)
    if ragged or any(gaps):
        original = _parse(path.name, data, dict.fromkeys(header, pl.String()), ragged=True)
        fields = _field_counts(data, len(header))
        blank_tail = int((fields.reverse() != 0).arg_max() or 0)
        if blank_tail:  # blank lines at the end are harmless
            frame, original = frame.head(-blank_tail), original.head(-blank_tail)
            fields = fields.head(-blank_tail)
        frame, mistyped = _mistyped(frame, original, [name for name in required if types[name] != pl.String])
        found += [mistyped, _field_failures(fields, len(header))]
    if texts:
        frame, mistyped = _parse_texts(frame, {name: types[name] for name in texts})
        found.append(mistyped)
        if len(mistyped) and original is None:
            original = _parse(path.name, data, dict.fromkeys(header, pl.String()))
    return RawTable(
        file=path.name,
        frame=frame.select(list(types)),
        failures=pl.concat(found),
        original=None if original is None else original.select(list(types)),
        last_line_whole=data.endswith(b"\n"),
        bytes_read=len(data),
    )


def sift_table(
    table: RawTable,
    schema: Table,
    extra: pl.DataFrame | None = None,
    keys: Sequence[str] = (),
    again: tuple[str, str] = ("duplicate_frame", "conflicting_frame"),
) -> Sifted:
    """Sort a file's rows into clean and quarantined by its schema, what reading found, and ``extra``
    failures.

    One cell breaks one rule: a mistyped value is not counted as missing too, nor NaN as out of range, and a
    line with a wrong number of fields breaks that rule alone. A withdrawn row is that and nothing else, and what it
    says is not copied into the quarantine. Of rows that are the same in ``keys``, the first clean one is kept: the
    others break the rule ``again[0]`` or, with other values, ``again[1]``. The clean table
    has one more column in front: ``line``, the row's line in the file.
    """
    found = failures(table.frame, schema).with_columns(pl.col("rule").map_elements(rule_name, return_dtype=pl.String))
    parts = [table.failures, found] + ([] if extra is None else [extra])
    known = _one_rule_per_cell(pl.concat(part.select(list(FAILURE_SCHEMA)) for part in parts))
    if keys:
        known = pl.concat([known, _duplicates(table.frame, known["index"], keys, again)])
    numbered = table.frame.with_row_index("line", offset=FIRST_LINE)
    sifted = sift(numbered, _NOTHING, file=table.file, extra=known)
    if sifted.quarantined.is_empty():
        return sifted
    source = table.frame if table.original is None else table.original
    rows = (sifted.quarantined["line"] - FIRST_LINE).to_list()
    texts = pl.Series([json.dumps(row) for row in source[rows].to_dicts()], dtype=pl.String)
    kept = pl.when(pl.col("rule") == WITHDRAWN).then(pl.lit("")).otherwise(texts)
    quarantined = sifted.quarantined.with_columns(row=kept)
    return Sifted(sifted.clean, quarantined, sifted.rules)


def failure_rows(frame: pl.DataFrame, bad: pl.Expr, rule: str, column: str) -> pl.DataFrame:
    """Failures of one rule: the rows where ``bad`` is true, with the value of ``column``."""
    return (
        frame.lazy()
        .with_row_index("index")
        .filter(bad)
        .select(
            pl.col("index").cast(pl.UInt32),
            pl.lit(rule).alias("rule"),
            pl.lit(column).alias("column"),
            pl.col(column).cast(pl.String).fill_null("null").alias("value"),
        )
        .collect()
    )


def read_bytes(path: Path) -> bytes:
    """The file's text as bytes, decompressed where it is gzip, checked to be UTF-8, without byte order
    mark."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise RawFileError(path.name, "there is no such file", "Put it beside the other raw files.") from error
    again = "Download or copy it again."
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except EOFError as error:
            raise RawFileError(path.name, "the gzip file is truncated", again) from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise RawFileError(path.name, f"the gzip file is damaged ({error})", again) from error
    elif path.suffix == ".gz" and data:
        raise RawFileError(path.name, "it is named .gz but is not gzip", f"{again} Or drop .gz from its name.")
    if not data or data.isspace():
        raise RawFileError(path.name, "the file is empty", again)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise RawFileError(path.name, "it is UTF-16, not UTF-8", "Save it as UTF-8.")
    if not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise RawFileError(
                path.name, f"it is not UTF-8 (line {line}: byte 0x{data[error.start]:02x})", "Save it as UTF-8."
            ) from error
    return data.removeprefix(b"\xef\xbb\xbf")


def _header(file: str, data: bytes, schema: Table, what: str) -> list[str]:
    """The header's names; RawFileError where they are not those of the schema."""
    end = data.find(b"\n")
    text = (data if end < 0 else data[:end]).decode("utf-8").rstrip("\r")
    names = next(csv.reader([text]), [])
    wanted = list(schema.columns)
    missing = [name for name in wanted if name not in names]
    extra = [name for name in names if name not in wanted]
    if not missing and not extra and len(names) == len(wanted):
        return names
    remedy = f"Expected is a {what} with the columns {', '.join(wanted)}."
    for signature, season in _OTHER_SEASONS:
        if signature <= set(names):
            raise RawFileError(file, f"its header is of another season: {season}", remedy)
    renamed = [f"{name} as {other}" for name in missing for other in extra if _plain(name) == _plain(other)]
    problems = [
        f"{label} {', '.join(values)}"
        for label, values in (
            ("missing columns:", missing),
            ("unknown columns:", extra),
            ("renamed columns:", renamed),
            ("columns given twice:", sorted({name for name in names if names.count(name) > 1})),
        )
        if values
    ]
    raise RawFileError(file, f"its header is not that of a {what} ({'; '.join(problems)})", remedy)


def _plain(name: str) -> str:
    return name.replace("_", "").replace(" ", "").lower()


def _parse(file: str, data: bytes, types: Mapping[str, pl.DataType], *, ragged: bool = False) -> pl.DataFrame:
    return pl.read_csv(
        data,
        schema=dict(types),
        null_values=[MISSING],
        ignore_errors=True,  # what does not parse becomes null, and is told apart afterwards
        truncate_ragged_lines=ragged,
    )


def _field_counts(data: bytes, expected: int) -> pl.Series:
    """Number of fields of each line after the header; 0 for a blank line."""
    lines = data.decode("utf-8").removesuffix("\n").split("\n")[1:]
    text = pl.Series("line", lines).str.strip_suffix("\r")
    counts = (text.str.count_matches(",", literal=True) + 1).cast(pl.Int64)
    counts = counts.zip_with(text != "", pl.Series([0], dtype=pl.Int64).new_from_index(0, len(counts)))
    # A comma within quotation marks is no separator: count such lines with a CSV reader.
    for index in ((counts != expected) & (counts != 0) & text.str.contains('"', literal=True)).arg_true():
        counts[int(index)] = len(next(csv.reader([text[int(index)]])))
    return counts


def _field_failures(fields: pl.Series, expected: int) -> pl.DataFrame:
    table = pl.DataFrame({"fields": fields})
    found = failure_rows(table, pl.col("fields") != expected, "field_count", "fields")
    return found.with_columns(column=pl.lit(""), value=pl.col("value") + f" fields instead of {expected}")


def _mistyped(frame: pl.DataFrame, original: pl.DataFrame, columns: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Failures of rule ``type``; whole numbers written with a decimal point (``10.0``) are taken as they are
    meant."""
    found = [empty_failures()]
    for name in columns:
        if not frame[name].null_count():
            continue
        frame = frame.with_columns(_whole_numbers(frame[name], original[name]))
        text = pl.DataFrame({name: original[name], "parsed": frame[name]})
        found.append(failure_rows(text, pl.col("parsed").is_null() & pl.col(name).is_not_null(), "type", name))
    return frame, pl.concat(found)


def _parse_texts(frame: pl.DataFrame, types: Mapping[str, pl.DataType]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Text columns parsed into their types, and failures of rule ``type``."""
    found = [empty_failures()]
    for name, dtype in types.items():
        text = frame[name]
        if dtype == pl.Boolean:
            lower = text.str.to_lowercase()
            true = lower == "true"
            parsed = true.set(~lower.is_in(["true", "false"]), None)
        else:
            parsed = _whole_numbers(text.cast(dtype, strict=False), text)
        if parsed.null_count() > text.null_count():
            both = pl.DataFrame({name: text, "parsed": parsed})
            found.append(failure_rows(both, pl.col("parsed").is_null() & pl.col(name).is_not_null(), "type", name))
        frame = frame.with_columns(parsed.alias(name))
    return frame, pl.concat(found)


def _whole_numbers(parsed: pl.Series, text: pl.Series) -> pl.Series:
    if not parsed.dtype.is_integer() or parsed.null_count() == text.null_count():
        return parsed
    number = text.cast(pl.Float64, strict=False)
    whole = number.set(number.is_finite().not_() | (number != number.round()) | (number.abs() > 2**53), None)
    return parsed.zip_with(parsed.is_not_null(), whole.cast(parsed.dtype, strict=False))


def _one_rule_per_cell(found: pl.DataFrame) -> pl.DataFrame:
    if found.is_empty():
        return found
    rank = pl.col("rule").replace_strict(_PRECEDENCE, default=9, return_dtype=pl.Int64)
    of_row = pl.col("rule").replace_strict(_WHOLE_ROW, default=len(_WHOLE_ROW), return_dtype=pl.Int64)
    return (
        found.with_columns(rank=rank)
        .filter(of_row == of_row.min().over("index"))
        .filter(pl.col("rank") == pl.col("rank").min().over("index", "column"))
        .unique(["index", "rule", "column"], maintain_order=True)
        .drop("rank")
    )


def _duplicates(frame: pl.DataFrame, bad: pl.Series, keys: Sequence[str], rules: tuple[str, str]) -> pl.DataFrame:
    """Repeated rows among those that break no other rule."""
    if not frame.select(keys).is_duplicated().any():
        return empty_failures()
    rows = frame.with_row_index("index").filter(~pl.col("index").is_in(bad.implode()))
    again = rows.filter(~pl.struct(keys).is_first_distinct())
    same = rows.filter(~pl.struct(frame.columns).is_first_distinct())["index"]
    return again.select(
        pl.col("index").cast(pl.UInt32),
        pl.when(pl.col("index").is_in(same.implode())).then(pl.lit(rules[0])).otherwise(pl.lit(rules[1])).alias("rule"),
        pl.lit(keys[-1]).alias("column"),
        pl.col(keys[-1]).cast(pl.String).alias("value"),
    )
