"""Says whether a partition is what its inputs, code and configuration would give today, and if not, why.

Belongs here: comparing the newest record with the present. Must not come here: deciding what to run (orchestration).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sport_assets.lineage.digest import canonical_json
from sport_assets.lineage.errors import GateRefused, RawFileMissing
from sport_assets.lineage.gate import admit
from sport_assets.lineage.record import Lineage


def why_stale(
    lineage: Lineage,
    key: str,
    partition: str | None,
    *,
    code_version: str,
    config: Mapping[str, Any],
    expected_inputs: Iterable[tuple[str, str | None]] = (),
    raw_paths: Iterable[str] | None = None,
) -> str | None:
    """Why this partition must be made again, or None when it is current.

    Compared by content: an input that was made again with the same bytes changes nothing. ``expected_inputs`` are
    inputs that must be among the recorded ones (a new week, say); ``raw_paths`` the raw files that it should record.
    None: which those are, its code and configuration decide, and so the recorded ones are compared with themselves.
    """
    latest = lineage.ledger.latest(key, partition)
    if latest is None:
        return "never made"
    try:
        admit(lineage.ledger, latest)
    except GateRefused as refusal:
        return f"last one cannot be read: {refusal.reason}"
    if not lineage.store.folder(key, partition, latest.version).is_dir():
        return "its files are gone"
    if latest.code_version != code_version:
        return "code changed"
    if canonical_json(latest.config) != canonical_json(dict(config)):
        return "configuration changed"
    withdrawn = [event.rows for event in lineage.ledger.withdrawals()]
    if any(rows not in withdrawn for rows in latest.withdrawn_rows):
        return "rows that were left out were restored"
    recorded = {(ref.key, ref.partition): ref.version for ref in latest.inputs if not ref.pinned}
    for wanted in expected_inputs:
        if wanted not in recorded:
            return f"new input {_name(*wanted)}"
    for (input_key, input_partition), version in recorded.items():
        if (input_key, input_partition) == (key, partition):
            continue  # an earlier version of itself, continued
        now = lineage.ledger.latest(input_key, input_partition)
        if now is None or now.version != version:
            return f"input {_name(input_key, input_partition)} changed"
    raw = {file.path: file for file in latest.raw_files}
    if raw_paths is not None and set(raw_paths) != set(raw):
        return "other raw files"
    for path, file in raw.items():
        try:
            if lineage.raw.register(path) != file:
                return f"raw file {path} changed"
        except RawFileMissing:
            return f"raw file {path} is gone"
    return None


def _name(key: str, partition: str | None) -> str:
    return key if partition is None else f"{key}:{partition}"
