"""Generated weeks: their format, their plausibility, and the truth of the list of defects."""

import csv
import gzip
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sport_assets.nfl.synthetic import GeneratedSample, defects, generate
from sport_assets.nfl.synthetic.supplementary import SUPPLEMENTARY_COLUMNS
from sport_assets.nfl.synthetic.tracking import INPUT_COLUMNS, OUTPUT_COLUMNS

PLAYER = ["game_id", "play_id", "nfl_id"]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> GeneratedSample:
    return generate(tmp_path_factory.mktemp("clean"), weeks=2, plays_per_week=60, seed=3)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> GeneratedSample:
    return generate(tmp_path_factory.mktemp("broken"), weeks=2, plays_per_week=60, seed=3, defects=True)


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """One week of 300 plays: input, output, supplementary."""
    made = generate(tmp_path_factory.mktemp("season"), weeks=1, plays_per_week=300, seed=11)
    tracking, targets, supplementary = (pl.read_csv(path, null_values="NA") for path in made.files)
    return tracking, targets, supplementary


def lines(sample: GeneratedSample, file: str) -> list[str]:
    return (sample.output / file).read_text().split("\n")


def test_files_columns_and_counts(sample: GeneratedSample) -> None:
    names = [str(path.relative_to(sample.output)) for path in sample.files]
    assert names == [
        "train/input_2023_w01.csv",
        "train/output_2023_w01.csv",
        "train/input_2023_w02.csv",
        "train/output_2023_w02.csv",
        "supplementary_data.csv",
    ]
    headers = {
        "input": ",".join(INPUT_COLUMNS),
        "output": ",".join(OUTPUT_COLUMNS),
        "supplementary": ",".join(SUPPLEMENTARY_COLUMNS),
    }
    rows = dict.fromkeys(headers, 0)
    for name in names:
        table = Path(name).name.split("_")[0]
        text = lines(sample, name)
        assert text[0] == headers[table]
        assert text[-1] == ""
        rows[table] += len(text) - 2
    assert rows == {"input": sample.input_rows, "output": sample.output_rows, "supplementary": sample.plays}
    assert sample.plays == 120
    assert sample.manifest is None and not (sample.output / "defects.json").exists()


def test_numbers_are_written_as_in_the_competition(sample: GeneratedSample) -> None:
    rows = list(csv.DictReader(lines(sample, "train/input_2023_w01.csv")[:500]))
    for row in rows:
        assert row["player_to_predict"] in ("True", "False")
        assert row["game_id"].isdigit() and row["nfl_id"].isdigit() and row["player_weight"].isdigit()
        for column in ("x", "y", "s", "a", "dir", "o", "ball_land_x", "ball_land_y"):
            whole, decimals = row[column].split(".")
            assert 1 <= len(decimals) <= 2 and whole != "-0"
        feet, inches = row["player_height"].split("-")
        assert feet in ("5", "6") and 0 <= int(inches) < 12
    supplementary = list(csv.DictReader(lines(sample, "supplementary_data.csv")[:-1]))
    assert {row["play_action"] for row in supplementary} == {"TRUE", "FALSE"}
    assert {row["penalty_yards"] for row in supplementary} == {"NA"}


@pytest.mark.real_data
def test_columns_and_types_are_those_of_real_files(sample: GeneratedSample, real_data: Path) -> None:
    real = real_data / "nfl" / "ngs_highlights"
    pairs = [
        (sample.files[0], real / "train" / "input_2019_w01.csv.gz"),
        (sample.files[1], real / "train" / "output_2019_w01.csv.gz"),
        (sample.files[-1], real_data / "nfl" / "bdb2026" / "supplementary_data.csv.gz"),
    ]
    for ours, theirs in pairs:
        made, found = (pl.read_csv(path, null_values="NA", infer_schema_length=None) for path in (ours, theirs))
        assert made.columns == found.columns
        for name in made.columns:
            missing = made[name].null_count() == made.height or found[name].null_count() == found.height
            assert missing or made[name].dtype == found[name].dtype, name


