"""`reproduce` on the toy line: what comes out the same, what does not and why, and what stops it."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

from sport_assets.audit.chain import Chain, walk
from sport_assets.audit.records import LedgerRecords
from sport_assets.lineage.errors import LineageError, RawFileMissing, StoreDamaged
from sport_assets.lineage.gate import override
from sport_assets.lineage.home import Home
from sport_assets.lineage.manifest import RawFile, Withdrawn
from sport_assets.lineage.store import Store
from sport_assets.orchestration.likeness import DIFFERENT, IDENTICAL
from sport_assets.orchestration.recorded import Recorded
from sport_assets.orchestration.reproduce import Reproduction
from sport_assets.orchestration.reproduced import FAILED, NOT_MADE, TAKEN_OVER, Result
from sport_assets.orchestration.scratch import Scratch
from sport_assets_tests.orchestration import toy_line
from sport_assets_tests.orchestration.toy_home import ToyHome, toy_home

MODEL = ("toy/model_card", "small|0")


def chain_of(toy: ToyHome, key: str, partition: str | None = None) -> Chain:
    """The chain of the newest version of a partition."""
    with toy.lineage() as lineage:
        return walk(LedgerRecords(lineage), toy.latest(key, partition).id)


def reproduce(
    toy: ToyHome, chain: Chain, into: Path, *folders: Path, home: Home | None = None, from_checkpoint: bool = False
) -> Result:
    """As `sport-assets reproduce` does it."""
    home = home or toy.home
    known = Recorded(chain, [Store(home.store)], home.records, home.data)
    made = Reproduction(toy_line.DEFS, known, Scratch(into, chain.target.made.id), folders)
    return made.run(from_checkpoint=from_checkpoint)


def verdicts(result: Result) -> dict[str, str]:
    return {str(outcome.step): outcome.verdict for outcome in result.outcomes}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, empty_home: Path) -> Iterator[ToyHome]:
    """A model that was trained on d1, continued, and evaluated on d1 and d3 with a factor that was set."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copytree(empty_home, folder, dirs_exist_ok=True)
    with toy_home(folder) as made:
        made.build("toy/checkpoint", "small|0", "factor=2")
        first = made.latest("toy/checkpoint", "small|0").version
        made.build(*MODEL, "factor=2", f"resume_from={first[:10]}", "training.max_epochs=3")
        yield made


def test_a_model_from_raw_files_that_lie_elsewhere(trained: ToyHome, tmp_path: Path) -> None:
    chain = chain_of(trained, *MODEL)
    elsewhere = tmp_path / "elsewhere" / "deep"
    elsewhere.mkdir(parents=True)
    for number, path in enumerate(sorted((trained.home.data / "toy").iterdir())):
        shutil.copyfile(path, elsewhere / f"other-name-{number}")
    (elsewhere / "same-size").write_text("x" * (elsewhere / "other-name-0").stat().st_size)
    home = Home(trained.home.root, tmp_path / "nothing")
    before = dict(os.environ)
    records = sorted(trained.home.records.rglob("*.json"))
    result = reproduce(trained, chain, tmp_path / "into", elsewhere.parent, home=home)
    assert {outcome.verdict for outcome in result.outcomes} == {IDENTICAL}, result.as_json()
    assert [outcome.recorded for outcome in result.outcomes] == [outcome.reproduced for outcome in result.outcomes]
    assert [str(outcome.step) for outcome in result.outcomes].count("toy/checkpoint:small|0") == 2, "and its ancestor"
    assert result.verdict == IDENTICAL and result.first is None
    assert dict(os.environ) == before
    assert sorted(trained.home.records.rglob("*.json")) == records, "the user's home is not written"
    assert (tmp_path / "into" / "data" / "toy" / "d1.csv").is_symlink()


