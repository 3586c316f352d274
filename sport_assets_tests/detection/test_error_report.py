"""Every box by what became of it, what mistakes have in common, and the pictures of the worst."""

from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from sport_assets.detection.categories import BALL, PLAYER
from sport_assets.detection.coco import Labels
from sport_assets.detection.error_pictures import draw_cases
from sport_assets.detection.error_report import (
    ERROR_COLUMNS,
    PREDICTION_KINDS,
    TRUTH_KINDS,
    classify,
    summarise,
    worst_cases,
)
from sport_assets.detection.white_lines import line_likeness
from sport_assets_tests.detection.made_up_boxes import (
    answers_equal_to,
    box_row,
    image_row,
    random_answers,
    random_truth,
    scored,
)

THRESHOLDS = {PLAYER: 0.3, BALL: 0.3}
TRUTH = [
    box_row(1, 1, PLAYER, (100, 100, 40, 100)),
    box_row(2, 1, PLAYER, (300, 100, 40, 100)),
    box_row(3, 1, PLAYER, (500, 100, 40, 100)),
    box_row(4, 1, BALL, (700, 300, 8, 8)),
    box_row(5, 1, BALL, (800, 500, 8, 8)),
    box_row(6, 1, BALL, (900, 100, 8, 8)),
    box_row(7, 1, PLAYER, (1000, 400, 200, 200), crowd=True),
    box_row(8, 2, PLAYER, (100, 100, 40, 100)),
]
PREDICTIONS = {
    "correct": box_row(11, 1, PLAYER, (102, 100, 40, 100), score=0.9),
    "duplicate": box_row(12, 1, PLAYER, (104, 100, 40, 100), score=0.8),
    "poorly_placed": box_row(13, 1, PLAYER, (320, 130, 40, 100), score=0.7),
    "ghost": box_row(14, 1, PLAYER, (600, 500, 40, 100), score=0.6),
    "ignored": box_row(15, 1, PLAYER, (1050, 450, 40, 100), score=0.6),
    "ball correct": box_row(16, 1, BALL, (706, 300, 8, 8), score=0.9),
    "ball poorly_placed": box_row(17, 1, BALL, (820, 500, 8, 8), score=0.8),
    "ball swapped": box_row(18, 1, PLAYER, (900, 101, 9, 9), score=0.5),
    "ball ghost": box_row(19, 1, BALL, (515, 180, 8, 8), score=0.7),  # at the third player's socks
    "too faint": box_row(20, 1, BALL, (10, 10, 8, 8), score=0.29),
}


def table(**more: object) -> pl.DataFrame:
    labels = Labels.of([image_row(1, "a"), image_row(2, "b")], TRUTH)
    return classify(labels, scored(list(PREDICTIONS.values())), THRESHOLDS, **more)  # type: ignore[arg-type]


def kinds(errors: pl.DataFrame, of: str) -> dict[int, tuple[str, int | None]]:
    rows = errors.filter(pl.col("of") == of).select("box", "kind", "other_box").iter_rows()
    return {box: (kind, other) for box, kind, other in rows}


def test_each_box_has_its_kind() -> None:
    errors = table()
    assert kinds(errors, "prediction") == {
        11: ("correct", 1),
        12: ("duplicate", 1),
        13: ("poorly_placed", 2),
        14: ("ghost", None),
        15: ("ignored", None),
        16: ("correct", 4),
        17: ("poorly_placed", 5),
        18: ("swapped", 6),
        19: ("ghost", None),
    }
    assert kinds(errors, "truth") == {
        1: ("correct", 11),
        2: ("poorly_placed", 13),
        3: ("missed", None),
        4: ("correct", 16),
        5: ("poorly_placed", 17),
        6: ("swapped", 18),
        8: ("missed", None),
    }
    assert dict(errors.schema) == ERROR_COLUMNS
    assert errors.filter(pl.col("box") == 6)["other_category"].item() == PLAYER
    assert errors.filter(pl.col("box") == 4)["score"].item() == 0.9
    assert errors.filter(pl.col("at_sock").is_not_null())["box"].to_list() == [19]
    assert errors.filter(pl.col("box") == 19)["at_sock"].item() is True


