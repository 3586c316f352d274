"""What an exported model ships besides its weights, so that the file alone forecasts and simulates.

Belongs here: the metadata of the ONNX file, its writing and reading. No torch: prediction runs on this module.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sport_assets.cricket import history
from sport_assets.cricket.batches import ID_COLUMNS, PERSONS, EntityTable
from sport_assets.cricket.calibration import Calibration
from sport_assets.cricket.extras import Extras
from sport_assets.cricket.history import Situations
from sport_assets.cricket.innings import LAYOUT_VERSION
from sport_assets.cricket.labels import LABEL_RULES, OUTCOMES
from sport_assets.cricket.nodes import NODE_FEATURES
from sport_assets.cricket.phases import PHASES
from sport_assets.cricket.settings import ModelSettings
from sport_assets.training.exported import METADATA_KEY, check_origin, shipped

LINE = "cricket"
OUTPUT = "log_probability"
UNITS = {
    "runs": "runs",
    "place": "over from 0, phase from 0, innings from 1",
    OUTPUT: "natural logarithm of the calibrated probability of each outcome",
}


def layout() -> dict[str, Any]:
    """What a model must have been exported for, to be fed by this version of the code."""
    return {
        "version": LAYOUT_VERSION,
        "outcomes": list(OUTCOMES),
        "nodes": {node: list(names) for node, names in NODE_FEATURES.items()},
        "ids": list(ID_COLUMNS),
        "persons": list(PERSONS),
        "phases": list(PHASES),
        "history": {
            "half_life_days": history.HALF_LIFE_DAYS,
            "strength_balls": dict(history.STRENGTH),
            "extra_events": history.EXTRA_EVENTS,
            "known_scale": history.KNOWN_SCALE,
        },
    }


@dataclass(frozen=True)
class Shipped:
    """Everything but the weights."""

    settings: ModelSettings
    entities: EntityTable
    past: Situations
    """The balls whose rates are looked at, of all dates that were published when the model was exported."""
    calibration: Calibration
    """Already part of the ONNX graph; for whoever builds the network again."""
    extras: Extras
    label_rule: str

    def to_metadata(self, more: Mapping[str, Any]) -> dict[str, str]:
        """As the metadata of an ONNX file, ``more`` for people beside it; the same content gives the same text."""
        content = {
            **more,
            "line": LINE,
            "layout": layout(),
            "label_rule": self.label_rule,
            "label_rule_text": LABEL_RULES[self.label_rule],
            "settings": self.settings.model_dump(mode="json"),
            "entities": json.loads(self.entities.to_bytes()),
            "calibration": {"scale": self.calibration.scale.tolist(), "shift": self.calibration.shift.tolist()},
            "extras": self.extras.content(),
            "past": base64.b64encode(self.past.to_bytes()).decode(),
            "units": UNITS,
        }
        return {METADATA_KEY: json.dumps(content, sort_keys=True)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], name: str) -> Shipped:
        """Read what ``to_metadata`` gave. Raises ModelError for a model of another line or another layout."""
        content = shipped(metadata)
        check_origin(content, name, LINE, layout())
        scale, shift = content["calibration"]["scale"], content["calibration"]["shift"]
        return cls(
            ModelSettings.model_validate(content["settings"]),
            EntityTable.from_bytes(json.dumps(content["entities"]).encode()),
            Situations.from_bytes(base64.b64decode(content["past"])),
            Calibration(np.array(scale, dtype=np.float64), np.array(shift, dtype=np.float64)),
            Extras.from_content(content["extras"]),
            content["label_rule"],
        )
