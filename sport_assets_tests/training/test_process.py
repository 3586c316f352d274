"""What a training's process knows of itself and sets for itself."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from sport_assets.training import process

TOLD = "from sport_assets.training.process import peak_memory; print(peak_memory())"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere a child does not begin with its parent's")
def test_the_peak_of_a_process_is_not_that_of_its_parent() -> None:
    held = np.ones(40_000_000)  # 320 MB
    told = int(subprocess.run([sys.executable, "-c", TOLD], capture_output=True, text=True, check=True).stdout)
    assert process.peak_memory() > held.nbytes > told > 5_000_000


def test_the_same_bits_are_asked_of_the_library_that_multiplies(monkeypatch: pytest.MonkeyPatch) -> None:
    assert process.SAME_BITS["MKL_CBWR"] == process.mkl_branch() in ("AVX2,STRICT", "COMPATIBLE")
    cpus = {"new": "processor\t: 0\nflags\t\t: fpu sse avx avx2 fma\n", "old": "flags\t\t: fpu sse avx\n"}
    for text, branch in ((cpus["new"], "AVX2,STRICT"), (cpus["old"], "COMPATIBLE")):
        monkeypatch.setattr(process.Path, "read_text", lambda _, text=text: text)
        assert process.mkl_branch() == branch
