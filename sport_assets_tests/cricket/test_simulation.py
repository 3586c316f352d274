"""Courses of a match: each ball as the network says of the whole innings, and what they come to adds up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from sport_assets.cricket import simulate, simulation
from sport_assets.cricket.batches import InningsSource
from sport_assets.cricket.extras import COLUMNS, Extras
from sport_assets.cricket.features import table
from sport_assets.cricket.lineup import IdRows, history_tables
from sport_assets.cricket.models import INPUTS
from sport_assets.cricket.settings import MAIN_VARIANTS
from sport_assets.cricket.simulate import Result, run
from sport_assets.cricket.simulation import InPlay, Model, Scene, next_persons, taken_up
from sport_assets.cricket.situation import At, Situation, read_situation
from sport_assets.training.exported import ModelError
from sport_assets_tests.cricket.match_files import ball, innings, match, write
from sport_assets_tests.cricket.ready_models import Ready, ready


def simulated(made: Ready, situation: Situation, simulations: int = 400, seed: int = 0, **what_if: str) -> Result:
    return run(
        "model.onnx",
        made.network,
        made.shipped,
        situation,
        what_if,
        simulations=simulations,
        seed=seed,
        innings_only=False,
    )


def a_match(made: Ready, place: int = -1) -> Path:
    """A match of full length, by place among them."""
    lengths = made.innings.table.group_by("match_id", maintain_order=True).agg(pl.col("length").sum())
    full = lengths.filter(pl.col("length") > 200)["match_id"].to_list()
    return made.raw / f"{full[place]}.json"


def scene_of(made: Ready, situation: Situation) -> Scene:
    lineup = simulate._lineup(situation, made.shipped, situation.next_persons, ())
    [rates] = history_tables(made.shipped.past, [lineup])
    return Scene(lineup, IdRows(lineup, made.shipped.entities), rates)


@pytest.mark.parametrize(("variant", "members"), [*((variant, 1) for variant in MAIN_VARIANTS), ("full", 2)])
@pytest.mark.parametrize("number", [1, 2])
def test_every_ball_is_forecast_as_the_whole_innings_is(variant: str, members: int, number: int) -> None:
    """Features, history, ids, people and memory, step by step: equal to features and network over whole tables."""
    made = ready(variant, members=members)
    file = a_match(made)
    row = made.innings.table.with_row_index().filter((pl.col("match_id") == file.stem) & (pl.col("innings") == number))
    last = made.innings.balls["over"][row["start"][0] + row["length"][0] - 1]
    situation = read_situation(file, None if number == 2 else At(1, int(last), 0))
    situation = replace(situation, phase=0)  # no phase has begun when the innings is played again from its start
    played = len(situation.played)
    source = InningsSource(made.innings, table(made.innings, made.shipped.past), made.shipped.entities)
    batch = {name: torch.from_numpy(value) for name, value in source.batch([int(row["index"][0])]).items()}
    with torch.no_grad():
        whole = made.network(**{name: batch[name] for name in INPUTS})[0]
        scene = scene_of(made, situation)
        play = InPlay(Model(made.network, made.shipped.extras), scene, np.array([situation.target]))
        said = []
        add = play.add

        def note(kind: Any) -> None:
            said.append(play.log_probabilities()[0])
            add(kind)

        play.add = note  # type: ignore[method-assign]
        simulation._replay(play.course, situation, scene.lineup, play.add)
    assert played > 80
    torch.testing.assert_close(torch.stack(said), whole[:played], atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("members", [1, 2])
def test_the_same_seed_gives_the_same_courses_however_many_there_are(
    monkeypatch: pytest.MonkeyPatch, members: int
) -> None:
    monkeypatch.setattr(simulate, "AT_ONCE", 100)
    made = ready(members=members)
    situation = read_situation(a_match(made), At(1, 16, 0))
    one, again, more = (simulated(made, situation, n, seed=4) for n in (100, 100, 130))
    other = simulated(made, situation, 100, seed=5)
    for place in (0, 1):
        np.testing.assert_array_equal(one.courses.innings[place].runs, again.courses.innings[place].runs)
        np.testing.assert_array_equal(one.courses.innings[place].runs, more.courses.innings[place].runs[:100])
    assert (one.courses.innings[0].runs != other.courses.innings[0].runs).any()


def test_what_is_told_adds_up() -> None:
    made = ready()
    situation = read_situation(a_match(made), At(1, 10, 2))
    result = simulated(made, situation, 600)
    told = json.loads(json.dumps(result.content()))
    assert sum(each["probability"] for each in told["win"].values()) == pytest.approx(1)
    assert [each["innings"] for each in told["innings"]] == [1, 2]
    for each in told["innings"]:
        assert sum(each["runs"]["distribution"].values()) == pytest.approx(1)
        assert sum(each["wickets"]["distribution"].values()) == pytest.approx(1)
        assert each["runs_after_over"][-1]["50"] == each["runs"]["quantiles"]["50"]
    first, second = result.courses.innings
    standing = told["standing"]
    assert (first.runs >= standing["runs"]).all() and (first.wickets >= standing["wickets"]).all()
    over = (first.legal_balls == 120) | (first.wickets == 10)
    assert over.all() and (first.legal_balls <= 120).all()
    chased = second.runs > first.runs
    assert ((second.legal_balls == 120) | (second.wickets == 10) | chased).all()
    assert (second.runs[chased] <= first.runs[chased] + 8).all()
    assert (np.diff(first.worm, axis=1) >= 0).all() and (first.worm[:, -1] == first.runs).all()
    assert (first.worm[:, 9] == situation.played.balls["runs_total"].sum() - _in_over(situation, 10)).all()


def _in_over(situation: Situation, over: int) -> int:
    balls = situation.played.balls
    return int(balls["runs_total"][balls["over"] == over].sum())


@pytest.mark.parametrize("at", [At(1, 10, 2), At(2, 5, 0)])
def test_nothing_that_the_file_says_of_later_balls_changes_a_course(tmp_path: Path, at: At) -> None:
    """Not the order of the line-ups either: a match file lists players as they went on to bat."""
    made = ready()
    file = a_match(made)
    content = json.loads(file.read_text())
    other = json.loads(file.read_text())
    info = other["info"]
    for names in info["players"].values():
        names.reverse()
    info["registry"]["people"] = dict(reversed(info["registry"]["people"].items()))
    info["outcome"] = {"result": "no result"}
    del other["innings"][at.innings :]
    overs = other["innings"][-1]["overs"]
    del overs[at.over + 1 :], overs[at.over]["deliveries"][at.ball_in_over + 1 :]
    overs[at.over]["deliveries"][-1]["runs"] = _runs(4)
    for name in ("extras", "wickets"):
        overs[at.over]["deliveries"][-1].pop(name, None)
    assert info["players"] != content["info"]["players"]
    [changed] = write(tmp_path, {file.stem: other})
    one, two = (simulated(made, read_situation(path, at), 60) for path in (file, changed))
    assert one.content() == two.content()
    for played, again in zip(one.courses.innings, two.courses.innings, strict=True):
        np.testing.assert_array_equal(played.worm, again.worm)


def test_a_match_that_is_decided_has_one_winner(tmp_path: Path) -> None:
    made = ready()
    six = [ball(6, batter="B0", bowler="A10", non_striker="B1") for _ in range(3)]
    won, lost = innings("Brennia", six), innings("Brennia", count=1)
    [chased] = write(tmp_path, {"won": match(innings("Albia", count=2), won)})
    result = simulated(made, read_situation(chased, None), 50)
    assert result.content()["win"]["Brennia"]["probability"] == 1 and (result.courses.innings[0].runs == 18).all()
    short = match(innings("Albia", count=20), lost, overs=20)
    short["innings"][1]["overs"][0]["deliveries"][:] = [
        ball(0, batter=f"B{number}", bowler="A10", non_striker="B10", out=[("bowled", f"B{number}")])
        for number in range(6)
    ]
    short["innings"][1]["overs"].append(
        {
            "over": 1,
            "deliveries": [
                ball(0, batter=f"B{number}", bowler="A9", non_striker="B10", out=[("bowled", f"B{number}")])
                for number in range(6, 10)
            ],
        }
    )
    [all_out] = write(tmp_path, {"lost": short})
    result = simulated(made, read_situation(all_out, None), 50)
    assert result.content()["win"]["Albia"]["probability"] == 1 and (result.courses.innings[0].runs == 0).all()


def test_the_last_ball_is_as_enumerated(tmp_path: Path) -> None:
    """Without wides and no-balls the last ball has seven outcomes, and all that may follow can be told exactly."""
    made = ready()
    full = made.shipped.extras
    legal = (full.kinds[:, 2] == 0) & (full.kinds[:, 3] == 0)
    shares = full.shares[:, legal]
    of_class = full.kinds[legal, :1] == np.arange(7)
    extras = Extras(full.kinds[legal], shares / (shares @ of_class)[:, full.kinds[legal, 0]])
    made = made._replace(shipped=replace(made.shipped, extras=extras))
    content = match(innings("Albia", count=20), innings("Brennia", count=20))
    last = content["innings"][0]["overs"][-1]["deliveries"]
    last[-1] = ball(3)  # 122, so 3 are to win off the last ball after 120 - 1
    [file] = write(tmp_path, {"m": content})
    situation = read_situation(file, At(2, 19, 5))
    needed = situation.target - int(situation.played.balls["runs_total"].sum())
    assert needed == 4
    persons = next_persons(situation, simulate._lineup(situation, made.shipped, None, ()))
    play = taken_up(Model(made.network, extras), scene_of(made, situation), situation, persons)
    play.course.face()
    with torch.no_grad():
        chance = play.log_probabilities()[0].exp().numpy().astype(np.float64)
    total = extras.kinds[:, [COLUMNS.index(name) for name in ("runs_batter", "other")]].sum(1)
    weight = chance[extras.kinds[:, 0]] / chance.sum() * extras.shares[situation.phase]
    exact = {"Brennia": weight[total >= needed].sum(), "tie": weight[total == needed - 1].sum()}
    exact["Albia"] = 1 - sum(exact.values())
    result = simulated(made, situation, 20_000)
    for name, told in result.content()["win"].items():
        error = np.sqrt(exact[name] * (1 - exact[name]) / 20_000)
        assert abs(told["probability"] - exact[name]) < 4 * error + 1e-9, name


def test_scores_are_near_those_that_are_made() -> None:
    """A model trained for seconds: the mean first innings of full-length matches, simulated from their first ball."""
    made = ready("base", steps=150)
    balls = pl.DataFrame({name: made.innings.balls[name] for name in ("innings_index", "is_legal", "overs_limit")})
    known = balls.group_by("innings_index", maintain_order=True).agg(
        pl.col("is_legal").sum(), pl.col("overs_limit").last()
    )
    rows = made.innings.table.with_columns(known["is_legal"], known["overs_limit"]).filter(
        (pl.col("innings") == 1)
        & (pl.col("overs_limit") == 20)
        & ((pl.col("is_legal") == 120) | (pl.col("wickets") == 10))  # not ended by rain
    )
    truth = float(rows["runs"].to_numpy().mean())
    means = []
    for match_id in rows["match_id"].to_list()[::5]:
        situation = read_situation(made.raw / f"{match_id}.json", At(1, 0, 0))
        result = run("m", made.network, made.shipped, situation, {}, simulations=150, seed=0, innings_only=True)
        means.append(result.courses.innings[0].runs.mean())
        assert result.content()["win"] == {}
    assert np.mean(means) == pytest.approx(truth, rel=0.12)


def test_a_what_if_is_paired() -> None:
    made = ready()
    situation = read_situation(a_match(made), At(1, 10, 0))
    assert situation.next_persons is not None
    same = simulated(made, situation, 300, bowler=situation.next_persons[2])
    told = same.content()["what_if"]["difference"]
    assert told["runs"] == {"mean": 0.0, "standard_error": 0.0}
    team = situation.elevens[situation.batting]
    faced = {situation.played.players[n] for n in situation.played.balls["striker"]}
    fresh = next(each for each in team if each not in faced and each not in situation.next_persons)
    other = simulated(made, situation, 300, batter=situation.names[fresh])
    assert other.other is not None and other.other.persons[0] == fresh
    told = other.content()["what_if"]
    assert told["batter"] == situation.names[fresh] and told["standing"]["striker"] == situation.names[fresh]
    apart = np.hypot(*(each.innings[0].runs.std() / np.sqrt(300) for each in (other.courses, other.other)))
    assert told["difference"]["runs"]["standard_error"] < apart


def test_whose_place_another_takes_comes_in_next() -> None:
    made = ready()
    situation = next(
        each for each in (read_situation(a_match(made), At(1, 8, n)) for n in range(6)) if _has_faced(each)
    )
    assert situation.next_persons is not None
    striker, other, bowler = situation.next_persons
    come = _come_in(situation)
    fresh = next(each for each in situation.elevens[situation.batting] if each not in come)
    lineup = simulate._lineup(situation, made.shipped, (fresh, other, bowler), (), striker)
    assert lineup.batters[lineup.next_in] == striker and lineup.next_in == len(come)
    assert len(lineup.batters) == len(set(lineup.batters)) == 11
    result = simulated(made, situation, 300, batter=fresh)
    for courses in (result.courses, result.other):
        assert courses is not None
        first = courses.innings[0]
        short = first.legal_balls < 120
        assert short.any() and (first.wickets[short] == 10).all()


def _has_faced(situation: Situation) -> bool:
    """Whether who faces the next ball has faced one before."""
    assert situation.next_persons is not None
    return situation.next_persons[0] in {situation.played.players[n] for n in situation.played.balls["striker"]}


def _come_in(situation: Situation) -> set[str]:
    """Ids of who has faced a ball or stood at the other end, or does now."""
    balls = situation.played.balls
    both = np.concatenate([balls["striker"], balls["non_striker"]])
    return {situation.played.players[number] for number in both} | set((situation.next_persons or ())[:2])


def test_nobody_of_the_match_is_known(tmp_path: Path) -> None:
    """Names alone, no line-ups, no date: a state written by hand."""
    made = ready()
    deliveries = [{"batter": "Anna", "non_striker": "Beth", "bowler": "Cleo", "runs": _runs(n)} for n in (0, 1, 4)]
    deliveries[2]["batter"], deliveries[2]["non_striker"] = "Beth", "Anna"
    state = {
        "info": {"teams": ["Here", "There"]},
        "innings": [{"team": "Here", "overs": [{"over": 0, "deliveries": deliveries}]}],
    }
    [file] = write(tmp_path, {"state": state})
    situation = read_situation(file, None)
    assert str(situation.at) == "1.0.3" and situation.day is None
    told = simulated(made, situation, 50).content()
    assert told["standing"]["striker"] == "Beth" and told["standing"]["bowler"] == "Cleo"
    assert told["standing"]["runs"] == 5
    [empty] = write(tmp_path, {"before": {"info": {"teams": ["Here", "There"]}}})
    assert str(read_situation(empty, None).at) == "1.0.0"
    assert simulated(made, read_situation(empty, None), 20).content()["standing"]["bowler"] is None
    [told_next] = write(
        tmp_path, {"next": {**state, "next": {"batter": "Dora", "non_striker": "Anna", "bowler": "Eva"}}}
    )
    assert simulated(made, read_situation(told_next, None), 20).content()["standing"]["striker"] == "Dora"


def _runs(runs: int) -> dict[str, int]:
    return {"batter": runs, "extras": 0, "total": runs}


def test_a_model_of_another_label_rule_is_refused() -> None:
    made = ready()
    legal = made._replace(shipped=replace(made.shipped, label_rule="legal"))
    with pytest.raises(ModelError, match="needs a model of the rule batter"):
        simulated(legal, read_situation(a_match(made), At(1, 0, 0)), 10)
