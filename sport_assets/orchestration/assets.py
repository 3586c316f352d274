"""The one decorator with which lines define assets, so that none forgets its key, code version, checks or description.

Belongs here: what is the same for every asset of ours. Must not come here: what an asset does.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from sport_assets.lineage.code_version import code_version
from sport_assets.lineage.table import Table
from sport_assets.orchestration.checks import AssetChecks
from sport_assets.orchestration.recording import DECLARED_CHECKS
from sport_assets.orchestration.taint import UNTAINTED_CHECK

OWNER = "team:sport-data"


@dataclass(frozen=True)
class Declaration:
    """What ``build`` must know of an asset beyond Dagster's graph."""

    key: str
    config: type[dg.Config] | None
    partitions_def: dg.PartitionsDefinition[str] | None
    raw_paths: Callable[[str | None], Sequence[str]] | None
    preset: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] | None = None
    pins: Mapping[str, str] = field(default_factory=dict)
    reads: Sequence[str] = ()
    code_version: str = ""
    raw_layout: str = ""
    partition_keys: Callable[[], Sequence[str]] | None = None
    raw_optional: bool = False
    raw_samples: bool = True
    refuses: Callable[[Mapping[str, Any]], str | None] | None = None
    left_out: Callable[[], Mapping[str, str]] = dict

    def partitions(self) -> list[str]:
        """The partitions that there are; of dynamic ones those that the raw files make."""
        if self.partition_keys is not None:
            return list(self.partition_keys())
        return list(self.partitions_def.get_partition_keys()) if self.partitions_def is not None else []


# Every asset defined with ``asset``, by key.
DECLARATIONS: dict[str, Declaration] = {}


def asset(
    line: str,
    *,
    description: str,
    name: str | None = None,
    reads: Iterable[str] = (),
    partitions_def: dg.PartitionsDefinition[str] | None = None,
    partition_keys: Callable[[], Sequence[str]] | None = None,
    checks: AssetChecks | None = None,
    kinds: set[str] | None = None,
    pool: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    column_schema: dg.TableSchema | None = None,
    raw_paths: Callable[[str | None], Sequence[str]] | None = None,
    raw_layout: str = "",
    raw_optional: bool = False,
    raw_samples: bool = True,
    left_out: Callable[[], Mapping[str, str]] = dict,
    preset: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] | None = None,
    pins: Mapping[str, str] | None = None,
    refuses: Callable[[Mapping[str, Any]], str | None] | None = None,
    code: Sequence[str] = (),
    code_files: Iterable[Path] = (),
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Define the asset ``<line>/<name>`` (by default the function's name) in the group of its line.

    ``reads`` are the assets it reads, as ``<line>/<name>`` or ``<name>`` of the same line. ``partition_keys`` tells the
    keys of a dynamic ``partitions_def``: the raw files decide them, and Dagster is told. ``raw_paths`` tells which
    raw files a partition stands for, relative to the data folder; where that depends on what is in them, it names those
    that are there (none: the partition has no raw data), and ``raw_layout`` says what they look like. With
    ``raw_optional`` what stands on the asset can do without it, and is built where there are no such files.
    ``raw_samples``: whether the line's ``sample-data`` makes such files, so that a message may offer it. ``left_out``
    names files that lie among the raw ones and can be no partition, each with the reason. ``preset`` gives the complete
    settings of a partition under overrides, where the configuration takes ``overrides``. ``pins`` says of which asset a
    field of the configuration names a version that is read besides: no edge leads there, since nothing newer is wanted.
    ``refuses`` says of a complete configuration why it cannot be meant for the raw files that
    there are, or None; a build asks before anything is made. ``code`` are further functions it runs, as
    ``module:function``, and ``code_files`` data files that act like code (presets). The function takes ``context``,
    resources and, if it has settings, ``config``.
    """

    upstream_keys = list(reads)

    def define(function: Callable[..., Any]) -> dg.AssetsDefinition:
        asset_name = name or function.__name__
        key = dg.AssetKey([line, asset_name])
        text = key.to_user_string()
        declared = AssetChecks([*(checks.declared if checks is not None else ()), UNTAINTED_CHECK])
        config = inspect.signature(function).parameters.get("config")
        targets = [f"{function.__module__}:{function.__name__}"] if not code else list(code)
        version = code_of_line(line, targets, code_files)
        DECLARED_CHECKS[text] = declared
        DECLARATIONS[text] = Declaration(
            text,
            config.annotation if config else None,
            partitions_def,
            raw_paths,
            preset,
            {name: _key(line, upstream) for name, upstream in (pins or {}).items()},
            [_key(line, upstream) for upstream in upstream_keys],
            version,
            raw_layout,
            partition_keys,
            raw_optional,
            raw_samples,
            refuses,
            left_out,
        )
        about = dict(metadata or {})
        if column_schema is not None:
            about["dagster/column_schema"] = column_schema
        return dg.asset(
            key=key,
            group_name=line,
            description=description,
            deps=[_dependency(line, upstream, partitions_def) for upstream in upstream_keys],
            partitions_def=partitions_def,
            check_specs=declared.specs(key, partitions_def),
            kinds=kinds or {"python"},
            owners=[OWNER],
            pool=pool,
            metadata=about,
            code_version=version,
        )(function)

    return define


def code_of_line(line: str, targets: Iterable[str], data_files: Iterable[Path] = ()) -> str:
    """The version of what ``targets`` (``module:function``) run inside their line and the training kernel."""
    return code_version(targets, packages=[f"sport_assets.{line}", "sport_assets.training"], data_files=data_files)


def table_columns(table: Table) -> dg.TableSchema:
    """A table's columns as people browse them, for ``column_schema``."""
    return dg.TableSchema(
        [
            dg.TableColumn(
                name,
                str(column.dtype()),
                column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for name, column in table.columns.items()
        ]
    )


def _dependency(line: str, upstream: str, partitions_def: dg.PartitionsDefinition[str] | None) -> dg.AssetDep:
    """The edge that Dagster draws. What is truly read is what the record notes."""
    text = _key(line, upstream)
    theirs = DECLARATIONS[text].partitions_def
    mapping = dg.AllPartitionMapping() if theirs is not None and partitions_def not in (None, theirs) else None
    return dg.AssetDep(dg.AssetKey(text.split("/")), partition_mapping=mapping)


def _key(line: str, name: str) -> str:
    return name if "/" in name else f"{line}/{name}"
