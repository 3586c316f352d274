"""The graph of an innings: its node types and relations, and which earlier balls are looked at."""

from __future__ import annotations

import torch

from sport_assets.cricket.graph import BALL_ATTENTION, BALL_MEANS, CONTEXT, RELATIONS, SINGLE_NEIGHBOUR, Rows, masks
from sport_assets.cricket.nodes import NODE_TYPES


def test_there_are_21_node_types_and_16_relations() -> None:
    assert len(set(NODE_TYPES)) == 21
    assert len(CONTEXT) == 19
    assert len(set(RELATIONS)) == 16


def test_every_node_is_heard_on_the_way_to_the_query() -> None:
    pairs = [pair for named in SINGLE_NEIGHBOUR.values() for pair in named]
    pairs += [("ball", node) for named in (BALL_MEANS, BALL_ATTENTION) for of in named.values() for node, _ in of]
    assert len(set(pairs)) == len(pairs) - 4, "five relations lead from balls to balls, all others are apart"
    assert {node for pair in pairs for node in pair} == set(NODE_TYPES)
    assert {source for source, node in pairs if node == "query"} == set(NODE_TYPES) - {"query"}
    assert "query" not in {source for source, _ in pairs}


def test_masks_of_an_innings_by_hand() -> None:
    """Balls 0 to 4: A and B bat, X bowls twice, then Y, who gets A; C comes in. Ball 5 is padding."""
    striker = torch.tensor([[1, 2, 1, 3, 2, 0]])
    non_striker = torch.tensor([[2, 1, 2, 2, 3, 0]])
    bowler = torch.tensor([[7, 7, 8, 8, 7, 0]])
    over = torch.tensor([[0, 0, 1, 1, 2, 0]])
    rows = Rows(striker, non_striker, bowler, over, torch.arange(6)[None], torch.arange(6)[None] < 5)
    found = {name: mask[0] for name, mask in masks(rows).items()}
    assert not any(mask.triu().any() for mask in found.values())

    def seen(name: str, ball: int) -> list[int]:
        return found[name][ball].nonzero().flatten().tolist()

    assert [seen("same_batter", ball) for ball in range(5)] == [[], [], [0], [], [1]]
    assert [seen("same_bowler", ball) for ball in range(5)] == [[], [0], [], [2], [0, 1]]
    assert [seen("same_matchup", ball) for ball in range(5)] == [[], [], [], [], [1]]
    assert [seen("same_over", ball) for ball in range(5)] == [[], [0], [], [2], []]
    assert [seen("non_striker", ball) for ball in range(5)] == [[], [0], [1], [1], [3]]
    assert [seen("partnership", ball) for ball in range(5)] == [[], [0], [0, 1], [], [3]]
    assert seen("earlier", 4) == seen("recent", 4) == seen("momentum", 4) == [0, 1, 2, 3]


def test_recent_balls_are_so_many() -> None:
    same = torch.zeros(1, 60, dtype=torch.long)
    rows = Rows(same, same, same, same, torch.arange(60)[None], torch.ones(1, 60, dtype=torch.bool))
    found = masks(rows)
    assert [int(found[name][0, 59].sum()) for name in ("momentum", "recent", "earlier")] == [12, 36, 59]
