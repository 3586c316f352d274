"""Another player in a what-if: found by name or id, or refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from sport_assets.cricket.situation import At, Situation, SituationError, read_situation
from sport_assets.cricket.what_if import batter_of, bowler_of
from sport_assets_tests.cricket.match_files import IDS, Content, ball, innings, match, write
from sport_assets_tests.cricket.ready_models import ready


def over_of(bowler: str) -> list[Content]:
    """Six singles."""
    return [ball(1, bowler=bowler) for _ in range(6)]


@pytest.fixture(scope="module")
def situation(tmp_path_factory: pytest.TempPathFactory) -> Situation:
    """Over 9 begins: B10 has bowled four overs, B9 the last one; A2 is out, A3 is retired hurt."""
    overs = [over_of(f"B{10 - over % 2}") for over in range(7)]
    overs += [over_of("B8"), over_of("B9")]
    overs[0][0] = ball(0, batter="A2", non_striker="A1", bowler="B10", out=[("bowled", "A2")])
    overs[0][1] = ball(0, batter="A3", non_striker="A1", bowler="B10", out=[("retired hurt", "A3")])
    content = match(innings("Albia", *overs))
    content["info"]["registry"]["people"] = {**IDS, "An Umpire": "fffffff0"}
    [file] = write(tmp_path_factory.mktemp("what-if"), {"m": content})
    return read_situation(file, At(1, 9, 0))


def test_players_are_found_by_name_and_by_id(situation: Situation) -> None:
    shipped = ready().shipped
    assert bowler_of(situation, shipped, "B8") == IDS["B8"] == bowler_of(situation, shipped, IDS["B8"])
    assert batter_of(situation, shipped, "A3", IDS["A1"]) == IDS["A3"], "who retired hurt may come back"
    stranger = next(each for each in shipped.entities.players if each not in IDS.values())
    assert bowler_of(situation, shipped, stranger) == stranger


@pytest.mark.parametrize(
    ("person", "said"),
    [
        ("B1O", r"--bowler B1O: Brennia has no such player.*the file lists B0, B1, B10, B2.*info\.players\.Brennia"),
        ("0123abcd", "the model knows no such id"),
        ("An Umpire", "Brennia has no such player"),
        ("A5", "plays for Albia, not for Brennia"),
        ("B9", "bowled the over before"),
        ("B10", "has bowled his 4 overs"),
    ],
)
def test_who_cannot_bowl_is_refused(situation: Situation, person: str, said: str) -> None:
    with pytest.raises(SituationError, match=said):
        bowler_of(situation, ready().shipped, person)


@pytest.mark.parametrize(
    ("person", "said"),
    [
        ("A11", "--batter A11: Albia has no such player"),
        ("B3", "plays for Brennia, not for Albia"),
        ("A1", "stands at the other end"),
        ("A2", "is out already"),
    ],
)
def test_who_cannot_face_is_refused(situation: Situation, person: str, said: str) -> None:
    with pytest.raises(SituationError, match=said):
        batter_of(situation, ready().shipped, person, IDS["A1"])


def test_where_nobody_is_listed_those_seen_in_play_are_known(tmp_path: Path) -> None:
    deliveries = [ball(4, batter="Anna", non_striker="Beth", bowler="Cleo")]
    [file] = write(
        tmp_path,
        {
            "state": {
                "info": {"teams": ["Here", "There"]},
                "innings": [{"team": "Here", "overs": [{"over": 0, "deliveries": deliveries}]}],
                "next": {"batter": "Dora", "non_striker": "Beth", "bowler": "Cleo"},
            }
        },
    )
    found = read_situation(file, None)
    assert found.names[batter_of(found, ready().shipped, "Anna", "")] == "Anna"
    assert found.names[bowler_of(found, ready().shipped, "Cleo")] == "Cleo"
    with pytest.raises(SituationError, match=r"the file lists Anna, Beth, Dora: name one of them, or add"):
        batter_of(found, ready().shipped, "Ana", "")