def test_same_seed_same_bytes_and_weeks_stand_alone(sample: GeneratedSample, tmp_path: Path) -> None:
    again = generate(tmp_path / "again", weeks=1, plays_per_week=60, seed=3)
    for name in ("train/input_2023_w01.csv", "train/output_2023_w01.csv"):
        assert (again.output / name).read_bytes() == (sample.output / name).read_bytes()
    whole = (sample.output / "supplementary_data.csv").read_bytes()
    assert whole.startswith((again.output / "supplementary_data.csv").read_bytes())
    other = generate(tmp_path / "other", weeks=1, plays_per_week=60, seed=4)
    assert other.files[0].read_bytes() != again.files[0].read_bytes()


def test_compressed_files_hold_the_same_text(sample: GeneratedSample, tmp_path: Path) -> None:
    packed = generate(tmp_path / "a", weeks=2, plays_per_week=60, seed=3, gzip=True)
    twice = generate(tmp_path / "b", weeks=2, plays_per_week=60, seed=3, gzip=True)
    for plain, first, second in zip(sample.files, packed.files, twice.files, strict=True):
        assert first.name == plain.name + ".gz"
        assert gzip.decompress(first.read_bytes()) == plain.read_bytes()
        assert first.read_bytes() == second.read_bytes()


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    generate(tmp_path, weeks=1, plays_per_week=8)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.csv")}
    generate(tmp_path, weeks=1, plays_per_week=8)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.csv")} == before
    with pytest.raises(FileExistsError, match=r"input_2023_w01\.csv"):
        generate(tmp_path, weeks=1, plays_per_week=9)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.csv")} == before
    generate(tmp_path, weeks=2, plays_per_week=8)  # a further week is no conflict
    assert (tmp_path / "train" / "input_2023_w02.csv").exists()
    generate(tmp_path, weeks=1, plays_per_week=9, overwrite=True)


