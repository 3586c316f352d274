"""What the files of a bundle are called, and how its documents name assets, files and this program.

Belongs here: names. Must not come here: content.
"""

import uuid
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from sport_assets import __version__
from sport_assets.audit.chain import name_of as named
from sport_assets.lineage.manifest import InputRef, Materialization
from sport_assets.lineage.store import partition_folder

README: Final = "README.txt"
SUMS: Final = "SHA256SUMS"
INDEX: Final = "bundle.json"
RECORDS: Final = "records/"
HEAD: Final = "records/head.json"
ROWS: Final = "records/rows/"
CHAIN: Final = "chain.json"
MODEL: Final = "model/"
EVALUATION: Final = "evaluation.json"
CARD: Final = "model_card.md"
ANNEX_IV: Final = "annex_iv.md"
REPORT: Final = "report.json"
PAGE: Final = "page.html"
EVENTS: Final = "openlineage.ndjson"
ML_BOM: Final = "ml_bom.cdx.json"
CROISSANT: Final = "croissant.json"
STATEMENT: Final = "provenance.intoto.json"
ENVELOPE: Final = "provenance.dsse.json"
SIGNER: Final = "signer.pem"

# A package URL is a URI that names program and version without promising a web page.
PRODUCER: Final = f"pkg:pypi/sport-assets@{__version__}"

_IDS: Final = uuid.uuid5(uuid.NAMESPACE_URL, "pkg:pypi/sport-assets/bundle")


def record_file(record_id: str) -> str:
    """Where a record lies in a bundle."""
    return f"{RECORDS}{record_id}.json"


def name_of(ref: Materialization | InputRef) -> str:
    """An asset's partition as people write it: ``nfl/tracking:2023-w01``."""
    return named(ref.key, ref.partition)


def store_path(made: Materialization, file: str) -> str:
    """Where a file of a version lies in a home's store, as a relative URL: percent signs of folders are escaped."""
    return quote(f"store/{made.key}/{partition_folder(made.partition)}/{made.version}/{file}")


def identifier(*parts: str) -> str:
    """A UUID that the same parts always give."""
    return str(uuid.uuid5(_IDS, "\n".join(parts)))


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def without_none(fields: dict[str, Any]) -> dict[str, Any]:
    """``fields`` without those that are not known."""
    return {name: value for name, value in fields.items() if value is not None}