def test_a_mistake_is_never_both_duplicate_and_better_than_it_is() -> None:
    """A duplicate of one player that touches a missed one is a duplicate, and the missed one stays missed."""
    truth = Labels.of(
        [image_row(1)], [box_row(1, 1, PLAYER, (100, 100, 40, 100)), box_row(2, 1, PLAYER, (125, 100, 40, 100))]
    )
    said = [box_row(n, 1, PLAYER, (100 + 2 * n, 100, 40, 100), score=1 - n / 10) for n in (1, 2)]
    errors = classify(truth, scored(said), THRESHOLDS)
    assert kinds(errors, "prediction") == {1: ("correct", 1), 2: ("duplicate", 1)}
    assert kinds(errors, "truth")[2] == ("missed", None)


def test_counts_agree_with_the_boxes() -> None:
    truth = random_truth(80)
    predictions = random_answers(truth)
    errors = classify(truth, predictions, THRESHOLDS)
    found = summarise(errors, truth.categories)
    for category, name in truth.categories.items():
        counts = found["categories"][name]
        true = truth.boxes.filter((pl.col("category") == category) & ~pl.col("crowd"))
        said = predictions.filter((pl.col("category") == category) & (pl.col("score") >= 0.3))
        assert sum(counts["truth"].values()) == len(true)
        assert sum(counts["predictions"].values()) == len(said)
        assert counts["truth"]["correct"] == counts["predictions"]["correct"]
        for group in ("by_size", "by_crowding"):
            assert sum(row["boxes"] for row in counts[group].values()) == len(true)
            assert sum(row["found"] for row in counts[group].values()) == counts["truth"]["correct"]
        assert counts["by_blur"] == {}  # nobody measured it
        assert set(counts["truth"]) == set(TRUTH_KINDS) and set(counts["predictions"]) == set(PREDICTION_KINDS)
        assert all(count for kind, count in counts["predictions"].items() if kind != "ignored" or name == "player")
    perfect = summarise(classify(truth, answers_equal_to(truth), THRESHOLDS), truth.categories)
    assert perfect["categories"]["ball"]["predictions"]["correct"] == len(
        truth.boxes.filter(pl.col("category") == BALL)
    )
    assert perfect["ghost_balls"] == {"all": 0, "at_sock": 0, "at_line": None, "elsewhere": 0}


def test_size_blur_and_crowding() -> None:
    rows = [
        box_row(1, 1, PLAYER, (100, 100, 10, 20)),  # tiny; two others near
        box_row(2, 1, PLAYER, (112, 100, 16, 30)),  # small
        box_row(3, 1, PLAYER, (90, 100, 8, 140)),  # medium
        box_row(4, 2, PLAYER, (500, 100, 100, 100)),  # large, alone
    ]
    truth = Labels.of([image_row(1), image_row(2)], rows)
    said = scored([box_row(1, 2, PLAYER, (500, 100, 100, 100), score=0.9)])
    errors = classify(truth, said, THRESHOLDS, sharpness={1: 20.0, 2: 90.0})
    true = errors.filter(pl.col("of") == "truth").sort("box")
    assert true["size"].to_list() == ["tiny", "small", "medium", "large"]
    assert true["neighbours"].to_list() == [2, 1, 1, 0]
    found = summarise(errors, truth.categories)["categories"]["player"]
    assert found["by_size"]["large"] == {"boxes": 1, "found": 1, "recall": 1.0}
    assert found["by_blur"]["blurred third"] == {"boxes": 3, "found": 0, "recall": 0.0}
    assert found["by_blur"]["sharp third"]["recall"] == 1.0
    assert {name: row["boxes"] for name, row in found["by_crowding"].items()} == {"none": 1, "1": 2, "2 or 3": 1}
    blurred = classify(truth, said, THRESHOLDS, blur_px={1: 1.0, 2: 3.0, 4: 12.0})
    by_blur = summarise(blurred, truth.categories)["categories"]["player"]["by_blur"]
    assert {name: row["boxes"] for name, row in by_blur.items()} == {
        "under 2 px": 1,
        "2 to 5 px": 1,
        "10 px and more": 1,
    }
    assert blurred.filter(pl.col("of") == "prediction")["blur_px"].null_count() == 1


