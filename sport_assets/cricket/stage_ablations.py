"""Stage 4: what the parts of ``full`` are worth, each ablation with as many seeds as it takes to say so.

Belongs here: the trials, the comparison with ``full``, and what is concluded. Must not come here: how trials are
compared (``comparison``).

Concluded is from validation matches alone. Figures on test matches stand beside, for a reader: nothing follows from
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from sport_assets.cricket import stage_plots, stages
from sport_assets.cricket.comparison import (
    BETTER,
    LEAST_SEEDS,
    RESOLUTION,
    UNRESOLVED,
    WORSE,
    Candidate,
    Choice,
    Compared,
    choose,
    compare,
)
from sport_assets.cricket.settings import ABLATIONS
from sport_assets.lineage.checks import CheckResult
from sport_assets.training.errors import BadSpecError
from sport_assets.training.trials import Finished, Study, Trial

FULL = "full"
AS_TUNED = ("training.learning_rate", "model.heads")
"""What the tuning found and the ablations go by; width and depth are their own."""
PARTS = ("film", "hierarchical", "innings_heads")
FAMILY: dict[str, tuple[bool, bool, bool]] = {
    "full": (True, True, True),
    "full_no_film": (False, True, True),
    "full_no_hierarchical": (True, False, True),
    "full_no_innings_heads": (True, True, False),
    "full_only_film": (True, False, False),
    "full_only_hierarchical": (False, True, False),
    "full_only_innings_heads": (False, False, True),
    "full_none": (False, False, False),
}
"""Which of PARTS a variant has: the ones among which a model is chosen. The other two show what inputs are worth."""
NOT_CONCLUDED = "not concluded"
ABLATIONS_FILE = "ablations.parquet"


PRESET = stages.read_preset(stages.preset_path("ablation_report"), stages.SizedPreset)


def trials(study: Study, finished: Sequence[Finished]) -> list[Trial]:
    """`full` and every ablation with every seed."""
    if finished:
        return []
    found, seeds = settings_of(study), stages.seeds(study, PRESET.seeds)
    return [stages.trial(study, name, name, found, seed) for name in (FULL, *ABLATIONS) for seed in seeds]


def settings_of(study: Study) -> dict[str, Any]:
    """The size that the options say, with AS_TUNED. Raises BadSpecError where the heads do not share the width."""
    tuned = stages.tuned(study)
    width, heads = study.options["hidden_dim"], tuned["model.heads"]
    if width % heads:
        raise BadSpecError(
            f"ablation_report: hidden_dim={width} cannot be shared by the {heads} heads that the tuning found: set "
            f"hidden_dim to a multiple of {heads}"
        )
    return stages.size(study) | {name: tuned[name] for name in AS_TUNED}


def summarise(study: Study, finished: Sequence[Finished], out: Path) -> tuple[dict[str, Any], list[CheckResult]]:
    """decision.json, models.parquet, losses.parquet, ablations.parquet (both sides), report.md, ablations.png."""
    valid, test = (stages.candidates(finished, side) for side in ("valid", "test"))
    compared = {"valid": compare(valid[1:], valid[0]), "test": compare(test[1:], test[0])}
    seeds = min(len(each.seeds) for each in valid)
    decided = {**conclude(valid, compared["valid"]), "overrides": settings_of(study)}
    rows = {side: [row_of(each, seeds) for each in found] for side, found in compared.items()}
    stages.write(study, out, valid, decided, _report(valid, test, rows, decided, seeds))
    tables = [pl.DataFrame(found).select(pl.lit(side).alias("side"), pl.all()) for side, found in rows.items()]
    pl.concat(tables).write_parquet(out / ABLATIONS_FILE)
    title = f"Log-loss beside full, validation: {seeds} seed{'s' if seeds > 1 else ''} of each"
    stage_plots.forest(rows["valid"], title, out / "ablations.png")
    facts = {"concluded": decided["concluded"], "seeds": seeds, "components": decided["components"]}
    return {**facts, "chosen": decided["chosen"], "why": decided["why"]}, []


def row_of(compared: Compared, seeds: int) -> dict[str, Any]:
    """A row of the table of ablations: with too few seeds, no verdict."""
    return {**compared.row(), **({"verdict": NOT_CONCLUDED} if seeds < LEAST_SEEDS else {})}


def conclude(found: Sequence[Candidate], compared: Sequence[Compared]) -> dict[str, Any]:
    """What follows for each part and for the variant, or that nothing does; ``full`` comes first in ``found``."""
    seeds = min(len(each.seeds) for each in found)
    enough = seeds >= LEAST_SEEDS
    verdicts = {each.name: each.verdict if enough else NOT_CONCLUDED for each in compared}
    # without it the log-loss is worse: the part helps
    said = {WORSE: "helps", BETTER: "harms", UNRESOLVED: UNRESOLVED, NOT_CONCLUDED: NOT_CONCLUDED}
    components = {
        name.removeprefix("full_no_"): said[verdict]
        for name, verdict in verdicts.items()
        if name.startswith("full_no_")
    }
    family = [each for each in found if each.name in FAMILY]
    choice: Choice | None = choose(family) if enough else None
    why = (
        choice.why
        if choice is not None
        else f"Nothing can be concluded from {seeds} seed{'s' if seeds != 1 else ''} of each: it takes {LEAST_SEEDS}."
    )
    return {
        "concluded": enough,
        "seeds": seeds,
        "components": components,
        "verdicts": verdicts,
        "chosen": choice.chosen.name if choice is not None else None,
        "choice": choice.content() if choice is not None else None,
        "why": why,
    }


def _report(
    valid: Sequence[Candidate],
    test: Sequence[Candidate],
    rows: dict[str, list[dict[str, Any]]],
    decided: dict[str, Any],
    seeds: int,
) -> str:
    texts = [
        "# What the parts of the full model are worth",
        f"**{decided['why']}**" if not decided["concluded"] else decided["why"],
        f"Size of all models, and what the tuning found for them: {_named(decided['overrides'])}.",
        f"Differences are log-loss per ball beside `{FULL}`: above zero, what was taken away had helped. "
        f"{stages.by_seeds(valid)} p-values are corrected for {len(valid) - 1} comparisons (Holm). A difference is "
        f"unresolved where its interval holds zero, where p is 0.05 or more, or where it is under {RESOLUTION} nats.",
        "## Validation matches: what is concluded from",
        stages.differences_markdown(rows["valid"]),
        stages.figures_markdown(stages.models_table(valid)),
        "## Test matches: for the reader alone",
        "Nothing was chosen by these figures, and nothing should be.",
        stages.differences_markdown(rows["test"]),
        stages.figures_markdown(stages.models_table(test)),
    ]
    return "\n\n".join(texts)


def _named(settings: dict[str, Any]) -> str:
    return ", ".join(f"`{name}` {value}" for name, value in settings.items())
