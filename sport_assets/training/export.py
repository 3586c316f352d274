"""ONNX and `.pt2` files of a module with the same bytes every time, and their parity with eager PyTorch.

Belongs here: export, normalisation of the files, parity, metadata. Must not be here: what a line puts into the
metadata, prediction (it needs no torch).
"""

from __future__ import annotations

import io
import logging
import math
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sport_assets.lineage.checks import CheckResult
from sport_assets.lineage.durable import write_durably
from sport_assets.training.errors import BadSpecError
from sport_assets.training.exported import open_session
from sport_assets.training.names import PARITY


@dataclass(frozen=True)
class ParityReport:
    """Differences between eager and exported outputs over all batches, in the outputs' own units."""

    max_abs_error: float
    outputs: Mapping[str, float]
    """Largest absolute difference by output name."""
    batches: int
    values: int
    """Numbers compared."""

    def within(self, tolerance: float) -> bool:
        """Whether something was compared and no value differs by more than `tolerance` absolutely."""
        return self.values > 0 and self.max_abs_error <= tolerance


def export_onnx(
    module: torch.nn.Module,
    example_inputs: Mapping[str, torch.Tensor],
    output_names: Sequence[str],
    dynamic_axes: Mapping[str, Mapping[int, str]],
    path: Path,
    metadata: Mapping[str, str] | None = None,
    *,
    keep_names: bool = False,
) -> None:
    """Write one self-contained ONNX file.

    `example_inputs` are keyword arguments of `forward`, in its order; their dynamic axes must be at least 2 long
    (torch specialises on 1). `dynamic_axes` is `{input: {axis: name}}`; the same name means the same length.
    `keep_names`: initializers keep the names and shapes of the parameters, for whoever builds the module again from
    the file; what the exporter would fold, the runtime folds when it loads.
    The module is exported in eval mode and returned to its mode. Two exports of the same weights are byte-equal,
    also from other folders and processes: stack traces, doc strings and node metadata are removed.
    Raises `BadSpecError` for examples that would fix an axis, and torch's own error where an operator is missing.
    """
    import onnx

    _check_axes(example_inputs, dynamic_axes)
    shapes = _shapes(example_inputs, dynamic_axes)
    mode = module.training
    module.eval()
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # they note at every export that torchvision's operators are not there, and what is left unfolded
            for noisy in ("torch.onnx._internal.exporter._registration", "onnxscript.optimizer._constant_folding"):
                logging.getLogger(noisy).setLevel(logging.ERROR)
            draft = Path(folder) / "model.onnx"
            program = torch.onnx.export(
                module,
                (),
                kwargs=dict(example_inputs),
                input_names=list(example_inputs),
                output_names=list(output_names),
                dynamic_shapes=shapes,
                dynamo=True,
                optimize=not keep_names,
                verbose=False,
            )
            assert program is not None
            program.save(str(draft), external_data=False)
            model = onnx.load(str(draft))
    finally:
        module.train(mode)
    _strip(model)
    del model.metadata_props[:]
    for key, value in sorted((metadata or {}).items()):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model)
    write_durably(path, model.SerializeToString(deterministic=True))


def export_pt2(
    module: torch.nn.Module,
    example_inputs: Mapping[str, torch.Tensor],
    dynamic_axes: Mapping[str, Mapping[int, str]],
    path: Path,
) -> None:
    """Write `torch.export`'s program (loaded by `torch.export.load`), without stack traces of this machine."""
    _check_axes(example_inputs, dynamic_axes)
    shapes = _shapes(example_inputs, dynamic_axes)
    mode = module.training
    module.eval()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(module, (), kwargs=dict(example_inputs), dynamic_shapes=shapes)
            for graph_module in program.graph_module.modules():
                if isinstance(graph_module, torch.fx.GraphModule):
                    for node in graph_module.graph.nodes:
                        for key in ("stack_trace", "from_node", "source_fn_stack", "seq_nr"):
                            node.meta.pop(key, None)
            buffer = io.BytesIO()  # a file's name would become part of the archive
            torch.export.save(program, buffer)
    finally:
        module.train(mode)
    write_durably(path, buffer.getvalue())


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata that `export_onnx` was given."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    return {entry.key: entry.value for entry in model.metadata_props}