def pitch() -> NDArray[np.uint8]:
    """Noisy grass with a white line and a ball."""
    rng = np.random.default_rng(0)
    picture = np.full((720, 1280, 3), (60, 120, 50), np.uint8)
    picture += rng.integers(0, 12, picture.shape, np.uint8)
    cv2.line(picture, (100, 600), (1100, 660), (235, 240, 238), 4, cv2.LINE_AA)
    cv2.circle(picture, (704, 304), 4, (240, 245, 245), -1, cv2.LINE_AA)
    cv2.rectangle(picture, (505, 100), (535, 199), (180, 60, 40), -1)
    cv2.rectangle(picture, (512, 175), (524, 195), (240, 240, 240), -1)
    return picture


def test_a_line_looks_like_a_line_and_a_ball_does_not() -> None:
    picture = pitch()
    assert line_likeness(picture, 600, 630, 8) > 0.8
    assert line_likeness(picture, 704, 304, 8) < 0.2
    assert line_likeness(picture, 300, 300, 8) == 0.0
    assert line_likeness(picture, 517, 190, 8) < 0.5  # a sock is short
    assert line_likeness(picture, 2000, 300, 8) == 0.0  # outside


def test_ghost_balls_at_lines_and_socks() -> None:
    asked: list[int] = []

    def read(image: int) -> NDArray[np.uint8]:
        asked.append(image)
        return pitch()

    said = [*PREDICTIONS.values(), box_row(30, 1, BALL, (596, 626, 8, 8), score=0.6)]
    labels = Labels.of([image_row(1), image_row(2)], TRUTH)
    errors = classify(labels, scored(said), THRESHOLDS, read_image=read)
    ghosts = errors.filter(pl.col("at_line").is_not_null()).sort("box")
    assert ghosts.select("box", "at_sock", "at_line").rows() == [(19, True, False), (30, False, True)]
    assert asked == [1]
    assert summarise(errors, labels.categories)["ghost_balls"] == {"all": 2, "at_sock": 1, "at_line": 1, "elsewhere": 0}


def test_worst_cases_put_the_ball_first() -> None:
    cases = worst_cases(table())
    assert cases["image"].to_list() == [1, 2]
    first = cases.row(0, named=True)
    # duplicate .8, poorly placed .7 and 3 x .8, ghosts .6 and 3 x .7, swapped .5, missed player 1
    assert first["weight"] == pytest.approx(0.8 + 0.7 + 2.4 + 0.6 + 2.1 + 0.5 + 1.0)
    assert (first["mistakes"], first["kind"], first["category"], first["score"]) == (7, "poorly_placed", BALL, 0.8)
    assert cases.row(1, named=True)["kind"] == "missed"
    assert len(worst_cases(table(), most=1)) == 1


def test_pictures_are_the_same_twice_and_show_both_sides(tmp_path: Path) -> None:
    errors, labels = table(), Labels.of([image_row(1), image_row(2)], TRUTH)
    for name in ("one.png", "two.png"):
        draw_cases(worst_cases(errors), errors, labels, lambda _: pitch(), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    shown = cv2.imread(str(tmp_path / "one.png"))
    assert shown is not None
    for colour in ((0xFF, 0xE5, 0x00), (0x95, 0x2D, 0xFF)):
        assert (np.abs(shown.astype(int) - colour).max(-1) < 12).sum() > 50
    nothing = errors.filter(pl.col("kind") == "correct")
    draw_cases(worst_cases(nothing), nothing, labels, lambda _: pitch(), tmp_path / "none.png")
    assert (tmp_path / "none.png").stat().st_size > 500


def test_nothing_to_report() -> None:
    labels = Labels.of([image_row(1)], [])
    errors = classify(labels, scored([]), THRESHOLDS)
    assert len(errors) == 0 and dict(errors.schema) == ERROR_COLUMNS
    assert len(worst_cases(errors)) == 0
    assert summarise(errors, labels.categories)["categories"]["ball"]["by_size"] == {}
