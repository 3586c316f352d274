"""Histograms, the graph and the profiler: what they write, and that the result is the same bits without them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from sport_assets.training.details import Graph, draw_graph, wanted_details
from sport_assets.training.errors import BadSpecError
from sport_assets.training.profiling import TABLE, TRACE, profile_wanted
from sport_assets.training.spec import TrainingSpec
from sport_assets_tests.training.conftest import Trainers, contents
from sport_assets_tests.training.test_tracking import Heard

ToySpec = Callable[..., TrainingSpec]
VARIABLES = {"SPORT_ASSETS_TENSORBOARD": "histograms,graph", "SPORT_ASSETS_PROFILE": "1"}


@pytest.fixture(scope="module")
def asking() -> Iterator[Trainers]:
    """Trainers whose environment asks for everything."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in VARIABLES.items():
            patch.setenv(name, value)
        process = Trainers()
    yield process
    process.close()


def events(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"histograms": 0})
    found.Reload()
    return found


def test_the_result_is_the_same_with_and_without(
    toy_spec: ToySpec, trainers: Trainers, asking: Trainers, tmp_path: Path
) -> None:
    spec = toy_spec()
    status, log = trainers.run(spec, tmp_path / "without", trackers="tensorboard")
    assert status == 0, log
    status, log = asking.run(spec, tmp_path / "with", trackers="tensorboard")
    assert status == 0, log
    assert contents(tmp_path / "with" / "out") == contents(tmp_path / "without" / "out")
    assert (tmp_path / "with" / "work" / "last.ckpt").read_bytes() == (
        tmp_path / "without" / "work" / "last.ckpt"
    ).read_bytes(), "the generators are left alone, too"
    assert "warning" not in log

    written, plain = (events(tmp_path / name / "work" / "tensorboard") for name in ("with", "without"))
    assert not plain.Tags()["graph"] and not plain.Tags()["histograms"]
    names = [f"net.{layer}.{kind}" for layer in (0, 1, 4) for kind in ("weight", "bias")]
    expected = {f"{what}/{name}" for what in ("weights", "gradients") for name in names}
    assert set(written.Tags()["histograms"]) == expected
    steps = [row["step"] for row in json.loads((tmp_path / "with" / "out" / "curves.json").read_text())]
    for name in expected:
        assert [event.step for event in written.Histograms(name)] == steps
    last = written.Histograms("weights/net.4.weight")[-1].histogram_value
    weights = last_weights(tmp_path / "with" / "out")["net.4.weight"]
    assert last.num == weights.numel()
    assert last.sum == pytest.approx(float(weights.sum()), abs=1e-5)
    nodes = {node.op for node in written.Graph().node}
    assert {"aten::linear", "aten::gelu"} <= nodes

    folder = tmp_path / "with" / "work" / "profile"
    trace = json.loads((folder / TRACE).read_text())
    recorded = {event["name"] for event in trace["traceEvents"] if "ProfilerStep" in event.get("name", "")}
    assert recorded == {"ProfilerStep#2", "ProfilerStep#3", "ProfilerStep#4"}
    assert "aten::addmm" in (folder / TABLE).read_text()
    assert f"profiled 3 steps into {folder}" in log
    assert not (tmp_path / "without" / "work" / "profile").exists()


def last_weights(out: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(out / "weights_last.safetensors")


def test_an_epoch_of_two_batches_is_too_short_for_a_profile(
    toy_spec: ToySpec, asking: Trainers, tmp_path: Path
) -> None:
    status, log = asking.run(toy_spec(model={"samples": 16}, max_epochs=1), tmp_path, trackers="tensorboard")
    assert status == 0, log
    assert "no profile: the epoch had 2 batches, and at least 3 are needed" in log


def test_three_batches_are_enough(toy_spec: ToySpec, asking: Trainers, tmp_path: Path) -> None:
    status, log = asking.run(toy_spec(model={"samples": 24}, max_epochs=1), tmp_path, trackers="tensorboard")
    assert status == 0, log
    assert "profiled 1 steps into" in log


def test_a_training_that_fails_while_it_is_profiled_fails_for_its_own_reason(
    toy_spec: ToySpec, asking: Trainers, tmp_path: Path
) -> None:
    status, log = asking.run(toy_spec(model={"nan_at_step": 3}), tmp_path, trackers="tensorboard")
    assert status == 3, log
    assert "the loss is nan at step 3" in log


def test_details_without_tensorboard_are_an_error_before_training(
    toy_spec: ToySpec, asking: Trainers, tmp_path: Path
) -> None:
    status, log = asking.run(toy_spec(), tmp_path, trackers="none")
    assert status == 2
    assert "asks for histograms, graph, but TensorBoard is not among the trackers (none)" in log
    assert not (tmp_path / "work" / "last.ckpt").exists()


def test_what_may_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wanted_details(" graph , histograms", ["tensorboard"]) == ["graph", "histograms"]
    assert wanted_details("", []) == wanted_details("none", []) == []
    with pytest.raises(BadSpecError, match="unknown histogram; known: histograms, graph"):
        wanted_details("histogram", ["tensorboard"])
    for text, wanted in {"1": True, "true": True, "0": False, "": False}.items():
        monkeypatch.setenv("SPORT_ASSETS_PROFILE", text)
        assert profile_wanted() is wanted
    monkeypatch.setenv("SPORT_ASSETS_PROFILE", "5 steps")
    with pytest.raises(BadSpecError, match="set it to 1 or 0"):
        profile_wanted()


class Branching(torch.nn.Module):
    """Takes a dictionary, an option and a keyword, and gives a dictionary, as the models of lines do."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)

    def forward(
        self, batch: dict[str, torch.Tensor], scale: float | None = None, *, mask: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        moved = self.layer(batch["x"]) * mask
        return {"out": moved if scale is None else moved * scale}


def test_a_model_that_takes_more_than_tensors_is_drawn(tmp_path: Path) -> None:
    model = Branching()
    before = torch.get_rng_state()
    draw_graph(model, (({"x": torch.ones(3, 2)}, None), {"mask": torch.ones(3, 1)}), tmp_path)
    assert {"aten::linear", "aten::mul"} <= {node.op for node in events(tmp_path).Graph().node}
    assert model.training
    assert torch.equal(torch.get_rng_state(), before)


class Through(pl.LightningModule):
    """Trains by a method of its network's, and calls the network itself in validation alone, or never."""

    def __init__(self, calls: bool) -> None:
        super().__init__()
        self.network = torch.nn.Linear(2, 1)
        self.calls = calls

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return self.network.forward(batch).sum()

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        (self.network if self.calls else self.network.forward)(batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize("calls", [True, False])
def test_the_graph_is_that_of_the_first_call_of_the_network(calls: bool, tmp_path: Path) -> None:
    heard = Heard()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        callbacks=[Graph(tmp_path, heard)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    given: Any = [torch.ones(3, 2), torch.ones(3, 2)]
    batches: Any = torch.utils.data.DataLoader(given, batch_size=None)
    trainer.fit(Through(calls), batches, batches)
    assert bool(list(tmp_path.glob("*.graph"))) is calls
    assert heard.warnings == ([] if calls else ["no graph: Through never called its network as a module"])
