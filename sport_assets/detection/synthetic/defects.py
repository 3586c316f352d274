"""Damage on purpose: a video or a file of events for each rule that one can break.

Belongs here: what is damaged and how. Must not come here: which readers and checks find it.
"""

import json
from pathlib import Path
from typing import Any

from sport_assets.detection.synthetic.encoding import write_sound, write_video
from sport_assets.detection.synthetic.scene import Scene
from sport_assets.detection.synthetic.settings import SceneSettings

_FRAMES, _RATE = 25, 25


def write_defects(folder: Path, seed: int) -> list[tuple[Path, str]]:
    """Write damaged files into ``videos`` and ``events`` below a folder; gives (path below it, rule) of each.

    Videos named ``defect_<rule>``, with no events; then sound videos of one second with damaged events beside them.
    """
    videos, events = folder / "videos", folder / "events"
    for each in (videos, events):
        each.mkdir(parents=True, exist_ok=True)
    whole = folder / "whole.mp4"
    settings = SceneSettings(width=320, height=192, frames=_FRAMES, frame_rate=_RATE, players=3, players_per_ball=5.0)
    write_video(whole, (image for image, _ in Scene(seed, settings)), _RATE)
    content = whole.read_bytes()
    whole.unlink()
    found: list[tuple[Path, str]] = []
    for rule, data in _damaged_videos(content).items():
        (videos / f"defect_{rule}.mp4").write_bytes(data)
        found.append((Path("videos") / f"defect_{rule}.mp4", rule))
    write_sound(videos / "defect_audio_only.mp4", 1.0)
    found.append((Path("videos") / "defect_audio_only.mp4", "audio_only"))
    for rule, text in _damaged_events().items():
        (videos / f"defect_{rule}.mp4").write_bytes(content)
        (events / f"defect_{rule}.json").write_text(text, encoding="utf-8")
        found.append((Path("events") / f"defect_{rule}.json", rule))
    return sorted(found)


def _damaged_videos(content: bytes) -> dict[str, bytes]:
    """By rule, a video's bytes. ``content``: a whole one whose index comes before its pictures."""
    pictures = content.index(b"mdat") + 4
    return {
        "zero_bytes": b"",
        "no_video": b"This is text and no video.\n" * 40,
        "truncated_index": content[: pictures // 2],
        "truncated_frames": content[: pictures + (len(content) - pictures) * 4 // 5],
        "no_frames": content[:pictures],
        "unknown_codec": content.replace(b"avc1", b"zzzz").replace(b"avcC", b"zzzC"),
    }


def _damaged_events() -> dict[str, str]:
    """By rule, the text of a file of events for a video of one second."""

    def text(*annotations: Any) -> str:
        return json.dumps({"UrlLocal": "", "UrlYoutube": "", "annotations": list(annotations)}, indent=1) + "\n"

    good = {"gameTime": "1 - 0:00", "label": "PASS", "position": "200", "team": "left", "visibility": "visible"}
    return {
        "events_not_json": text(good)[:60],
        "events_without_list": json.dumps({"UrlLocal": "", "UrlYoutube": ""}) + "\n",
        "events_beyond_end": text(good, {**good, "gameTime": "1 - 1:30", "position": "90000"}),
        "events_before_start": text(good, {**good, "position": "-400"}),
        "events_position_no_number": text(good, {**good, "position": "soon"}),
        "events_without_label": text(good, {name: value for name, value in good.items() if name != "label"}),
        "events_label_unknown": text(good, {**good, "label": "SOMERSAULT"}),
    }
