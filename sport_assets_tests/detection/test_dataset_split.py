"""Whole videos go on sides, near the shares asked for, and a split that leaks is refused."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.dataset_split import (
    SIDES,
    Group,
    SplitError,
    SplitSettings,
    no_video_on_two_sides,
    shipped_split_check,
    split_sides,
)
from sport_assets.detection.errors import BadLabelsError

TEN = {f"v{number}": Group(10, {PLAYER: 100, BALL: 5}) for number in range(10)}


def on(sides: dict[str, str], side: str) -> list[str]:
    return [video for video, its in sides.items() if its == side]


@pytest.mark.parametrize(("valid", "test"), [(0.2, 0.0), (0.3, 0.0), (0.2, 0.2), (0.1, 0.5)])
def test_shares_are_met_where_videos_allow(valid: float, test: float) -> None:
    sides = split_sides(TEN, SplitSettings(valid_share=valid, test_share=test))
    assert list(sides) == sorted(TEN)
    assert len(on(sides, "valid")) == round(valid * 10) and len(on(sides, "test")) == round(test * 10)


def test_the_same_videos_give_the_same_sides_in_whatever_order() -> None:
    assert split_sides(TEN, SplitSettings()) == split_sides(dict(reversed(TEN.items())), SplitSettings())


@settings(max_examples=25, deadline=None)
@given(
    counts=st.lists(st.tuples(st.integers(1, 400), st.booleans()), min_size=3, max_size=14),
    valid=st.sampled_from([0.1, 0.2, 0.3]),
    test=st.sampled_from([0.0, 0.2]),
)
def test_every_side_has_a_video_and_is_as_near_as_its_largest_video(
    counts: list[tuple[int, bool]], valid: float, test: float
) -> None:
    groups = {
        f"video {n}": Group(images, {PLAYER: images, **({BALL: 1} if ball else {})})
        for n, (images, ball) in enumerate(counts)
    }
    sides = split_sides(groups, SplitSettings(valid_share=valid, test_share=test))
    assert set(sides) == set(groups) and set(sides.values()) == set(SIDES if test else SIDES[:2])
    total, largest = sum(images for images, _ in counts), max(images for images, _ in counts)
    for side, share in (("valid", valid), ("test", test)):
        have = sum(groups[video].images for video in on(sides, side))
        assert abs(have - share * total) <= largest


def test_each_side_gets_a_ball_where_there_are_enough_of_them() -> None:
    groups = {f"v{n}": Group(10, {PLAYER: 9, **({BALL: 1} if n in (3, 7, 8) else {})}) for n in range(12)}
    sides = split_sides(groups, SplitSettings(valid_share=0.2, test_share=0.2))
    assert {sides[f"v{n}"] for n in (3, 7, 8)} == set(SIDES)


def test_named_videos_are_exactly_the_side() -> None:
    sides = split_sides(TEN, SplitSettings(valid_videos=("v3", "v1"), test_share=0.2))
    assert on(sides, "valid") == ["v1", "v3"] and len(on(sides, "test")) == 2
    sides = split_sides(TEN, SplitSettings(valid_videos=("v3",), test_videos=("v0",)))
    assert (on(sides, "valid"), on(sides, "test"), len(on(sides, "train"))) == (["v3"], ["v0"], 8)


def test_a_teachers_videos_train() -> None:
    taught = [f"v{n}" for n in range(8)]
    sides = split_sides(TEN, SplitSettings(), teacher_videos=[*taught, "of no images here"])
    assert set(on(sides, "valid")) == {"v8", "v9"} and set(taught) <= set(on(sides, "train"))
    with pytest.raises(SplitError, match="v2 cannot be on valid: a teacher was trained on it"):
        split_sides(TEN, SplitSettings(valid_videos=("v2",)), teacher_videos=taught)
    with pytest.raises(SplitError, match=r"0 video\(s\) to choose from \(none\) for 1 side\(s\) \(valid\)"):
        split_sides(TEN, SplitSettings(), teacher_videos=TEN)


def test_footage_that_videos_share_stays_on_one_side() -> None:
    shared = [frozenset({"v0", "v1"}), frozenset({"v1", "v2"}), frozenset({"v5", "v6"})]
    sides = split_sides(TEN, SplitSettings(valid_share=0.3, test_share=0.2), same_footage=shared)
    assert sides["v0"] == sides["v1"] == sides["v2"] and sides["v5"] == sides["v6"]
    sides = split_sides(TEN, SplitSettings(valid_videos=("v1",)), same_footage=shared)
    assert on(sides, "valid") == ["v0", "v1", "v2"]
    with pytest.raises(SplitError, match=r"v2 cannot be on test: is named for valid.*\(v0, v1, v2\)"):
        split_sides(TEN, SplitSettings(valid_videos=("v1",), test_videos=("v2",)), same_footage=shared)
    with pytest.raises(SplitError, match="v1 cannot be on valid: a teacher"):
        split_sides(TEN, SplitSettings(valid_videos=("v1",)), teacher_videos=["v0"], same_footage=shared)


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"valid_share": 1.0}, "valid_share=1.0 is no share"),
        ({"test_share": -0.1}, "test_share=-0.1 is no share"),
        ({"valid_share": float("nan")}, "valid_share=nan is no share"),
        ({"valid_share": 0.5, "test_share": 0.5}, "leave nothing to train"),
        ({"valid_share": 0.0}, "valid_share=0 and no valid_videos"),
        ({"valid_videos": ("v1",), "test_videos": ("v1",)}, "v1: named in valid_videos and in test_videos"),
        ({"valid_videos": ("v11",)}, "valid_videos: there is no video v11; there is v1"),
        ({"test_videos": ("zzz",)}, "test_videos: there is no video zzz; there is v0, v1, v2"),
        ({"valid_videos": tuple(TEN)}, r"0 video\(s\) to choose from \(none\) for 1 side\(s\) \(train\)"),
    ],
)
def test_a_split_that_cannot_be_made_says_what_to_change(given_: dict[str, object], message: str) -> None:
    with pytest.raises(SplitError, match=message):
        split_sides(TEN, SplitSettings(**given_))  # type: ignore[arg-type]


def test_one_video_cannot_be_split_and_the_remedy_is_told() -> None:
    with pytest.raises(SplitError, match=r"1 video\(s\) to choose from \(v\) for 2 side\(s\).*Register more videos"):
        split_sides({"v": Group(500, {PLAYER: 1, BALL: 1})}, SplitSettings())


def test_a_video_on_two_sides_is_found_and_named() -> None:
    check = no_video_on_two_sides([("train", "a"), ("train", "b"), ("valid", "b"), ("valid", "c")])
    assert not check.passed and check.blocking and (check.failed, check.checked) == (1, 3)
    assert check.sample == [{"rule": "video_on_two_sides", "video": "b", "images": {"train": 1, "valid": 1}}]
    assert no_video_on_two_sides([("train", "a"), ("valid", "b")]).passed


def test_a_shipped_split_is_checked_by_its_manifest(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("file,source_clip,original_split\n1.jpg,a,train\n2.jpg,b,valid\n")
    assert shipped_split_check(manifest).passed
    manifest.write_text("file,source_clip,original_split\n1.jpg,a,train\n2.jpg,a,valid\n")
    assert shipped_split_check(manifest).failed == 1
    manifest.write_text("file,source_clip,original_split\n")
    with pytest.raises(BadLabelsError, match="no rows"):
        shipped_split_check(manifest)
    manifest.write_text("file,original_split\n1.jpg,train\n")
    with pytest.raises(BadLabelsError, match="no column source_clip"):
        shipped_split_check(manifest)


@pytest.mark.real_data
def test_the_split_that_came_with_the_real_frames_is_refused(real_data: Path) -> None:
    check = shipped_split_check(real_data / "video" / "frames" / "manifest.csv")
    assert not check.passed and check.blocking
    assert check.failed >= 2 and check.checked == 10
    assert {"train", "valid"} <= set(check.sample[0]["images"])