def test_a_model_from_its_checkpoint_makes_only_what_follows_it(trained: ToyHome, tmp_path: Path) -> None:
    chain = chain_of(trained, *MODEL)
    chain = replace(chain, steps=chain.steps[1:])  # nor is the first record needed
    home = Home(trained.home.root, tmp_path / "no raw files at all")
    result = reproduce(trained, chain, tmp_path / "into", home=home, from_checkpoint=True)
    after = {"toy/evaluation:small|0", "toy/exported_model:small|0", "toy/model_card:small|0"}
    assert {name for name, verdict in verdicts(result).items() if verdict == IDENTICAL} == after
    assert {verdict for name, verdict in verdicts(result).items() if name not in after} == {TAKEN_OVER}
    assert result.verdict == IDENTICAL


def test_from_a_checkpoint_whose_files_were_altered_or_freed(trained: ToyHome, tmp_path: Path) -> None:
    chain = chain_of(trained, *MODEL)
    copy = Home(tmp_path / "copy", trained.home.data)
    shutil.copytree(trained.home.root, copy.root)
    folder = copy.store / trained.folder("toy/checkpoint", "small|0").relative_to(trained.home.store)
    for path in (folder, folder / "curves.json"):
        path.chmod(0o755)
    (folder / "curves.json").write_text("{}")
    with pytest.raises(StoreDamaged, match="not the files that were recorded"):
        reproduce(trained, chain, tmp_path / "one", home=copy, from_checkpoint=True)
    shutil.rmtree(folder)
    with pytest.raises(LineageError, match=r"toy/checkpoint:small\|0: its files are not in .*reproduce from raw"):
        reproduce(trained, chain, tmp_path / "two", home=copy, from_checkpoint=True)


def test_there_is_no_checkpoint_to_begin_from(trained: ToyHome, tmp_path: Path) -> None:
    with pytest.raises(LineageError, match="toy/split stands on no checkpoint"):
        reproduce(trained, chain_of(trained, "toy/split"), tmp_path / "one", from_checkpoint=True)
    with pytest.raises(LineageError, match="itself a checkpoint"):
        reproduce(trained, chain_of(trained, "toy/checkpoint", "small|0"), tmp_path / "two", from_checkpoint=True)


