"""`sport-assets bundle`, and `verify` of what it wrote."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sport_assets.cli import app
from sport_assets_tests.audit.bundles import Toy, contents, make_keys, make_toy, pack


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def run(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> "Run":
    monkeypatch.setenv("SPORT_ASSETS_HOME", str(toy.lineage.home.root))
    monkeypatch.setenv("SPORT_ASSETS_DATA", str(toy.lineage.home.data))
    return Run()


class Run:
    """The command line in this process."""

    def __call__(self, *arguments: str | Path, code: int = 0) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == code, result.output
        return result


def test_a_model_file_from_elsewhere_is_packed_signed_and_checked_without_a_home(
    toy: Toy, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = tmp_path / "somewhere.onnx"
    copied.write_bytes(b"model" * 1000)
    target = tmp_path / "model.zip"
    said = run("bundle", copied, "--out", target, "--sign", toy.private).stdout
    assert "toy/exported_model:sanity|0" in said
    assert "3 asserted" in said
    monkeypatch.setenv("SPORT_ASSETS_HOME", "/nowhere")
    said = run("verify", target).output
    assert "who signed is only known by checking with the signer's own key" in said
    assert "signed by the given key" in run("verify", target, "--key", toy.public).output
    _, other = make_keys(tmp_path, "other")
    assert "signature wrong" in run("verify", target, "--key", other, code=1).output


def test_results_for_scripts(toy: Toy, run: Run, tmp_path: Path) -> None:
    target = tmp_path / "model.zip"
    made = json.loads(run("bundle", "toy/exported_model:sanity|0", "--out", target, "--json").stdout)
    assert made["model"]["record"] == toy.model
    assert made["links"]["asserted"] == 3
    checked = json.loads(run("verify", target, "--home", "--json").stdout)
    assert (checked["ok"], checked["links"]["asserted"], checked["mismatches"]) == (True, 0, [])
    whole = json.loads(run("bundle", toy.model, "--out", target, "--whole-chain", "--json").stdout)
    assert whole["links"]["asserted"] == 0


def test_a_changed_bundle_exits_with_1_and_names_the_file(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "model.zip"
    run("bundle", "toy/exported_model:sanity|0", "--out", target)
    pack(target, {**contents(target), "model/model.onnx": b"other"})
    said = json.loads(run("verify", target, "--json", code=1).stdout)
    assert not said["ok"]
    assert ("model file altered", "model/model.onnx") in {(m["kind"], m["place"]) for m in said["mismatches"]}
    assert "model/model.onnx" in run("verify", target, code=1).output


def test_errors_say_what_to_do(run: Run, tmp_path: Path) -> None:
    said = run("bundle", "toy/nothing", "--out", tmp_path / "a.zip", code=1).output
    assert "nothing of that name was ever published" in said
    refused = run(
        "bundle", "toy/exported_model:sanity|0", "--out", tmp_path / "a.zip", "--sign", tmp_path / "no.pem", code=1
    )
    assert "openssl genpkey -algorithm ed25519" in refused.output
    assert not list(tmp_path.iterdir())