def parity(
    eager: torch.nn.Module, onnx_path: Path, batches: Iterable[Mapping[str, torch.Tensor | np.ndarray]]
) -> ParityReport:
    """Compare eager (eval mode, no gradients) with ONNX Runtime on the CPU, on batches of keyword arguments.

    A NaN or infinity on one side only, and an output of another shape, count as an infinite error.
    """
    session = open_session(onnx_path, "an export")
    names = [output.name for output in session.get_outputs()]
    wanted = {value.name for value in session.get_inputs()}
    errors = dict.fromkeys(names, 0.0)
    count, values = 0, 0
    mode = eager.training
    eager.eval()
    try:
        for batch in batches:
            tensors = {name: torch.as_tensor(value) for name, value in batch.items()}
            with torch.no_grad():
                expected = _outputs(eager(**tensors), names)
            # constant folding may drop an input that no output depends on
            feed = {name: value.numpy() for name, value in tensors.items() if name in wanted}
            for name, left, right in zip(names, expected, session.run(names, feed), strict=True):
                errors[name] = max(errors[name], _difference(left, right))
                values += left.size
            count += 1
    finally:
        eager.train(mode)
    return ParityReport(max(errors.values(), default=math.inf), errors, count, values)


def growing_batches(samples: int, most: int) -> Iterator[np.ndarray]:
    """Numbers of up to `most` samples, spread over all: one alone, then batches of growing size."""
    chosen = np.unique(np.linspace(0, samples - 1, most).round().astype(np.int64))
    start, size = 0, 1
    while start < len(chosen):
        yield chosen[start : start + size]
        start, size = start + size, 2 * size


def parity_check(report: ParityReport, tolerance: float, unit: str, on: str) -> CheckResult:
    """The check of every export: whether the file says what the trained model says, `on` what it was compared."""
    passed = report.within(tolerance)
    return CheckResult(
        name=PARITY,
        passed=passed,
        description=f"On {on}, model.onnx and the trained model differ by at most {tolerance} {unit}.",
        failed=0 if passed else 1,
        checked=report.batches,
        rules={} if passed else {"differs": 1},
        metadata={
            f"max_abs_error_{unit}": report.max_abs_error,
            f"tolerance_{unit}": tolerance,
            "values": report.values,
        },
    )


def _outputs(value: Any, names: Sequence[str]) -> list[np.ndarray]:
    if isinstance(value, torch.Tensor):
        value = [value]
    elif isinstance(value, Mapping):
        value = list(value.values())
    if len(value) != len(names):
        raise BadSpecError(f"the module gives {len(value)} outputs, the exported file {len(names)}: {', '.join(names)}")
    return [item.detach().cpu().numpy() for item in value]


def _difference(left: np.ndarray, right: np.ndarray) -> float:
    if left.shape != right.shape:
        return math.inf
    if left.size == 0:
        return 0.0
    a, b = left.astype(np.float64), right.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        gap = np.where(same, 0.0, np.abs(a - b))
        gap = np.where(np.isfinite(gap), gap, np.inf)
    return float(gap.max())


def _shapes(
    example_inputs: Mapping[str, torch.Tensor], dynamic_axes: Mapping[str, Mapping[int, str]]
) -> dict[str, Any]:
    # one Dim object per name, else torch takes equal names for different dimensions
    dims = {label: torch.export.Dim(label) for axes in dynamic_axes.values() for label in axes.values()}
    return {
        name: {axis: dims[label] for axis, label in dynamic_axes.get(name, {}).items()} or None
        for name in example_inputs
    }


def _check_axes(example_inputs: Mapping[str, torch.Tensor], dynamic_axes: Mapping[str, Mapping[int, str]]) -> None:
    unknown = sorted(set(dynamic_axes) - set(example_inputs))
    if unknown:
        raise BadSpecError(
            f"dynamic_axes names {', '.join(unknown)}; the example inputs are {', '.join(example_inputs)}"
        )
    for name, axes in dynamic_axes.items():
        for axis, label in axes.items():
            length = example_inputs[name].shape[axis]
            if length < 2:
                raise BadSpecError(
                    f"the example input {name} is {length} long on its dynamic axis {axis} ({label}); give at least 2, "
                    "torch would fix the axis to that length"
                )


def _strip(model: Any) -> None:
    """Remove what names this machine: doc strings and metadata of the model, functions, graphs, nodes and values."""
    model.doc_string = ""
    graphs = [model.graph]
    for function in model.functions:
        function.doc_string = ""
        del function.metadata_props[:]
        graphs.extend(_strip_nodes(function.node))
        for value in function.value_info:
            _strip_one(value)
    while graphs:
        graph = graphs.pop()
        _strip_one(graph)
        for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
            _strip_one(value)
        graphs.extend(_strip_nodes(graph.node))


def _strip_nodes(nodes: Iterable[Any]) -> list[Any]:
    """Strip nodes and return the graphs inside them (branches and loop bodies)."""
    inner = []
    for node in nodes:
        _strip_one(node)
        for attribute in node.attribute:
            attribute.doc_string = ""
            if attribute.HasField("g"):
                inner.append(attribute.g)
            inner.extend(attribute.graphs)
    return inner


def _strip_one(message: Any) -> None:
    message.doc_string = ""
    del message.metadata_props[:]
