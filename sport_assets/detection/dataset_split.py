"""Which videos train, validate and test a detector: whole videos, so that no clip is on two sides.

Belongs here: choosing sides, and the proof that no video is on two of them, for our split and for one that came with a
data set. Must not come here: images and files (``dataset``).
"""

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sport_assets.detection.errors import BadInputError, BadLabelsError
from sport_assets.detection.label_formats import read_manifest
from sport_assets.lineage.checks import SAMPLE_ROWS, CheckResult

SIDES = ("train", "valid", "test")
NO_LEAKAGE = "no_video_on_two_sides"
LEAKAGE = "No video or source clip is on two sides of the split."
_TRIALS = 256


class SplitError(BadInputError):
    """A split that cannot be made as asked; the message says what to change."""


@dataclass(frozen=True)
class Group:
    """What one video has: images, and boxes by category."""

    images: int
    boxes: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SplitSettings:
    """How videos are put on sides.

    ``valid_share``, ``test_share``: share of the images, 0.2 for 80/20, 0.3 for 70/30; a test share of 0 makes no test
    side. ``valid_videos``, ``test_videos``: exactly these videos instead of a share.
    """

    valid_share: float = 0.2
    test_share: float = 0.0
    valid_videos: tuple[str, ...] = ()
    test_videos: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("valid_share", "test_share"):
            if not 0 <= getattr(self, name) < 1:
                raise SplitError(f"{name}={getattr(self, name)} is no share: give a number from 0 to below 1, as 0.2")
        if self.valid_share + self.test_share >= 1:
            raise SplitError(
                f"valid_share={self.valid_share} and test_share={self.test_share} leave nothing to train on"
            )
        if not self.valid_share and not self.valid_videos:
            raise SplitError("valid_share=0 and no valid_videos: a detector's best checkpoint is chosen on valid")
        both = set(self.valid_videos) & set(self.test_videos)
        if both:
            raise SplitError(f"{', '.join(sorted(both))}: named in valid_videos and in test_videos; name it once")


def split_sides(
    groups: Mapping[str, Group],
    settings: SplitSettings,
    *,
    teacher_videos: Collection[str] = (),
    same_footage: Sequence[Collection[str]] = (),
) -> dict[str, str]:
    """The side of each video (``SIDES``), sorted by video.

    ``groups``: videos; ``teacher_videos``: those that a teacher was trained on, which train and never evaluate;
    ``same_footage``: sets of videos that share images, which stay on one side.

    Sides hold whole videos, with image counts near the shares and every category on every side where the videos allow
    it. Of 256 orders in which videos are taken, each by a hash of their names, the one is used whose sides come
    nearest: the same videos give the same sides. Raises ``SplitError`` that says what to change.
    """
    _known(groups, settings)
    named_by = {videos: videos[0] for videos in units(groups, same_footage)}
    forced: dict[str, str] = {}
    taught = sorted(set(teacher_videos) & set(groups))
    for side, names in (
        ("train", taught),
        ("valid", settings.valid_videos),
        ("test", settings.test_videos),
    ):
        for video in names:
            unit = next(each for each in named_by if video in each)
            before = forced.setdefault(named_by[unit], side)
            if before != side:
                why = "a teacher was trained on" if before == "train" else f"is named for {before}, as is"
                raise SplitError(
                    f"{video} cannot be on {side}: {why} it or footage it shares ({', '.join(unit)}). "
                    f"Take it out of {side}_videos, or take another teacher."
                )
    totals = {name: _sum(groups[video] for video in videos) for videos, name in named_by.items()}
    named = {"valid": settings.valid_videos, "test": settings.test_videos}
    shares = {
        side: share
        for side, share in (("test", settings.test_share), ("valid", settings.valid_share))
        if share and not named[side]
    }
    free = sorted(name for name in totals if name not in forced)
    wanted = ["train"] * ("train" not in forced.values()) + sorted(shares)
    if len(free) < len(wanted):
        raise SplitError(
            f"{len(free)} video(s) to choose from ({', '.join(free[:5]) or 'none'}) for {len(wanted)} side(s) "
            f"({', '.join(wanted)}): a video is on one side as a whole"
            + (f", and a teacher was trained on {', '.join(taught)}, which can only train" if taught else "")
            + ". Register more videos, say of which clip images are (clip_from in the data set's dataset.json), or "
            "name videos by side."
        )
    chosen = min(
        (_fill(forced, free, totals, shares, trial) for trial in range(_TRIALS)),
        key=lambda sides: _cost(sides, totals, shares),
    )
    name_of = {video: name for videos, name in named_by.items() for video in videos}
    return {video: chosen[name_of[video]] for video in sorted(name_of)}


