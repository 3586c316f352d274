"""The cricket network once more, as a heterogeneous graph in PyTorch Geometric: `HeteroData` and `HeteroConv`.

From the weights of a `CricketNetwork`; edges are found ball by ball in loops. Every relation is a convolution of its
own: attention (`TransformerConv`) also where there is a single neighbour, with keys and queries at random, for over one
neighbour they change nothing; means by `SAGEConv`. What goes into the graph and what is read from it is the network's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData
from torch_geometric.nn import HeteroConv, SAGEConv, TransformerConv

from sport_assets.cricket.graph import (
    BALL_ATTENTION,
    BALL_MEANS,
    CONTEXT,
    MOMENTUM_BALLS,
    QUERY,
    RECENT_BALLS,
    SINGLE_NEIGHBOUR,
    means_heard,
    speakers,
)
from sport_assets.cricket.layers import BallAttention
from sport_assets.cricket.network import CricketNetwork
from sport_assets.cricket.nodes import RESULT_NODE

EdgeType = tuple[str, str, str]


def edges(persons: Tensor, over: Tensor, length: int) -> dict[EdgeType, Tensor]:
    """Edges of one innings: persons [T, 3], over [T] -> (source type, relation, destination type) -> [2, E]."""
    who = persons.tolist()
    overs = over.tolist()
    looks: dict[str, Callable[[int, int], bool]] = {
        "same_bowler": lambda now, then: who[now][2] == who[then][2],
        "same_batter": lambda now, then: who[now][0] == who[then][0],
        "same_matchup": lambda now, then: who[now][0] == who[then][0] and who[now][2] == who[then][2],
        "same_over": lambda now, then: overs[now] == overs[then],
        "non_striker": lambda now, then: who[now][1] == who[then][0],
        "partnership": lambda now, then: set(who[now][:2]) == set(who[then][:2]),
        "momentum": lambda now, then: now - then <= MOMENTUM_BALLS,
        "recent": lambda now, then: now - then <= RECENT_BALLS,
    }
    found: dict[EdgeType, Tensor] = {}
    own = torch.arange(length)
    for relation, pairs in SINGLE_NEIGHBOUR.items():
        for source, listening in pairs:
            found[source, relation, listening] = torch.stack([own, own])
    for relation, heard in {**BALL_MEANS, **BALL_ATTENTION}.items():
        for listening, view in heard:
            pair = [(then, now) for now in range(length) for then in range(now) if looks[view](now, then)]
            found[RESULT_NODE, relation, listening] = torch.tensor(pair, dtype=torch.long).reshape(-1, 2).T
    return found


def _linear(weight: Tensor) -> nn.Module:
    """A mean over earlier balls, then a linear map."""
    width = weight.shape[1]
    conv = SAGEConv(width, width, aggr="mean", root_weight=False, bias=False)
    conv.lin_l.weight.data.copy_(weight)
    return conv


def _single(weight: Tensor, heads: int) -> nn.Module:
    """Attention over one neighbour: only its value counts."""
    width = weight.shape[1]
    conv = TransformerConv(width, width // heads, heads, root_weight=False)
    conv.lin_value.weight.data.copy_(weight)
    conv.lin_value.bias.data.zero_()
    return conv


def _attention(of: BallAttention) -> nn.Module:
    width = of.query.in_features
    conv = TransformerConv(width, width // of.heads, of.heads, root_weight=False)
    key, value = of.memory.weight.data.chunk(2)
    key_bias, value_bias = of.memory.bias.data.chunk(2)
    for linear, weight, bias in (
        (conv.lin_query, of.query.weight.data, of.query.bias.data),
        (conv.lin_key, key, key_bias),
        (conv.lin_value, value, value_bias),
    ):
        linear.weight.data.copy_(weight)
        linear.bias.data.copy_(bias)
    return conv


def convolutions(network: CricketNetwork, number: int) -> tuple[HeteroConv, dict[str, Tensor], dict[str, Tensor]]:
    """One round: a convolution for each edge type, and each type's map of itself with its bias."""
    heads, width = network.settings.heads, network.settings.hidden_dim
    made: Any = network
    convs: dict[EdgeType, nn.Module] = {}
    root: dict[str, Tensor] = {}
    bias: dict[str, Tensor] = {}
    named = {pair: relation for relation, pairs in SINGLE_NEIGHBOUR.items() for pair in pairs}

    def means_of(listening: str, blocks: list[Tensor]) -> None:
        of = [relation for relation, pairs in BALL_MEANS.items() for node, _ in pairs if node == listening]
        for relation, block in zip(of, blocks, strict=True):
            convs[RESULT_NODE, relation, listening] = _linear(block)

    if number < len(network.context_layers):
        for node, linear in zip(CONTEXT, made.context_layers[number].maps, strict=True):
            blocks = list(linear.weight.data.split(width, 1))
            root[node], bias[node] = blocks.pop(0), linear.bias.data
            near = speakers(node)
            for source, block in zip(near, blocks, strict=False):
                convs[source, named[source, node], node] = _single(block, heads)
            assert len(blocks) - len(near) == len(means_heard(node))
            means_of(node, blocks[len(near) :])
        ball = made.ball_layers[number]
        blocks = list(ball.map.weight.data.split(width, 1))
        root[RESULT_NODE], bias[RESULT_NODE] = blocks.pop(0), ball.map.bias.data
        means_of(RESULT_NODE, blocks)
        convs[RESULT_NODE, "recent", RESULT_NODE] = _attention(ball.recent)
    query = made.query_layers[number]
    for source, block in zip(CONTEXT, query.context.weight.data.split(width, 1), strict=True):
        convs[source, "asked_by", QUERY] = _single(block, heads)
    convs[RESULT_NODE, "remembered_by", QUERY] = _attention(query.remembered)
    root[QUERY], bias[QUERY] = query.own.weight.data, query.context.bias.data
    return HeteroConv(convs, aggr="sum"), root, bias


