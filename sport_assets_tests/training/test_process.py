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


def test_the_library_that_multiplies_takes_one_path_whatever_lies_where() -> None:
    """Asked of MKL itself: names that it does not know for a processor are ignored without a word."""
    asked = (
        "import ctypes, glob, os; from sport_assets.training.process import SAME_BITS; os.environ.update(SAME_BITS); "
        "import torch; [library] = glob.glob(torch.__path__[0] + '/lib/libtorch_cpu.*'); "
        "ask = getattr(ctypes.CDLL(library), 'mkl_serv_cbwr_get', None); print(ask(-1) if ask else 'none')"
    )
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.strip()
    if told == "none":
        pytest.skip("this torch was built without MKL")
    auto, strict = 2, 0x10000
    assert int(told) == auto | strict
