"""Small raw files of made-up plays, written line by line, for tests that damage them; and what is found in them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from sport_assets.nfl.plays import CHECKS, process_week
from sport_assets.nfl.schemas import INPUT, OUTPUT

GAMES = (2023090700, 2023091000)
ROLES = (
    ("Targeted Receiver", "Offense", "WR"),
    ("Other Route Runner", "Offense", "TE"),
    ("Passer", "Offense", "QB"),
    ("Defensive Coverage", "Defense", "CB"),
)
PREDICTED = (0, 3)
INPUT_FRAMES, OUTPUT_FRAMES = 25, 6

Row = dict[str, str]


def input_rows() -> list[Row]:
    """Two games of two plays of four players; in the second play of each game the offence moves left."""
    rows = []
    for game in GAMES:
        for play in (56, 101):
            left = play == 101
            for index, (role, side, position) in enumerate(ROLES):
                for frame in range(1, INPUT_FRAMES + 1):
                    x, y = where(index, frame, left=left)
                    rows.append(
                        {
                            "game_id": str(game),
                            "play_id": str(play),
                            "player_to_predict": str(index in PREDICTED),
                            "nfl_id": str(40000 + index),
                            "frame_id": str(frame),
                            "play_direction": "left" if left else "right",
                            "absolute_yardline_number": "80" if left else "40",
                            "player_name": f"Player {index}",
                            "player_height": "6-1",
                            "player_weight": "205",
                            "player_birth_date": "1998-01-01",
                            "player_position": position,
                            "player_side": side,
                            "player_role": role,
                            "x": f"{x:.2f}",
                            "y": f"{y:.2f}",
                            "s": "5.0",
                            "a": "1.0",
                            "dir": "270.0" if left else "90.0",
                            "o": "300.0" if left else "120.0",
                            "num_frames_output": str(OUTPUT_FRAMES),
                            "ball_land_x": "60.0",
                            "ball_land_y": "33.3" if left else "20.0",
                        }
                    )
    return rows


def output_rows() -> list[Row]:
    rows = []
    for game in GAMES:
        for play in (56, 101):
            for index in PREDICTED:
                for frame in range(1, OUTPUT_FRAMES + 1):
                    x, y = where(index, INPUT_FRAMES + frame, left=play == 101)
                    rows.append(
                        {
                            "game_id": str(game),
                            "play_id": str(play),
                            "nfl_id": str(40000 + index),
                            "frame_id": str(frame),
                            "x": f"{x:.2f}",
                            "y": f"{y:.2f}",
                        }
                    )
    return rows


def where(index: int, frame: int, *, left: bool) -> tuple[float, float]:
    """Everyone runs at 5 yd/s towards the opponent's end zone; the same play turned by half a circle for left."""
    x, y = 40.0 + index + 0.5 * frame, 10.0 + 8 * index
    return (120.0 - x, 53.3 - y) if left else (x, y)


def write(path: Path, rows: list[Row], header: tuple[str, ...]) -> Path:
    lines = [",".join(header), *(",".join(row[name] for name in header) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_week(folder: Path, inputs: list[Row] | None = None, outputs: list[Row] | None = None) -> tuple[Path, Path]:
    """input_2023_w01.csv and output_2023_w01.csv in the folder."""
    return (
        write(folder / "input_2023_w01.csv", input_rows() if inputs is None else inputs, tuple(INPUT.columns)),
        write(
            folder / "output_2023_w01.csv",
            output_rows() if outputs is None else outputs,
            tuple(OUTPUT.columns),
        ),
    )


def processed(
    folder: Path, inputs: list[Row] | None = None, outputs: list[Row] | None = None
) -> dict[str, Counter[str]]:
    """Counts by rule of a week's quarantine and findings."""
    report = process_week(*write_week(folder, inputs, outputs), folder)
    found = json.loads((folder / "findings.json").read_text())
    assert {check.name for check in report.checks} == set(CHECKS)
    named = {rule for check in report.checks for rule in check.rules}
    assert named == set(found["quarantined"]) | set(found["findings"])
    return {"quarantined": Counter(found["quarantined"]), "findings": Counter(found["findings"])}
