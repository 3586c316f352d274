"""The sensor that takes up new and changed raw files."""

from pathlib import Path

import dagster as dg
import pytest

from sport_assets.lineage.errors import RawFileChanged
from sport_assets.lineage.raw import RawFiles
from sport_assets.orchestration.sensors import raw_files_sensor
from sport_assets_tests.orchestration.toy_home import ToyHome

SENSOR = raw_files_sensor("toy", "toy/raw", follow=["toy/clean"])


def asked(toy: ToyHome) -> dict[str, str]:
    """Run keys by partition that one tick asks for."""
    with toy.instance() as dagster:
        result = SENSOR(dg.build_sensor_context(instance=dagster))
    assert isinstance(result, dg.SensorResult)
    requests = result.run_requests or []
    selections = {tuple(key.to_user_string() for key in request.asset_selection or []) for request in requests}
    assert selections <= {("toy/raw", "toy/clean")}
    return {str(request.partition_key): str(request.run_key) for request in requests}


def test_asks_for_new_and_changed_partitions_alone(toy: ToyHome) -> None:
    assert set(asked(toy)) == {"d1", "d3"}, "d2 has no raw file"
    toy.build("toy/raw")
    assert asked(toy) == {}
    (toy.home.data / "toy" / "d1.csv").touch()
    assert asked(toy) == {}
    toy.write_day("d1", 5)
    toy.write_day("d2", 6)
    assert set(asked(toy)) == {"d1", "d2"}


def test_the_same_change_has_the_same_run_key_so_that_it_is_asked_for_once(toy: ToyHome) -> None:
    assert asked(toy) == asked(toy)


def test_a_file_that_gets_its_former_content_back_is_asked_for_again(toy: ToyHome) -> None:
    keys = []
    for value in (1, 2, 1):
        toy.write_day("d1", value)
        keys.append(asked(toy)["d1"])
        toy.build("toy/raw", "d1")
    assert len(set(keys)) == 3, "Dagster makes no second run for a run key"


def test_a_file_that_is_being_written_is_left_for_the_next_tick(toy: ToyHome, monkeypatch: pytest.MonkeyPatch) -> None:
    register = RawFiles.register

    def written_to(self: RawFiles, relative: str) -> object:
        if Path(relative).name == "d1.csv":
            raise RawFileChanged("changed while it was hashed")
        return register(self, relative)

    monkeypatch.setattr(RawFiles, "register", written_to)
    assert set(asked(toy)) == {"d3"}


def test_is_off_until_it_is_switched_on() -> None:
    assert SENSOR.default_status == dg.DefaultSensorStatus.STOPPED
