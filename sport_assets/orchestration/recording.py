"""Lineage's record, wrapped for Dagster: partition, run, configuration and check results pass through by themselves.

Belongs here: ``LineageResource`` and ``AssetRecord``. Must not come here: what the gate or the store do (lineage).
"""

import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.home import Home
from sport_assets.lineage.record import Lineage, Record
from sport_assets.lineage.row_index import Identifiers, RowIndex
from sport_assets.orchestration.checks import AssetChecks, shown
from sport_assets.orchestration.taint import at_publishing

# The run's tag that names the machine it works on.
HOST_TAG = "sport_assets/host"
# The checks that each asset declared, by key; filled by the ``asset`` decorator.
DECLARED_CHECKS: dict[str, AssetChecks] = {}


class LineageResource(dg.ConfigurableResource[Lineage]):
    """The home of records, at ``SPORT_ASSETS_HOME`` and ``SPORT_ASSETS_DATA``."""

    @contextmanager
    def record(self, context: dg.AssetExecutionContext, config: dg.Config | None = None) -> Iterator["AssetRecord"]:
        """Begin the record of the asset that runs. One record per materialization."""
        key = context.asset_key.to_user_string()
        code_version = context.assets_def.code_versions_by_key[context.asset_key]
        if code_version is None:
            raise LineageError(f"{key}: no code version; define it with orchestration.assets.asset")
        if HOST_TAG not in context.run.tags:  # the reaper judges processes of its own machine only
            context.instance.add_run_tags(context.run.run_id, {HOST_TAG: socket.gethostname()})
        lineage = Lineage(Home.from_environment())
        try:
            with lineage.record(
                key,
                context.partition_key if context.has_partition_key else None,
                code_version=code_version,
                config=config.model_dump(mode="json") if config is not None else {},
                run_id=context.run.run_id,
            ) as record:
                yield AssetRecord(context, record, code_version)
        finally:
            lineage.close()


class AssetRecord:
    """One materialization on its way, seen from an asset. Reading and writing are lineage's own (``inner``)."""

    def __init__(self, context: dg.AssetExecutionContext, record: Record, code_version: str) -> None:
        self.context = context
        self.inner = record
        self.code_version = code_version
        self.read = record.read
        self.output = record.output
        self.folder = record.folder
        self.register_raw = record.register_raw
        self.quarantined = record.quarantined
        self.index_rows = record.index_rows
        self.withdrawn_rows = record.withdrawn_rows
        self.take_folder = record.take_folder

    def ran_on(self, device: str, threads: int, seed: int) -> None:
        """Say what the work runs on, where it is not this process."""
        self.inner.device, self.inner.threads, self.inner.seed = device, threads, seed

    def index(self, rows: RowIndex | Iterable[Identifiers]) -> None:
        """Say what the rows are about."""
        for found in rows.identifiers() if isinstance(rows, RowIndex) else rows:
            self.inner.index_rows(found.columns, found.rows, found.side)

    @property
    def published_folder(self) -> Path:
        """Where the published version lies. Raises ``LineageError`` before ``publish``."""
        if self.inner.published is None:
            raise LineageError(f"{self.inner.key}: nothing is published yet")
        return self.inner.published.folder

    @property
    def rejected(self) -> bool:
        """Whether what was published may not be read, because a blocking check failed."""
        return self.inner.published is not None and self.inner.published.rejected

    def check(self, results: CheckResult | Iterable[CheckResult]) -> None:
        """Note check results, and say in the log which did not pass."""
        noted = [results] if isinstance(results, CheckResult) else list(results)
        for result in noted:
            if not result.passed:
                self.context.log.warning(result.summary())
        passed = sum(result.passed for result in noted)
        self.context.log.info(f"{passed} of {len(noted)} checks passed")
        self.inner.check(noted)

    def publish(
        self,
        *,
        rows: int | None = None,
        facts: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> dg.MaterializeResult:
        """Publish and give Dagster its result.

        ``facts`` are recorded and shown; ``metadata`` (plots, tables) is only shown.
        """
        key = self.context.asset_key
        untainted = at_publishing(self.inner)
        noted = [*self.inner.checks, untainted]
        if not untainted.passed:  # what passes follows from the gate, and needs no entry
            self.check(untainted)
        results = DECLARED_CHECKS[self.inner.key].complete(self.inner.key, noted)
        published = self.inner.publish(rows=rows, facts=facts)
        made = published.materialization
        about: dict[str, Any] = {
            "version": made.version,
            "record": made.id,
            "folder": dg.MetadataValue.path(str(published.folder)),
            "inputs": _inputs_table(self.inner),
        }
        if rows is not None:
            about["dagster/row_count"] = rows
        if made.quarantined_rows:
            about["quarantined_rows"] = made.quarantined_rows
        if published.rejected:
            about["rejected"] = "a blocking check failed: nothing downstream may read this version"
        return dg.MaterializeResult(
            asset_key=key,
            metadata={
                **about,
                **{name: _scalar(value) for name, value in (facts or {}).items()},
                **(metadata or {}),
            },
            check_results=[shown(result, key) for result in results],
            data_version=dg.DataVersion(made.version),
        )


def _inputs_table(record: Record) -> dg.MetadataValue:
    rows = [
        dg.TableRecord({"asset": ref.key, "partition": ref.partition or "", "version": ref.version[:12]})
        for ref in record.inputs
    ]
    columns = [dg.TableColumn(name, "string") for name in ("asset", "partition", "version")]
    return dg.MetadataValue.table(records=rows, schema=dg.TableSchema(columns))


def _scalar(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) else dg.MetadataValue.json(value)
