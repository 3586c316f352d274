"""What a forecast must beat: frequencies by over and situation, multinomial logistic regression, boosted trees.

Belongs here: baselines fitted on training balls alone, each from the same features and outcomes, giving probabilities
[N, 7] for the same balls. Must not come here: the network, metrics.

torch and LightGBM are imported when they run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sport_assets.cricket.features import mean_and_deviation
from sport_assets.cricket.innings import Innings
from sport_assets.cricket.labels import OUTCOMES
from sport_assets.training.threads import one_thread

CLASSES = len(OUTCOMES)
PRIOR_BALLS = 50.0
"""Balls of the parent's frequency that each finer cell starts with."""
LEVELS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "marginal": ((),),
    "phase": ((), ("phase",)),
    "over": ((), ("over",)),
    "over_innings_wickets": ((), ("over",), ("over", "second_innings"), ("over", "second_innings", "wickets")),
}
"""Frequency baselines: columns of the cells, from the coarsest; each is drawn to the one before."""
REFERENCE = "over"
"""The baseline that skill is told over."""
REGRESSION_PENALTY = 50.0
"""L2 penalty in balls, on standardised features: the same whatever the number of balls, as a prior is."""
REGRESSION_STEPS = 150
TREES: Mapping[str, Any] = {
    "objective": "multiclass", "num_class": CLASSES, "learning_rate": 0.05, "num_leaves": 15, "min_data_in_leaf": 500,
    "feature_fraction": 0.5, "bagging_fraction": 0.7, "bagging_freq": 1, "lambda_l2": 10.0, "max_bin": 63,
    "verbosity": -1, "deterministic": True, "force_row_wise": True, "seed": 0,
    # its threads wait by spinning: where other work shares the cores, two are many times slower than one
    "num_threads": 1,
}  # fmt: skip
MOST_TREES, PATIENCE = 600, 30

Forecast = Callable[[Innings, np.ndarray], np.ndarray]
"""From innings and their features [N, F] to probabilities [N, 7]."""


def frequencies(innings: Innings, train: np.ndarray, name: str) -> Forecast:
    """Smoothed frequencies by LEVELS of the training balls (mask [N])."""
    outcome = innings.balls["outcome"]
    counted = train & (outcome >= 0)
    rate = np.full(CLASSES, 1.0 / CLASSES)
    tables: list[tuple[tuple[str, ...], dict[int, np.ndarray]]] = []
    for columns in LEVELS[name]:
        keys, place = np.unique(_cells(innings, columns)[counted], return_inverse=True)
        sums = np.zeros((len(keys), CLASSES))
        np.add.at(sums, (place, outcome[counted]), 1.0)
        parents = _parents(tables, keys, rate)
        prior = PRIOR_BALLS if columns else float(CLASSES)
        cells = (sums + prior * parents) / (sums.sum(1, keepdims=True) + prior)
        tables.append((columns, dict(zip(keys.tolist(), cells, strict=True))))

    def forecast(asked: Innings, _: np.ndarray) -> np.ndarray:
        found = np.tile(rate, (len(asked), 1))
        for columns, cells in tables:
            keys, place = np.unique(_cells(asked, columns), return_inverse=True)
            told = np.array([cells.get(key, np.full(CLASSES, np.nan)) for key in keys.tolist()]).reshape(-1, CLASSES)
            found = np.where(np.isnan(told[place]), found, told[place])
        return found

    return forecast


def logistic_regression(features: np.ndarray, outcome: np.ndarray) -> Forecast:
    """Multinomial logistic regression on standardised features of the training balls, by L-BFGS.

    In torch on one thread: scikit-learn's own gave other bits in another process, whose difference 150 steps enlarge.
    """
    import torch

    mean, spread = mean_and_deviation(features)
    spread = np.where(spread > 1e-6, spread, 1.0)
    classes, came = np.unique(outcome, return_inverse=True)
    with one_thread():
        known = torch.from_numpy(_standardised(features, mean, spread))
        target = torch.from_numpy(came.astype(np.int64))
        slope = torch.zeros(known.shape[1], len(classes), dtype=torch.float64, requires_grad=True)
        level = torch.zeros(len(classes), dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.LBFGS(
            [slope, level], max_iter=REGRESSION_STEPS, history_size=10, line_search_fn="strong_wolfe"
        )

        def objective() -> torch.Tensor:
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(known @ slope + level, target)
            loss = loss + REGRESSION_PENALTY / (2 * len(target)) * (slope**2).sum()
            loss.backward()
            return loss

        optimiser.step(objective)
        weights = slope.detach().numpy(), level.detach().numpy()

    def forecast(_: Innings, asked: np.ndarray) -> np.ndarray:
        with one_thread():
            odds = torch.from_numpy(_standardised(asked, mean, spread)) @ torch.from_numpy(weights[0])
            found = (odds + torch.from_numpy(weights[1])).softmax(-1).numpy()
        return _all_classes(found, classes)

    return forecast


def _standardised(features: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Features [N, F] in double precision, of mean 0 and deviation 1: one array of that size, and no second beside."""
    found = np.subtract(features, mean, dtype=np.float64)
    found /= spread
    return found


def boosted_trees(
    features: np.ndarray, outcome: np.ndarray, valid_features: np.ndarray, valid_outcome: np.ndarray
) -> Forecast:
    """LightGBM; validation says how many trees."""
    import lightgbm

    data = lightgbm.Dataset(features, outcome, params=dict(TREES))
    model = lightgbm.train(
        dict(TREES),
        data,
        MOST_TREES,
        valid_sets=[data.create_valid(valid_features, valid_outcome)],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )

    def forecast(_: Innings, asked: np.ndarray) -> np.ndarray:
        return np.asarray(model.predict(asked, num_iteration=model.best_iteration), np.float64)

    return forecast


def _cells(innings: Innings, columns: tuple[str, ...]) -> np.ndarray:
    key = np.zeros(len(innings), np.int64)
    for name in columns:
        key = key * 64 + innings.balls[name]
    return key


def _parents(tables: list[tuple[tuple[str, ...], dict[int, np.ndarray]]], keys: np.ndarray, rate: np.ndarray) -> Any:
    """The frequencies of the coarser cell of each key: the columns before the last."""
    if not tables:
        return np.tile(rate, (len(keys), 1))
    return np.array([tables[-1][1][key // 64] for key in keys.tolist()])


def _all_classes(found: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """With a column for each class, also for those that training never saw."""
    full = np.zeros((len(found), CLASSES))
    full[:, np.asarray(classes, int)] = found
    return full
