"""Which frames are chosen: every Nth, those near events, and an even part of too many."""

import numpy as np
import pytest
from pydantic import ValidationError

from sport_assets.detection.frame_choice import AIM, FrameSettings, choose_frames, frame_checks

TIMES = np.arange(250, dtype=np.float64) * np.float64(40)


def test_every_nth_frame_from_the_first() -> None:
    choice = choose_frames(TIMES, [400.0], FrameSettings(mode="every", every=30))
    assert choice.frames == tuple(range(0, 250, 30)) and set(choice.reasons) == {"every"}


def test_window_is_counted_from_the_frame_at_the_event() -> None:
    choice = choose_frames(TIMES, [1010.0], FrameSettings(mode="events", event_window_ms=130, event_step=3))
    assert choice.frames == (22, 25, 28) and set(choice.reasons) == {"event"}


def test_window_keeps_to_times_where_the_rate_varies() -> None:
    times = np.array([0.0, 10.0, 20.0, 500.0, 510.0, 2000.0])
    choice = choose_frames(times, [505.0], FrameSettings(mode="events", event_window_ms=100, event_step=1))
    assert choice.frames == (3, 4)


def test_event_between_frames_takes_the_nearest_however_small_the_window() -> None:
    choice = choose_frames(TIMES, [1013.0], FrameSettings(mode="events", event_window_ms=0))
    assert choice.frames == (25,)


def test_both_says_why_each_was_taken() -> None:
    settings = FrameSettings(mode="both", every=10, event_window_ms=80, event_step=1)
    choice = choose_frames(TIMES, [400.0], settings)
    reasons = dict(zip(choice.frames, choice.reasons, strict=True))
    assert reasons[10] == "both" and reasons[9] == reasons[12] == "event" and reasons[20] == "every"


def test_windows_that_overlap_take_a_frame_once() -> None:
    choice = choose_frames(TIMES, [400.0, 440.0], FrameSettings(mode="events", event_window_ms=80, event_step=1))
    assert choice.frames == tuple(range(8, 14))


def test_cap_keeps_an_even_part_with_both_ends() -> None:
    choice = choose_frames(TIMES, [], FrameSettings(mode="every", every=1, max_frames=50))
    gaps = np.diff(choice.frames)
    assert len(choice.frames) == 50 and choice.wanted == 250
    assert (choice.frames[0], choice.frames[-1]) == (0, 249) and gaps.min() >= 5 and gaps.max() <= 6


def test_cap_of_one_takes_one() -> None:
    assert choose_frames(TIMES, [], FrameSettings(mode="every", max_frames=1)).frames == (0,)


@pytest.mark.parametrize(
    ("written", "missed"),
    [(25, {"too_few": AIM[0] - 25}), (AIM[0] - 1, {"too_few": 1}), (AIM[0], {}), (AIM[1], {}),
     (AIM[1] + 7, {"too_many": 7})],
)  # fmt: skip
def test_number_of_frames_stands_against_the_aim(written: int, missed: dict[str, int]) -> None:
    choice = choose_frames(np.arange(1100.0), [], FrameSettings(mode="every", every=1, max_frames=1100))
    checks = {check.name: check for check in frame_checks(choice, written)}
    aimed = checks["frames_as_aimed"]
    assert aimed.passed == (not missed) and not aimed.blocking
    assert (aimed.rules, aimed.failed) == (missed, sum(missed.values()))
    assert checks["no_unreadable_frames"].failed == 1100 - written


@pytest.mark.parametrize(
    "wrong",
    [{"every": 0}, {"mode": "some"}, {"jpeg_quality": 101}, {"max_frames": 0}, {"event_window_ms": float("nan")},
     {"event_step": 0}, {"evry": 3}],
)  # fmt: skip
def test_impossible_settings_are_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        FrameSettings.model_validate(wrong)
