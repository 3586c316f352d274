"""What TensorBoard shows beyond the curves: how weights and gradients are spread, and the model's graph.

Belongs here: two callbacks that look at the model and leave it, its generators and its result as they are. Must not be
here: trackers (`tracking`), anything that is part of the result.
"""

from __future__ import annotations

import contextlib
import copy
import random
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils import _pytree as pytree

from sport_assets.training.errors import BadSpecError
from sport_assets.training.progress import Reporter
from sport_assets.training.tracking import TensorBoardBackend, Tracking

VARIABLE = "SPORT_ASSETS_TENSORBOARD"
HISTOGRAMS, GRAPH = "histograms", "graph"
KNOWN = (HISTOGRAMS, GRAPH)


def wanted_details(text: str, trackers: Sequence[str]) -> list[str]:
    """The details asked for, names with commas. Raises `BadSpecError` for unknown ones and without TensorBoard."""
    wanted = [name for name in (part.strip() for part in text.split(",")) if name and name != "none"]
    unknown = [name for name in wanted if name not in KNOWN]
    if unknown:
        raise BadSpecError(f"{VARIABLE}: unknown {', '.join(unknown)}; known: {', '.join(KNOWN)}, or none")
    if wanted and "tensorboard" not in trackers:
        raise BadSpecError(
            f"{VARIABLE} asks for {', '.join(wanted)}, but TensorBoard is not among the trackers "
            f"({', '.join(trackers) or 'none'}): set SPORT_ASSETS_TRACKERS=mlflow,tensorboard (or --trackers)"
        )
    return wanted


def detail_callbacks(wanted: Sequence[str], folder: Path, tracking: Tracking, reporter: Reporter) -> list[pl.Callback]:
    """The callbacks for the details asked for; `folder` is TensorBoard's."""
    callbacks: list[pl.Callback] = []
    if HISTOGRAMS in wanted:
        callbacks.append(Histograms(tracking))
    if GRAPH in wanted:
        callbacks.append(Graph(folder, reporter))
    return callbacks


class Histograms(pl.Callback):
    """At every epoch's end: all weights, and the gradients of its last step before they are clipped."""

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking
        self._gradients: dict[str, np.ndarray] = {}

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Copy the gradients of the epoch's last step."""
        if trainer.is_last_batch:
            self._gradients = {
                f"gradients/{name}": _copied(parameter.grad)
                for name, parameter in pl_module.named_parameters()
                if parameter.grad is not None
            }

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Copy the weights; the tracking thread does the rest."""
        values = {f"weights/{name}": _copied(parameter) for name, parameter in pl_module.named_parameters()}
        values |= self._gradients
        step, self._gradients = trainer.global_step, {}

        def tell(backend: Any) -> None:
            assert isinstance(backend, TensorBoardBackend)
            backend.histograms(values, step)

        self._tracking.tell("tensorboard", tell)


class Graph(pl.Callback):
    """Draws the largest part of the module, as the first batch runs through its `forward`, where that can be traced.

    A copy is traced, in evaluation mode: tracing runs it, which would draw dropout masks and update batch norms.
    """

    def __init__(self, folder: Path, reporter: Reporter) -> None:
        self._folder = folder
        self._reporter = reporter
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []
        self._seen: tuple[torch.nn.Module, Any] | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Wait for the first call of the largest part (or parts, where a copy of it is kept beside)."""
        sizes = [(sum(p.numel() for p in child.parameters()), child) for child in pl_module.children()]
        largest = max((size for size, _ in sizes), default=0)
        for size, child in sizes:
            if size and size == largest:
                self._hooks.append(child.register_forward_pre_hook(self._see, with_kwargs=True))

    def _see(self, module: torch.nn.Module, args: Any, kwargs: Any) -> None:
        if self._seen is None:
            inputs = pytree.tree_map(lambda leaf: leaf.detach() if isinstance(leaf, torch.Tensor) else leaf, args)
            named = pytree.tree_map(lambda leaf: leaf.detach() if isinstance(leaf, torch.Tensor) else leaf, kwargs)
            self._seen = (module, (inputs, named))

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Draw what was seen in training."""
        self._draw()

    def on_validation_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Draw what was seen only here: a module may train through other methods than `forward`."""
        self._draw()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look no further than the first epoch."""
        if self._hooks:
            self._unhook()
            self._reporter.warning(f"no graph: {type(pl_module).__name__} never called its network as a module")

    def _draw(self) -> None:
        if self._seen is None:
            return
        self._unhook()
        (module, inputs), self._seen = self._seen, None
        try:
            draw_graph(module, inputs, self._folder)
        except Exception as error:  # noqa: BLE001 - tracing runs the line's code, which may fail in any way
            first = (str(error).strip() or "no message").splitlines()[0]
            self._reporter.warning(
                f"no graph: {type(module).__name__} cannot be traced; training goes on: {type(error).__name__}: {first}"
            )

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Leave nothing behind."""
        self._unhook()

    def _unhook(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []


class _Traceable(torch.nn.Module):
    """A module called with `inputs` (args, kwargs), as tracing wants it: tensors in, a tuple of tensors out."""

    def __init__(self, module: torch.nn.Module, inputs: Any) -> None:
        super().__init__()
        self.module = module
        leaves, self._structure = pytree.tree_flatten(inputs)
        self._leaves = [None if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
        self._places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
        self.tensors = tuple(leaves[place] for place in self._places)

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The tensors put back to their places."""
        leaves = list(self._leaves)
        for place, tensor in zip(self._places, tensors, strict=True):
            leaves[place] = tensor
        args, kwargs = pytree.tree_unflatten(leaves, self._structure)
        return tuple(
            leaf for leaf in pytree.tree_leaves(self.module(*args, **kwargs)) if isinstance(leaf, torch.Tensor)
        )


def draw_graph(module: torch.nn.Module, inputs: Any, folder: Path) -> None:
    """Write the graph of `module` called with `inputs` (args, kwargs) to TensorBoard's folder."""
    from torch.utils.tensorboard import SummaryWriter

    traceable = _Traceable(copy.deepcopy(module).eval(), inputs)
    with (
        SummaryWriter(str(folder), filename_suffix=".graph") as writer,
        _generators_kept(),
        warnings.catch_warnings(),
        contextlib.redirect_stdout(None),  # it prints what it raises as well
    ):
        warnings.simplefilter("ignore")
        writer.add_graph(traceable, traceable.tensors)


@contextlib.contextmanager
def _generators_kept() -> Iterator[None]:
    python, numpy = random.getstate(), np.random.get_state(legacy=False)
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def _copied(value: torch.Tensor) -> np.ndarray:
    return value.detach().to("cpu", torch.float32, copy=True).numpy()
