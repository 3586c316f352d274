"""A detector in 16 or 8 bits, accepted only where the ball does not suffer.

Belongs here: making an exported file smaller, and the decision. Must not come here: the export itself (``export``).

Small objects are what suffers first, so the ball's average precision decides. FP16 holds all weights and sums as half
floats, for GPUs; inputs and outputs stay float32. INT8 is ONNX Runtime's dynamic quantisation: weights of matrix
products in 8 bits, activations scaled as they come, without calibration images. Training that is aware of the
quantisation is not done here: torchao's form of it does not reach through rfdetr's deformable attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sport_assets.detection.average_precision import coco_figures
from sport_assets.detection.categories import BALL
from sport_assets.detection.detections import Detections
from sport_assets.detection.onnx_detector import OnnxDetector
from sport_assets.detection.samples import Side
from sport_assets.detection.scored_boxes import of_detections
from sport_assets.lineage.durable import write_durably

if TYPE_CHECKING:
    import onnx

Precision = Literal["fp16", "int8"]
MOST_LOST = 0.005
"""Of the ball's average precision (0.5 to 0.95): half a point."""
_BATCH = 8


def file_name(precision: Precision) -> str:
    """Of the model in that precision, beside model.onnx."""
    return f"model_{precision}.onnx"


def add_reduced(precisions: Sequence[Precision], model: Path, side: Side, out: Path) -> dict[str, Any]:
    """Write ``model`` (ONNX) to ``out`` in fewer bits.

    Each form is kept where the ball's average precision on ``side`` falls by at most ``MOST_LOST``; none is without a
    ball there. Returns what was measured in either case.
    """
    before = _ball_precision(model, side)
    facts: dict[str, Any] = {}
    for precision in precisions:
        content, after = _reduced(precision, model, side, out)
        accepted = before is not None and after is not None and before - after <= MOST_LOST
        if accepted:
            write_durably(out / file_name(precision), content)
        facts |= {
            f"{precision}_accepted": accepted,
            f"{precision}_ball_ap": after,
            f"{precision}_ball_ap_before": before,
            f"{precision}_bytes": len(content),
        }
    return facts


def _reduced(precision: Precision, model: Path, side: Side, out: Path) -> tuple[bytes, float | None]:
    """The model in a precision, and the ball's average precision with it."""
    import onnx

    draft = out / f".{file_name(precision)}"
    try:
        small = _half(model) if precision == "fp16" else _quantised(model, draft)
        del small.metadata_props[:]
        small.metadata_props.extend(onnx.load(str(model), load_external_data=False).metadata_props)
        content = small.SerializeToString(deterministic=True)
        draft.write_bytes(content)
        return content, _ball_precision(draft, side)
    finally:
        draft.unlink(missing_ok=True)


def _half(model: Path) -> onnx.ModelProto:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    half: onnx.ModelProto = convert_float_to_float16(onnx.load(str(model)), keep_io_types=True)
    return half


def _quantised(model: Path, draft: Path) -> onnx.ModelProto:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(str(model), str(draft), weight_type=QuantType.QInt8)
    return onnx.load(str(draft))


def _ball_precision(model: Path, side: Side) -> float | None:
    detector = OnnxDetector(model, 0.0)
    ids = side.labels.images["image"].to_list()
    found: dict[int, Detections] = {}
    for start in range(0, len(side), _BATCH):
        numbers = range(start, min(start + _BATCH, len(side)))
        said = detector([side.image(number) for number in numbers])
        found |= dict(zip((ids[number] for number in numbers), said, strict=True))
    return coco_figures(side.labels, of_detections(found))[side.labels.categories[BALL]]["ap"]
