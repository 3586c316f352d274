"""The data behind the model as Croissant metadata.

Belongs here: the document (http://mlcommons.org/croissant/1.0). Must not come here: licence and citation of the data,
which no record knows: a person adds them.
"""

import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote, unquote

from sport_assets import __version__
from sport_assets.audit.bundle.names import PAGE, name_of, store_path
from sport_assets.audit.bundle.subject import ColumnOf, Subject
from sport_assets.lineage.manifest import Materialization, RawFile
from sport_assets.lineage.store import partition_folder

_MANY: Final = 50  # files of one version that are described as a set and not each by itself
_PARQUET: Final = "application/x-parquet"
# not the machine's own list, which differs from one to the next
_FORMATS: Final = {
    ".csv": "text/csv",
    ".gz": "application/gzip",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".md": "text/markdown",
    ".mp4": "video/mp4",
    ".npz": "application/zip",
    ".parquet": _PARQUET,
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".tar": "application/x-tar",
    ".txt": "text/plain",
    ".yaml": "application/yaml",
    ".zip": "application/zip",
    ".zst": "application/zstd",
}
# the context of the specification
_CONTEXT: Final = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def croissant(subject: Subject) -> bytes:
    """The document: raw files and data versions with digests, and the columns of tables as far as they are known."""
    made = subject.made
    raw = {(file.path, file.sha256): file for file, _ in subject.chain.raw_files}
    tables = _tables(subject)
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"data-of-{_plain(name_of(made))}-{made.version[:12]}",
        "description": (
            f"What {name_of(made)}, version {made.version}, learned and was measured from: {len(raw)} raw files and "
            f"{len(subject.data)} versions made from them. Raw files lie below data/ (SPORT_ASSETS_DATA), versions "
            "below store/ (SPORT_ASSETS_HOME); neither is in the bundle. Licence and citation are not in the records: "
            "to be written by a person."
        ),
        "url": PAGE,
        "version": "1.0.0",
        "datePublished": f"{made.at:%Y-%m-%d}",
        "creator": {"@type": "sc:Organization", "name": f"sport_assets {__version__}"},
        "distribution": [
            *(_raw(file) for _, file in sorted(raw.items())),
            *(entry for step in subject.data for entry in _files(step.made)),
            *(_partitions(subject, key, file) for key, file in tables),
        ],
        "recordSet": [_table(key, file, columns) for (key, file), columns in tables.items()],
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def _raw(file: RawFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": f"raw/{_plain(file.path)}/{file.sha256[:12]}",
        "name": file.path,
        "contentUrl": quote(f"data/{file.path}"),
        "contentSize": f"{file.size} B",
        "encodingFormat": _format(file.path),
        "sha256": file.sha256,
    }


def _files(made: Materialization) -> Iterator[dict[str, Any]]:
    """The files of a version each by itself, or as one set where they are very many, such as the frames of a video."""
    if len(made.files) > _MANY:
        formats = sorted({_format(file.path) for file in made.files})
        yield {
            "@type": "cr:FileSet",
            "@id": f"{_place(made)}/{made.version[:12]}",
            "name": name_of(made),
            "description": f"{len(made.files)} files, version {made.version}; their digests are in record {made.id}",
            "encodingFormat": formats[0] if len(formats) == 1 else "application/octet-stream",
            "includes": unquote(store_path(made, "")) + "**",
        }
        return
    for file in made.files:
        yield {
            "@type": "cr:FileObject",
            "@id": f"{_place(made)}/{made.version[:12]}/{_plain(file.path)}",
            "name": f"{name_of(made)} {file.path}",
            "contentUrl": store_path(made, file.path),
            "contentSize": f"{file.size} B",
            "encodingFormat": _format(file.path),
            "sha256": file.sha256,
        }


def _tables(subject: Subject) -> dict[tuple[str, str], list[ColumnOf]]:
    """The columns of each table of an asset: those of all its partitions together."""
    found: dict[tuple[str, str], dict[str, ColumnOf]] = {}
    for step in subject.data:
        for file in step.made.files:
            columns = subject.columns.get((step.made.id, file.path), ())
            if columns:
                table = found.setdefault((step.made.key, file.path), {})
                for column in columns:
                    table.setdefault(column.name, column)
    return {key: list(columns.values()) for key, columns in sorted(found.items())}


def _partitions(subject: Subject, key: str, file: str) -> dict[str, Any]:
    """The same table of all partitions as one set, which a record set can read."""
    made = [step.made for step in subject.data if step.made.key == key]
    return {
        "@type": "cr:FileSet",
        "@id": f"{key}/{_plain(file)}",
        "name": f"{key} {file} of all partitions",
        "encodingFormat": _PARQUET,
        "includes": [unquote(store_path(each, file)) for each in made if (each.id, file) in subject.columns],
    }


def _table(key: str, file: str, columns: list[ColumnOf]) -> dict[str, Any]:
    name = f"{key}/{_plain(file)}/rows"
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": f"{key} {file}",
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{_plain(column.name)}",
                "name": column.name,
                "dataType": _data_type(column.dtype),
                "source": {"fileSet": {"@id": f"{key}/{_plain(file)}"}, "extract": {"column": column.name}},
            }
            for column in columns
        ],
    }


def _data_type(dtype: str) -> str:
    """Croissant's type of a polars type; whatever has none is read as text."""
    for begin, kind in (
        ("Bool", "sc:Boolean"),
        ("Int", "sc:Integer"),
        ("UInt", "sc:Integer"),
        ("Float", "sc:Float"),
        ("Decimal", "sc:Float"),
        ("Datetime", "sc:DateTime"),
        ("Date", "sc:Date"),
    ):
        if dtype.startswith(begin):
            return kind
    return "sc:Text"


def _format(path: str) -> str:
    return _FORMATS.get(PurePosixPath(path).suffix.lower(), "application/octet-stream")


def _place(made: Materialization) -> str:
    return f"{made.key}/{_plain(partition_folder(made.partition))}"


def _plain(text: str) -> str:
    """Without the signs that mean something in the identifiers of JSON-LD."""
    return "".join(sign if sign.isalnum() or sign in "/._-" else "-" for sign in text)
