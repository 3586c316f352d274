"""Presets of the cricket line's variants, and what is refused."""

from __future__ import annotations

import pytest

from sport_assets.cricket.settings import ABLATIONS, MAIN_VARIANTS, VARIANTS, preset_path, resolve
from sport_assets.training.errors import BadSpecError

SWITCHES = ("pooling", "matchup", "film", "hierarchical", "innings_heads", "history")


def test_there_are_six_models_and_nine_ablations() -> None:
    assert (len(MAIN_VARIANTS), len(ABLATIONS)) == (6, 9)
    assert sorted(path.stem for path in preset_path("base").parent.glob("*.yaml")) == sorted(VARIANTS)


@pytest.mark.parametrize("variant", [*MAIN_VARIANTS, *ABLATIONS])
def test_every_preset_has_the_sizes_of_the_specification_but_twice_its_dropout(variant: str) -> None:
    found = resolve({"variant": variant, "seed": "42"}, {})
    model = found["model"]
    assert (model["hidden_dim"], model["layers"], model["heads"], model["dropout"]) == (128, 3, 4, 0.2)
    assert found["training"]["learning_rate"] == 1e-3


def test_variants_differ_by_their_switches() -> None:
    on = {name: {s for s in SWITCHES if resolve({"variant": name}, {})["model"][s]} - {"history"} for name in VARIANTS}
    three = {"film", "hierarchical", "innings_heads"}
    assert on["base"] == set()
    assert on["pooling"] == {"pooling"}
    assert on["hybrid"] == on["full_none"] == {"matchup"}
    assert on["phase_modulated"] == on["full_only_film"] == {"matchup", "film"}
    assert on["innings_conditional"] == on["full_only_innings_heads"] == {"matchup", "innings_heads"}
    assert on["full"] == {"matchup"} | three
    assert on["sanity"] == on["full"]
    for part in three:
        assert on[f"full_no_{part}"] == on["full"] - {part}
        assert on[f"full_only_{part}"] == {"matchup", part}
    assert not resolve({"variant": "full_no_history"}, {})["model"]["history"]
    assert resolve({"variant": "full_no_unknown_player"}, {})["model"]["unknown_share"] == 0.0
    assert resolve({"variant": "full"}, {})["model"]["unknown_share"] > 0.0


def test_what_is_unknown_or_wrong_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown variant 'huge': choose one of base, pooling"):
        resolve({"variant": "huge"}, {})
    with pytest.raises(BadSpecError, match=r"unknown setting 'model\.hidden'"):
        resolve({"variant": "base"}, {"model.hidden": 3})
    with pytest.raises(BadSpecError, match="heads=3 does not divide hidden_dim=128"):
        resolve({"variant": "base"}, {"model.heads": 3})
    for members in (0, 9):
        with pytest.raises(BadSpecError, match="members"):
            resolve({"variant": "base"}, {"model.members": members})
    with pytest.raises(BadSpecError, match="loss"):
        resolve({"variant": "base"}, {"model.loss": "hinge"})
