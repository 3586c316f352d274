"""What a record says of the machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sport_assets.lineage import environment


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    environment.processor.cache_clear()
    yield
    environment.processor.cache_clear()


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ("model name\t: AMD EPYC 9R14\nflags\t\t: fpu avx avx2 avx512f\n", "AMD EPYC 9R14 avx512f"),
        ("model name\t: Intel(R) Core(TM) i7\nflags\t\t: fpu avx avx2\n", "Intel(R) Core(TM) i7 avx2"),
        ("model name\t: Old\nflags\t\t: fpu sse\n", "Old"),
        ("processor\t: 0\nFeatures\t: fp asimd\n", "aarch64"),
    ],
)
def test_the_processor_is_named_with_its_vector_instructions(
    monkeypatch: pytest.MonkeyPatch, told: str, named: str
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda _, **__: told)
    monkeypatch.setattr(environment.platform, "machine", lambda: "aarch64")
    assert environment.processor() == named


def test_a_record_says_which_processor_it_was() -> None:
    assert environment.environment().platform.endswith(f", {environment.processor()}")
    assert environment.processor()
