"""Which frames of a video are taken: settings, the choice, and the checks of what was taken.

Belongs here: everything about frames that needs no picture. Must not come here: decoding (``frames``); so the
definitions can load this without OpenCV.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sport_assets.lineage.checks import CheckResult

AIM = (500, 1000)
"""Frames a video that the detector's plan aims at (soccertrack_detector, 1.2)."""

CHECKS: dict[str, tuple[bool, str]] = {
    "frames_extracted": (True, "At least one frame was chosen, decoded and written."),
    "no_unreadable_frames": (False, "Every frame that was chosen could be decoded."),
    "frames_as_aimed": (False, f"Between {AIM[0]} and {AIM[1]} frames were taken, as the plan aims at for a video."),
}
"""Every check of ``frames.extract_frames``: blocking or not, and its description."""


class FrameSettings(BaseModel):
    """Which frames are taken and how they are written. Unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    mode: Literal["every", "events", "both"] = Field(
        default="both", description="every: each Nth frame; events: windows around events; both: what either takes"
    )
    every: int = Field(default=30, ge=1, description="take each Nth frame, from the first")
    event_window_ms: float = Field(default=1000.0, ge=0, description="how far before and after an event (ms)")
    event_step: int = Field(default=5, ge=1, description="in a window take each Nth frame, from the one at the event")
    max_frames: int = Field(default=1000, ge=1, description="most frames of a video; of more, an evenly spread part")
    jpeg_quality: int = Field(default=95, ge=1, le=100, description="quality of the pictures as JPEG")


@dataclass(frozen=True)
class Choice:
    """Frames that are taken, in order, each with its reason; ``wanted``: how many there were before the cap."""

    frames: tuple[int, ...]
    reasons: tuple[str, ...]
    wanted: int


def choose_frames(times_ms: NDArray[np.float64], events_ms: Sequence[float], settings: FrameSettings) -> Choice:
    """Choose among frames shown at ``times_ms`` (float64 [frames], ascending) with events at ``events_ms``.

    Of an event's window each ``event_step``-th frame is taken, counted from the frame nearest to the event. Where more
    than ``max_frames`` would be taken, as many are kept, evenly spread over those, with the first and the last.
    """
    regular = np.zeros(len(times_ms), dtype=bool)
    near = np.zeros(len(times_ms), dtype=bool)
    if settings.mode != "events":
        regular[:: settings.every] = True
    if settings.mode != "every":
        for time_ms in events_ms:
            middle = int(np.abs(times_ms - time_ms).argmin())
            inside = np.abs(times_ms - time_ms) <= settings.event_window_ms
            inside[middle] = True  # also where the window is shorter than a frame
            stepped = np.arange(middle % settings.event_step, len(times_ms), settings.event_step)
            near[stepped[inside[stepped]]] = True
    found = np.flatnonzero(regular | near)
    wanted = len(found)
    if wanted > settings.max_frames:
        found = found[np.round(np.linspace(0, wanted - 1, settings.max_frames)).astype(int)]
    reasons = np.where(regular & near, "both", np.where(near, "event", "every"))[found]
    return Choice(tuple(found.tolist()), tuple(reasons.tolist()), wanted)


def frame_checks(choice: Choice, written: int) -> tuple[CheckResult, ...]:
    """The results of CHECKS, in their order. ``written``: how many of the chosen frames could be decoded."""
    chosen = len(choice.frames)
    lost = chosen - written
    too_few, too_many = max(AIM[0] - written, 0), max(written - AIM[1], 0)
    return (
        _result("frames_extracted", written > 0, checked=chosen),
        _result(
            "no_unreadable_frames",
            not lost,
            checked=chosen,
            failed=lost,
            rules={"unreadable": lost} if lost else {},
        ),
        _result(
            "frames_as_aimed",
            not too_few and not too_many,
            checked=max(AIM[0], written),
            failed=too_few or too_many,
            rules={name: count for name, count in (("too_few", too_few), ("too_many", too_many)) if count},
            metadata={"aim_from": AIM[0], "aim_to": AIM[1], "wanted_before_cap": choice.wanted},
        ),
    )


def _result(name: str, passed: bool, **more: Any) -> CheckResult:
    blocking, description = CHECKS[name]
    return CheckResult(name, passed, blocking, description, **more)
