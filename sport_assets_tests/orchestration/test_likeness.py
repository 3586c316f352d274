"""When two versions count as the same: each kind of file, strictly where all is the same, loosely after a training."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from sport_assets.lineage.digest import folder_files, version_of
from sport_assets.lineage.environment import environment
from sport_assets.lineage.manifest import Materialization, RecordedCheck
from sport_assets.orchestration.likeness import DIFFERENT, IDENTICAL, WITHIN, Comparison, Likeness, reasons

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Write = Callable[[Path], Any]


def record(folder: Path, **changes: Any) -> Materialization:
    """The record of a folder."""
    files = folder_files(folder)
    made = Materialization(
        kind="materialized",
        key="toy/thing",
        partition=None,
        version=version_of(files),
        files=files,
        inputs=[],
        code_version="1",
        environment=environment(),
        started=NOW,
        ended=NOW,
    )
    return made.model_copy(update=changes)


def compared(
    folder: Path, comparison: Comparison | None = None, *, loose: bool = False, seed: int | None = None
) -> Likeness:
    """The folders ``before`` and ``now`` in ``folder``."""
    before, now = folder / "before", folder / "now"
    return (comparison or Comparison()).of(
        record(before, seed=seed), record(now, seed=seed), (before, now), loose=loose
    )


@pytest.fixture
def judged(tmp_path: Path) -> Callable[..., Likeness]:
    """Write two versions and compare them."""

    def judge(before: Write, now: Write, *, loose: bool = False, seed: int | None = None) -> Likeness:
        folders = tmp_path / "before", tmp_path / "now"
        for folder, write in zip(folders, (before, now), strict=True):
            folder.mkdir()
            write(folder)
        return compared(tmp_path, loose=loose, seed=seed)

    return judge


def arrays(**values: Any) -> Write:
    return lambda folder: save_file(
        {name: np.asarray(value) for name, value in values.items()}, folder / "weights.safetensors"
    )


def text(name: str, content: Any) -> Write:
    return lambda folder: (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))


def table(columns: Mapping[str, Any]) -> Write:
    return lambda folder: pl.DataFrame(columns).write_parquet(folder / "table.parquet")


SAME = {"id": [1, 2], "x": [1.0, None]}


@pytest.mark.parametrize(
    ("before", "now", "strict", "loose"),
    [
        (arrays(w=[1.0, 2.0]), arrays(w=[1.0, 2.0]), IDENTICAL, IDENTICAL),
        (arrays(w=[1.0, np.nan]), arrays(w=[1.00001, np.nan]), WITHIN, WITHIN),
        (arrays(w=[1.0, 2.0]), arrays(w=[1.02, 2.0]), DIFFERENT, WITHIN),
        (arrays(w=[1.0, 2.0]), arrays(w=[1.2, 2.0]), DIFFERENT, DIFFERENT),
        (arrays(w=[1, 2]), arrays(w=[1, 3]), DIFFERENT, DIFFERENT),
        (arrays(w=[1.0, 2.0]), arrays(w=[[1.0, 2.0]]), DIFFERENT, DIFFERENT),
        (arrays(w=[1.0]), arrays(v=[1.0]), DIFFERENT, DIFFERENT),
        (text("evaluation.json", {"ade": 0.5}), text("evaluation.json", {"ade": 0.50000001}), WITHIN, WITHIN),
        (text("evaluation.json", {"ade": 0.5}), text("evaluation.json", {"ade": 0.504}), DIFFERENT, WITHIN),
        (text("evaluation.json", {"ade": 0.5}), text("evaluation.json", {"ade": 0.52}), DIFFERENT, DIFFERENT),
        (text("evaluation.json", {"a": [1]}), text("evaluation.json", {"a": [1, 2]}), DIFFERENT, DIFFERENT),
        (text("evaluation.json", {"a": True}), text("evaluation.json", {"a": False}), DIFFERENT, DIFFERENT),
        (text("evaluation.json", {"a": "x"}), text("evaluation.json", {"b": "x"}), DIFFERENT, DIFFERENT),
        (text("split.json", {"train": [1]}), text("split.json", {"train": [2]}), DIFFERENT, WITHIN),
        (text("card.md", "error 0.5000001 yards"), text("card.md", "error 0.5 yards"), WITHIN, WITHIN),
        (text("card.md", "error 0.5 yards"), text("card.md", "error 0.5 metres"), DIFFERENT, WITHIN),
        (text("card.md", "one\n"), text("card.md", "one\ntwo\n"), DIFFERENT, WITHIN),
        (text("odd.bin", "a"), text("odd.bin", "b"), DIFFERENT, WITHIN),
        (table(SAME), table(SAME | {"x": [1.00001, None]}), WITHIN, WITHIN),
        (table(SAME), table(SAME | {"x": [1.1, None]}), DIFFERENT, WITHIN),
        (table(SAME), table(SAME | {"x": [1.0, 5.0]}), DIFFERENT, WITHIN),
        (table(SAME), table(SAME | {"id": [1, 3]}), DIFFERENT, WITHIN),
        (table(SAME), table({"id": [1], "x": [1.0]}), DIFFERENT, DIFFERENT),
        (table(SAME), table(SAME | {"y": [1.0, 2.0]}), DIFFERENT, DIFFERENT),
        (text("a.json", "1"), text("b.json", "1"), DIFFERENT, DIFFERENT),
    ],
)
def test_each_kind_of_file(
    judged: Callable[..., Likeness], before: Write, now: Write, strict: str, loose: str, tmp_path: Path
) -> None:
    found = judged(before, now)
    assert found.verdict == strict, found
    again = compared(tmp_path, loose=True)
    assert again.verdict == loose, again
    assert bool(found.differences) == (strict == DIFFERENT)


def test_says_which_numbers_and_by_how_much(judged: Callable[..., Likeness]) -> None:
    found = judged(arrays(w=[1.0, 2.0], v=[0.0]), arrays(w=[1.5, 2.0], v=[0.0]))
    assert found.differences == ("weights.safetensors: 1 of 3 numbers are outside the tolerance, most in w (by 0.5)",)


def test_of_a_training_the_weights_are_judged_and_not_its_curves_or_state(judged: Callable[..., Likeness]) -> None:
    def training(weight: float) -> Write:
        def write(folder: Path) -> None:
            arrays(w=[weight])(folder)
            (folder / "weights.safetensors").rename(folder / "training_state.safetensors")
            arrays(w=[1 + weight / 1000])(folder)
            (folder / "curves.json").write_text(str(weight))

        return write

    found = judged(training(1.0), training(5.0), seed=0)
    assert found.verdict == WITHIN
    assert found.not_compared == ("curves.json", "training_state.safetensors")


def test_pictures_beside_numbers_and_the_torch_form_beside_the_network_are_not_judged(
    judged: Callable[..., Likeness],
) -> None:
    def write(mark: str) -> Write:
        def both(folder: Path) -> None:
            (folder / "curve.svg").write_text(mark)
            (folder / "values.json").write_text("1")

        return both

    found = judged(write("a"), write("b"))
    assert (found.verdict, found.not_compared) == (WITHIN, ("curve.svg",))


def test_a_picture_alone_is_judged_by_its_bytes(judged: Callable[..., Likeness]) -> None:
    assert judged(text("frame.png", "a"), text("frame.png", "b")).verdict == DIFFERENT


def network(weight: float, operator: str = "Add", note: str = "") -> Write:
    def write(folder: Path) -> None:
        from onnx import TensorProto, helper

        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
        weights = [helper.make_tensor("w", TensorProto.FLOAT, [1], [weight])]
        graph = helper.make_graph(
            [helper.make_node(operator, ["x", "w"], ["y"])], "toy", ends[:1], ends[1:], initializer=weights
        )
        model = helper.make_model(graph)
        helper.set_model_props(model, {"about": note})
        (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
        (folder / "model.pt2").write_text(str((weight, operator, note)))

    return write


def test_networks_are_compared_by_operators_weights_and_what_they_say(judged: Callable[..., Likeness]) -> None:
    found = judged(network(1.0), network(1.02), loose=True)
    assert (found.verdict, found.not_compared) == (WITHIN, ("model.pt2",))


@pytest.mark.parametrize("now", [network(1.02), network(1.0, "Mul"), network(1.0, note="other")])
def test_networks_that_differ(judged: Callable[..., Likeness], now: Write) -> None:
    assert judged(network(1.0), now).verdict == DIFFERENT


def test_a_text_that_names_an_input_by_its_new_version_is_the_same_text(tmp_path: Path) -> None:
    comparison = Comparison()
    comparison.learn("a" * 64, "b" * 64)
    folders = tmp_path / "before", tmp_path / "now"
    for folder, digit in zip(folders, "ab", strict=True):
        folder.mkdir()
        (folder / "card.md").write_text(f"made from {digit * 64}, in short {digit * 12}\n")
    found = compared(tmp_path, comparison)
    assert found.verdict == WITHIN


def test_without_the_recorded_files_the_figures_of_a_training_decide(tmp_path: Path) -> None:
    arrays(w=[1.0])(tmp_path)
    now = record(tmp_path, seed=0, facts={"best_value": 0.5, "seconds": 9.0})
    files = [file.model_copy(update={"sha256": "0" * 64}) for file in now.files]
    other = {"version": "0" * 64, "files": files}
    for value, verdict in ((0.503, WITHIN), (0.6, DIFFERENT)):
        before = now.model_copy(update={**other, "facts": {"best_value": value, "seconds": 1.0}})
        found = Comparison().of(before, now, (tmp_path / "gone", tmp_path), loose=False)
        assert found.verdict == verdict
        assert "recorded files are not here (weights.safetensors)" in found.notes[0]
    data = now.model_copy(update={**other, "seed": None})
    assert Comparison().of(data, now, (tmp_path / "gone", tmp_path), loose=False).verdict == DIFFERENT, (
        "its bytes are all we know"
    )


def test_rows_and_blocking_checks_count_and_warnings_are_noted(tmp_path: Path) -> None:
    text("x.json", "1")(tmp_path)
    checks = [
        RecordedCheck(name="hard", passed=True, blocking=True),
        RecordedCheck(name="soft", passed=True, blocking=False),
    ]
    before = record(tmp_path, checks=checks, rows=3)
    soft = before.model_copy(update={"checks": [checks[0], checks[1].model_copy(update={"passed": False})]})
    found = Comparison().of(before, soft, (tmp_path, tmp_path), loose=False)
    assert (found.verdict, found.notes) == (IDENTICAL, ("check soft passed, now it fails",))
    hard = before.model_copy(update={"checks": [checks[0].model_copy(update={"passed": False})], "rows": 4})
    found = Comparison().of(before, hard, (tmp_path, tmp_path), loose=False)
    assert found.differences == ("rows: 3, now 4", "check hard passed, now it fails")
    assert found.notes == ("check soft is not run any more",)


def test_reasons_name_code_settings_and_environment(tmp_path: Path) -> None:
    text("x.json", "1")(tmp_path)
    now = record(tmp_path, config={"a": {"b": 1}, "device": "cpu"})
    then = now.environment.model_copy(
        update={"packages": {**now.environment.packages, "numpy": "1.0", "gone": "2"}, "device": "cuda:0"}
    )
    before = now.model_copy(
        update={"code_version": "0", "config": {"a": {"b": 2}, "device": None}, "environment": then}
    )
    found = [reason.what for reason in reasons(before, now)]
    assert found == ["code version", "configuration: a.b", "device", "package numpy", "package gone"]
