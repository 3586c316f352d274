"""Declarations of tables: columns, types, units, and the rules of single values.

Belongs here: the plain data that a line's ``schemas.py`` writes down, and its form as a Pandera schema. Must not come
here: what a line's tables hold. Pandera is imported when a table is validated: it brings pandas along and costs most of
a second, while every step of every asset loads the declarations.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandera.polars as pa
    import polars as pl


@dataclass(frozen=True)
class Rule:
    """What a column's values must keep: a Pandera check by name (``in_range``) with its arguments.

    Failures count under ``name``.
    """

    check: str
    arguments: tuple[Any, ...]
    name: str


@dataclass(frozen=True)
class Column:
    """One column: polars type, what it is (with units), its rules, and whether a value may be missing."""

    dtype: "type[pl.DataType]"
    description: str
    rules: tuple[Rule, ...] = ()
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """A table: its name, what it is, and its columns in order. Further columns are allowed."""

    name: str
    columns: Mapping[str, Column]
    description: str = ""

    @property
    def types(self) -> "dict[str, pl.DataType]":
        """The polars type of each column, in order."""
        return {name: column.dtype() for name, column in self.columns.items()}

    @cached_property
    def pandera(self) -> "pa.DataFrameSchema":
        """The table as a Pandera schema on polars."""
        import pandera.polars as pa

        columns = {
            name: pa.Column(
                column.dtype,
                [getattr(pa.Check, rule.check)(*rule.arguments, error=rule.name) for rule in column.rules],
                nullable=column.nullable,
                description=column.description,
            )
            for name, column in self.columns.items()
        }
        return pa.DataFrameSchema(columns, name=self.name, description=self.description, strict=False)
