"""A generated home of many rounds of builds: 18 weeks, 400 videos, 27 variants, as real lines would leave them.

Belongs here: whole, chained record files with row indexes, written without waiting for the disk. Must not come here:
measuring. Nothing is in the store; versions are made up.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sport_assets.lineage.digest import canonical_json, sha256_text
from sport_assets.lineage.environment import environment
from sport_assets.lineage.home import Home
from sport_assets.lineage.ledger import Head
from sport_assets.lineage.manifest import SCHEMA_VERSION
from sport_assets.lineage.row_index import RowIndex, save

WEEKS = [f"2023-w{week:02d}" for week in range(1, 19)]
VIDEOS = [f"match_{number:03d}" for number in range(400)]
YEARS = [str(year) for year in range(2005, 2026)]
VARIANTS = [f"{seed}|variant_{number:02d}" for number in range(27) for seed in (42, 123, 456)]
PRESETS = [f"{preset}|{seed}" for preset in ("production", "probabilistic", "sanity") for seed in range(5)]
MODEL = ("checkpoint", "evaluation", "exported_model", "model_card")
PLAYS_PER_WEEK = 800
CHECKS = 8
Partition = tuple[str, str | None]


@dataclass
class Rounds:
    """Writes rounds of records into a home whose ledger is not open."""

    home: Home
    head: Head = field(init=False)
    newest: dict[Partition, dict[str, Any]] = field(default_factory=dict)
    """How each partition's newest materialization is read."""

    def __post_init__(self) -> None:
        self._folder = self.home.records / "2025"
        self._folder.mkdir(parents=True)
        self.head = Head(0, "0" * 64)
        (self.home.records / "GENESIS").write_text(self.head.hash, encoding="utf-8")
        self._environment = environment().model_dump(mode="json")
        self._indexes: dict[str, str] = {}

    def write(self, entries: int) -> None:
        """Rounds until there are so many records; in each, every partition is made anew with another content."""
        number = 0
        while self.head.seq < entries:
            self._round(number)
            number += 1

    def _round(self, number: int) -> None:
        for week in WEEKS:
            self._made("nfl/raw_tracking", week, number, raw=f"nfl/train/input_{week}.csv")
            self._made("nfl/tracking", week, number, [("nfl/raw_tracking", week)], rows=self._plays(week))
            self._made("nfl/play_tensors", week, number, [("nfl/tracking", week)], rows=self._plays(week))
        tensors = [("nfl/play_tensors", week) for week in WEEKS]
        self._made("nfl/split", None, number, tensors)
        self._models("nfl", PRESETS, number, [("nfl/split", None), *tensors])
        for year in YEARS:
            self._made("cricket/raw_matches", year, number, raw=f"cricket/{year}.zip")
            self._made("cricket/deliveries", year, number, [("cricket/raw_matches", year)])
            self._made("cricket/innings", year, number, [("cricket/deliveries", year)])
        self._models("cricket", VARIANTS, number, [("cricket/innings", year) for year in YEARS])
        for video in VIDEOS:
            self._made("detection/raw_video", video, number, raw=f"detection/{video}.mp4")
            for above, key in (("raw_video", "events"), ("events", "frames"), ("frames", "pseudo_labels")):
                reads = [(f"detection/{above}", video)]
                self._made(f"detection/{key}", video, number, reads, rows=self._video(video))
        frames: list[Partition] = [
            (f"detection/{key}", video) for key in ("frames", "pseudo_labels") for video in VIDEOS
        ]
        self._made("detection/coco_dataset", None, number, frames)
        self._models("detection", PRESETS[:5], number, [("detection/coco_dataset", None)])

    def _models(self, line: str, partitions: Iterable[str], number: int, reads: Sequence[Partition]) -> None:
        for partition in partitions:
            above: Sequence[Partition] = reads
            for name in MODEL:
                facts = (
                    {"spec_digest": "c" * 64, "settings": {"hidden": 64, "layers": number}} if name == MODEL[0] else {}
                )
                self._made(f"{line}/{name}", partition, number, above, facts=facts)
                above = [(f"{line}/{name}", partition)]

    def _plays(self, week: str) -> str:
        if week not in self._indexes:
            index = RowIndex()
            first = 20230000 + WEEKS.index(week) * 16
            plays = [(first + play % 16, play) for play in range(PLAYS_PER_WEEK)]
            index.add(["game_id"], [game for game, _ in plays])
            index.add(["game_id", "play_id"], plays)
            self._indexes[week] = save(self.home.records, index)
        return self._indexes[week]

    def _video(self, video: str) -> str:
        if video not in self._indexes:
            index = RowIndex()
            index.add(["video"], [video])
            self._indexes[video] = save(self.home.records, index)
        return self._indexes[video]

    def _made(
        self,
        key: str,
        partition: str | None,
        number: int,
        reads: Sequence[Partition] = (),
        *,
        raw: str | None = None,
        rows: str | None = None,
        facts: dict[str, Any] | None = None,
    ) -> None:
        version = sha256_text(f"{key} {partition} {number}")
        name = f"{self.head.seq + 1:08d}-{self.head.hash[:12]}"
        at = (datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=self.head.seq)).isoformat()
        content = {
            "schema_version": SCHEMA_VERSION,
            "id": name,
            "previous": self.head.hash,
            "at": at,
            "kind": "materialized",
            "key": key,
            "partition": partition,
            "version": version,
            "files": [{"path": f"part{n}.bin", "sha256": sha256_text(f"{version} {n}"), "size": 1} for n in range(3)],
            "inputs": [self.newest[read] for read in reads],
            # a raw file seldom changes: every fifth round
            "raw_files": [{"path": raw, "sha256": sha256_text(f"{raw} {number // 5}"), "size": 1}] if raw else [],
            "code_version": f"{number // 3:016x}",
            "config": {},
            "seed": 0,
            "checks": [{"name": f"rule_{n}", "passed": True, "blocking": True, "checked": 9} for n in range(CHECKS)],
            "rows": 800 + number,
            "quarantined_rows": number,
            "row_index": rows,
            "facts": facts or {},
            "environment": self._environment,
            "started": at,
            "ended": at,
        }
        text = canonical_json(content)
        descriptor = os.open(self._folder / f"{name}.json", os.O_CREAT | os.O_WRONLY)
        os.write(descriptor, text.encode())
        os.close(descriptor)
        self.head = Head(self.head.seq + 1, sha256_text(text))
        self.newest[key, partition] = {"key": key, "partition": partition, "version": version, "record": name}
