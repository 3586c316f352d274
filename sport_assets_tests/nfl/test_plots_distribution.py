from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread
from matplotlib.patches import Rectangle

from sport_assets.nfl import distribution, metrics, plots, plots_distribution
from sport_assets.nfl.baselines import BASELINES
from sport_assets_tests.nfl.example import plays
from sport_assets_tests.nfl.test_distribution import HORIZONS, SPREAD, known_law
from sport_assets_tests.nfl.test_plots import drawn


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    outputs, batch = known_law(30)
    scores = distribution.score(outputs, batch, SPREAD, HORIZONS)
    return distribution.summary(scores, 30, metrics.bootstrap_weights(30, 20, seed=0))


def test_reliability_shows_every_level_and_time(
    found: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = drawn(monkeypatch, plots_distribution)
    for number in ("1", "2"):
        plots_distribution.reliability(found, tmp_path / f"{number}.png")
    first = (tmp_path / "1.png").read_bytes()
    assert first == (tmp_path / "2.png").read_bytes() and b"matplotlib" not in first.lower()
    assert len(np.unique(imread(tmp_path / "1.png").reshape(-1, 4), axis=0)) > 50
    curve, by_time, counts = figures[0].axes
    lines = [np.asarray(line.get_ydata(), dtype=float) for line in curve.lines]
    times = [one for one in found["by_time"] if one["frames"]]
    for wanted in (found["regions"]["inside"], found["regions"]["baseline_inside"], *(one["inside"] for one in times)):
        assert any(len(line) == len(wanted) and np.allclose(line, 100 * np.array(wanted)) for line in lines)
    assert len(by_time.lines) == 2 * 3
    bars = [bar for bar in counts.patches if isinstance(bar, Rectangle)]
    assert [bar.get_height() for bar in bars] == [one["frames"] for one in times]
    assert [text.get_text() for text in counts.get_xticklabels()] == ["0 to 0.5", "0.5 to 1", "1 to 1.5"]


def test_a_play_shows_its_modes_and_where_the_players_may_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = drawn(monkeypatch, plots)
    tensors = plays()
    outputs, _ = known_law(6)
    outputs = {name: value[2:3] for name, value in outputs.items()}
    picture = plots.PlayPicture.of(
        tensors, 2, BASELINES["damped_landing"](tensors.pad(np.array([2])))[0], BASELINES["damped_landing"]
    )
    modes = plots_distribution.ModesPicture.of(outputs)
    for number in ("1", "2"):
        plots.play(picture, "best", 0.4, tmp_path / f"{number}.png", plots_distribution.modes(picture, modes))
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()
    (axes,) = figures[0].axes
    paths = [np.asarray(line.get_xydata(), dtype=float) for line in axes.lines]
    for slot in np.flatnonzero(picture.asked):
        for path in modes.path[slot]:
            assert any(len(line) == len(path) + 1 and np.allclose(line[1:], path) for line in paths)
    assert len(axes.collections) == 3 * int(picture.asked.sum())
    legend = {text.get_text() for text in figures[0].legends[0].get_texts()}
    assert {"at the end: 90 % region", "at the end: 50 % region", "modes, the wider the likelier"} <= legend
