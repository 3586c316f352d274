"""What each stage asks for and decides, on models with made-up losses; and that no test match has a say."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sport_assets.cricket import (
    final_model,
    rolling_origin,
    stage_ablations,
    stage_comparison,
    stage_overrides,
    stage_phases,
    stage_tuning,
    stages,
    trials,
)
from sport_assets.cricket.settings import ABLATIONS, MAIN_VARIANTS, resolve
from sport_assets.lineage.row_index import RowIndex
from sport_assets.training.errors import BadSpecError
from sport_assets.training.spec import SpecInput, TrainingSpec
from sport_assets.training.trials import Finished, Trial
from sport_assets_tests.cricket import trained
from sport_assets_tests.cricket.made_up_models import finished, model, study

FOUND = {"model.hidden_dim": 64, "model.layers": 2, "training.learning_rate": 0.002, "model.heads": 4}
TUNED = {"overrides": FOUND, "why": "so it came out.", "set_by_hand": {}}


def run(
    folder: Path, wanted: Sequence[Trial], skill: Callable[[Trial], float], size: Mapping[str, int]
) -> list[Finished]:
    """Trials as if they had been trained; the noise of a seed is its own."""
    return [
        finished(
            folder / "trials", each, skill(each), parameters=size.get(each.dimensions["variant"], 100), noise=each.seed
        )
        for each in wanted
    ]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# -- stage 1 ---------------------------------------------------------------------------------------------------------


def test_the_grid_is_walked_one_setting_after_another(tmp_path: Path) -> None:
    about = study(tmp_path, grid={"model.layers": [2, 3], "model.heads": [4, 48]})

    def skill(trial: Trial) -> float:
        wide = trial.overrides["model.hidden_dim"] == 128
        return 0.2 * wide + 0.1 * (trial.overrides["training.learning_rate"] == 2e-3) * wide

    done: list[Finished] = []
    asked = []
    while wanted := stage_tuning.trials(about, done):
        asked.append([each.name for each in wanted])
        done += [
            finished(tmp_path / "t", each, skill(each), parameters=each.overrides["model.layers"]) for each in wanted
        ]
    rest = "layers 2, learning_rate 0.001, heads 4, seed 42"
    assert asked[0] == [f"hidden_dim {width}, {rest}" for width in (256, 128, 64)], "the longest first"
    assert asked[1] == ["hidden_dim 128, layers 3, learning_rate 0.001, heads 4, seed 42"], "the rest is there already"
    assert [name.split(", ")[2] for name in asked[2]] == [f"learning_rate {r}" for r in (0.0001, 0.0005, 0.002)]
    assert len(asked) == 3, "48 heads do not share a width of 128, so 4 are left"
    out = tmp_path / "out"
    out.mkdir()
    facts, checks = stage_tuning.summarise(about, done, out)
    assert not checks and facts["settings"] == {
        "model.hidden_dim": 128,
        "model.layers": 2,
        "training.learning_rate": 0.002,
        "model.heads": 4,
    }
    best = json.loads((out / "best.json").read_text())
    assert best["overrides"] == facts["settings"] and best["variant"] == "base"
    table = pl.read_parquet(out / "trials.parquet")
    assert len(table) == 7 and table["tried_for"].to_list()[:3] == ["model.hidden_dim"] * 3
    assert resolve({"variant": "base"}, best["overrides"])["model"]["hidden_dim"] == 128
    again = tmp_path / "again"
    again.mkdir()
    stage_tuning.summarise(about, done, again)
    assert files(out) == files(again), "the same trials give the same bytes"


def test_settings_of_the_grid_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSpecError, match=r"unknown settings model\.colour; those of the grid: model\.hidden_dim"):
        stage_tuning.trials(study(tmp_path, grid={"model.colour": [1]}), [])
    with pytest.raises(BadSpecError, match=r"no value for model\.heads"):
        stage_tuning.trials(study(tmp_path, grid={"model.heads": []}), [])
    with pytest.raises(BadSpecError, match=r"no value of model\.hidden_dim goes with"):
        stage_tuning.trials(study(tmp_path, grid={"model.hidden_dim": [6]}), [])


def test_the_schedule_stands_over_what_was_found_and_what_is_set_by_hand_over_both(tmp_path: Path) -> None:
    by_hand = study(tmp_path, overrides={"training.warmup_epochs": 2, "model.dropout": 0.1}, seeds=[7])
    found = stages.trial(by_hand, "base", "base", {"model.heads": 8, "model.layers": 3}, 7)
    assert found.overrides == {
        "model.heads": 8,
        "model.layers": 3,
        "data.latest_matches": 600,
        "training.max_epochs": 6,
        "training.warmup_epochs": 2,
        "model.dropout": 0.1,
    }
    assert stages.schedule({"latest_matches": None, "max_epochs": None}) == {}
    short = stages.schedule({"latest_matches": 5, "max_epochs": 1})
    resolve({"variant": "full"}, short)  # a warm-up of the preset's length would be refused


TRAINED = {
    "tuning": ("base",),
    "stage_comparison": stage_comparison.VARIANTS,
    "phase_report": (*stage_comparison.VARIANTS, *stage_phases.COMPONENTS),
    "ablation_report": ("full", *ABLATIONS),
}


@pytest.mark.parametrize("stage", TRAINED)
def test_what_a_stage_varies_or_takes_from_another_cannot_be_set_by_hand(stage: str) -> None:
    """All widths of the grid would be trained at the one that was set, each under its own name."""
    presets = [resolve({"variant": variant}, {})["model"] for variant in TRAINED[stage]]
    varied = {f"model.{name}" for name, value in presets[0].items() if any(other[name] != value for other in presets)}
    assert stage == "tuning" or varied
    for name in {*varied, *stage_tuning.PRESET.grid, "model.film", "model.calibration", "training.max_epochs"}:
        with pytest.raises(ValueError, match=f"^{name} cannot be set by hand in {stage}: .*(set |leave it|cricket/)"):
            stage_overrides.refuse(stage, {"model.dropout": 0.1, name: 1})
    stage_overrides.refuse(stage, {"model.dropout": 0.1, "training.warmup_epochs": 0.1})


def test_it_is_refused_before_anything_is_made(home: Path) -> None:
    from sport_assets.definitions import defs
    from sport_assets.lineage.home import Home
    from sport_assets.orchestration.build import Builder, BuildError

    by_hand = 'overrides={"model.hidden_dim": 32, "model.calibration": "none"}'
    with pytest.raises(BuildError, match=r"cricket/tuning:\n.*model\.hidden_dim cannot .*model\.calibration cannot"):
        Builder(defs, Home.from_environment(), [by_hand]).run("cricket/stage_comparison", None)


def test_a_stages_preset_is_read_with_numbers_as_numbers_and_nothing_unknown(tmp_path: Path) -> None:
    assert stage_tuning.PRESET.grid["training.learning_rate"] == (1e-4, 5e-4, 1e-3, 2e-3)
    path = tmp_path / "tuning.yaml"
    grid = "grid: {model.layers: [2], training.learning_rate: [1e-4, 2e-3]}, start: {model.layers: 2}"
    head = "stage: {latest_matches: null, max_epochs: 4, seeds: [42], "
    path.write_text(f"{head}{grid}}}")
    found = stages.read_preset(path, stage_tuning.GridPreset)
    assert found.grid == {"model.layers": (2,), "training.learning_rate": (1e-4, 2e-3)}
    assert isinstance(found.grid["model.layers"][0], int), "a width or depth stays a whole number"
    path.write_text(f"{head}colour: 1, {grid}}}")
    with pytest.raises(BadSpecError, match=r"(?s)tuning\.yaml.*colour: Extra"):
        stages.read_preset(path, stage_tuning.GridPreset)


def test_options_are_those_of_the_stages_preset() -> None:
    from sport_assets.definitions import defs
    from sport_assets.orchestration.assets import DECLARATIONS

    assert defs
    presets = {"stage_comparison": stage_comparison.PRESET, "ablation_report": stage_ablations.PRESET}
    for stage, preset in {**presets, "rolling_origin": rolling_origin.PRESET}.items():
        options = DECLARATIONS[f"cricket/{stage}"].config
        assert options is not None
        default = options().model_dump()
        assert {name: default[name] for name in preset.model_dump() if name != "seeds"} == preset.model_dump(
            mode="json", exclude={"seeds"}
        )
        with pytest.raises(ValueError, match="greater than or equal to 1"):
            options(max_epochs=0)


def test_by_hand_a_rolling_origin_takes_what_it_does_not_say_elsewhere() -> None:
    for name in ("model.hidden_dim", "data.latest_matches", "model.calibration"):
        with pytest.raises(ValueError, match=f"{name} cannot be set by hand in rolling_origin"):
            stage_overrides.refuse("rolling_origin", {name: 1})
    stage_overrides.refuse("rolling_origin", {"training.learning_rate": 0.002, "model.film": False})


# -- stages 2 and 3 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("skills", "chosen", "said"),
    [
        ({"hybrid": 0.2, "pooling": 0.1}, "hybrid", "every difference from it is resolved"),
        ({"hybrid": 0.0005}, "base", "Neither is resolved as better"),
        ({"hybrid": 0.2, "pooling": 0.2004}, "pooling", "unresolved"),
    ],
)
def test_stage_2_takes_what_is_resolved_and_the_simpler_of_ties(
    tmp_path: Path, skills: dict[str, float], chosen: str, said: str
) -> None:
    about = study(tmp_path, {"tuning": TUNED})
    wanted = stage_comparison.trials(about, [])
    assert [each.dimensions["variant"] for each in wanted] == ["base", "pooling", "hybrid"]
    assert all(each.overrides["training.learning_rate"] == 0.002 for each in wanted)
    size = {"base": 1, "pooling": 2, "hybrid": 3}
    done = run(tmp_path, wanted, lambda trial: skills.get(trial.dimensions["variant"], 0.0), size)
    assert stage_comparison.trials(about, done) == []
    out = tmp_path / "out"
    out.mkdir()
    stage_comparison.summarise(about, done, out)
    decided = stages.decision(out)
    assert decided["chosen"] == chosen and said in decided["why"]
    text = (out / "report.md").read_text()
    assert "One training of each" in text or "one training of each" in text
    assert {"models.parquet", "losses.parquet", "variants.png"} <= set(files(out))


def test_stage_3_stands_on_what_stage_2_chose(tmp_path: Path) -> None:
    about = study(tmp_path, {"tuning": TUNED, "stage_comparison": {"chosen": "pooling"}})
    wanted = stage_phases.trials(about, [])
    assert [each.dimensions["variant"] for each in wanted] == ["pooling", "phase_modulated", "innings_conditional"]
    for each in wanted[1:]:
        made = resolve(each.dimensions, each.overrides)["model"]
        assert made["pooling"] and not made["matchup"] and made["film"] != made["innings_heads"]
    done = run(tmp_path, wanted, lambda t: {"phase_modulated": 0.2}.get(t.dimensions["variant"], 0.0), {})
    out = tmp_path / "out"
    out.mkdir()
    facts, _ = stage_phases.summarise(about, done, out)
    decided = stages.decision(out)
    assert facts["included"] == {"film": True, "innings_heads": False} and decided["helps_more"] == "film"
    parts = pl.read_parquet(out / "parts.parquet")
    assert parts["part"].unique(maintain_order=True).to_list() == [
        "powerplay", "middle_1", "middle_2", "death_1", "death_2", "innings_1", "innings_2",
    ]  # fmt: skip
    assert set(parts["model"]) == {"pooling", "phase_modulated", "innings_conditional"}
    rows = pl.read_parquet(out / "part_differences.parquet")
    assert len(rows) == 14 and set(rows.filter(pl.col("name") == "phase_modulated")["verdict"]) == {"better"}


# -- stage 4 ---------------------------------------------------------------------------------------------------------


def test_stage_4_trains_full_and_nine_ablations_with_five_seeds(tmp_path: Path) -> None:
    wanted = stage_ablations.trials(study(tmp_path, {"tuning": TUNED}), [])
    assert len(wanted) == 50 and len({each.name for each in wanted}) == 50
    assert [each.dimensions["variant"] for each in wanted[::5]] == ["full", *ABLATIONS]
    assert {each.seed for each in wanted} == {42, 123, 456, 789, 1011}
    assert {each.overrides["model.hidden_dim"] for each in wanted} == {64}
    larger = stage_ablations.trials(study(tmp_path, {"tuning": TUNED}, hidden_dim=128, layers=3), [])
    assert {(t.overrides["model.hidden_dim"], t.overrides["model.layers"]) for t in larger} == {(128, 3)}
    for name, flags in stage_ablations.FAMILY.items():
        preset = resolve({"variant": name}, {})["model"]
        assert tuple(preset[part] for part in stage_ablations.PARTS) == flags


def test_stage_4_goes_by_what_the_tuning_found_but_for_the_size(tmp_path: Path) -> None:
    found = {"model.hidden_dim": 256, "model.layers": 5, "training.learning_rate": 0.0005, "model.heads": 8}
    wanted = stage_ablations.trials(study(tmp_path, {"tuning": {"overrides": found}}), [])
    size = {"model.hidden_dim": 64, "model.layers": 2}
    assert all({**found, **size}.items() <= each.overrides.items() for each in wanted)
    odd = study(tmp_path, {"tuning": {"overrides": {**found, "model.heads": 6}}})
    with pytest.raises(BadSpecError, match="set hidden_dim to a multiple of 6"):
        stage_ablations.trials(odd, [])


def test_a_tuning_that_finds_the_presets_settings_leaves_the_ablations_the_trainings_they_are(tmp_path: Path) -> None:
    found = {"model.hidden_dim": 128, "model.layers": 3, "training.learning_rate": 0.001, "model.heads": 4}
    about = study(tmp_path, {"tuning": {"overrides": found}})
    for each in stage_ablations.trials(about, [])[::5]:
        alone = {"model.hidden_dim": 64, "model.layers": 2, **stages.schedule(about.options)}
        assert resolve(each.dimensions, each.overrides) == resolve(each.dimensions, alone)


@pytest.mark.parametrize("seeds", [1, 2, 4])
def test_nothing_is_concluded_from_fewer_than_five_seeds(seeds: int) -> None:
    found = [
        model("full", 0.3, seeds=seeds),
        model("full_no_film", 0.0, seeds=seeds),
        model("full_none", 0.0, seeds=seeds),
    ]
    compared = stage_ablations.compare(found[1:], found[0])
    assert all(each.verdict == "worse" for each in compared), "the difference itself is as clear as can be"
    decided = stage_ablations.conclude(found, compared)
    assert not decided["concluded"] and decided["chosen"] is None and decided["choice"] is None
    assert set(decided["verdicts"].values()) == {"not concluded"} and decided["components"] == {"film": "not concluded"}
    assert decided["why"].startswith("Nothing can be concluded")
    assert {stage_ablations.row_of(each, seeds)["verdict"] for each in compared} == {"not concluded"}


def test_five_seeds_show_what_helps_what_harms_and_what_cannot_be_told() -> None:
    found = [
        model("full", 0.2, parameters=9, seeds=5, spread=0.005),
        model("full_no_film", 0.1, parameters=8, seeds=5, spread=0.005),
        model("full_no_hierarchical", 0.3, parameters=7, seeds=5, spread=0.005),
        model("full_no_innings_heads", 0.2, parameters=8, seeds=5, spread=0.005),
        model("full_none", 0.3, parameters=5, seeds=5, spread=0.005),
        model("full_no_history", 0.4, parameters=1, seeds=5, spread=0.005),
    ]
    decided = stage_ablations.conclude(found, stage_ablations.compare(found[1:], found[0]))
    assert decided["concluded"]
    assert decided["components"] == {
        "film": "helps",
        "hierarchical": "harms",
        "innings_heads": "unresolved",
        "history": "harms",
    }
    assert decided["chosen"] == "full_none", "of equals the simplest; what lacks an input is not chosen among"


def test_what_seeds_alone_differ_by_is_no_finding() -> None:
    """Seeds that differ more than the models do: three of each would have done for a t-test over balls."""
    found = [model(name, 0.2 + tilt, seeds=5, spread=0.2) for name, tilt in (("full", 0.0), ("full_no_film", 0.02))]
    decided = stage_ablations.conclude(found, stage_ablations.compare(found[1:], found[0]))
    assert decided["components"] == {"film": "unresolved"} and decided["chosen"] in ("full", "full_no_film")


def test_test_figures_stand_beside_and_decide_nothing(tmp_path: Path) -> None:
    about = study(tmp_path, {"tuning": TUNED}, seeds=[1, 2], overrides={"model.dropout": 0.1})
    wanted = stage_ablations.trials(about, [])
    done = run(tmp_path, wanted, lambda trial: 0.1, {})
    outs = []
    for number, swapped in enumerate(
        (done, [replace(d, measured={**d.measured, "test": done[0].measured["test"]}) for d in done])
    ):
        outs.append(tmp_path / f"out{number}")
        outs[-1].mkdir()
        stage_ablations.summarise(about, swapped, outs[-1])
    first, second = (files(out) for out in outs)
    assert first["ablations.parquet"] != second["ablations.parquet"], "test figures are there"
    assert first["decision.json"] == second["decision.json"] and first["ablations.png"] == second["ablations.png"]
    decided = json.loads(first["decision.json"])
    assert decided["set_by_hand"] == {"model.dropout": 0.1} and decided["overrides"] == FOUND
    assert "for the reader alone" in first["report.md"].decode()
    assert set(pl.read_parquet(outs[0] / "ablations.parquet")["side"]) == {"valid", "test"}


# -- the end ---------------------------------------------------------------------------------------------------------


def decisions(base: str, *, concluded: bool = False, chosen: str | None = None, film: bool = False) -> dict[str, Any]:
    return {
        "tuning": TUNED,
        "stage_comparison": {"chosen": base, "why": "It is so.", "set_by_hand": {}},
        "phase_report": {
            "set_by_hand": {},
            "components": {"film": {"included": film}, "innings_heads": {"included": False}},
            "why": "Phases say so.",
        },
        "ablation_report": {
            "concluded": concluded,
            "chosen": chosen,
            "seeds": 5,
            "why": "Ablations say so.",
            "set_by_hand": {},
        },
    }


@pytest.mark.parametrize(
    ("decided", "variant", "extra"),
    [
        (decisions("hybrid", concluded=True, chosen="full"), "full", {}),
        (decisions("hybrid", concluded=True, chosen="full_none", film=True), "hybrid", {}),
        (decisions("hybrid", concluded=True, chosen="full_only_hierarchical"), "full_only_hierarchical", {}),
        (decisions("hybrid", film=True), "phase_modulated", {}),
        (decisions("base", concluded=True, chosen="full"), "base", {}),
        (decisions("pooling", film=True), "pooling", {"model.film": True}),
    ],
)
def test_the_final_model_follows_from_the_stages(
    tmp_path: Path, decided: dict[str, Any], variant: str, extra: dict[str, bool]
) -> None:
    about = study(tmp_path, decided)
    out = tmp_path / "out"
    out.mkdir()
    facts = final_model.write_final(about.earlier, out)
    assert facts["variant"] == variant and variant in MAIN_VARIANTS + ABLATIONS
    best = json.loads((out / "best.json").read_text())
    assert best == {"variant": variant, "overrides": {**TUNED["overrides"], **extra}}  # type: ignore[dict-item]
    made = resolve({"variant": variant}, best["overrides"])["model"]
    assert {name: made[name] for name in final_model.FLAGS} == json.loads((out / "decision.json").read_text())["parts"]
    report = (out / "report.md").read_text()
    assert f"model_card --partition '42|{variant}' --set tuned=VERSION" in report and "so it came out." in report
    assert "in every later build of this partition as well" in report
    by_ablation = decided["ablation_report"]["concluded"] and decided["stage_comparison"]["chosen"] == "hybrid"
    assert ("Ablations say so." in report) >= by_ablation and ("Phases say so." in report) != by_ablation


def test_the_final_model_has_what_all_stages_were_given_by_hand(tmp_path: Path) -> None:
    decided = decisions("pooling", film=True)
    for stage, each in decided.items():
        shares = {} if stage == "ablation_report" else {"model.unknown_share": 0.1}  # which an ablation varies
        lone = {"training.weight_decay": 0.1} if stage == "tuning" else {}
        decided[stage] = {**each, "set_by_hand": {"model.dropout": 0.1, **shares, **lone}}
    out = tmp_path / "out"
    out.mkdir()
    facts = final_model.write_final(study(tmp_path, decided).earlier, out)
    best = json.loads((out / "best.json").read_text())["overrides"]
    assert best == {**FOUND, "model.dropout": 0.1, "model.unknown_share": 0.1, "model.film": True}
    assert facts["not_agreed"] == {"training.weight_decay": {"tuning": 0.1}}
    report = (out / "report.md").read_text()
    assert "Set by hand, alike in all stages that take it: `model.dropout`, `model.unknown_share`." in report
    assert "**`training.weight_decay` is not among them**" in report and "(`0.1` in tuning)" in report


def test_settings_that_stages_were_given_differently_are_told_apart() -> None:
    given = {"tuning": {"model.dropout": 0.1}, "stage_comparison": {"model.dropout": 0.3}, "phase_report": {}}
    assert stage_overrides.agreed(given) == (
        {},
        {"model.dropout": {"tuning": 0.1, "stage_comparison": 0.3}},
    )
    assert stage_overrides.agreed({stage: {"model.dropout": 0.1} for stage in given}) == ({"model.dropout": 0.1}, {})


# -- no test match has a say -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> trained.Files:
    return trained.files(tmp_path_factory.mktemp("trained"), trees=False, variant="base")


def spec(made: trained.Files, split: Path, **more: Any) -> TrainingSpec:
    small = {"model.hidden_dim": 8, "model.layers": 2}
    return TrainingSpec(
        line="cricket",
        model="trial",
        builder="sport_assets.cricket.trials:build",
        settings=resolve({"variant": "base"}, small),
        inputs=(
            SpecInput(key="cricket/innings", partition="all", version="a", path=str(made.samples["all"])),
            SpecInput(key="cricket/split", version="b", path=str(split)),
            SpecInput(key="cricket/player_history", version="c", path=str(made.player_history)),
        ),
        **more,
    )


def test_a_trial_with_a_test_match_is_never_built(made: trained.Files, tmp_path: Path) -> None:
    folder = made.split_file.parent
    job = trials.build(spec(made, folder))
    assert job.identifiers is not None
    sides = {found.side: {row[0] for row in found.rows} for found in job.identifiers.identifiers()}
    assert sides == {"train": set(made.split.train), "valid": set(made.split.valid)}
    leaky = replace(made.split, train=(*made.split.train, made.split.test[0]))
    leaky.save(tmp_path / "split.json")
    with pytest.raises(BadSpecError, match=f"test matches would be read .*{made.split.test[0]}"):
        trials.build(spec(made, tmp_path))
    with pytest.raises(BadSpecError, match="test matches would be read"):
        trials.build(spec(made, folder, part="all"))


def test_the_guard_sees_what_was_read(made: trained.Files) -> None:
    rows = RowIndex()
    rows.add(["match_id"], made.split.train, "train")
    rows.add(["match_id"], made.split.valid, "valid")
    passed = trials.guard(made.split_file.parent, rows.identifiers())
    assert passed.passed and passed.checked == len(made.split.train) + len(made.split.valid)
    rows.add(["match_id"], made.split.test[:1], "valid")
    failed = trials.guard(made.split_file.parent, rows.identifiers())
    assert not failed.passed and failed.rules["match_used_on_another_side"] == 1


def test_a_measurement_reads_its_side_and_calibrates_on_validation(made: trained.Files, tmp_path: Path) -> None:
    about = replace(
        study(tmp_path),
        dataset=made.split_file.parent,
        samples=made.samples,
        further={"player_history": made.player_history},
    )
    done = Finished(Trial("base, seed 1", {"variant": "base"}, {}), {}, made.checkpoint, {"parameters": 1})
    outs = {side: tmp_path / side for side in ("valid", "test")}
    for out in outs.values():
        out.mkdir()
    rows = trials.measure(about, "valid", [(done, outs["valid"])])
    [found] = rows.identifiers()
    assert (found.side, {row[0] for row in found.rows}) == ("valid", set(made.split.valid))
    done = replace(done, measured={"valid": outs["valid"]})
    [found] = trials.measure(about, "test", [(done, outs["test"])]).identifiers()
    assert (found.side, {row[0] for row in found.rows}) == ("test", set(made.split.test))
    assert (outs["test"] / "calibration.json").read_bytes() == (outs["valid"] / "calibration.json").read_bytes()
    [candidate] = stages.candidates([done])
    assert set(candidate.seeds[0].losses["match_id"]) == set(made.split.valid)
    assert 1.0 < candidate.log_loss < 2.5