def units(videos: Collection[str], same_footage: Sequence[Collection[str]]) -> list[tuple[str, ...]]:
    """Sets of these videos that go together, each sorted, a video alone included; sorted by the first of each."""
    # also of those whose images all stand under another name, and which tie others together all the same
    together = {video: {video} for video in {*videos, *(video for each in same_footage for video in each)}}
    for each in same_footage:
        joined = set().union(*(together[video] for video in each))
        for video in joined:
            together[video] = joined
    there = (tuple(sorted(video for video in joined if video in videos)) for joined in together.values())
    return sorted({unit for unit in there if unit})


def no_video_on_two_sides(placed: Iterable[tuple[str, str]]) -> CheckResult:
    """Whether every video is on one side alone. ``placed``: (side, video) of each image."""
    sides: dict[str, dict[str, int]] = {}
    for side, video in placed:
        counts = sides.setdefault(video, {})
        counts[side] = counts.get(side, 0) + 1
    rows: list[dict[str, Any]] = [
        {"rule": "video_on_two_sides", "video": video, "images": dict(sorted(counts.items()))}
        for video, counts in sorted(sides.items())
        if len(counts) > 1
    ]
    return CheckResult(
        NO_LEAKAGE,
        not rows,
        True,
        LEAKAGE,
        failed=len(rows),
        checked=len(sides),
        rules={"video_on_two_sides": len(rows)} if rows else {},
        sample=rows[:SAMPLE_ROWS],
    )


def shipped_split_check(manifest: Path) -> CheckResult:
    """``no_video_on_two_sides`` for a split that came with a data set.

    ``manifest``: a CSV with the columns file, source_clip and original_split. Raises ``BadLabelsError`` without them.
    """
    rows = read_manifest(manifest, ("source_clip", "original_split"))
    if not rows:
        raise BadLabelsError(f"{manifest}: no rows. It should have one for each image.")
    return no_video_on_two_sides((row["original_split"], row["source_clip"]) for row in rows.values())


def _known(groups: Mapping[str, Group], settings: SplitSettings) -> None:
    for name in ("valid_videos", "test_videos"):
        for video in getattr(settings, name):
            if video not in groups:
                near = get_close_matches(video, groups, n=3, cutoff=0.3) or sorted(groups)[:3]
                raise SplitError(f"{name}: there is no video {video}; there is {', '.join(near) or 'none'}")


def _fill(
    forced: Mapping[str, str], free: Sequence[str], totals: Mapping[str, Group], shares: Mapping[str, float], trial: int
) -> dict[str, str]:
    """Videos in the order of their hashes; a side takes each that brings it nearer to its share of the images."""
    order = sorted(free, key=lambda name: hashlib.sha256(f"{trial} {name}".encode()).digest())
    everything = sum(group.images for group in totals.values())
    sides = dict(forced)
    for number, (side, share) in enumerate(shares.items()):
        wanted, have = share * everything, 0
        # each side that is still to be filled, and train, needs a video
        spare = len(order) - (len(shares) - number - 1) - ("train" not in forced.values())
        taken: list[str] = []
        for name in order:
            images = totals[name].images
            if len(taken) < spare and abs(have + images - wanted) < abs(have - wanted):
                taken.append(name)
                have += images
        if not taken:
            taken = [min(order, key=lambda name: abs(totals[name].images - wanted))]
        sides |= dict.fromkeys(taken, side)
        order = [name for name in order if name not in taken]
    return sides | dict.fromkeys(order, "train")


def _cost(sides: Mapping[str, str], totals: Mapping[str, Group], shares: Mapping[str, float]) -> tuple[int, float]:
    """How many categories sides lack, then how far image counts are from the shares."""
    everything = _sum(totals.values())
    there = {side: _sum(totals[name] for name in sides if sides[name] == side) for side in set(sides.values())}
    lacking = sum(
        1
        for category, count in everything.boxes.items()
        if count
        for side in there.values()
        if not side.boxes.get(category)
    )
    apart = [there[side].images / max(everything.images, 1) - share for side, share in shares.items() if side in there]
    return lacking, round(math.hypot(*apart), 9)


def _sum(groups: Iterable[Group]) -> Group:
    images, boxes = 0, dict[int, int]()
    for group in groups:
        images += group.images
        for category, count in group.boxes.items():
            boxes[category] = boxes.get(category, 0) + count
    return Group(images, boxes)