def innings_graph(network: CricketNetwork, batch: dict[str, Tensor], number: int) -> HeteroData:
    """Innings `number` of a batch as a graph, its nodes as the network encodes them."""
    length = int(batch["mask"][number].sum())
    one = {name: value[number : number + 1, :length] for name, value in batch.items()}
    rows = network.rows(one["persons"], one["place"], one["mask"])
    scaled = network._scaled(one["features"])
    data = HeteroData()
    for place, node in enumerate(CONTEXT):
        data[node].x = network._encode_context(scaled, one["ids"])[0, :, place]
    data[QUERY].x = network._encode_query(scaled, rows)[0]
    data[RESULT_NODE].x = network.encode_balls(one["ball"], one["ids"], rows)[0]
    for kind, index in edges(one["persons"][0], one["place"][0, :, 0], length).items():
        data[kind].edge_index = index
    data.validate(raise_on_error=True)
    return data


def reference_logits(network: CricketNetwork, batch: dict[str, Tensor], number: int) -> Tensor:
    """Log odds [T, 7] of innings `number` of a batch, by way of the graph."""
    data = innings_graph(network, batch, number)
    made: Any = network
    nodes = dict(data.x_dict)
    length = len(nodes[QUERY])
    one = {name: value[number : number + 1, :length] for name, value in batch.items()}
    states = []
    stacked = torch.stack([nodes[node] for node in CONTEXT], 1)
    for layer in range(network.settings.layers):
        conv, root, bias = convolutions(network, layer)
        states.append(nodes[RESULT_NODE][None])
        heard = conv(nodes, data.edge_index_dict)
        after = {}
        for node in root:
            message = nodes[node] @ root[node].T + bias[node] + heard.get(node, 0.0)
            after[node] = nodes[node] + nn.functional.gelu(message)
        if layer < len(network.context_layers):
            stacked = made.context_layers[layer].norm(torch.stack([after[node] for node in CONTEXT], 1))
            nodes |= dict(zip(CONTEXT, stacked.unbind(1), strict=True))
            nodes[RESULT_NODE] = made.ball_layers[layer].norm(after[RESULT_NODE])
        nodes[QUERY] = made.query_layers[layer].norm(after[QUERY])
        if network.settings.film:
            nodes[QUERY] = made.films[layer](nodes[QUERY], one["place"][0, :, 1])
    earlier = torch.ones(length, length).tril(-1).bool()[None]
    scaled = network._scaled(one["features"])
    pooled = None if network.pool is None else network.pool(nodes[QUERY][None], states[-1], earlier)
    return network._read(nodes[QUERY][None], stacked[None], scaled, one["place"], pooled)[0]
