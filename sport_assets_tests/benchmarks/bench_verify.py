"""`verify`: its speed beside the machine's SHA-256, and how long the chain of a big ledger takes.

``ENTRIES`` may be given as the one argument. Both speeds are measured in turn in one run, with a thread for each core,
and told by the clock and by processor time: other work on the machine falls on the clock alone.
Of many small files, opening and comparing each takes as long as hashing it.
"""

import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sport_assets.audit.integrity.hashing import cores
from sport_assets.audit.verify import Kind, Verification, verify
from sport_assets.lineage.home import Home
from sport_assets.lineage.ledger import Ledger
from sport_assets.lineage.record import Lineage
from sport_assets_tests.benchmarks.rounds import Rounds

ENTRIES = 100_000
MODEL = "nfl/model_card:production|0"
ROUNDS = 5
GOAL = 0.8
# Files of one version: few large ones, or many small ones (images).
STORES = {
    "12 files of 64 MiB": (12, 64 * 2**20),
    "1,500 files of 512 KiB": (1_500, 2**19),
    "4,000 files of 64 KiB": (4_000, 2**16),
}


def main(entries: int = ENTRIES) -> None:
    """Print the figures."""
    for name, (number, size) in STORES.items():
        with tempfile.TemporaryDirectory() as folder:
            _speed(name, Home(Path(folder) / "home", Path(folder) / "data"), number, size)
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home", Path(folder) / "data")
        rounds = Rounds(home)
        rounds.write(entries)
        Ledger(home).close()
        taken, found = _timed(lambda: verify(home, MODEL))
        assert isinstance(found, Verification)
        print(f"one chain of {found.records:,} records in a ledger of {entries:,}: {taken:.1f} s")
        taken, found = _timed(lambda: verify(home))
        assert isinstance(found, Verification)
        # the generated records are whole and chained; what they tell of was never made
        not_made = (Kind.VERSION_MISSING, Kind.VERSION_WRONG, Kind.RAW_MISSING)
        wrong = [each for each in found.errors if each.kind not in not_made]
        assert not wrong and found.records == rounds.head.seq
        print(f"verify --all of {entries:,} records, their chain and the ledger's rows: {taken:.1f} s")


def _speed(name: str, home: Home, number: int, size: int) -> None:
    lineage = Lineage(home)
    with lineage.record("bench/files", code_version="1") as record:
        for part in range(number):
            record.output(f"{part:05d}.bin").write_bytes(os.urandom(size))
        record.publish()
    lineage.close()
    data, times = os.urandom(size), max(1, number // cores())

    def hash_in_memory() -> None:
        """As many bytes as there are in the store, on as many threads, with nothing to read."""
        with ThreadPoolExecutor(max_workers=cores()) as pool:
            list(pool.map(lambda _: [hashlib.sha256(data).digest() for _ in range(times)], range(cores())))

    def verified() -> None:
        assert not verify(home).mismatches

    hashed, compared = number * size / 1e6, times * cores() * size / 1e6
    raw, found = [], []
    for _ in range(ROUNDS):
        raw.append(_taken(hash_in_memory))
        found.append(_taken(verified))
    (wall, cpu), (raw_wall, raw_cpu) = (map(min, zip(*each, strict=True)) for each in (found, raw))
    rate, raw_rate = hashed / wall, compared / raw_wall
    print(
        f"verify --all of {name}: {rate:,.0f} MB/s, SHA-256 of this machine on {cores()} cores {raw_rate:,.0f} MB/s: "
        f"ratio {rate / raw_rate:.2f} (goal {GOAL}); of processor time {hashed / cpu / (compared / raw_cpu):.2f}"
    )


def _taken(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of all processors."""
    started, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - started, time.process_time() - cpu


def _timed(work: Callable[[], object]) -> tuple[float, object]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
