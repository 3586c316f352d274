"""`sport-assets audit` as a person types it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sport_assets.cli import app
from sport_assets.lineage.home import Home
from sport_assets.lineage.record import Lineage


def test_many_raw_files_are_counted_on_the_screen_and_each_is_in_the_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(root=tmp_path / "home", data=tmp_path / "data")
    names = [f"toy/{number:03}.csv" for number in range(40)]
    (home.data / "toy").mkdir(parents=True)
    lineage = Lineage(home)
    with lineage.record("toy/raw", code_version="1") as record:
        for name in names:
            (home.data / name).write_text(name)
        record.register_raw(names)
        record.publish()
    lineage.close()
    monkeypatch.setenv("SPORT_ASSETS_HOME", str(home.root))
    monkeypatch.setenv("SPORT_ASSETS_DATA", str(home.data))
    said = CliRunner().invoke(app, ["audit", "toy/raw"]).stdout
    assert "40 raw files" in said and names[22] in said and names[23] not in said
    (rest,) = [line.split() for line in said.splitlines() if "17 more" in line]
    assert str(17 * len(names[0])) in rest
    listed = json.loads(CliRunner().invoke(app, ["audit", "toy/raw", "--json"]).stdout)["raw_files"]
    assert [file["path"] for file in listed] == names
