"""Teachers: whatever can label the kept frames of a video without a person.

Belongs here: what a teacher is, what it is given and gives, choosing one by settings. Must not come here: how one
detects (``background_teacher``, ``rfdetr_teacher``), writing labels (``pseudo_labels``).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from sport_assets.detection.detections import Detections
from sport_assets.detection.errors import BadInputError
from sport_assets.detection.slicing import Slicing

TeacherName = Literal["rfdetr", "background", "none"]


@dataclass(frozen=True)
class KeptFrames:
    """Frames taken out of a video: its file, their numbers in it (ascending, from 0), and the file of each picture."""

    video: Path
    numbers: Sequence[int]
    pictures: Sequence[Path]


@dataclass(frozen=True)
class TeacherSettings:
    """Which teacher, and how it looks.

    ``weights``: for ``rfdetr`` an ONNX file, an rfdetr checkpoint or a published folder. ``threshold``: least score of
    its detections; low, since a label with a score can be left out later and a missing one cannot be put back.
    ``slicing``: how it sees large frames. ``device``, ``compiled``: what a checkpoint runs on, and whether
    torch.compile makes it faster.
    """

    teacher: TeacherName = "background"
    weights: Path | None = None
    threshold: float = 0.1
    slicing: Slicing = field(default_factory=Slicing)
    device: str = "cpu"
    compiled: bool = False


DETECTOR_SETTINGS = (
    "teacher_model",
    "weights",
    "slice_size",
    "slice_overlap",
    "slice_batch",
    "teacher_device",
    "compile",
)
"""Settings of pseudo-labels that a detector alone, ``teacher=rfdetr``, has a use for."""


NEEDS_WEIGHTS = (
    "teacher=rfdetr needs weights: give the file of an exported detector (model.onnx) or of a checkpoint (.pth), or "
    "let teacher=background label videos of a static camera without any"
)


def why_refused(given: Collection[str], teachers: Collection[str]) -> str | None:
    """Why settings cannot be meant: two contradict each other, or none of the videos' ``teachers`` has a use for one.

    ``given``: the names of those that are not as by default.
    """
    if {"teacher_model", "weights"} <= set(given):
        return "teacher_model and weights are both set: a teacher has one or the other"
    idle = [name for name in DETECTOR_SETTINGS if name in given]
    if not idle or "rfdetr" in teachers:
        return None
    return (
        f"{', '.join(idle)}: set, but only teacher=rfdetr has a use for it, and the teacher of every video is "
        f"{' or '.join(sorted(set(teachers)))}. Set teacher=rfdetr, or give a video that teacher alone: "
        "sport-assets add-video FILE --teacher rfdetr"
    )


def why_no_weights(teachers: Collection[str], weights: Path | None, teacher_model: str | None) -> str | None:
    """Why a detector cannot label the videos, whose ``teachers`` are named: it has no weights, or not their file.

    Where others label some of the videos, one that lacks weights stops its own alone, and that is told there.
    """
    if "rfdetr" not in teachers:
        return None
    if weights is not None:
        return None if weights.is_file() else f"weights: {weights} is no file. Put it there, or name another."
    return NEEDS_WEIGHTS if teacher_model is None and set(teachers) == {"rfdetr"} else None


@dataclass(frozen=True)
class Taught:
    """What a teacher finds in one frame.

    ``disagreement``: how much its looks at the windows and at the whole frame differ, 0 to 1; None for a single look.
    """

    detections: Detections
    disagreement: float | None = None


class Teacher(Protocol):
    """Something that labels frames."""

    def identity(self) -> dict[str, Any]:
        """What labels depend on besides the pictures: its name, the digest of its weights, its settings. JSON-able,
        the same wherever it is asked for."""
        ...

    def detect(self, kept: KeptFrames) -> Iterator[Taught]:
        """What it finds in each kept frame, in order."""
        ...

    @property
    def counts(self) -> dict[str, int]:
        """What was dropped so far, by reason (``degenerate``, ``background``)."""
        ...

    @property
    def facts(self) -> dict[str, Any]:
        """What it noticed about the video so far, for people; JSON-able."""
        ...


class NoTeacher:
    """Finds nothing: for a review that begins with frames alone."""

    def identity(self) -> dict[str, Any]:
        """That there was none."""
        return {"name": "none"}

    def detect(self, kept: KeptFrames) -> Iterator[Taught]:
        """Nothing, in each kept frame."""
        return (Taught(Detections.none()) for _ in kept.numbers)

    @property
    def counts(self) -> dict[str, int]:
        """Nothing was dropped."""
        return {}

    @property
    def facts(self) -> dict[str, Any]:
        """Nothing was noticed."""
        return {}


def make_teacher(settings: TeacherSettings) -> Teacher:
    """The teacher that settings name. Raises ``BadInputError`` for an unknown one and for missing weights."""
    if settings.teacher == "none":
        return NoTeacher()
    if settings.teacher == "background":
        from sport_assets.detection.background_teacher import BackgroundTeacher

        return BackgroundTeacher(threshold=settings.threshold)
    if settings.teacher == "rfdetr":
        from sport_assets.detection.rfdetr_teacher import RfdetrTeacher

        if settings.weights is None:
            raise BadInputError(NEEDS_WEIGHTS)
        return RfdetrTeacher(
            settings.weights,
            threshold=settings.threshold,
            slicing=settings.slicing,
            device=settings.device,
            compiled=settings.compiled,
        )
    raise BadInputError(f"teacher={settings.teacher}: there are {', '.join(get_args(TeacherName))}")
