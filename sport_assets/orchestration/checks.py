"""Check declarations: what Dagster is told beforehand, and how a recorded result is shown to it.

Belongs here: turning declarations into ``AssetCheckSpec`` and results into ``AssetCheckResult``. Must not come here:
the rules, which live in a line's ``schemas.py``.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.quarantine import failures

if TYPE_CHECKING:
    from sport_assets.lineage.quarantine import Schema


@dataclass(frozen=True)
class Check:
    """A check that an asset promises to run: its name, what it asks, whether a failure closes the gate.

    ``schema`` makes it a check of a table: every row of the table must keep it. ``where`` are columns that say which
    row it is (file and line, or ids); they stand in the sample of failing rows.
    """

    name: str
    description: str
    blocking: bool = True
    schema: "Callable[[], Schema] | None" = None
    where: Sequence[str] = ()


@dataclass(frozen=True)
class AssetChecks:
    """The checks of one asset."""

    declared: Sequence[Check] = ()

    @classmethod
    def of(cls, declared: Mapping[str, tuple[bool, str]]) -> "AssetChecks":
        """Checks that a line's module declares by name: blocking or not, and what each asks."""
        return cls([Check(name, description, blocking) for name, (blocking, description) in declared.items()])

    def specs(self, key: dg.AssetKey, partitions_def: dg.PartitionsDefinition[str] | None) -> list[dg.AssetCheckSpec]:
        """Dagster's specs. They carry the asset's partitions, without which a result loses its partition."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.PreviewWarning)  # said of partitions_def; the versions are pinned
            return [
                dg.AssetCheckSpec(
                    check.name,
                    asset=key,
                    description=check.description,
                    blocking=check.blocking,
                    partitions_def=partitions_def,
                )
                for check in self.declared
            ]

    def validate(self, frame: pl.DataFrame, *, name: str | None = None) -> list[CheckResult]:
        """Run the table checks (all, or the one called ``name``) on ``frame``: lazily, with every failing row."""
        return [
            table_check(
                frame,
                check.schema(),
                name=check.name,
                blocking=check.blocking,
                description=check.description,
                where=check.where,
            )
            for check in self.declared
            if check.schema is not None and name in (None, check.name)
        ]

    def complete(self, key: str, noted: Iterable[CheckResult]) -> list[CheckResult]:
        """The noted results in the order of the declarations. Raises ``LineageError`` when one is missing or unknown.

        A check that emits nothing would let everything downstream go on.
        """
        results = {result.name: result for result in noted}
        names = [check.name for check in self.declared]
        missing = [name for name in names if name not in results]
        unknown = [name for name in results if name not in names]
        if missing or unknown:
            raise LineageError(f"{key}: checks declared but not run: {missing}; run but not declared: {unknown}")
        return [results[name] for name in names]


def table_check(
    frame: pl.DataFrame,
    schema: "Schema",
    *,
    name: str,
    blocking: bool = True,
    description: str = "",
    where: Sequence[str] = (),
) -> CheckResult:
    """Check a whole table against a Pandera schema; NaN and infinity count as failures where a number is wanted.

    ``where`` are columns of ``frame`` (as file and line) that the sample of failing rows names too.
    """
    found = failures(frame, schema)
    counts = dict(found["rule"].value_counts().sort("rule").iter_rows())
    sample = []
    for row in found.head(SAMPLE_ROWS).to_dicts():
        index = row["index"]  # null where the table as a whole is wrong
        place = {} if index is None else {name: frame[name][index] for name in where if name in frame.columns}
        sample.append({**place, "row": index, "rule": row["rule"], "column": row["column"], "value": row["value"]})
    return CheckResult(
        name=name,
        passed=not len(found),
        blocking=blocking,
        description=description,
        failed=found["index"].n_unique() if len(found) else 0,
        checked=len(frame),
        rules=counts,
        sample=sample,
    )


def shown(result: CheckResult, key: dg.AssetKey) -> dg.AssetCheckResult:
    """A recorded result as Dagster shows it: counts by rule and a table of failing rows."""
    metadata: dict[str, Any] = {"failed": result.failed, "checked": result.checked}
    if result.rules:
        lines = "\n".join(f"| {rule} | {count:,} |" for rule, count in sorted(result.rules.items()))
        metadata["rules"] = dg.MetadataValue.md(f"| rule | count |\n|---|---:|\n{lines}")
    if result.sample:
        columns = list(dict.fromkeys(column for row in result.sample for column in row))
        metadata["failing_rows"] = dg.MetadataValue.table(
            records=[dg.TableRecord({column: _cell(row.get(column)) for column in columns}) for row in result.sample],
            schema=dg.TableSchema([dg.TableColumn(column, "string") for column in columns]),
        )
    metadata |= result.metadata
    return dg.AssetCheckResult(
        passed=result.passed,
        asset_key=key,
        check_name=result.name,
        severity=dg.AssetCheckSeverity.ERROR if result.blocking else dg.AssetCheckSeverity.WARN,
        description=result.summary(),
        metadata=metadata,
    )


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
