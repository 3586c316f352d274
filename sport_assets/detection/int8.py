"""A detector's weights in 8 bits, accepted only where the ball does not suffer.

Belongs here: quantising an exported file, and the decision. Must not come here: the export itself (``export``).

ONNX Runtime's dynamic quantisation: weights of matrix products in 8 bits, activations scaled as they come. It needs no
calibration images; small objects are what suffers first, so the ball's average precision decides. Training that is
aware of the quantisation is not done here: torchao's form of it does not reach through rfdetr's deformable attention.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sport_assets.detection.average_precision import coco_figures
from sport_assets.detection.categories import BALL
from sport_assets.detection.detections import Detections
from sport_assets.detection.onnx_detector import OnnxDetector
from sport_assets.detection.samples import Side
from sport_assets.detection.scored_boxes import of_detections
from sport_assets.lineage.durable import write_durably

INT8_FILE = "model_int8.onnx"
MOST_LOST = 0.005
"""Of the ball's average precision (0.5 to 0.95): half a point."""
_BATCH = 8


def add_int8(model: Path, side: Side, out: Path) -> dict[str, Any]:
    """Quantise ``model`` (ONNX) and keep it as model_int8.onnx in ``out`` if the ball's average precision on ``side``
    falls by at most ``MOST_LOST``; without a ball there it is not kept. Returns what was measured in either case."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    draft = out / f".{INT8_FILE}"
    try:
        quantize_dynamic(str(model), str(draft), weight_type=QuantType.QInt8)
        small = onnx.load(str(draft))
        del small.metadata_props[:]
        small.metadata_props.extend(onnx.load(str(model)).metadata_props)
        draft.write_bytes(small.SerializeToString(deterministic=True))
        before, after = _ball_precision(model, side), _ball_precision(draft, side)
        accepted = before is not None and after is not None and before - after <= MOST_LOST
        content = draft.read_bytes()
    finally:
        draft.unlink(missing_ok=True)
    if accepted:
        write_durably(out / INT8_FILE, content)
    return {
        "int8_accepted": accepted,
        "int8_ball_ap": after,
        "int8_ball_ap_before": before,
        "int8_bytes": len(content),
    }


def _ball_precision(model: Path, side: Side) -> float | None:
    detector = OnnxDetector(model, 0.0)
    ids = side.labels.images["image"].to_list()
    found: dict[int, Detections] = {}
    for start in range(0, len(side), _BATCH):
        numbers = range(start, min(start + _BATCH, len(side)))
        said = detector([side.image(number) for number in numbers])
        found |= dict(zip((ids[number] for number in numbers), said, strict=True))
    return coco_figures(side.labels, of_detections(found))[side.labels.categories[BALL]]["ap"]
