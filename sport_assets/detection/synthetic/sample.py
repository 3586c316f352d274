"""Generated matches as raw files of this line: videos, events, and the truth beside them.

Belongs here: files, keys and order. Must not come here: what is in a scene (``scene``), damage (``defects``).
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from sport_assets.detection.coco import write_coco
from sport_assets.detection.synthetic.coco_truth import TruthLabels
from sport_assets.detection.synthetic.defects import write_defects
from sport_assets.detection.synthetic.encoding import write_video
from sport_assets.detection.synthetic.play import Event
from sport_assets.detection.synthetic.scene import Image, Scene
from sport_assets.detection.synthetic.settings import Difficulty, SceneSettings

_MOST_VIDEOS = 99
_SEEDS_APART = 1000
"""Scenes of one sample have the seeds ``seed * 1000 + number``."""


@dataclass(frozen=True)
class Sample:
    """What `generate` wrote: by key its video, events and truth; and each damaged file with the rule that it breaks."""

    folder: Path
    keys: tuple[str, ...]
    frames: int
    defects: tuple[tuple[Path, str], ...] = ()

    def video(self, key: str) -> Path:
        """The match."""
        return self.folder / "videos" / f"{key}.mp4"

    def events(self, key: str) -> Path:
        """What happens to the ball, as SoccerTrack has it."""
        return self.folder / "events" / f"{key}.json"

    def truth(self, key: str) -> Path:
        """Boxes in all frames, as COCO, goalkeepers and referees apart."""
        return self.folder / "truth" / f"{key}.json"


def generate(
    folder: Path,
    *,
    videos: int = 2,
    seconds: float = 10.0,
    seed: int = 0,
    width: int = 1280,
    height: int = 720,
    frame_rate: float = 25,
    players: int = 11,
    difficulty: Difficulty = "hard",
    static_share: float = 0.5,
    defects: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Sample:
    """Writes that many videos into ``folder/videos``, with ``folder/events`` and ``folder/truth``.

    ``static_share``: of the videos, how many have a static camera; the others pan. ``players``: on each side. With
    ``defects`` also a damaged file for each rule that a video or its events can break.
    The same arguments give the same bytes, and a match is the same however many there are. A match appears whole or not
    at all. Files that are there and say something else are kept: FileExistsError, unless ``overwrite``. ``progress`` is
    called with (frames done, frames). Raises ValueError, which names it, for an argument that makes no sense.
    """
    if not 1 <= videos <= _MOST_VIDEOS:
        raise ValueError(f"videos must be 1 to {_MOST_VIDEOS}, not {videos}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, not {seed}")
    if not 0 <= static_share <= 1:
        raise ValueError(f"static_share must be 0 to 1, not {static_share}")
    if width % 2 or height % 2:
        raise ValueError(f"width and height must be even, as H.264 has them, not {width}x{height}")
    frames = round(seconds * frame_rate)
    if frames < 1:
        raise ValueError(f"seconds must be at least one frame ({1 / frame_rate:.3f} s), not {seconds}")
    fields = {"width": width, "height": height, "frames": frames, "frame_rate": frame_rate, "players": players}
    folder.mkdir(parents=True, exist_ok=True)
    keys: list[str] = []
    for number in range(videos):
        static = ceil((number + 1) * static_share) > ceil(number * static_share)
        camera = "static" if static else "panning"
        key = f"match_{number + 1:02d}_{camera}"
        scene = Scene(seed * _SEEDS_APART + number, SceneSettings.of(difficulty, **fields, camera=camera))
        done = None if progress is None else _counting(progress, number * frames, videos * frames)
        _placed(folder, lambda there: _write(there, key, scene, done), overwrite=overwrite)  # noqa: B023
        keys.append(key)
    found: Sequence[tuple[Path, str]] = ()
    if defects:
        written: list[tuple[Path, str]] = []
        _placed(folder, lambda there: written.extend(write_defects(there, seed)), overwrite=overwrite)
        found = [(folder / path, rule) for path, rule in written]
    return Sample(folder, tuple(keys), videos * frames, tuple(found))


def events_json(events: Sequence[Event], frame_rate: float) -> dict[str, Any]:
    """Events in SoccerTrack's form: ``position`` counts milliseconds from the beginning of the video."""
    annotations = []
    for event in events:
        milliseconds = round(event.frame * 1000 / frame_rate)
        minutes, seconds = divmod(milliseconds // 1000, 60)
        annotations.append(
            {
                "gameTime": f"1 - {minutes}:{seconds:02d}",
                "label": event.label,
                "position": str(milliseconds),
                "team": event.team,
                "visibility": "visible",
            }
        )
    return {"UrlLocal": "", "UrlYoutube": "", "annotations": annotations}


def _write(folder: Path, key: str, scene: Scene, done: Callable[[int], None] | None) -> None:
    truth = TruthLabels(roles=True)
    wanted = scene.settings

    def frames() -> Iterator[Image]:
        for image, seen in scene:
            name = f"{key}_f{seen.frame:07d}.jpg"
            truth.add(seen, file_name=name, video=key, width=wanted.width, height=wanted.height)
            yield image
            if done is not None:
                done(seen.frame + 1)

    for name in ("videos", "events", "truth"):
        (folder / name).mkdir()
    write_video(folder / "videos" / f"{key}.mp4", frames(), wanted.frame_rate)
    text = json.dumps(events_json(scene.events, wanted.frame_rate), indent=1)
    (folder / "events" / f"{key}.json").write_text(text + "\n", encoding="utf-8")
    write_coco(truth.labels, folder / "truth" / f"{key}.json")


def _counting(progress: Callable[[int, int], None], before: int, total: int) -> Callable[[int], None]:
    return lambda done: progress(before + done, total)


def _placed(folder: Path, write: Callable[[Path], None], *, overwrite: bool) -> None:
    """Let files be written aside, and move all into the folder, or none where one differs from what is there."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".being_written_") as name:
        aside = Path(name)
        write(aside)
        files = sorted(path.relative_to(aside) for path in aside.rglob("*") if path.is_file())
        for file in files:
            there = folder / file
            if there.exists() and not overwrite and there.read_bytes() != (aside / file).read_bytes():
                raise FileExistsError(
                    f"{there} is there and differs: choose another folder or seed, or remove it first"
                )
        for file in files:
            there = folder / file
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(aside / file, there)
