"""Dagster's web pages on the definitions."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sport_assets.lineage.home import Home
from sport_assets.orchestration.instance import initialise

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 120

Ask = Callable[[str], Any]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """A webserver on workspace.yaml with a fresh home; gives the answers to GraphQL queries."""
    folder = tmp_path_factory.mktemp("webserver")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPORT_ASSETS_HOME", str(folder / "home"))
        patch.setenv("SPORT_ASSETS_DATA", str(folder / "data"))
        home = Home.from_environment()
        initialise(home)
        patch.setenv("DAGSTER_HOME", str(home.dagster))
        bin_folder = Path(sys.executable).parent
        patch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
        log = (folder / "log.txt").open("w+")
        server = subprocess.Popen(
            [str(bin_folder / "dagster-webserver"), "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)],
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )

        def query(text: str) -> Any:
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/graphql",
                json.dumps({"query": text}).encode(),
                {"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=60) as response:
                found = json.load(response)
            assert "errors" not in found, found
            return found["data"]

        try:
            deadline = time.monotonic() + SECONDS
            while True:
                try:
                    query("{ version }")
                    break
                except OSError:
                    if server.poll() is not None or time.monotonic() > deadline:
                        log.seek(0)
                        pytest.fail(f"the webserver did not come up:\n{log.read()}")
                    time.sleep(0.3)
            yield query
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
            log.close()


def test_shows_every_asset_with_what_people_look_for(ask: Ask) -> None:
    nodes = ask(
        "{ assetNodes { assetKey { path } groupName description kinds isPartitioned owners { ... on TeamAssetOwner "
        "{ team } } partitionDefinition { name } } }"
    )["assetNodes"]
    assets = {"/".join(node["assetKey"]["path"]): node for node in nodes}
    assert {
        *(f"nfl/{name}" for name in ("raw_tracking", "tracking", "raw_supplementary", "play_context", "play_tensors")),
        *(f"nfl/{name}" for name in ("split", "checkpoint", "evaluation", "exported_model", "model_card")),
    } <= set(assets)
    bare = [
        key
        for key, node in assets.items()
        if not (node["description"] and node["kinds"] and node["owners"] and node["groupName"] == key.split("/")[0])
    ]
    assert bare == []
    assert assets["nfl/tracking"]["isPartitioned"] and assets["nfl/model_card"]["isPartitioned"]


def test_knows_the_sensors_and_the_partitions(ask: Ask) -> None:
    found = ask(
        "{ repositoriesOrError { ... on RepositoryConnection { nodes { sensors { name sensorState { status } } } } } }"
    )
    [repository] = found["repositoriesOrError"]["nodes"]
    states = {sensor["name"]: sensor["sensorState"]["status"] for sensor in repository["sensors"]}
    assert states["reaper"] == "RUNNING"
    assert states["nfl_raw_files"] == "STOPPED"
    keys = ask(
        '{ assetNodeOrError(assetKey: {path: ["nfl", "tracking"]}) { ... on AssetNode { partitionKeys '
        "assetChecksOrError { ... on AssetChecks { checks { name blocking } } } } } }"
    )["assetNodeOrError"]
    assert keys["partitionKeys"][:2] == ["2023-w01", "2023-w02"]
    assert any(check["blocking"] for check in keys["assetChecksOrError"]["checks"])
