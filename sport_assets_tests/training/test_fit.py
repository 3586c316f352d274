"""What is decided before the first batch: devices, and what the report says of them. GPUs are pretended."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from sport_assets.training.errors import BadSpecError
from sport_assets.training.fit import device_names, device_of
from sport_assets.training.spec import TrainingSpec

ToySpec = Callable[..., TrainingSpec]


@pytest.fixture
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)


@pytest.mark.usefixtures("four_gpus")
@pytest.mark.parametrize(
    ("device", "count", "accelerator", "devices", "names"),
    [
        ("cuda:2", 1, "cuda", [2], ["cuda:2"]),
        ("cuda:2", 2, "cuda", [2, 3], ["cuda:2", "cuda:3"]),
        ("cuda:0", 4, "cuda", [0, 1, 2, 3], ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]),
        ("cuda", 3, "cuda", [0, 1, 2], ["cuda:0", "cuda:1", "cuda:2"]),
        ("auto", 1, "cuda", [0], ["cuda:0"]),
        ("cpu", 2, "cpu", 2, ["cpu", "cpu"]),
    ],
)
def test_as_many_devices_as_the_settings_say(
    device: str, count: int, accelerator: str, devices: int | list[int], names: list[str], toy_spec: ToySpec
) -> None:
    spec = toy_spec(spec={"device": device}, devices=count)
    assert device_of(spec) == (accelerator, devices)
    assert device_names(accelerator, devices) == names


@pytest.mark.usefixtures("four_gpus")
@pytest.mark.parametrize(
    ("device", "count", "message"),
    [
        ("cuda:4", 1, r"wants cuda:4, but this machine has 4 GPU"),
        ("cuda:3", 2, r"wants 2 GPUs from cuda:3 on \(training.devices=2\), but this machine has 4"),
        ("cuda", 5, r"wants 5 GPUs from cuda:0 on \(training.devices=5\), but this machine has 4"),
        ("auto", 5, r"training.devices=5"),
    ],
)
def test_devices_that_are_not_there_are_refused(device: str, count: int, message: str, toy_spec: ToySpec) -> None:
    with pytest.raises(BadSpecError, match=message):
        device_of(toy_spec(spec={"device": device}, devices=count))


def test_without_a_gpu(toy_spec: ToySpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of(toy_spec(spec={"device": "auto"}, devices=2)) == ("cpu", 2)
    with pytest.raises(BadSpecError, match="no usable GPU"):
        device_of(toy_spec(spec={"device": "cuda:0"}))
