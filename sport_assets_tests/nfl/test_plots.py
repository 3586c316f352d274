from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from sport_assets.nfl import plots
from sport_assets.nfl.baselines import BASELINES
from sport_assets.training import reports
from sport_assets_tests.nfl.example import plays

CURVES = {
    "frame": [1, 2, 3],
    "players": [9, 9, 4],
    "error_yards": {name: [0.1, 0.4, 0.9] for name in ("model", *BASELINES)},
}


@pytest.fixture
def picture() -> plots.PlayPicture:
    tensors = plays()
    prediction = BASELINES["damped_landing"](tensors.pad(np.array([2])))[0]
    return plots.PlayPicture.of(tensors, 2, prediction + 0.5, BASELINES["damped_landing"])


def drawn(monkeypatch: pytest.MonkeyPatch, module: ModuleType = plots) -> list[Figure]:
    """Catches the figures that a module saves."""
    figures: list[Figure] = []
    save = reports.save_picture

    def keep(figure: Figure, path: Path) -> None:
        figures.append(figure)
        save(figure, path)

    monkeypatch.setattr(module, "save_picture", keep)
    return figures


def test_the_same_bytes_twice_and_not_blank(picture: plots.PlayPicture, tmp_path: Path) -> None:
    for number in ("1", "2"):
        plots.play(picture, "best", 0.4, tmp_path / f"play{number}.png")
        plots.error_by_horizon(CURVES, tmp_path / f"error{number}.png")
        plots.week_at_a_glance(plays(20), "2023-w01", tmp_path / f"week{number}.png")
    for name in ("play", "error", "week"):
        first = (tmp_path / f"{name}1.png").read_bytes()
        assert first == (tmp_path / f"{name}2.png").read_bytes(), name
        assert b"matplotlib" not in first.lower(), name
        assert len(np.unique(imread(tmp_path / f"{name}1.png").reshape(-1, 4), axis=0)) > 50, name


def test_a_play_shows_truth_prediction_baseline_and_what_a_coach_looks_for(
    picture: plots.PlayPicture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = drawn(monkeypatch)
    plots.play(picture, "worst", 1.25, tmp_path / "play.png")
    (axes,) = figures[0].axes
    lines = [np.asarray(line.get_xydata(), dtype=float) for line in axes.lines]

    def shown(path: np.ndarray) -> bool:
        return any(len(line) == len(path) + 1 and np.allclose(line[1:], path) for line in lines)

    for slot in np.flatnonzero(picture.asked):
        for path in (picture.truth[slot], picture.prediction[slot], picture.baseline[slot]):
            assert shown(path[np.isfinite(path[:, 0])])
    assert any(line.shape == (1, 2) and np.allclose(line[0], picture.landing) for line in lines)
    assert any(line.shape == (2, 2) and np.allclose(line[:, 0], picture.yardline) for line in lines)
    words = [text.get_text() for text in axes.texts]
    assert {"line of scrimmage", "40", "50"} <= set(words)
    assert "1.25 yards" in figures[0].get_suptitle()
    legend = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert {"Targeted receiver", "Defender", "what happened", "model", "physics baseline", "ball lands"} <= set(legend)


def test_error_by_horizon_names_every_forecast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = drawn(monkeypatch)
    plots.error_by_horizon(CURVES, tmp_path / "error.png")
    legend = figures[0].axes[0].get_legend()
    assert legend is not None
    assert {text.get_text() for text in legend.get_texts()} == set(plots.NAMES.values())
    assert set(plots.NAMES) == set(plots.COLOURS) == {"model", *BASELINES}


def test_a_week_without_plays_can_be_drawn(tmp_path: Path) -> None:
    plots.week_at_a_glance(plays(3).select(np.array([], dtype=np.int64)), "2023-w05", tmp_path / "week.png")
    assert (tmp_path / "week.png").stat().st_size > 1000
