"""Match files to tables: CPU-seconds and memory for all matches there are, listing and reading apart.

Takes the real matches where SPORT_ASSETS_REAL_DATA is set (2,761 matches, 623,878 deliveries), else generated ones.
Everything runs in one fresh process on one thread.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GENERATED = 300


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        named = os.environ.get("SPORT_ASSETS_REAL_DATA")
        data = Path(folder) / "data"
        (data / "cricket").mkdir(parents=True)
        if named:
            (data / "cricket" / "t20s.tar.zst").symlink_to(Path(named) / "cricket" / "t20s_male_json.tar.zst")
        else:
            from sport_assets.cricket.synthetic import generate

            print(f"SPORT_ASSETS_REAL_DATA is not set: {GENERATED} generated matches")
            generate(data / "cricket", matches=GENERATED)
        command = [sys.executable, "-m", "sport_assets_tests.benchmarks.bench_cricket_reader", folder]
        environment = {**os.environ, "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        found = json.loads(done.stdout)
    print(
        f"{found['matches']:,} matches, {found['deliveries']:,} deliveries in {found['years']} years: "
        f"{found['seconds']:.1f} CPU-s from match files to published tables on one core "
        f"({found['deliveries'] / found['seconds']:,.0f} deliveries/s), peak {found['peak_mb']:.0f} MB, "
        f"tables {found['bytes'] / 1e6:.1f} MB"
    )
    print(f"    listing all files, with digests: {found['list_s']:.2f} s")
    print(f"    reading them as JSON alone: {found['json_s']:.2f} s")
    print(f"    parsing into rows: {found['parse_s']:.2f} s")


def _child(folder: Path) -> dict[str, float]:
    from sport_assets.cricket import archive, years
    from sport_assets.cricket.cricsheet import read_match
    from sport_assets.cricket.deliveries import process_year
    from sport_assets_tests.benchmarks.bench_reader import _peak_mb

    data = folder / "data"
    start = time.process_time()
    library = archive.library(data)
    listed = time.process_time() - start
    size = deliveries = matches = 0
    for year in library.years:
        out = folder / year
        out.mkdir()
        report = years.write_year(data, year, out / "listed.json")
        made = process_year(out / "listed.json", [(name, data / name) for name in report.files], out)
        matches, deliveries = matches + int(made.metadata["matches"]), deliveries + int(made.metadata["deliveries"])
        size += sum(path.stat().st_size for path in out.iterdir())
    seconds, peak = time.process_time() - start, _peak_mb()
    contents = []
    for files in library.years.values():
        wanted = {member.match_id: member.sha256 for member in files.members}
        contents += list(archive.read([(name, data / name) for name in files.files], wanted))
    start = time.process_time()
    for _, content in contents:
        json.loads(content)
    read = time.process_time() - start
    start = time.process_time()
    for match_id, content in contents:
        read_match(match_id, content)
    return {
        "years": len(library.years), "matches": matches, "deliveries": deliveries, "seconds": seconds, "list_s": listed,
        "json_s": read, "parse_s": time.process_time() - start, "bytes": size, "peak_mb": peak,
    }  # fmt: skip


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_child(Path(sys.argv[1]))))
