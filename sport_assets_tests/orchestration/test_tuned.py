"""Settings that a search found, as a recorded input of a training."""

import json
from dataclasses import replace
from typing import Any

import pytest

from sport_assets.lineage.errors import LineageError
from sport_assets.orchestration.model_training import _tuned
from sport_assets_tests.orchestration.toy_home import ToyHome
from sport_assets_tests.orchestration.toy_line import MODEL

SMALL = "small|0"


def search(toy: ToyHome, **found: Any) -> str:
    """The version of a tuning that found these settings."""
    toy.build("toy/tuning", None, f"found={json.dumps(found)}")
    return toy.latest("toy/tuning").version


def test_found_settings_stand_between_preset_and_overrides_and_are_pinned(toy: ToyHome) -> None:
    version = search(toy, **{"training.max_epochs": 1, "training.batch_size": 8, "model.hidden": 4})
    settings = (f"toy/checkpoint.tuned={version[:12]}", "hidden=6")
    assert toy.made("toy/checkpoint", SMALL, *settings) == ["toy/checkpoint:small|0"], "no search is part of a build"
    spec = json.loads((toy.folder("toy/checkpoint", SMALL) / "training_spec.json").read_text())
    assert spec["settings"]["training"]["max_epochs"] == 1, "found, over the preset's 2"
    assert spec["settings"]["training"]["batch_size"] == 8
    assert spec["settings"]["model"]["hidden"] == 6, "set by hand, over what was found"
    record = toy.latest("toy/checkpoint", SMALL)
    [tuned] = [ref for ref in record.inputs if ref.key == "toy/tuning"]
    assert (tuned.version, tuned.pinned) == (version, True)
    assert record.config["tuned"] == version[:12]
    assert search(toy, **{"training.max_epochs": 2}) != version
    assert toy.made("toy/checkpoint", SMALL, *settings) == [], "a later search is no news"


def test_found_settings_that_the_model_does_not_have_are_refused(toy: ToyHome) -> None:
    version = search(toy, **{"model.colour": 1})
    with pytest.raises(LineageError, match=rf"tuned={version}: .* do not fit: unknown setting model\.colour"):
        toy.build("toy/checkpoint", SMALL, f"tuned={version}")


def test_a_line_without_a_search_says_so() -> None:
    record: Any = None
    with pytest.raises(LineageError, match="the line toy has no tuning"):
        _tuned(replace(MODEL, tuning=None), record, "abc")