@pytest.mark.parametrize("wrong", [{"weeks": 0}, {"weeks": 23}, {"plays_per_week": 0}, {"seed": -1}])
def test_impossible_arguments_are_refused(wrong: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        generate(tmp_path, **wrong)  # type: ignore[arg-type]


def test_progress_is_told_week_by_week(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    generate(tmp_path, weeks=3, plays_per_week=6, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_games_plays_and_players(sample: GeneratedSample, season: tuple[pl.DataFrame, ...]) -> None:
    supplementary = pl.read_csv(sample.files[-1], null_values="NA")
    for (week,), games in supplementary.group_by("week"):
        assert games["game_id"].n_unique() >= 6, week
        teams = games.select("game_id", "home_team_abbr", "visitor_team_abbr").unique()
        everyone = teams["home_team_abbr"].to_list() + teams["visitor_team_abbr"].to_list()
        assert len(everyone) == len(set(everyone))
    assert supplementary.select("game_id", "play_id").is_unique().all()
    assert 13 <= season[2]["game_id"].n_unique() <= 16
    # A player is the same person in every week.
    both = pl.concat([pl.read_csv(path) for path in (sample.files[0], sample.files[2])])
    person = ["player_name", "player_height", "player_weight", "player_birth_date", "player_position"]
    assert both.group_by("nfl_id").agg(pl.col(person).n_unique()).select(pl.max_horizontal(person)).max().item() == 1
    teams = both.join(supplementary, on=["game_id", "play_id"]).with_columns(
        team=pl.when(pl.col("player_side") == "Offense").then("possession_team").otherwise("defensive_team")
    )
    assert teams.group_by("nfl_id").agg(pl.col("team").n_unique())["team"].max() == 1


def test_roles_frames_and_outputs_of_a_play(season: tuple[pl.DataFrame, ...]) -> None:
    tracking, targets, _ = season
    roles = tracking.group_by("game_id", "play_id").agg(
        pl.col("nfl_id").n_unique().alias("players"),
        pl.col("nfl_id").filter(pl.col("player_role") == "Targeted Receiver").n_unique().alias("targeted"),
        pl.col("nfl_id").filter(pl.col("player_role") == "Passer").n_unique().alias("passers"),
        pl.col("nfl_id").filter("player_to_predict").n_unique().alias("predicted"),
        pl.col("frame_id").max().alias("frames"),
    )
    assert roles["players"].is_between(11, 14).all()
    assert (roles["targeted"] == 1).all() and (roles["passers"] == 1).all()
    assert roles["frames"].is_between(15, 45).all()
    assert 2.4 < roles["predicted"].mean() < 3.8  # type: ignore[operator]
    counts = tracking.group_by(PLAYER).agg(pl.len(), pl.col("frame_id").min().alias("first"), pl.col("frame_id").max())
    assert (counts["first"] == 1).all() and (counts["len"] == counts["frame_id"]).all()
    asked = tracking.filter("player_to_predict").group_by(PLAYER).agg(pl.col("num_frames_output").first())
    given = targets.group_by(PLAYER).agg(pl.len(), pl.col("frame_id").min().alias("first"), pl.col("frame_id").max())
    joined = asked.join(given, on=PLAYER, how="full", coalesce=True)
    assert joined.null_count().sum_horizontal().item() == 0
    assert (joined["first"] == 1).all() and (joined["frame_id"] == joined["num_frames_output"]).all()
    assert (joined["len"] == joined["num_frames_output"]).all()
    in_air = tracking.group_by("game_id", "play_id").agg(pl.col("num_frames_output").first())["num_frames_output"]
    assert in_air.is_between(5, 40).all() and 9 <= in_air.median() <= 12  # type: ignore[operator]
    assert set(tracking["play_direction"]) == {"left", "right"}


def motion(tracking: pl.DataFrame) -> pl.DataFrame:
    """Steps within a player's rows, in yards per second."""
    steps = [(pl.col(name).diff().over(PLAYER) * 10).alias(f"v{name}") for name in ("x", "y")]
    return tracking.sort(*PLAYER, "frame_id").with_columns(steps)


def test_movement_is_within_what_players_can_do(season: tuple[pl.DataFrame, ...]) -> None:
    tracking, targets, _ = season
    assert tracking["s"].max() < 11 and tracking["a"].max() < 10  # type: ignore[operator]
    fast = tracking.filter(pl.col("player_role") == "Targeted Receiver")["s"].quantile(0.9)
    assert 6.0 < fast < 9.5  # type: ignore[operator]
    whole = pl.concat(
        [
            tracking.select(*PLAYER, "frame_id", "x", "y"),
            targets.join(tracking.group_by(PLAYER).agg(pl.col("frame_id").max().alias("before")), on=PLAYER).select(
                *PLAYER, pl.col("frame_id") + pl.col("before"), "x", "y"
            ),
        ]
    )
    steps = motion(whole).with_columns(
        [(pl.col(f"v{name}").diff().over(PLAYER) * 10).alias(f"a{name}") for name in ("x", "y")]
    )
    speed = np.hypot(steps["vx"].drop_nulls(), steps["vy"].drop_nulls())
    assert speed.max() < 11.5  # also across the throw, from input to output
    acceleration = np.hypot(steps["ax"].drop_nulls(), steps["ay"].drop_nulls())
    assert np.quantile(acceleration, 0.999) < 12 and acceleration.max() < 20
    assert whole["x"].is_between(-1, 121).all() and whole["y"].is_between(-2, 55.3).all()


def test_speed_and_direction_say_what_positions_do(season: tuple[pl.DataFrame, ...]) -> None:
    steps = motion(season[0]).drop_nulls("vx")
    direction = np.radians(steps["dir"].to_numpy())
    for name, part in (("vx", np.sin(direction)), ("vy", np.cos(direction))):
        assert np.corrcoef(steps[name], steps["s"].to_numpy() * part)[0, 1] > 0.99
    # Accelerating players' speed grows by their acceleration, never by much more.
    gain = steps.with_columns(gain=(pl.col("s").diff().over(PLAYER) * 10).abs()).drop_nulls("gain")
    assert (gain["gain"] < gain["a"] + 2.5).mean() > 0.99  # type: ignore[operator]


def test_the_offence_moves_where_play_direction_says(season: tuple[pl.DataFrame, ...]) -> None:
    tracking = season[0].sort(*PLAYER, "frame_id")
    receivers = tracking.filter(pl.col("player_position") == "WR").group_by(*PLAYER, "play_direction").agg(
        gained=pl.col("x").last() - pl.col("x").first()
    )  # fmt: skip
    assert receivers.filter(pl.col("play_direction") == "right")["gained"].mean() > 5  # type: ignore[operator]
    assert receivers.filter(pl.col("play_direction") == "left")["gained"].mean() < -5  # type: ignore[operator]


def test_coverage_shows_in_the_movement(season: tuple[pl.DataFrame, ...]) -> None:
    """In man coverage defenders go with the receivers; in zone they look at the passer."""
    tracking, _, supplementary = season
    last = motion(tracking).group_by(PLAYER, maintain_order=True).last()
    sides = [last.filter(pl.col("player_side") == side) for side in ("Offense", "Defense")]
    routes = sides[0].filter(pl.col("player_role") != "Passer")
    pairs = sides[1].join(routes, on=["game_id", "play_id"], suffix="_r").with_columns(
        gap=((pl.col("x") - pl.col("x_r")) ** 2 + (pl.col("y") - pl.col("y_r")) ** 2).sqrt()
    )  # fmt: skip
    nearest = pairs.sort("gap").group_by("game_id", "play_id", "nfl_id_r", maintain_order=True).first()
    nearest = nearest.join(supplementary, on=["game_id", "play_id"])
    man, zone = (
        nearest.filter(pl.col("team_coverage_man_zone") == kind)["gap"].median()
        for kind in ("MAN_COVERAGE", "ZONE_COVERAGE")
    )
    assert man < 0.8 * zone  # type: ignore[operator]


def ranked_right(score: np.ndarray, positive: np.ndarray) -> float:
    """AUC: how often one that is positive has a higher score than one that is not."""
    ranks = np.argsort(np.argsort(score)) + 1
    many = int(positive.sum())
    return float((ranks[positive].sum() - many * (many + 1) / 2) / (many * (len(score) - many)))


def test_coverage_can_be_told_before_the_throw_but_not_always(season: tuple[pl.DataFrame, ...]) -> None:
    """By how near defenders stay to receivers and how much they look at the passer, with no frame after the throw."""
    tracking, _, supplementary = season
    play, moment = ["game_id", "play_id"], ["game_id", "play_id", "frame_id"]
    late = tracking.filter(pl.col("frame_id") > pl.col("frame_id").max().over(play) - 10)
    defence = late.filter(pl.col("player_side") == "Defense").select(*PLAYER, "frame_id", "x", "y", "o")
    role = pl.col("player_role")
    routes = late.filter(role.is_in(["Targeted Receiver", "Other Route Runner"])).select(*moment, "x", "y")
    passer = late.filter(role == "Passer").select(*moment, "x", "y")
    away = ((pl.col("x") - pl.col("x_r")) ** 2 + (pl.col("y") - pl.col("y_r")) ** 2).sqrt()
    gap = defence.join(routes, on=moment, suffix="_r").group_by(*PLAYER, "frame_id").agg(gap=away.min())
    looking = (
        pl.col("o").radians().sin() * (pl.col("x_r") - pl.col("x"))
        + pl.col("o").radians().cos() * (pl.col("y_r") - pl.col("y"))
    ) / away
    look = defence.join(passer, on=moment, suffix="_r").select(*PLAYER, "frame_id", look=looking)
    found = gap.join(look, on=[*PLAYER, "frame_id"]).group_by(play).agg(pl.col("gap", "look").mean())
    charted = found.join(supplementary, on=play).filter(pl.col("team_coverage_man_zone").is_not_null())
    man = (charted["team_coverage_man_zone"] == "MAN_COVERAGE").to_numpy()
    near, elsewhere = (-charted[name].to_numpy() for name in ("gap", "look"))
    assert ranked_right(near, man) > 0.6
    assert ranked_right(elsewhere, man) > 0.65
    both = near / near.std() + elsewhere / elsewhere.std()
    assert 0.75 < ranked_right(both, man) < 0.95


def test_coverage_is_charted_for_most_plays_and_mostly_zone(season: tuple[pl.DataFrame, ...]) -> None:
    charted = season[2].select("team_coverage_man_zone", "team_coverage_type")
    assert charted["team_coverage_man_zone"].is_null().equals(charted["team_coverage_type"].is_null())
    known = charted.drop_nulls()
    assert 0.9 < len(known) / len(charted) < 1.0
    assert 0.65 < (known["team_coverage_man_zone"] == "ZONE_COVERAGE").mean() < 0.78  # type: ignore[operator]
    man = known["team_coverage_type"].str.ends_with("_MAN")
    assert man.equals(known["team_coverage_man_zone"] == "MAN_COVERAGE")


def errors(tracking: pl.DataFrame, targets: pl.DataFrame) -> dict[str, np.ndarray]:
    """Distances of simple forecasts from the truth, one per output row; `frame` is the output frame."""
    ordered = tracking.sort(*PLAYER, "frame_id").with_columns(
        vx=pl.col("s") * pl.col("dir").radians().sin(), vy=pl.col("s") * pl.col("dir").radians().cos()
    )
    last = ordered.group_by(PLAYER, maintain_order=True).agg(
        pl.col("x", "y", "vx", "vy", "player_role", "num_frames_output", "ball_land_x", "ball_land_y").last(),
        pl.col("vx", "vy").tail(4).first().name.suffix("_before"),
    )
    rows = targets.join(last, on=PLAYER, suffix="_0")
    time, end = rows["frame_id"].to_numpy() / 10, rows["num_frames_output"].to_numpy() / 10
    forecast: dict[str, list[np.ndarray]] = {name: [] for name in ("still", "velocity", "damped", "bent")}
    targeted = (rows["player_role"] == "Targeted Receiver").to_numpy()
    for axis in ("x", "y"):
        start, velocity = rows[f"{axis}_0"].to_numpy(), rows[f"v{axis}"].to_numpy()
        acceleration = (velocity - rows[f"v{axis}_before"].to_numpy()) / 0.3

        def damped(
            t: np.ndarray, start: np.ndarray = start, v: np.ndarray = velocity, a: np.ndarray = acceleration
        ) -> np.ndarray:
            return start + v * t + a * 0.4 * (t - 0.4 * (1 - np.exp(-t / 0.4)))

        missed = np.where(targeted, rows[f"ball_land_{axis}"].to_numpy() - damped(end), 0.0)
        truth = rows[axis].to_numpy()
        forecast["still"].append(start - truth)
        forecast["velocity"].append(start + velocity * time - truth)
        forecast["damped"].append(damped(time) - truth)
        forecast["bent"].append(damped(time) + (time / end) ** 2 * missed - truth)
    distances = {name: np.hypot(*parts) for name, parts in forecast.items()}
    return {**distances, "frame": rows["frame_id"].to_numpy()}


def test_baselines_stand_to_one_another_as_in_real_tracking(season: tuple[pl.DataFrame, ...]) -> None:
    found = errors(season[0], season[1])
    full = {name: float(found[name].mean()) for name in ("still", "velocity", "damped", "bent")}
    assert full["bent"] < full["damped"] < full["velocity"] < full["still"]
    assert 0.6 < full["velocity"] < 1.6  # competition: about 1.1
    assert 0.35 < full["bent"] < 0.9  # and there is something left to learn
    early = found["frame"] <= 10
    assert 0.35 < found["velocity"][early].mean() < 0.85


def test_every_kind_of_defect_is_listed_once_a_week(broken: GeneratedSample) -> None:
    assert broken.manifest is not None
    listed = [json.dumps(one, sort_keys=True) for one in json.loads(broken.manifest.read_text())]
    assert sorted(listed) == sorted(json.dumps(asdict(one), sort_keys=True) for one in broken.defects)
    for week in ("w01", "w02"):
        kinds = [one.kind for one in broken.defects if week in one.file]
        assert len(kinds) == len(set(kinds))
    assert sorted(one.kind for one in broken.defects) == sorted([*defects.KINDS, *defects.KINDS])
    plays = [(one.game_id, one.play_id) for one in broken.defects if one.kind in defects._OTHERS]
    assert len(plays) == len(set(plays))


def test_listed_lines_are_the_damaged_ones_and_all_others_are_untouched(
    sample: GeneratedSample, broken: GeneratedSample
) -> None:
    for path in sample.files:
        file = str(path.relative_to(sample.output))
        clean, damaged = lines(sample, file), lines(broken, file)
        here = [one for one in broken.defects if one.file == file]
        listed = {line for one in here for line in one.lines}
        known = set(clean)
        changed = {number for number, line in enumerate(damaged, start=1) if line not in known}
        assert changed <= listed, file
        # What is not listed stands in the clean file, in the same order.
        kept = [line for number, line in enumerate(damaged, start=1) if number not in listed]
        walk = iter(clean)
        assert all(line in walk for line in kept), file
        # And what is gone belongs to a play with a listed defect.
        plays = {(str(one.game_id), str(one.play_id)) for one in broken.defects}
        header = next(csv.reader([clean[0]]))
        for line in set(clean) - set(damaged):
            named = dict(zip(header, next(csv.reader([line])), strict=True))
            assert (named["game_id"], named["play_id"]) in plays


def test_each_defect_is_what_it_says(sample: GeneratedSample, broken: GeneratedSample) -> None:
    for one in broken.defects:
        damaged = lines(broken, one.file)
        header = damaged[0].split(",")
        rows = [next(csv.reader([damaged[line - 1]])) for line in one.lines]
        for row in rows if one.column not in ("play_id", "game_id") else ():
            named = dict(zip(header, row, strict=False))
            assert (int(named["game_id"]), int(named["play_id"])) == (one.game_id, one.play_id), one
        if one.kind in defects._VALUES or one.kind in defects._SITUATIONS:
            assert rows[0][header.index(one.column)] == one.value
        if one.kind in ("duplicate_row", "duplicate_output_row", "duplicate_supplementary_row"):
            assert damaged[one.lines[0] - 1] == damaged[one.lines[0] - 2]
        if one.kind in ("missing_frame", "missing_output_frame"):
            before, after = (int(damaged[line - 1].split(",")[header.index("frame_id")])
                             for line in (one.lines[0] - 1, one.lines[0]))  # fmt: skip
            assert after == before + 2
        if one.kind == "truncated_line":
            assert len(rows[0]) == len(header) - 6
        if one.kind == "supplementary_missing_play":
            key = (str(one.game_id), str(one.play_id))
            there = [(row["game_id"], row["play_id"]) for row in csv.DictReader(damaged[:-1])]
            assert key not in there
        if one.kind in ("player_without_outputs", "play_without_outputs"):
            output = lines(broken, one.file.replace("input", "output"))
            for row in rows:
                assert not any(line.startswith(f"{row[0]},{row[1]},{row[3]},") for line in output)


def test_too_few_plays_for_the_defects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least"):
        generate(tmp_path, weeks=1, plays_per_week=12, defects=True)


def test_broken_files(sample: GeneratedSample, tmp_path: Path) -> None:
    source = sample.files[0]
    cut = defects.truncate_gzip(source, tmp_path / "cut.csv.gz")
    with pytest.raises(EOFError):
        gzip.decompress(cut.read_bytes())
    wrong = defects.wrong_encoding(source, tmp_path / "wrong.csv")
    with pytest.raises(UnicodeDecodeError):
        wrong.read_text("utf-8")
    assert wrong.read_bytes().count(b"\n") == source.read_bytes().count(b"\n")
    with pytest.raises(ValueError, match="no text"):
        defects.wrong_encoding(sample.files[1], tmp_path / "numbers.csv")
    assert defects.empty_file(tmp_path / "empty.csv").read_bytes() == b""
    header = defects.header_only(source, tmp_path / "header.csv").read_text()
    assert header == ",".join(INPUT_COLUMNS) + "\n"
    other = defects.other_season_header(source, tmp_path / "other.csv").read_text().split("\n")
    assert other[0].startswith("gameId,playId,") and other[1:] == source.read_text().split("\n")[1:]
