"""What the questions of an audit cost on a ledger of 100,000 materializations (18 weeks, 400 videos, 27 variants).

Wall seconds, the median of a few; another number may be given as the one argument. The aim is under 1 s for each.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from sport_assets.audit.chain import walk
from sport_assets.audit.diff import diff
from sport_assets.audit.impact import Impact, Subject, impact, subject_of, subject_of_rows
from sport_assets.audit.page import page
from sport_assets.audit.records import LedgerRecords
from sport_assets.audit.report import report
from sport_assets.lineage.home import Home
from sport_assets.lineage.index import ENTRIES
from sport_assets.lineage.models import find_record
from sport_assets.lineage.record import Lineage
from sport_assets_tests.benchmarks.rounds import Rounds

COUNT = 100_000
REPEATS = 5
GOAL_S = 1.0
GOAL_PAGE_MB = 5
MODELS = (
    "nfl/model_card:production|0",
    "cricket/model_card:42|variant_00",
    "detection/model_card:production|0",
)


def main(entries: int = COUNT) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(root=Path(folder) / "home", data=Path(folder))
        rounds = Rounds(home)
        seconds, _ = _timed(lambda: rounds.write(entries))
        print(f"generated {rounds.head.seq:,} records in {seconds:.0f} s")
        seconds, lineage = _timed(lambda: Lineage(home))
        print(f"made the ledger from the records alone in {seconds:.0f} s: {home.ledger.stat().st_size / 1e6:.0f} MB")
        for model in MODELS:
            _questions(lineage, model)
        subjects = {
            "raw video": lambda: subject_of(lineage.ledger, "detection/match_000.mp4"),
            "asset with 400 partitions": lambda: subject_of(lineage.ledger, "detection/raw_video"),
            "video by row": lambda: subject_of_rows(lineage.ledger, {"video": "match_000"}),
            "play by row": lambda: subject_of_rows(lineage.ledger, {"game_id": "20230001", "play_id": "1"}),
        }
        for name, subject in subjects.items():
            seconds, found = _median(partial(_impact, lineage, subject))
            print(f"impact of a {name}: {seconds:.2f} s (goal under {GOAL_S:g}); {len(found.affected):,} affected")
        lineage.close()


def _impact(lineage: Lineage, subject: Callable[[], Subject]) -> Impact:
    return impact(lineage.ledger, subject())


def _questions(lineage: Lineage, model: str) -> None:
    records = LedgerRecords(lineage)
    seconds, chain = _median(lambda: walk(records, find_record(lineage.ledger, model).id))
    told, content = _median(lambda: report(chain, records))
    drawn, text = _median(lambda: page(content))
    print(f"{model}: {len(chain.steps):,} steps back to {len(chain.raw_files):,} raw files")
    print(f"    audit walk {seconds:.2f} s (goal under {GOAL_S:g}), report {told:.2f} s, page {drawn:.2f} s")
    print(f"    page of {len(text.encode()) / 1e6:.2f} MB (goal under {GOAL_PAGE_MB})")
    made = chain.target.made
    [*_, before, _] = lineage.ledger.entries(ENTRIES.c.key == made.key, ENTRIES.c.partition == made.partition)
    earlier = walk(records, before.id)
    seconds, _ = _median(lambda: diff(earlier, chain, records))
    print(f"    diff with the one before {seconds:.2f} s and two walks (goal under {GOAL_S:g})")


T = TypeVar("T")


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def _median(work: Callable[[], T]) -> tuple[float, T]:
    times = [_timed(work) for _ in range(REPEATS)]
    return statistics.median(seconds for seconds, _ in times), times[-1][1]


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
