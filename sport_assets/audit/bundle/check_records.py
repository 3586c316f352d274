"""Whether a bundle's records agree: with their names and hashes, with one another, and with the files beside them.

Belongs here: all that the record files of a bundle can prove. Must not come here: the archive around them.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from sport_assets.audit.bundle.archive import Opened
from sport_assets.audit.bundle.chain_proof import ChainList, read_chain
from sport_assets.audit.bundle.index import Index, Model
from sport_assets.audit.bundle.names import CARD, CHAIN, EVALUATION, HEAD, INDEX, MODEL, RECORDS, ROWS, record_file
from sport_assets.lineage.digest import version_of
from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.lookup import Head
from sport_assets.lineage.manifest import Checked, Event, Materialization, Overridden, Restored, parse_event

Add = Callable[..., None]


@dataclass
class Records:
    """The records of a bundle that could be read, by id, and how far their chain is proven."""

    target: str
    events: dict[str, Event] = field(default_factory=dict)
    head: Head | None = None
    proven: int = 0
    asserted: int = 0

    @property
    def made(self) -> dict[str, Materialization]:
        """The materializations among them."""
        return {name: event for name, event in self.events.items() if isinstance(event, Materialization)}


def check_records(opened: Opened, index: Index, add: Add) -> Records:
    """Read all records and note through ``add`` (kind, place, message) what does not agree."""
    records = Records(index.model.record)
    listed = _chain(opened, add)
    for name, text in opened.texts(lambda name: name.startswith(RECORDS) and not name.startswith(ROWS)):
        if name != HEAD:
            _read(records, name, text, add)
    if listed is not None:
        _links(records, opened, listed, add)
    for made in records.made.values():
        _version(made, add)
    _references(records, index, add)
    _row_indexes(records, index, opened, add)
    _target(records, opened, index, add)
    return records


def _chain(opened: Opened, add: Add) -> ChainList | None:
    if CHAIN not in opened.digests or HEAD not in opened.digests:
        return None  # told of as missing already
    try:
        listed = read_chain(opened.text(CHAIN))
    except (LineageError, ValueError, RecursionError) as error:
        add("file unreadable", CHAIN, f"cannot be read: {error}")
        return None
    try:
        read = json.loads(opened.text(HEAD))
        head = Head(read["seq"], read["hash"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        add("file unreadable", HEAD, f"cannot be read: {error}")
        return listed
    if head != listed.head:
        add(
            "chain broken",
            HEAD,
            f"is not the last entry of {CHAIN}",
            expected=f"{listed.head.seq} {listed.head.hash}",
            found=f"{head.seq} {head.hash}",
        )
    return listed


def _read(records: Records, name: str, text: bytes, add: Add) -> None:
    try:
        event = parse_event(text)
    except ValidationError as error:
        add("record unreadable", name, f"no record can be read from it: {error.errors()[0]['msg']}")
        return
    if record_file(event.id) != name:
        add("record under another's name", name, f"this file holds record {event.id}")
        return
    records.events[event.id] = event


def _links(records: Records, opened: Opened, listed: ChainList, add: Add) -> None:
    """Each record has the listed hash at its place, and names the one before it."""
    records.head = listed.head
    places: set[int] = set()
    for name, event in records.events.items():
        number, _, begin = name.partition("-")
        seq = int(number) if number.isdigit() else 0
        expected, found = listed.at(seq) if seq >= listed.first else None, opened.digests[record_file(name)]
        if expected != found:
            add(
                "record altered",
                record_file(name),
                f"its hash is not the one in {CHAIN}",
                expected=expected,
                found=found,
            )
        before = listed.at(seq - 1)
        if event.previous != before or event.previous[:12] != begin:
            add(
                "chain broken",
                record_file(name),
                "does not name the hash of the record before it",
                expected=before,
                found=event.previous,
            )
        places.add(seq)
    # a record proves the hash before it; the head's own hash is proven by the head's record
    everywhere = range(listed.first, listed.head.seq + 1)
    records.proven = sum(seq in places for seq in everywhere)
    records.asserted = len(everywhere) - records.proven


def _version(made: Materialization, add: Add) -> None:
    found = version_of(made.files)
    if found != made.version:
        add(
            "version wrong",
            record_file(made.id),
            "its version is not the digest of its files",
            expected=found,
            found=made.version,
            record=made.id,
        )


def _references(records: Records, index: Index, add: Add) -> None:
    """Inputs are there and are what they are said to be, subjects are there, and nothing stands apart."""
    behind = _behind(records.made, records.target, index)
    known_missing = {(ref.record, ref.version) for ref in index.missing}
    made = records.made
    for each in made.values():
        for ref in each.inputs:
            source = made.get(ref.record)
            if source is None:
                if (ref.record, ref.version) in known_missing:
                    message = f"{ref.key}, an input of {each.key}, had no record in the home either"
                    add("record missing", record_file(ref.record), message, severity="note", record=each.id)
                elif each.id in behind:
                    message = f"{each.key} was made from it (record {each.id}); it is not in the bundle"
                    add("record missing", record_file(ref.record), message, record=each.id)
            elif (source.key, source.partition, source.version) != (ref.key, ref.partition, ref.version):
                add(
                    "records disagree",
                    record_file(each.id),
                    f"its input {ref.key} is said to be record {ref.record}, which says otherwise",
                    expected=f"{ref.key} {ref.partition} {ref.version}",
                    found=f"{source.key} {source.partition} {source.version}",
                    record=each.id,
                )
            elif ref.record >= each.id:
                add("records disagree", record_file(each.id), f"was made from a later record, {ref.record}")
    if index.whole_chain:
        return
    for name in made.keys() - behind:
        add("record added", record_file(name), f"the model in {INDEX} does not stand on it")
    for event in records.events.values():
        if isinstance(event, Checked | Overridden | Restored) and event.subject not in records.events:
            add("record missing", record_file(event.subject), f"record {event.id} is about it; it is not in the bundle")


def _behind(made: Mapping[str, Materialization], target: str, index: Index) -> set[str]:
    """The records of the model and its card, of the evaluation beside it, and of all they were made from."""
    beside = {each.id for each in made.values() if _is_beside(each, target)}
    found: set[str] = set()
    card = set() if index.card is None else {index.card}
    waiting = [name for name in {target, *card, *beside} if name in made]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [ref.record for ref in made[name].inputs if ref.record in made]
    return found


def _is_beside(made: Materialization, target: str) -> bool:
    files = {file.path for file in made.files}
    return bool(files & {EVALUATION, CARD}) and any(ref.record == target for ref in made.inputs)


def _row_indexes(records: Records, index: Index, opened: Opened, add: Add) -> None:
    """Lists of what rows are about are named by their content, and those of the chain are there."""
    there = {name.removeprefix(ROWS).removesuffix(".json"): name for name in opened.digests if name.startswith(ROWS)}
    for digest, name in there.items():
        if opened.digests[name] != digest:
            add("row index altered", name, "is not the one of that digest", expected=digest, found=opened.digests[name])
    wanted = {each.row_index: each.id for each in records.made.values() if each.row_index is not None}
    for digest in there.keys() - wanted.keys():
        add("row index added", there[digest], "no record in the bundle refers to it")
    for name in sorted(_behind(records.made, records.target, index)):
        needed = records.made[name].row_index
        if needed is not None and needed not in there:
            add("row index missing", f"{ROWS}{needed}.json", "says what the rows are about", record=name)


def _target(records: Records, opened: Opened, index: Index, add: Add) -> None:
    """The model's files are those of its record; evaluation and card are those of a record in the bundle."""
    model, target = index.model, records.made.get(records.target)
    if target is None:
        add("record missing", record_file(records.target), f"it is the model's own, as {INDEX} says")
        return
    if model != Model.of(target):
        message = "is not about what the model's record says"
        add("records disagree", INDEX, message, expected=str(Model.of(target)), found=str(model))
    expected = {f"{MODEL}{file.path}": file.sha256 for file in target.files}
    there = {name: digest for name, digest in opened.digests.items() if name.startswith(MODEL)}
    for name in sorted(expected.keys() | there.keys()):
        if expected.get(name) != there.get(name):
            kind = "model file " + ("added" if name not in expected else "missing" if name not in there else "altered")
            add(kind, name, "is not as the model's record says", expected=expected.get(name), found=there.get(name))
    for name, message in _published(records, opened):
        add("file altered", name, message, found=opened.digests[name])


def _published(records: Records, opened: Opened) -> Iterator[tuple[str, str]]:
    for name in (EVALUATION, CARD):
        recorded = {file.sha256 for made in records.made.values() for file in made.files if file.path == name}
        if name in opened.digests and opened.digests[name] not in recorded:
            yield name, "is not the file of any record in the bundle"
