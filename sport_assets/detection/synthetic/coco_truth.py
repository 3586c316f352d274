"""The truth of scenes as labels in COCO's form.

Belongs here: which objects are labelled, and as what. Must not come here: rendering, files.
"""

from collections.abc import Mapping
from typing import Any

from sport_assets.detection.categories import BALL, CATEGORIES, GOALKEEPER, PLAYER, REFEREE, ROLE_CATEGORIES
from sport_assets.detection.coco import Labels
from sport_assets.detection.synthetic.play import Role
from sport_assets.detection.synthetic.scene import FrameTruth

_CATEGORY_OF: Mapping[Role, int] = {
    "player": PLAYER,
    "goalkeeper": GOALKEEPER,
    "referee": REFEREE,
    "ball": BALL,
}
LEAST_VISIBLE = 0.15
"""An object of which less is visible gets no box, as nobody would draw one."""


class TruthLabels:
    """Collects frames, image by image; ``labels`` gives them all. ``roles``: goalkeepers and referees stay apart."""

    def __init__(self, *, roles: bool) -> None:
        self._roles = roles
        self._images: list[dict[str, Any]] = []
        self._boxes: list[dict[str, Any]] = []

    def add(self, truth: FrameTruth, *, file_name: str, video: str, width: int, height: int) -> None:
        """A frame of a video, with or without boxes."""
        image = len(self._images) + 1
        self._images.append(
            {
                "image": image,
                "file_name": file_name,
                "width": width,
                "height": height,
                "video": video,
                "frame": truth.frame,
                "time_ms": truth.time_ms,
            }
        )
        for each in truth.objects:
            if each.box is None or each.visible_share < LEAST_VISIBLE:
                continue
            category = _CATEGORY_OF[each.role]
            if not self._roles and category != BALL:
                category = PLAYER
            place = dict(zip(("x", "y", "width", "height"), map(float, each.box), strict=True))
            self._boxes.append({"box": len(self._boxes) + 1, "image": image, "category": category, **place})

    @property
    def labels(self) -> Labels:
        """All frames so far."""
        return Labels.of(self._images, self._boxes, ROLE_CATEGORIES if self._roles else CATEGORIES)