def test_another_code_is_named_at_the_first_asset_that_differs(
    toy: ToyHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy.build("toy/split")
    chain = chain_of(toy, "toy/split")
    older = {"code_version": "older", "environment": chain.target.made.environment.model_copy(update={"python": "3.0"})}
    chain = altered(chain, "toy/clean", older)
    schema = pa.DataFrameSchema({"value": pa.Column(pl.Float64, pa.Check.in_range(0, 2.5, error="range"))})
    monkeypatch.setattr(toy_line, "SCHEMA", schema)
    result = reproduce(toy, chain, tmp_path / "into")
    assert verdicts(result) == {
        "toy/raw:d1": IDENTICAL,
        "toy/raw:d3": IDENTICAL,
        "toy/clean:d1": DIFFERENT,
        "toy/clean:d3": DIFFERENT,
        "toy/split": IDENTICAL,
    }
    first = result.first
    assert first is not None and str(first.step) == "toy/clean:d1" and result.verdict == DIFFERENT
    assert first.differences[:2] == ("rows: 3, now 2", "quarantined rows: 1, now 2")
    assert [(reason.what, reason.before) for reason in first.reasons] == [("code version", "older"), ("python", "3.0")]
    shown = result.as_json()
    assert shown["first_difference"]["name"] == "toy/clean:d1" and shown["verdict"] == "different"


def altered(chain: Chain, key: str, update: dict[str, Any]) -> Chain:
    """The chain as if the records of an asset said something else."""
    steps = []
    for step in chain.steps:
        made = step.made.model_copy(update=update) if step.made.key == key else step.made
        steps.append(replace(step, standing=replace(step.standing, materialization=made)))
    return replace(chain, steps=tuple(steps))


def test_a_step_that_fails_leaves_what_reads_it_unmade(
    toy: ToyHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy.build("toy/split")
    monkeypatch.setattr(toy_line, "SCHEMA", None)
    result = reproduce(toy, chain_of(toy, "toy/split"), tmp_path / "into")
    found = verdicts(result)
    assert (found["toy/clean:d1"], found["toy/clean:d3"], found["toy/split"]) == (FAILED, FAILED, NOT_MADE)
    assert result.first is not None and result.first.verdict == FAILED and result.verdict == DIFFERENT
    assert "toy/clean:d1 could not be made" in result.outcomes[-1].differences[0]


def test_missing_raw_files_are_named_with_what_needs_them(toy: ToyHome, tmp_path: Path) -> None:
    toy.build("toy/split")
    chain = chain_of(toy, "toy/split")
    digest = toy.latest("toy/raw", "d1").raw_files[0].sha256
    toy.write_day("d1", 7)
    with pytest.raises(RawFileMissing, match=rf"toy/d1.csv \(SHA-256 {digest}, .*which toy/raw:d1 needs\n.*--data"):
        reproduce(toy, chain, tmp_path / "into", tmp_path)


def test_a_raw_file_that_changed_between_two_versions_is_put_back_for_each(toy: ToyHome, tmp_path: Path) -> None:
    toy.build("toy/clean", "d1")
    old = tmp_path / "old"
    shutil.copytree(toy.home.data / "toy", old)
    first = toy.latest("toy/clean", "d1")
    toy.write_day("d1", 5, 6)
    toy.build("toy/clean", "d1")
    both = [first, toy.latest("toy/clean", "d1")]
    with toy.lineage() as lineage:
        # a chain that holds both, as one that was continued would
        chains = [walk(LedgerRecords(lineage), made.id) for made in both]
    chain = replace(chains[1], steps=(*chains[0].steps, *chains[1].steps))
    result = reproduce(toy, chain, tmp_path / "into", old)
    assert [outcome.verdict for outcome in result.outcomes] == [IDENTICAL] * 4


def test_a_rejected_version_that_was_let_pass_is_let_pass_again(toy: ToyHome, tmp_path: Path) -> None:
    toy.write_day("d1", 1, "nan", "nan")
    toy.materialize("toy/raw", "d1", raise_on_error=True)
    toy.materialize("toy/clean", "d1", raise_on_error=False)
    rejected = toy.latest("toy/clean", "d1")
    assert rejected.kind == "rejected"
    with toy.lineage() as lineage:
        override(lineage.ledger, rejected.id, "few_quarantined", by="a person", reason="few rows")
    toy.materialize("toy/split", raise_on_error=True)
    result = reproduce(toy, chain_of(toy, "toy/split"), tmp_path / "into")
    assert set(verdicts(result).values()) == {IDENTICAL} and "toy/split" in verdicts(result)


def test_what_was_made_twice_alike_is_made_once(toy: ToyHome, tmp_path: Path) -> None:
    toy.build("toy/clean", "d1")
    first = toy.latest("toy/clean", "d1")
    toy.materialize("toy/clean", "d1", raise_on_error=True)
    second = chain_of(toy, "toy/clean", "d1")
    assert second.target.made.id != first.id
    with toy.lineage() as lineage:
        chain = walk(LedgerRecords(lineage), first.id)
    chain = replace(chain, steps=(*chain.steps, second.target))
    reproduce(toy, chain, tmp_path / "into")
    made = list((tmp_path / "into" / "home" / "records").rglob("0*.json"))
    assert len(made) == 2


def test_the_folder_must_be_empty_or_hold_the_same_reproduction(toy: ToyHome, tmp_path: Path) -> None:
    toy.build("toy/clean", "d1")
    chain = chain_of(toy, "toy/clean", "d1")
    with pytest.raises(LineageError, match="is not empty, and holds no reproduction of record"):
        Scratch(toy.home.root, chain.target.made.id)
    for _ in range(2):
        assert reproduce(toy, chain, tmp_path / "into").verdict == IDENTICAL
    with pytest.raises(LineageError, match="holds no reproduction of record 0"):
        Scratch(tmp_path / "into", "0")
    Scratch(tmp_path / "into", chain.target.made.id).remove()
    assert not (tmp_path / "into").exists()


def test_a_partition_or_asset_that_is_not_there_any_more(toy: ToyHome, tmp_path: Path) -> None:
    toy.build("toy/clean", "d1")
    chain = chain_of(toy, "toy/clean", "d1")
    with pytest.raises(LineageError, match=r"toy/clean:d9 was recorded, but toy/clean has no such partition.*SEASONS"):
        reproduce(toy, altered(chain, "toy/clean", {"partition": "d9"}), tmp_path / "one")
    with pytest.raises(LineageError, match="this code has no asset toy/washed"):
        reproduce(toy, altered(chain, "toy/clean", {"key": "toy/washed"}), tmp_path / "two")


def test_a_record_that_is_missing(toy: ToyHome, tmp_path: Path) -> None:
    toy.build("toy/clean", "d1")
    chain = chain_of(toy, "toy/clean", "d1")
    with pytest.raises(LineageError, match=r"toy/clean:d1 reads toy/raw:d1, whose record .* is missing"):
        reproduce(toy, replace(chain, steps=chain.steps[1:]), tmp_path / "into")


def test_a_raw_path_that_leads_out_of_the_scratch_folder_is_refused(toy: ToyHome, tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "into", "1")
    source = toy.write_day("d1", 1)
    for path in ("../outside.csv", str(tmp_path / "absolute.csv")):
        with pytest.raises(LineageError, match="must lie below the data folder"):
            scratch.place_raw({path: source})
    assert not (tmp_path / "outside.csv").exists() and not (tmp_path / "absolute.csv").exists()


def test_what_was_withdrawn_since_is_made_again_and_said(toy: ToyHome, tmp_path: Path) -> None:
    toy.materialize("toy/raw", "d1", raise_on_error=True)
    digest = toy.latest("toy/raw", "d1").raw_files[0].sha256
    with toy.lineage() as lineage:
        lineage.ledger.append(Withdrawn(raw_sha256=digest, by="a person", reason="no licence"))
    [outcome] = reproduce(toy, chain_of(toy, "toy/raw", "d1"), tmp_path / "into").outcomes
    assert (outcome.verdict, outcome.notes) == (IDENTICAL, ("withdrawn by a person: no licence",))


def test_rows_are_withdrawn_as_they_were_for_each_step(toy: ToyHome, tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "into", "1")
    with scratch.entered() as lineage:

        def told(key: str) -> list[dict[str, str]]:
            with lineage.record(key, code_version="1") as record:
                rows = record.withdrawn_rows(["game_id", "play_id"])
                record.output("x").write_text("x")
                record.publish()
            return rows

        one, two = {"game_id": "1"}, {"game_id": "2", "play_id": "3"}
        for rows in ([one], [two, one], [two], []):
            scratch.withdraw_rows("toy/clean", rows)
            assert told("toy/clean") == sorted(rows, key=lambda row: sorted(row.items()))
            assert told("toy/other") == []


def test_raw_files_are_told_apart_by_content_not_by_name(toy: ToyHome, tmp_path: Path) -> None:
    from sport_assets.lineage.digest import sha256_file
    from sport_assets.orchestration.raw_search import RawSearch

    path = toy.write_day("d1", 1, 2)
    (tmp_path / "copy.csv").write_bytes(path.read_bytes())
    wanted = RawFile(path="toy/d1.csv", sha256=sha256_file(path), size=path.stat().st_size)
    assert RawSearch(toy.home.data).find(wanted) == path
    path.write_text(path.read_text().replace("2", "3"))
    assert RawSearch(toy.home.data).find(wanted) is None
    assert RawSearch(toy.home.data, [tmp_path]).find(wanted) == tmp_path / "copy.csv"
