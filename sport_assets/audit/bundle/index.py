"""``bundle.json``: which model a bundle is about.

Belongs here: that file. Must not come here: anything that the records say better.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from sport_assets.lineage.manifest import InputRef, Materialization

FORMAT: Literal[1] = 1  # of the layout; another layout needs another number and a reader for this one


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Model(_Plain):
    """The model by name, content and record."""

    asset: str
    partition: str | None
    version: str
    record: str

    @classmethod
    def of(cls, made: Materialization) -> "Model":
        """From its record."""
        return cls(asset=made.key, partition=made.partition, version=made.version, record=made.id)


class Index(_Plain):
    """``card``: the record of the model card. ``missing``: inputs that had no record in the home either."""

    format: Literal[1] = FORMAT
    made_by: str
    model: Model
    card: str | None
    missing: list[InputRef]
    whole_chain: bool
