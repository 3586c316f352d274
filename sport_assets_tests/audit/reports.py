"""Reports as ``sport-assets audit --json`` prints them, of any number of partitions, to test the page on.

Belongs here: made-up reports. Must not come here: what is expected of a page.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

# What of what: every line's chain in short.
PARTITIONED = ("raw_tracking", "tracking", "play_tensors")
GAMES = 16


def digest(*parts: object) -> str:
    return sha256("|".join(map(str, parts)).encode()).hexdigest()


class _Ids:
    def __init__(self) -> None:
        self.number = 0

    def __call__(self, name: str) -> str:
        self.number += 1
        return f"{self.number:08}-{digest(name)[:12]}"


def check(
    name: str, *, passed: bool = True, blocking: bool = True, failed: int = 0, checked: int = 900
) -> dict[str, Any]:
    return {
        "name": name,
        "passed": passed,
        "blocking": blocking,
        "failed": failed,
        "checked": checked,
        "description": f"What {name} looks at.",
        "rules": {},
        "overridden_by": None,
        "reason": None,
    }


def node(record: str, asset: str, partition: str | None, inputs: list[str], **given: Any) -> dict[str, Any]:
    name = asset if partition is None else f"{asset}:{partition}"
    return {
        "id": record,
        "asset": asset,
        "partition": partition,
        "name": name,
        "version": digest("version", name),
        "kind": "materialized",
        "at": "2026-11-21T11:39:43.617240Z",
        "rows": 40,
        "quarantined_rows": 0,
        "inputs": inputs,
        "raw_files": [],
        "files": [
            {"path": f"{asset.split('/')[1]}.parquet", "sha256": digest("file", name), "size": 81_234},
            {"path": "quarantine.parquet", "sha256": digest("quarantine", name), "size": 1_234},
        ],
        "checks": [],
        "code_version": digest("code", asset)[:16],
        "config": {},
        "seed": None,
        "facts": {},
        "device": "cpu",
        "git_commit": "fbafc85febccd01551d3ae3595de3644828de506",
        "git_dirty": False,
        "newer_version": None,
        "withdrawn": None,
        "identifiers": None,
        "withdrawn_rows": [],
        "findings": [],
        **given,
    }


def weeks(count: int) -> list[str]:
    return [f"{2000 + number // 20}-w{number % 20 + 1:02}" for number in range(count)]


def games(week: int) -> list[str]:
    return [str(2023_000_000 + week * 100 + game) for game in range(GAMES)]


def season(partitions: int = 4, partitioned: tuple[str, ...] = PARTITIONED) -> dict[str, Any]:
    """A model of `partitions` weeks: raw files -> partitioned assets -> split -> checkpoint -> evaluation -> export.

    The second week has rows in quarantine and a check that warns; the third was withdrawn; the fourth has a newer
    version; the model's evaluation loses to a baseline, which somebody overrode.
    """
    record = _Ids()
    nodes, raw_files, findings, inputs, by_week = [], [], [], [], {}
    for number, week in enumerate(weeks(partitions)):
        paths = [f"nfl/train/{kind}_{week.replace('-', '_')}.csv" for kind in ("input", "output")]
        upstream: list[str] = []
        for asset in partitioned:
            made = node(record(f"{asset}{week}"), f"nfl/{asset}", week, upstream, rows=12_000 + number)
            made["identifiers"] = {
                "game_id": {"count": GAMES, "values": games(number)},
                "game_id,play_id": {"count": 1_900, "values": None},
            }
            made["checks"] = [
                check("values_sound", checked=12_000 + number),
                check("keys_unique"),
                check("shift", blocking=False),
            ]
            if asset == partitioned[0]:
                made["raw_files"] = paths
                raw_files += [
                    {"path": p, "sha256": digest(p), "size": 4_812_034 + number, "node": made["id"]} for p in paths
                ]
            if asset == "tracking" and number == 1:
                made["quarantined_rows"] = 7
                made["checks"][2] = check("shift", passed=False, blocking=False, failed=3)
            if asset == "tracking" and number == 2:
                made["withdrawn"] = {
                    "by": "Ada",
                    "reason": "the league asked for it",
                    "at": "2026-11-22T08:00:00Z",
                    "record": "x",
                }
                findings.append(
                    (
                        "withdrawn_input",
                        "error",
                        made,
                        "withdrawn by Ada: the league asked for it",
                        "sport-assets impact",
                    )
                )
            if asset == "tracking" and number == 3:
                made["newer_version"] = digest("newer")
                findings.append(
                    ("stale_input", "note", made, "a newer version exists", "sport-assets build nfl/model_card")
                )
            nodes.append(made)
            upstream = [made["id"]]
        by_week[week] = upstream[0]
        inputs += upstream
    split = node(record("split"), "nfl/split", None, inputs, config={"method": "hash", "folds": 5})
    split["checks"] = [check("no_game_on_two_sides", checked=30)]
    checkpoint = node(record("checkpoint"), "nfl/checkpoint", "sanity|0", [*inputs, split["id"]], seed=0)
    checkpoint["facts"] = {"seconds": 25.7, "spec_digest": digest("spec")}
    checkpoint["config"] = {"overrides": {"training.max_epochs": 5}}
    evaluation = node(record("evaluation"), "nfl/evaluation", "sanity|0", [checkpoint["id"], split["id"], *inputs])
    evaluation["checks"] = [
        check("beats_baselines", passed=False, failed=2, checked=16)
        | {"overridden_by": "Grace", "reason": "a smoke test"}
    ]
    findings.append(
        (
            "overridden_check",
            "warning",
            evaluation,
            "beats_baselines failed and was overridden by Grace: a smoke test",
            "",
        )
    )
    model = node(
        record("export"), "nfl/exported_model", "sanity|0", [checkpoint["id"], evaluation["id"], split["id"], *inputs]
    )
    model["checks"] = [check("parity", checked=1270)]
    findings.append(
        (
            "dirty_working_tree",
            "warning",
            model,
            "made from a working tree that differed from the commit",
            "Commit, and build again.",
        )
    )
    nodes += [split, checkpoint, evaluation, model]
    for place, (_, _, where, _, _) in enumerate(findings):
        where["findings"].append(place)
    return {
        "model": {
            "asset": "nfl/exported_model",
            "partition": "sanity|0",
            "name": "nfl/exported_model:sanity|0",
            "version": model["version"],
            "record": model["id"],
            "kind": "materialized",
            "files": [{"path": "model.onnx", "sha256": digest("model.onnx"), "size": 812_345}],
            "made": {
                "at": "2026-11-21T11:40:33Z",
                "started": "2026-11-21T11:40:31Z",
                "ended": "2026-11-21T11:40:33Z",
                "user": "ada",
                "host": "workstation",
                "platform": "Linux-6.18-x86_64",
                "python": "3.11.7",
                "device": "cpu",
                "threads": 2,
                "git_commit": "fbafc85febccd01551d3ae3595de3644828de506",
                "git_dirty": True,
                "run_id": "7af582bb-156b-421e-b8fc-71b61bf3ebf5",
            },
        },
        "training": [
            {
                "node": checkpoint["id"],
                "name": checkpoint["name"],
                "version": checkpoint["version"],
                "seed": 0,
                "settings": {
                    "model": {"hidden_dim": 32, "heads": 2},
                    "training": {"learning_rate": 0.003, "max_epochs": 5},
                },
                "facts": {
                    "spec_digest": digest("spec"),
                    "epochs": 5,
                    "seconds": 25.7,
                    "bit_exact": True,
                    "fitted_on": "the train side of the split; its valid side chose the epoch",
                },
            }
        ],
        "evaluation": {
            "node": evaluation["id"],
            "name": evaluation["name"],
            "facts": {"test_plays": 40, "test_games": 4, "evaluated_by": "holdout"},
            "metrics": _metrics(0.41, 0.89),
            "baselines": {
                "constant_velocity": _metrics(1.8, 3.9),
                "damped_landing": _metrics(0.54, 1.1),
                "standing_still": _metrics(2.6, 5.4),
            },
        },
        "nodes": nodes,
        "raw_files": raw_files,
        "findings": [
            {
                "kind": kind,
                "severity": severity,
                "node": where["id"],
                "name": where["name"],
                "message": message,
                "remedy": remedy,
            }
            for kind, severity, where, message, remedy in findings
        ],
        "counts": {
            "assets": len({n["asset"] for n in nodes}),
            "steps": len(nodes),
            "raw_files": len(raw_files),
            "raw_bytes": sum(file["size"] for file in raw_files),
            "quarantined_rows": sum(n["quarantined_rows"] for n in nodes),
            "checks": sum(len(n["checks"]) for n in nodes),
        },
        "head": {"records": len(nodes), "hash": digest("head")},
    }


def _metrics(ade: float, fde: float) -> dict[str, Any]:
    def horizons() -> Iterator[tuple[str, dict[str, Any]]]:
        for name, factor in (("full", 1.0), ("10_frames", 0.6)):
            yield (
                name,
                {
                    metric: {"value": value * factor, "low": value * factor * 0.9, "high": value * factor * 1.1}
                    for metric, value in (("ade", ade), ("fde", fde))
                },
            )

    return dict(horizons())
