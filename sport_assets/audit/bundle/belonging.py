"""Which records of a home belong into a bundle.

Belongs here: the choice. Must not come here: reading their files (``collect``).
"""

from collections.abc import Mapping

from sport_assets.lineage.gate import covers
from sport_assets.lineage.index import ENTRIES
from sport_assets.lineage.ledger import Ledger
from sport_assets.lineage.manifest import Collected, Materialization, Withdrawn


def belonging(ledger: Ledger, made: Mapping[str, Materialization]) -> set[str]:
    """The ids of these materializations and of every later event about them, undone ones included."""
    ids = {*made, *(event.id for event in ledger.about_several(made))}
    versions = {(each.key, each.partition, each.version) for each in made.values()}
    for row in ledger.entries(ENTRIES.c.kind.in_(["withdrawn", "collected"])):
        event = ledger.load(row)
        if isinstance(event, Collected) and (event.key, event.partition, event.version) in versions:
            ids.add(event.id)
        if isinstance(event, Withdrawn) and any(covers(ledger, event, each) for each in made.values()):
            ids |= {event.id, *(restored.id for restored in ledger.about(event.id))}
    return ids
