"""What recording costs: per materialization, on a new ledger and on one of 100,000 entries, and hashing.

Times are wall clock (waiting for the disk is most of it), with CPU time beside them. ``ENTRIES`` may be given as the
one argument. The big ledger is generated: its records are whole and chained as if they had been appended.
"""

import hashlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.digest import FileEntry, sha256_bytes, sha256_file
from sport_assets.lineage.environment import environment
from sport_assets.lineage.gate import readable
from sport_assets.lineage.home import Home
from sport_assets.lineage.ledger import Head, Ledger
from sport_assets.lineage.manifest import InputRef, Materialization, RecordedCheck
from sport_assets.lineage.record import Lineage

ENTRIES = 100_000
PARTITIONS = 22
MATERIALIZATIONS = 40
FILES = 10
FILE_BYTES = 20_000
HASHED_BYTES = 512 * 2**20
GOAL_OVERHEAD_MS = 50
GOAL_HASHING = 0.8


def main(entries: int = ENTRIES) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        home = Home(root / "new", root)
        environment()  # git and the list of packages are asked once per process
        _overheads("a new ledger", home)
        big = Home(root / "big", root)
        seconds, _ = _timed(lambda: generate(big, entries))
        size = next(big.records.glob("*/*.json")).stat().st_size
        print(f"generated {entries:,} records of about {size / 1000:.1f} kB in {seconds:.1f} s")
        rebuilding, rebuilding_cpu = _timed(lambda: Ledger(big).close())
        print(f"    made its index from the records alone: {rebuilding:.1f} s ({rebuilding_cpu:.1f} CPU-s)")
        opening = [_timed(lambda: Ledger(big).close())[0] for _ in range(7)]
        print(f"    opened it: {statistics.median(opening) * 1000:.0f} ms (median of {len(opening)})")
        _overheads(f"a ledger of {entries:,} entries", big)
        _hashing(root)


def generate(home: Home, entries: int) -> Head:
    """Write ``entries`` chained records without waiting for the disk; returns the head. The ledger is not opened."""
    folder = home.records / "2025"
    folder.mkdir(parents=True)
    head = Head(0, "0" * 64)
    (home.records / "GENESIS").write_text(head.hash, encoding="utf-8")
    moment = datetime(2025, 1, 1, tzinfo=UTC)
    pattern = Materialization(
        kind="materialized",
        id="%ID%",
        previous="%PREVIOUS%",
        at=moment,
        key="%KEY%",
        partition="%PARTITION%",
        version="%VERSION%",
        files=[FileEntry(path=f"f{number}.bin", sha256=f"%{number}%" + "e" * 61, size=1) for number in range(3)],
        inputs=[InputRef(key="%FROM%", partition="%PARTITION%", version="%VERSION%", record="%PREVIOUS%")],
        code_version="1",
        checks=[RecordedCheck(name="rules", passed=True, blocking=True)],
        environment=environment(),
        started=moment,
        ended=moment,
    ).model_dump_json(indent=1)
    for number in range(entries):
        name = f"{head.seq + 1:08d}-{head.hash[:12]}"
        text = pattern
        for place, value in (
            ("%ID%", name),
            ("%PREVIOUS%", head.hash),
            ("%KEY%", f"nfl/asset{number // PARTITIONS % 50}"),
            ("%FROM%", f"nfl/asset{(number // PARTITIONS - 1) % 50}"),
            ("%PARTITION%", f"2023-w{number % PARTITIONS + 1:02d}"),
            ("%VERSION%", sha256_bytes(b"%d" % number)),
        ):
            text = text.replace(place, value)
        data = text.encode()
        descriptor = os.open(folder / f"{name}.json", os.O_CREAT | os.O_WRONLY)
        os.write(descriptor, data)
        os.close(descriptor)
        head = Head(head.seq + 1, sha256_bytes(data))
    return head


def _overheads(name: str, home: Home) -> None:
    lineage = Lineage(home)
    for files in (1, FILES):
        wall, cpu = _materialize(lineage, files)
        bare = [_write(home.root / f"bare-{files}-{number}", files) for number in range(10)]
        print(
            f"one materialization of {files} files on {name}: {statistics.median(wall) * 1000:.1f} ms at the median, "
            f"{sorted(wall)[len(wall) * 95 // 100] * 1000:.1f} ms at the 95th percentile of {len(wall)} "
            f"(goal under {GOAL_OVERHEAD_MS}), {statistics.median(cpu) * 1000:.1f} CPU-ms; "
            f"just writing and syncing such files: {statistics.median(bare) * 1000:.1f} ms"
        )
    reading = [_timed(lambda: readable(lineage.ledger, "bench/table", "p1"))[0] for _ in range(30)]
    print(f"    the gate's answer for one input: {statistics.median(reading) * 1000:.1f} ms at the median")
    lineage.close()


def _materialize(lineage: Lineage, files: int) -> tuple[list[float], list[float]]:
    """Wall and CPU seconds of everything but the asset's own writing; two checks, one input."""
    wall, cpu = [], []
    with lineage.record("bench/source", None, code_version="1") as record:
        record.output("data").write_bytes(b"x")
        record.publish()
    for number in range(MATERIALIZATIONS):
        started, started_cpu = time.perf_counter(), time.process_time()
        own = own_cpu = 0.0
        with lineage.record("bench/table", f"p{number}", code_version="1", config={"number": number}) as record:
            record.read("bench/source", None)
            began, began_cpu = time.perf_counter(), time.process_time()
            _fill([record.output(f"f{part}.bin") for part in range(files)])
            own, own_cpu = time.perf_counter() - began, time.process_time() - began_cpu
            record.check([CheckResult("one", True), CheckResult("two", True)])
            record.publish(rows=1)
        wall.append(time.perf_counter() - started - own)
        cpu.append(time.process_time() - started_cpu - own_cpu)
    return wall, cpu


def _fill(paths: list[Path]) -> None:
    for path in paths:
        path.write_bytes(os.urandom(FILE_BYTES))


def _write(folder: Path, files: int) -> float:
    """Seconds to write and sync as many files, one after the other, with nothing around it."""
    started = time.perf_counter()
    folder.mkdir(parents=True)
    for number in range(files):
        with (folder / str(number)).open("wb") as file:
            file.write(os.urandom(FILE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    return time.perf_counter() - started


def _hashing(root: Path) -> None:
    """Both variants in turn in one run, on bytes that are in memory (raw) or in the page cache (file)."""
    data = os.urandom(HASHED_BYTES)
    path = root / "big.bin"
    path.write_bytes(data)
    raw: list[float] = []
    file: list[float] = []
    for _ in range(5):
        raw.append(_timed(lambda: hashlib.sha256(data).digest())[1])
        file.append(_timed(lambda: sha256_file(path))[1])
    ratio = min(raw) / min(file)
    print(
        f"hashing a file: {HASHED_BYTES / min(file) / 1e6:.0f} MB per CPU-second, raw SHA-256 of this machine "
        f"{HASHED_BYTES / min(raw) / 1e6:.0f}: ratio {ratio:.2f} (goal {GOAL_HASHING})"
    )


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    started, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - started, time.process_time() - cpu


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
