"""Whatever an operation does, each box afterwards lies tightly around the same pixels.

Each object is painted white on black, alone; after the operation its box must fit what is still to be seen of it.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sport_assets.detection.augmentation import blur, geometry, noise
from sport_assets.detection.augmentation.balls import cut_out, find_place, paste
from sport_assets.detection.augmentation.mixing import draw_tile, mix_up, mosaic
from sport_assets.detection.augmentation.sample import Sample, cut
from sport_assets.detection.categories import BALL, PLAYER
from sport_assets_tests.detection.painted import (
    Scene,
    assert_exact,
    assert_inside,
    box_of,
    painted,
    scenes,
    textured,
    tight_box,
)

FEW = settings(max_examples=60, deadline=None)
MIN_VISIBLE_SHARE = 0.25


@FEW
@given(scenes())
def test_flip(scene: Scene) -> None:
    for which, category in enumerate(painted(scene, None).categories):
        result = geometry.flip(painted(scene, which))
        assert_exact(result, category)
        assert np.array_equal(result.boxes[which], tight_box(result))  # type: ignore[arg-type]
    twice = geometry.flip(geometry.flip(painted(scene, 0)))
    assert (twice.image == painted(scene, 0).image).all() and (twice.boxes == painted(scene, 0).boxes).all()


@FEW
@given(scenes(), st.integers(20, 150), st.integers(20, 150))
def test_resize(scene: Scene, width: int, height: int) -> None:
    for which, category in enumerate(painted(scene, None).categories):
        result = geometry.resize(painted(scene, which), width, height)
        assert (result.width, result.height) == (width, height)
        assert_exact(result, category)


@FEW
@given(scenes(), st.sampled_from([32, 64, 96]))
def test_to_network(scene: Scene, resolution: int) -> None:
    for which, category in enumerate(painted(scene, None).categories):
        result = geometry.to_network(painted(scene, which), resolution)
        assert result.image.shape == (resolution, resolution, 3)
        assert_inside(result)
        left, top, right, bottom = scene[2][which]
        if min((right - left) * resolution / scene[0], (bottom - top) * resolution / scene[1]) >= 1:
            assert_exact(result, category)
        else:
            assert box_of(result, category) is None


def test_width_and_height_are_not_exchanged() -> None:
    result = geometry.to_network(painted((200, 100, [(150, 10, 160, 20)]), 0), 64)
    assert result.boxes == pytest.approx(np.array([[48, 6.4, 51.2, 12.8]]))
    result = geometry.resize(painted((200, 100, [(150, 10, 160, 20)]), 0), 400, 50)
    assert result.image.shape == (50, 400, 3)
    assert result.boxes.tolist() == [[300, 5, 320, 10]]


@FEW
@given(
    scenes(most=2, smallest=4, border=14), st.integers(3, 20), st.floats(0, math.pi, exclude_max=True, allow_nan=False)
)
def test_motion_blur(scene: Scene, length: int, angle: float) -> None:
    """The box is where half of the strongest trace is left or more. The filter's own pixels add to the tolerance."""
    for which, category in enumerate(painted(scene, None).categories):
        assert_exact(blur.motion_blur(painted(scene, which), length, angle), category, tolerance_px=1.5)


def test_a_ball_in_motion_gets_the_box_of_its_streak_and_a_player_keeps_hers() -> None:
    scene = (200, 100, [(50, 40, 57, 47), (100, 20, 130, 80)])
    level = blur.motion_blur(painted(scene, 0), 20, 0.0)
    assert level.boxes.tolist() == [[43.5, 40, 63.5, 47], [100, 20, 130, 80]]
    # upright: the share of the smear inside is 7 / 20, and 13 / 20 of half of it lies outside at each end
    upright = blur.motion_blur(painted(scene, 0), 20, math.pi / 2)
    assert upright.boxes.tolist() == [[50, 33.5, 57, 53.5], [100, 20, 130, 80]]


