"""A fresh home for each test, and the shortest way to publish into it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.home import Home
from sport_assets.lineage.record import Lineage, Published

Publish = Callable[..., Published]


@pytest.fixture
def place(tmp_path: Path) -> Home:
    """Paths of a home that does not exist yet; the data folder does."""
    home = Home(root=tmp_path / "home", data=tmp_path / "data")
    home.data.mkdir()
    return home


@pytest.fixture
def lineage(place: Home) -> Iterator[Lineage]:
    """An open, empty home."""
    opened = Lineage(place)
    yield opened
    opened.close()


@pytest.fixture
def publish(lineage: Lineage) -> Publish:
    """``publish(key, partition, text, checks=…, reads=[(key, partition), …])``: a version of one file."""

    def run(
        key: str,
        partition: str | None = None,
        text: str = "content",
        *,
        checks: Sequence[CheckResult] = (),
        reads: Sequence[tuple[str, str | None]] = (),
    ) -> Published:
        with lineage.record(key, partition, code_version="1") as record:
            for asked in reads:
                record.read(*asked)
            record.output("data.txt").write_text(text, encoding="utf-8")
            record.check(checks)
            return record.publish()

    return run
