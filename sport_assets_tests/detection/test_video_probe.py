"""What a good video is said to be, and what is said of bad ones."""

from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from sport_assets.detection.errors import BadVideoError
from sport_assets.detection.video_probe import probe, scan
from sport_assets_tests.detection import video_files as made

VARIABLE = [0]
for step in range(1, 60):
    VARIABLE.append(VARIABLE[-1] + (80 if step % 3 else 20))


def test_facts_of_a_video_with_constant_rate(tmp_path: Path) -> None:
    facts = probe(made.write_video(tmp_path / "a.mp4", sound=True))
    assert (facts.codec, facts.pixel_format, facts.width, facts.height) == ("h264", "yuv420p", made.WIDTH, made.HEIGHT)
    assert (facts.frames, facts.average_frame_rate, facts.duration_s) == (60, 25.0, 2.4)
    assert not facts.variable_frame_rate and facts.rotation == 0


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_variable_rate_is_seen_and_every_time_is_known(tmp_path: Path, name: str) -> None:
    found = scan(made.write_video(tmp_path / name, times_ms=VARIABLE))
    assert found.facts.variable_frame_rate and found.timed
    np.testing.assert_allclose(found.times_ms, VARIABLE, atol=1e-3)


def test_rate_that_milliseconds_only_approach_is_constant(tmp_path: Path) -> None:
    assert not probe(made.write_video(tmp_path / "a.mkv", rate=30)).variable_frame_rate


@pytest.mark.parametrize(("counter_clockwise", "clockwise"), [(90, 270), (-90, 90), (180, 180)])
def test_rotation_turns_the_size(tmp_path: Path, counter_clockwise: int, clockwise: int) -> None:
    facts = probe(made.write_video(tmp_path / "a.mp4", 5, rotation=counter_clockwise))
    assert facts.rotation == clockwise
    upright = (made.HEIGHT, made.WIDTH) if clockwise != 180 else (made.WIDTH, made.HEIGHT)
    assert (facts.width, facts.height) == upright


@pytest.mark.parametrize(
    ("name", "codec", "options", "timed"),
    [
        ("a.avi", "mpeg4", {}, True),
        ("b.avi", "libx264", {"bf": "2"}, False),
        ("a.webm", "libvpx-vp9", {}, True),
        ("a.mov", "libx265", made.HEVC, True),
        ("A.M4V", "libx264", {}, True),
    ],
)
def test_other_containers_and_codecs(
    tmp_path: Path, name: str, codec: str, options: dict[str, str], timed: bool
) -> None:
    found = scan(made.write_video(tmp_path / name, 30, codec=codec, codec_options=options))
    assert found.facts.frames == 30 and found.timed == timed
    np.testing.assert_allclose(found.times_ms, np.arange(30) * 40.0)


def test_frames_that_an_edit_list_hides_do_not_count(tmp_path: Path) -> None:
    source = made.write_video(tmp_path / "a.mp4")
    found = scan(made.from_packet(source, 0, "hidden.mp4", shift=10, avoid_negative_ts="disabled"))
    assert found.facts.frames == 50 and found.times_ms[0] == 0


def _nothing(folder: Path) -> Path:
    return folder / "missing.mp4"


def _broken_link(folder: Path) -> Path:
    link = folder / "link.mp4"
    link.symlink_to(folder / "gone.mp4")
    return link


def _empty(folder: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def _text(folder: Path) -> Path:
    (folder / "text.mp4").write_text("not a video at all\n" * 50, encoding="utf-8")
    return folder / "text.mp4"


def _cut_head(folder: Path) -> Path:
    source = made.write_video(folder / "a.mkv")
    return made.cut(source, 30 / source.stat().st_size)


def _no_frame(folder: Path) -> Path:
    """A Matroska file that ends where the first frame of its first cluster would begin."""
    source = made.write_video(folder / "a.mkv")
    data = source.read_bytes()
    return made.cut(source, (data.index(bytes.fromhex("1f43b675")) + 16) / len(data))


def _transport_stream(folder: Path) -> Path:
    return made.write_video(folder / "a.ts").rename(folder / "stream.mp4")


def _picture(folder: Path) -> Path:
    cv2.imwrite(str(folder / "a.png"), made.numbered(1))
    return (folder / "a.png").rename(folder / "picture.mp4")


def _cover(folder: Path) -> Path:
    """Sound with a cover picture, which is read as a video stream."""
    done, picture = cv2.imencode(".jpg", made.numbered(1))
    assert done
    with av.open(str(folder / "cover.mkv"), "w") as output:
        stream = output.add_stream("aac", rate=8000)
        output.add_attachment("cover.jpg", "image/jpeg", picture.tobytes())
        made.speak(output, stream, 1.0)
    return folder / "cover.mkv"


BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (_nothing, "no such file"),
    "a link that leads nowhere": (_broken_link, "links to .*gone.mp4, which is not there"),
    "a folder": (lambda folder: folder, "a folder, not a video"),
    "zero bytes": (_empty, "0 bytes"),
    "text": (_text, "not a video"),
    "a picture": (_picture, "not a video"),
    "sound only": (lambda folder: made.write_sound(folder / "sound.m4v"), "sound only"),
    "sound with a cover": (_cover, "sound only"),
    "index missing": (lambda folder: made.cut(made.write_video(folder / "a.mp4"), 0.6), "index .moov atom."),
    "cut with its index in front": (
        lambda folder: made.cut(made.write_video(folder / "a.mp4", movflags="faststart"), 0.6),
        "ends inside frame",
    ),
    "cut Matroska": (lambda folder: made.cut(made.write_video(folder / "a.mkv"), 0.5), r"ends at .* of 2\.4 s"),
    "cut WebM": (
        lambda folder: made.cut(made.write_video(folder / "a.webm", codec="libvpx-vp9"), 0.5),
        r"ends at .* of 2\.4 s",
    ),
    "cut AVI": (lambda folder: made.cut(made.write_video(folder / "a.avi", codec="mpeg4"), 0.5), "cut off"),
    "cut inside the header": (_cut_head, "header is incomplete"),
    "unknown codec": (lambda folder: made.with_unknown_codec(made.write_video(folder / "a.mp4")), "codec is not known"),
    "no frame": (_no_frame, "without a single frame"),
    "an MP4 without frames": (lambda folder: made.write_video(folder / "none.mp4", 0), "no video stream"),
    "a container that is not read": (_transport_stream, "container that is not read"),
    "damaged from the first frame": (
        lambda folder: made.damage(made.write_video(folder / "a.mp4", movflags="faststart"), 0, 1),
        "none of its frames can be decoded",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_videos_are_refused_with_reason_and_remedy(tmp_path: Path, kind: str) -> None:
    make, said = BAD[kind]
    path = make(tmp_path)
    with pytest.raises(BadVideoError, match=said) as error:
        probe(path)
    assert str(path) in str(error.value)
    assert any(remedy in str(error.value) for remedy in ("Copy", "Convert", "Give", "Put the video back"))