@FEW
@given(scenes(), st.integers(3, 20), st.floats(0, math.pi))
def test_motion_blur_at_the_border_loses_no_box_and_leaves_none_outside(
    scene: Scene, length: int, angle: float
) -> None:
    result = blur.motion_blur(painted(scene, 0), length, angle)
    assert_inside(result)
    assert len(result.boxes) == len(scene[2])


@pytest.mark.parametrize("length", [3, 8, 15, 20, 40])
@pytest.mark.parametrize("degrees", [0, 2, 20, 45, 70, 90, 110, 135, 160, 178])
def test_motion_blur_is_the_line_of_that_direction(length: int, degrees: int) -> None:
    """Also where the filter is taken in two halves, which is exact to the rounding."""
    x, y = blur.smear(length, math.radians(degrees))
    kernel = blur.line_kernel(x, y)
    assert kernel.sum() == pytest.approx(1) and np.allclose(kernel, kernel[::-1, ::-1], atol=1e-6)
    assert kernel.shape[0] % 2 == 1 and kernel.shape[1] % 2 == 1
    # the spread of an even movement over a px is a / sqrt(12)
    rows, columns = np.indices(kernel.shape)
    for extent, place in ((x, columns), (y, rows)):
        spread = math.sqrt(float((kernel * (place - place.mean()) ** 2).sum()))
        assert spread == pytest.approx(abs(extent) / math.sqrt(12), abs=0.5)
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (60, 70, 3), dtype=np.uint8)
    height, width = kernel.shape
    padded = np.pad(image, ((height // 2,) * 2, (width // 2,) * 2, (0, 0)), mode="reflect").astype(np.float64)
    slow = sum(
        kernel[row, column] * padded[row : row + 60, column : column + 70]
        for row in range(height)
        for column in range(width)
    )
    assert np.abs(blur.filtered(image, kernel) - slow).max() <= 0.6


def test_a_level_and_an_upright_smear_have_one_dimension() -> None:
    assert blur.line_kernel(*blur.smear(20, 0.02)).shape[0] == 1
    assert blur.line_kernel(*blur.smear(20, math.pi / 2)).shape[1] == 1


@FEW
@given(scenes(smallest=4, border=7), st.sampled_from([3, 5, 7]), st.floats(0.5, 2.0))
def test_gaussian_blur(scene: Scene, size: int, sigma: float) -> None:
    for which, category in enumerate(painted(scene, None).categories):
        sample = painted(scene, which)
        assert_exact(sample.with_image(blur.gaussian_blur(sample.image, size, sigma)), category)


@FEW
@given(scenes(smallest=3), st.integers(60, 95), st.integers(0, 5000), st.floats(5, 25))
def test_noise_and_jpeg_move_nothing(scene: Scene, quality: int, place: int, level: float) -> None:
    for which, category in enumerate(painted(scene, None).categories):
        sample = painted(scene, which)
        assert_exact(sample.with_image(noise.jpeg(sample.image, quality)), category)
        noisy = noise.iso_noise(sample.image, min(level, 12), place, place)
        assert_exact(sample.with_image(noisy), category)


@FEW
@given(scenes(most=2), scenes(most=2), st.floats(0.05, 0.5))
def test_mix_up(scene: Scene, other: Scene, share: float) -> None:
    first, second = painted(scene, None), painted(other, None, 200)
    for which, category in enumerate(first.categories):
        assert_exact(mix_up(painted(scene, which), second, share, 0.3), category)
    for which, category in enumerate(second.categories):
        result = mix_up(first, painted(other, which, 200), share, 0.3)
        assert (result.width, result.height) == (first.width, first.height)
        assert_inside(result)
        sides = np.array(other[2][which])[2:] - np.array(other[2][which])[:2]
        scaled = sides * [first.width / second.width, first.height / second.height]
        if share >= 0.3 and (scaled >= 1).all():
            assert_exact(result, category)
        else:
            assert box_of(result, category) is None


@FEW
@given(
    st.lists(scenes(most=3), min_size=4, max_size=4),
    st.tuples(st.integers(24, 120), st.integers(24, 120)),
    st.tuples(st.floats(0.4, 0.6), st.floats(0.4, 0.6)),
    st.integers(0, 2**32),
)
def test_mosaic(four: list[Scene], canvas: tuple[int, int], split: tuple[float, float], seed: int) -> None:
    width, height = canvas
    column, row = round(split[0] * width), round(split[1] * height)
    shown = [(x / width, y / height) for y in (row, height - row) for x in (column, width - column)]

    def made(seen_tile: int, seen: int | None) -> Sample:
        samples = [painted(scene, seen if n == seen_tile else None, 100 * n) for n, scene in enumerate(four)]
        random = np.random.default_rng(seed)
        tiles = [draw_tile(one, part, (0.4, 1.0), random) for one, part in zip(samples, shown, strict=True)]
        return mosaic(tiles, (column, row), width, height, MIN_VISIBLE_SHARE)

    assert_inside(made(0, None))
    for tile, scene in enumerate(four):
        for which, box in enumerate(scene[2]):
            result = made(tile, which)
            seen = tight_box(result)
            if box_of(result, 100 * tile + which) is not None:
                assert_exact(result, 100 * tile + which)
            elif seen is not None:
                # what is left is little of the object, up to a pixel each way, or under a pixel
                sides = np.array(box)[2:] - np.array(box)[:2]
                part = np.array(shown[tile]) * [width, height]
                full = sides * (part / np.array([scene[0], scene[1]]))  # at the smallest scale at which it fits
                left = np.clip(seen[2:] - seen[:2] - 1, 0, None)
                assert left.min() < 1 or left.prod() <= MIN_VISIBLE_SHARE * (full / 0.4 + 2).prod()


def test_mosaic_keeps_all_balls_and_fills_the_canvas() -> None:
    """Balls are rare: what is shown of an image is drawn so that one of its balls is on it."""
    for seed in range(60):
        random = np.random.default_rng(seed)
        samples = []
        for _ in range(4):
            width, height = random.integers(60, 400, 2)
            left, top = random.uniform(0, width - 8), random.uniform(0, height - 8)
            image = np.full((height, width, 3), 200, np.uint8)
            samples.append(Sample(image, np.array([[left, top, left + 8, top + 8]]), np.array([BALL])))
        shown = [(0.45, 0.4), (0.55, 0.4), (0.45, 0.6), (0.55, 0.6)]
        tiles = [draw_tile(one, part, (0.4, 1.0), random) for one, part in zip(samples, shown, strict=True)]
        result = mosaic(tiles, (144, 72), 320, 180, MIN_VISIBLE_SHARE)
        assert len(result.balls) == 4
        assert (result.image == 200).all()
        # a whole ball is as large as the scale of its tile makes it
        for box, sample, tile in zip(result.boxes, samples, tiles, strict=True):
            expected = 8 * tile.scale * np.array([320 / sample.width, 180 / sample.height])
            assert box[2:] - box[:2] == pytest.approx(expected, rel=0.06, abs=1.1)


@FEW
@given(st.integers(3, 24), st.floats(1 / 3, 3), st.floats(0.8, 1.25), st.booleans(), st.integers(0, 2**32))
def test_pasted_balls(size: int, aspect: float, factor: float, mirrored: bool, seed: int) -> None:
    """Round balls and streaks up to three times as long as wide, whose soft edge the paste itself makes."""
    box = (20, 15, 20 + size, 15 + max(round(size * aspect), 3))
    source = painted((70, 110, [box]), 0, BALL)
    (patch,) = cut_out(source.with_image(np.full_like(source.image, 255)))
    background = Sample(np.zeros((120, 140, 3), np.uint8), np.zeros((0, 4)), np.zeros(0, np.int64))
    patch = patch.scaled(factor, mirrored)
    place = find_place(background, patch, np.random.default_rng(seed))
    assert place is not None
    result = paste(background, patch, *place)
    assert result.categories.tolist() == [BALL]
    assert not background.image.any(), "the image itself was written to"
    assert_inside(result)
    assert_exact(result, BALL)


def test_the_pasted_ball_is_the_one_that_was_cut_out() -> None:
    source = textured(1, 60, 60, [(20, 21, 32, 30)], [BALL])
    (patch,) = cut_out(source)
    result = paste(textured(2, 80, 70, [], []), patch, 13, 17)
    left, top, right, bottom = result.boxes[0].astype(int)
    assert (right - left, bottom - top) == (12, 9)
    assert (result.image[top + 3 : bottom - 3, left + 3 : right - 3] == source.image[24:27, 23:29]).all()
    mirrored = paste(textured(2, 80, 70, [], []), patch.scaled(1.0, True), 13, 17)
    left, top, right, bottom = mirrored.boxes[0].astype(int)
    assert (mirrored.image[top + 3 : bottom - 3, left + 3 : right - 3] == source.image[24:27, 28:22:-1]).all()


def test_a_small_object_stays_where_one_side_shrinks_and_the_other_grows() -> None:
    """OpenCV's area interpolation turns into linear interpolation then, which would skip it."""
    for left in range(40):
        result = geometry.resize(painted((300, 20, [(left, 8, left + 2, 10)]), 0), 64, 64)
        assert result.image.max() >= 50


def test_pasting_covers_no_ball_and_stays_on_the_pitch() -> None:
    source = textured(1, 60, 60, [(20, 20, 30, 30)], [BALL])
    (patch,) = cut_out(source)
    scene = textured(2, 200, 100, [(50, 40, 90, 80), (60, 50, 68, 58)], [PLAYER, BALL])
    for seed in range(40):
        place = find_place(scene, patch, np.random.default_rng(seed))
        assert place is not None
        left, top, right, bottom = paste(scene, patch, *place).boxes[-1]
        assert right <= 60 or left >= 68 or bottom <= 50 or top >= 58
        assert left >= 50 and top >= 40 and right <= 90 and bottom <= 80
    crowded = textured(2, 40, 40, [(0, 0, 40, 40)], [BALL])
    assert find_place(crowded, patch, np.random.default_rng(0)) is None
    tiny = textured(2, 12, 12, [], [])
    assert find_place(tiny, patch, np.random.default_rng(0)) is None


def test_cut_off_balls_are_not_cut_out() -> None:
    assert cut_out(textured(1, 60, 60, [(0, 20, 10, 30), (50, 20, 60, 30), (20, 20, 20.5, 30)], [BALL] * 3)) == []
    assert cut_out(textured(1, 60, 60, [(20, 20, 30, 30)], [PLAYER])) == []


@pytest.mark.parametrize(
    ("box", "kept"),
    [
        ((10, 10, 20, 20), [10, 10, 20, 20]),
        ((-5, 10, 5, 20), [0, 10, 5, 20]),
        ((-7.5, 10, 2.5, 20), [0, 10, 2.5, 20]),
        ((-7.6, 10, 2.4, 20), None),
        ((95, 45, 115, 55), [95, 45, 100, 50]),
        ((99.5, 10, 100.2, 30), None),
        ((200, 10, 210, 20), None),
    ],
)
def test_a_border_cuts_boxes_and_drops_what_is_little(box: tuple[float, ...], kept: list[float] | None) -> None:
    share = 0.125 if box[0] == 95 else 0.25
    boxes, categories = cut(np.array([box]), np.array([BALL]), 100, 50, share)
    assert boxes.tolist() == ([] if kept is None else [kept])
    assert len(categories) == len(boxes)
