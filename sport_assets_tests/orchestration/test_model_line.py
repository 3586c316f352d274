"""The model line that the factory makes: which versions it reads, what stops it, and that it gives the same twice."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.digest import sha256_file
from sport_assets.lineage.errors import GateRefused, LineageError
from sport_assets.orchestration.build import BuildError
from sport_assets.orchestration.model_line import pictures
from sport_assets.orchestration.resources import MlflowTracking
from sport_assets_tests.orchestration import toy_line
from sport_assets_tests.orchestration.toy_home import ToyHome, toy_home

SMALL = "small|0"
EPOCHS = "max_epochs=1"


@pytest.fixture(scope="module")
def built(shared_toy: ToyHome) -> tuple[ToyHome, dict[str, str]]:
    """A home with the whole line built, and the versions it gave."""
    assert "toy/audit_page:small|0" in shared_toy.made("toy/audit_page", SMALL, EPOCHS)
    return shared_toy, shared_toy.versions()


def test_every_step_is_current_afterwards(built: tuple[ToyHome, dict[str, str]]) -> None:
    toy, _ = built
    assert toy.made("toy/model_card", SMALL, EPOCHS) == []
    assert toy.made("toy/checkpoint", SMALL, "training.max_epochs=1") == [], "the dotted name is the same setting"


def test_the_record_says_what_the_training_was(built: tuple[ToyHome, dict[str, str]]) -> None:
    toy, versions = built
    record = toy.latest("toy/checkpoint", SMALL)
    assert (record.seed, record.environment.device, record.environment.threads) == (0, "cpu", 1)
    assert record.config["overrides"] == {"training.max_epochs": 1}
    assert record.facts["bit_exact"] is True and record.facts["epochs"] == 1
    spec = json.loads((toy.folder("toy/checkpoint", SMALL) / "training_spec.json").read_text())
    assert spec["digest"] == record.facts["spec_digest"]
    read = {f"{ref.key}:{ref.partition}": ref.version for ref in record.inputs}
    assert read == {name: versions[name] for name in ("toy/split:None", "toy/clean:d1")}, "what it chose"
    assert {f"{i['key']}:{i['partition']}": i["version"] for i in spec["inputs"]} == read


def test_a_preset_that_may_lose_is_warned_of_its_baselines(built: tuple[ToyHome, dict[str, str]]) -> None:
    toy, _ = built
    evaluation = toy.latest("toy/evaluation", SMALL)
    fair, check = evaluation.checks
    assert evaluation.kind == "materialized"
    assert (fair.name, fair.passed, fair.blocking) == ("no_evaluation_data_in_training", True, True)
    assert (check.name, check.passed, check.blocking) == ("beats_baselines", False, False)


def test_what_was_trained_on_and_measured_is_found_by_row(built: tuple[ToyHome, dict[str, str]]) -> None:
    toy, _ = built
    with toy.lineage() as lineage:
        trained = lineage.ledger.rows_with({"sample": "169"})
        measured = lineage.ledger.rows_with({"sample": str(toy_line.TESTED[0])})
    assert {(hit.entry.key, hit.side) for hit in trained} == {("toy/checkpoint", "train")}
    assert {(hit.entry.key, hit.side) for hit in measured} == {("toy/evaluation", "test")}


def test_an_evaluation_by_what_was_trained_on_is_rejected(
    built: tuple[ToyHome, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    toy, _ = built
    with monkeypatch.context() as patch:
        patch.setattr(toy_line, "TESTED", range(168, 172))
        assert not toy.materialize("toy/evaluation", SMALL, raise_on_error=False).success
    rejected = toy.latest("toy/evaluation", SMALL)
    [leak] = [check for check in rejected.checks if not check.passed and check.blocking]
    assert (leak.name, leak.failed, leak.checked) == ("no_evaluation_data_in_training", 2, 4 + 4)
    assert leak.sample[0] == {"sample": "168", "measured": "test", "in": f"toy/checkpoint:{SMALL}", "as": "train"}
    assert toy.made("toy/evaluation", SMALL, EPOCHS) == [f"toy/evaluation:{SMALL}"]


def test_the_card_names_the_version_of_all_that_the_model_was_made_from(built: tuple[ToyHome, dict[str, str]]) -> None:
    toy, versions = built
    card = (toy.folder("toy/model_card", SMALL) / "model_card.md").read_text()
    named = [name for name in versions if not name.startswith(("toy/raw", "toy/model_card", "toy/audit_page"))]
    assert [name for name in named if versions[name] not in card] == ["toy/clean:d3"], "which is evaluated on alone"


def test_the_page_leads_from_the_model_to_its_raw_files_and_names_no_machine(
    built: tuple[ToyHome, dict[str, str]],
) -> None:
    toy, versions = built
    page = (toy.folder("toy/audit_page", SMALL) / "audit_page.html").read_text()
    for said in ("toy/d1.csv", "toy/d3.csv", versions[f"toy/exported_model:{SMALL}"], versions["toy/clean:d3"]):
        assert said in page, said
    made = toy.latest("toy/exported_model", SMALL)
    # a host with a short name is found in any text
    hosts = [made.environment.host] if len(made.environment.host) > 5 else []
    for circumstance in (made.id, made.run_id, *hosts, f"{made.ended:%Y-%m-%dT%H}", str(toy.home.root)):
        assert circumstance not in page, circumstance


def test_the_page_is_found_from_the_model_in_dagsters_pages(built: tuple[ToyHome, dict[str, str]]) -> None:
    toy, _ = built
    with toy.instance() as dagster:
        page = dagster.get_latest_materialization_event(dg.AssetKey(["toy", "audit_page"]))
        model = dagster.get_latest_materialization_event(dg.AssetKey(["toy", "exported_model"]))
    assert page is not None and page.asset_materialization is not None
    path = Path(str(page.asset_materialization.metadata["page"].value))
    assert path == toy.folder("toy/audit_page", SMALL) / "audit_page.html" and path.is_file()
    assert model is not None and model.asset_materialization is not None
    assert model.asset_materialization.metadata["audit_page"].value == dg.AssetKey(["toy", "audit_page"])


def test_the_same_inputs_code_and_seed_give_the_same_versions_elsewhere(
    built: tuple[ToyHome, dict[str, str]], tmp_path: Path
) -> None:
    _, versions = built
    with toy_home(tmp_path / "a" / "longer path") as other:
        other.build("toy/audit_page", SMALL, EPOCHS)
        again = other.versions()
    assert len(versions) == 10
    assert again == versions


def test_a_strict_preset_that_loses_is_rejected_and_not_exported(built: tuple[ToyHome, dict[str, str]]) -> None:
    toy, _ = built
    with pytest.raises(BuildError, match=r"toy/evaluation:strict\|0 was rejected by its checks: beats_baselines"):
        toy.build("toy/model_card", "strict|0", EPOCHS)
    assert toy.latest("toy/evaluation", "strict|0").kind == "rejected"
    with pytest.raises(GateRefused, match=r"toy/evaluation:strict\|0 cannot be read: its blocking check failed"):
        toy.materialize("toy/exported_model", "strict|0", raise_on_error=True)
    assert not (toy.home.store / "toy" / "exported_model" / "strict%7C0").exists()


def test_an_export_that_fails_parity_is_rejected_and_kept_from_mlflow(
    built: tuple[ToyHome, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    toy, _ = built
    export, added = toy_line.export, []

    def drifted(**named: Any) -> Any:
        return export(**named)[0], [CheckResult("parity", False, failed=3, checked=9)]

    with monkeypatch.context() as patch:
        patch.setattr(toy_line, "export", drifted)
        patch.setattr(MlflowTracking, "add_model", lambda *given: added.append(given))
        assert not toy.materialize("toy/exported_model", SMALL, raise_on_error=False).success
    assert toy.latest("toy/exported_model", SMALL).kind == "rejected"
    assert added == []
    assert toy.made("toy/model_card", SMALL, EPOCHS) == ["toy/exported_model:small|0"]


def test_a_partition_that_is_evaluated_only_does_not_train_again(built: tuple[ToyHome, dict[str, str]]) -> None:
    toy, versions = built
    toy.write_day("d3", 5, 6, 7)
    again = ["toy/raw:d3", "toy/clean:d3", "toy/split", f"toy/evaluation:{SMALL}", f"toy/exported_model:{SMALL}"]
    assert toy.made("toy/model_card", SMALL, EPOCHS) == again, "the card stands on their content"
    assert toy.latest("toy/split").version == versions["toy/split:None"]
    read = {ref.partition: ref.version for ref in toy.latest("toy/evaluation", SMALL).inputs if ref.key == "toy/clean"}
    assert read == {"d1": versions["toy/clean:d1"], "d3": toy.latest("toy/clean", "d3").version}
    assert read["d3"] != versions["toy/clean:d3"]
    assert toy.made("toy/model_card", SMALL, EPOCHS) == []
    toy.write_day("d3", 2, 2, 3, "nan")
    toy.build("toy/model_card", SMALL, EPOCHS)
    assert {name: version for name, version in toy.versions().items() if name in versions} == versions


def test_an_evaluation_reads_the_split_that_was_trained_on(built: tuple[ToyHome, dict[str, str]]) -> None:
    """Not the newest one, which another day is part of."""
    toy, versions = built
    split_on: set[tuple[str, str | None, str]] = {("toy/split", None, versions["toy/split:None"])}
    split_on |= {("toy/clean", day, versions[f"toy/clean:{day}"]) for day in ("d1", "d3")}
    toy.write_day("d1", 4, 4, 4)
    toy.write_day("d2", 4, 4, 4)
    toy.build("toy/split")
    assert toy.latest("toy/clean", "d1").version != versions["toy/clean:d1"]
    toy.materialize("toy/evaluation", SMALL, raise_on_error=True)
    evaluation = toy.latest("toy/evaluation", SMALL)
    read = {(ref.key, ref.partition, ref.version) for ref in evaluation.inputs if ref.key != "toy/checkpoint"}
    assert read == split_on
    assert evaluation.version == versions["toy/evaluation:small|0"]
    for day in ("d1", "d2"):
        (toy.home.data / "toy" / f"{day}.csv").unlink()
    toy.write_day("d1", 1, 2, 3, "nan")
    toy.build("toy/split")
    assert toy.made("toy/model_card", SMALL, EPOCHS) == [], "the same content again makes all of it current"


def test_continuing_a_finished_training_records_it_as_an_input(built: tuple[ToyHome, dict[str, str]]) -> None:
    toy, versions = built
    first = versions["toy/checkpoint:small|0"]
    settings = ("max_epochs=2", f"toy/checkpoint.resume_from={first[:10]}")
    toy.build("toy/checkpoint", SMALL, *settings)
    record = toy.latest("toy/checkpoint", SMALL)
    [continued] = [ref for ref in record.inputs if ref.key == "toy/checkpoint"]
    assert (continued.version, continued.pinned) == (first, True)
    assert record.facts["epochs"] == 2
    assert record.version != first
    assert toy.made("toy/checkpoint", SMALL, *settings) == [], "what it continued is pinned, so it is no news"
    with pytest.raises(LineageError, match=r"toy/evaluation:small\|0 was made from another checkpoint than the newest"):
        toy.materialize("toy/exported_model", SMALL, raise_on_error=True)


def test_pictures_of_both_kinds_are_drawn(tmp_path: Path) -> None:
    (tmp_path / "curves.svg").write_text("<svg/>")
    (tmp_path / "play.png").write_bytes(b"png")
    (tmp_path / "weights.safetensors").write_bytes(b"")
    shown = {name: str(value.value) for name, value in pictures(tmp_path).items()}
    assert set(shown) == {"curves", "play"}
    assert shown["curves"].startswith("![curves](data:image/svg+xml;base64,")
    assert shown["play"].startswith("![play](data:image/png;base64,")


def test_weights_of_this_home_that_a_training_begins_with_are_among_its_inputs(
    built: tuple[ToyHome, dict[str, str]],
) -> None:
    toy, _ = built
    weights = sha256_file(toy.folder("toy/checkpoint", SMALL) / "weights.safetensors")
    begun = toy.latest("toy/checkpoint", SMALL)
    object.__setattr__(toy_line.MODEL, "weights", lambda settings: ("copied.safetensors", weights))
    try:
        toy.build("toy/checkpoint", "small|1", EPOCHS)
    finally:
        object.__setattr__(toy_line.MODEL, "weights", None)
    record = toy.latest("toy/checkpoint", "small|1")
    assert [ref.record for ref in record.inputs if ref.pinned] == [begun.id]
    assert "weights_from_elsewhere" not in record.facts
    spec = json.loads((toy.folder("toy/checkpoint", "small|1") / "training_spec.json").read_text())
    assert {one["key"] for one in spec["inputs"]} == {"toy/split", "toy/clean"}, "the settings name the file"
