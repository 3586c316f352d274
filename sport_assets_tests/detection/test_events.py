"""Events of both shapes come to the clock of the video; what cannot is set aside with its reason."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sport_assets.detection.errors import BadEventsError, BadInputError
from sport_assets.detection.events import CHECKS, RULES, read_events, write_events
from sport_assets.detection.schemas import EVENTS
from sport_assets.detection.video_settings import VideoSettings, read_settings
from sport_assets.lineage.quarantine import QUARANTINE_SCHEMA, failures


def annotation(position: Any, label: Any = "PASS", half: int = 1, **more: Any) -> dict[str, Any]:
    """An event as SoccerTrack's clips have it."""
    clock = f"{half} - 0:01"
    return {"gameTime": clock, "label": label, "position": position, "team": "left", "visibility": "", **more}


def write(path: Path, annotations: list[Any], indent: int | None = 1) -> Path:
    """A file of annotations."""
    content = {"UrlLocal": "", "UrlYoutube": "", "annotations": annotations}
    path.write_text(json.dumps(content, indent=indent), encoding="utf-8")
    return path


def test_annotations_are_read_by_time(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", [annotation("1760", "High Pass"), annotation(80, visibility="visible")])
    found = read_events(path, duration_s=10)
    assert not len(found.quarantined) and found.table.schema == pl.Schema(EVENTS.types)
    assert not len(failures(found.table, EVENTS))
    assert found.table.to_dicts() == [
        {"event": 2, "label": "PASS", "team": "left", "player": None, "half": 1, "game_clock_s": 1.0, "time_ms": 80.0,
         "visibility": "visible"},
        {"event": 1, "label": "HIGH PASS", "team": "left", "player": None, "half": 1, "game_clock_s": 1.0,
         "time_ms": 1760.0, "visibility": None},
    ]  # fmt: skip


def test_actions_are_read_in_seconds(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    action = {"time": 12.52, "event_class": "Throw In", "team": None, "player_id": 10}
    path.write_text(json.dumps({"match_id": "117093", "fps": 25.0, "actions": [action]}), encoding="utf-8")
    found = read_events(path, duration_s=20)
    assert found.table.select("label", "team", "player", "half", "time_ms").row(0) == (
        *("THROW IN", None, "10", None),
        12520.0,
    )
    assert read_events(path, duration_s=20, settings=VideoSettings(half_offset_s=10)).table["time_ms"][0] == 2520


def test_offset_is_what_the_clock_reads_at_the_first_frame(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", [annotation("2700000", half=2), annotation("2701500", half=2)])
    found = read_events(path, duration_s=5, settings=VideoSettings(half_offset_s=2700))
    assert found.table["time_ms"].to_list() == [0, 1500]


DEFECTS: dict[str, tuple[Any, str, str]] = {
    "no object": ("PASS", "not_an_event", "PASS"),
    "no label": ({"gameTime": "1 - 0:01", "position": "80"}, "no_label", "missing"),
    "blank label": (annotation("80", "  "), "no_label", "  "),
    "label that is a number": (annotation("80", 7), "no_label", "7"),
    "no position": ({"gameTime": "1 - 0:01", "label": "PASS"}, "no_position", "missing"),
    "empty position": (annotation(""), "no_position", ""),
    "position that is a word": (annotation("soon"), "wrong_position", "soon"),
    "position that is a clock": (annotation("0:08"), "wrong_position", "0:08"),
    "position that is infinite": (annotation("inf"), "wrong_position", "inf"),
    "position that is a list": (annotation([80]), "wrong_position", "[80]"),
    "position that is true": (annotation(True), "wrong_position", "True"),
    "before the video": (annotation("-40"), "before_video", "-40"),
    "after the video": (annotation("10001"), "after_video", "10001"),
}


@pytest.mark.parametrize("kind", DEFECTS)
def test_defective_event_is_set_aside_with_its_reason_and_line(tmp_path: Path, kind: str) -> None:
    entry, rule, value = DEFECTS[kind]
    path = write(tmp_path / "a.json", [annotation("80"), entry, annotation("120")])
    found = read_events(path, duration_s=10)
    assert found.table["event"].to_list() == [1, 3] and found.quarantined.schema == pl.Schema(QUARANTINE_SCHEMA)
    (row,) = found.quarantined.to_dicts()
    assert (row["rule"], row["value"], row["file"]) == (rule, value, "a.json") and rule in RULES
    assert json.loads(row["row"]) == {"event": 2, "entry": entry}
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[row["line"] - 1].strip() == ('"PASS",' if kind == "no object" else "{")
    assert row["line"] > 5


def test_lines_are_found_in_any_layout(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(
        '\ufeff\n{ "annotations" :\n[1,\n\n2, {"}": "]"}\n,3 ] ,"UrlLocal": {"annotations": [0]}}', encoding="utf-8"
    )
    assert read_events(path).quarantined["line"].to_list() == [3, 5, 5, 6]
    assert read_events(write(path, [], indent=None)).count == 0


def test_events_of_another_half_are_set_aside_where_the_half_is_said(tmp_path: Path) -> None:
    events = [annotation("80"), annotation("90", half=2), annotation("95", gameTime="?"), annotation("100")]
    path = write(tmp_path / "a.json", events)
    found = read_events(path, duration_s=10, settings=VideoSettings(half=1))
    assert found.table["event"].to_list() == [1, 4] and found.one_clock
    assert found.quarantined["rule"].to_list() == ["other_half", "no_half"]


def test_halves_that_both_count_from_zero_fail_a_check_until_the_half_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", [annotation("80"), annotation("9000"), annotation("100", half=2)])
    failed = {c.name for c in write_events("a", path, tmp_path, duration_s=10).checks if not c.passed}
    assert failed == {"one_clock"} and CHECKS["one_clock"][0]
    report = write_events("a", path, tmp_path, duration_s=10, settings=VideoSettings(half=2))
    assert {c.name for c in report.checks if not c.passed} == {"events_in_video"} and report.facts["events"] == 1
    running = write(tmp_path / "b.json", [annotation("80"), annotation("2700000", half=2)])
    assert read_events(running).one_clock


def test_video_without_events_has_an_empty_table(tmp_path: Path) -> None:
    report = write_events("a", None, tmp_path, duration_s=10)
    assert all(check.passed for check in report.checks) and report.facts["has_events_file"] is False
    assert pl.read_parquet(tmp_path / "events.parquet").schema == pl.Schema(EVENTS.types)
    assert pl.read_parquet(tmp_path / "quarantine.parquet").schema == pl.Schema(QUARANTINE_SCHEMA)


def test_report_counts_what_was_set_aside_also_in_a_file_of_one_line(tmp_path: Path) -> None:
    events = [annotation("80"), annotation("x"), annotation("y"), annotation("99999")]
    report = write_events("m", write(tmp_path / "a.json", events, indent=None), tmp_path, duration_s=10)
    assert report.quarantined == 3 == len(pl.read_parquet(tmp_path / "quarantine.parquet"))
    assert report.facts["set_aside"] == {"after_video": 1, "wrong_position": 2}
    assert [check.name for check in report.checks] == list(CHECKS)
    assert {c.name: c.failed for c in report.checks if not c.passed} == {"events_well_formed": 2, "events_in_video": 1}


@pytest.mark.parametrize(("defects", "passed"), [(2, True), (3, False)])
def test_share_of_defects_that_is_borne(tmp_path: Path, defects: int, passed: bool) -> None:
    events = [annotation("x")] * defects + [annotation("80")] * (10 - defects)
    checks = write_events("a", write(tmp_path / "a.json", events), tmp_path, duration_s=10).checks
    assert checks[0].passed == passed and checks[0].blocking


def test_wrong_offset_that_leaves_no_event_fails_a_blocking_check(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", [annotation("80"), annotation("120")])
    report = write_events("a", path, tmp_path, duration_s=10, settings=VideoSettings(half_offset_s=2700))
    failed = {check.name for check in report.checks if check.blocking and not check.passed}
    assert failed == {"some_event_in_video"}


def test_unknown_label_is_kept_and_told(tmp_path: Path) -> None:
    report = write_events("a", write(tmp_path / "a.json", [annotation("80", "DANCE")]), tmp_path, duration_s=10)
    assert report.facts["labels"] == {"DANCE": 1}
    assert {check.name: dict(check.rules) for check in report.checks if not check.passed} == {
        "labels_known": {"DANCE": 1}
    }


def test_the_same_events_give_the_same_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", [annotation("80"), annotation("x")])
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write_events("a", path, tmp_path / folder, duration_s=10)
    for name in ("events.parquet", "quarantine.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


BAD_FILES = {
    "not JSON": (b'{"annotations": [', "not JSON"),
    "empty": (b"", "not JSON"),
    "not UTF-8": (b'{"annotations": ["\xff"]}', "not UTF-8"),
    "nested without end": (b"[" * 100_000, "not JSON"),
    "a list": (b"[]", "a list, not an object"),
    "neither shape": (b'{"events": []}', "neither shape .its keys: events"),
    "both shapes": (b'{"annotations": [], "actions": []}', "both shapes"),
    "annotations that are no list": (b'{"annotations": {}}', "annotations is a dict, not a list"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_file_that_is_no_file_of_events_is_refused(tmp_path: Path, kind: str) -> None:
    data, said = BAD_FILES[kind]
    path = tmp_path / "bad.json"
    path.write_bytes(data)
    with pytest.raises(BadEventsError, match=said) as error:
        read_events(path)
    assert str(path) in str(error.value)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadEventsError, match="cannot be read"):
        read_events(tmp_path / "missing.json")


BAD_SETTINGS = {
    "not JSON": (b"{", "Invalid JSON"),
    "a list": (b"[1]", "object"),
    "an unknown name": (b'{"offset": 3}', "offset: Extra inputs"),
    "a text": (b'{"half_offset_s": "2700"}', "half_offset_s: Input should be a valid number"),
    "half 0": (b'{"half": 0}', "half: Input should be greater"),
    "not a number": (b'{"half_offset_s": NaN}', "half_offset_s"),
}


@pytest.mark.parametrize("kind", BAD_SETTINGS)
def test_bad_settings_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    data, said = BAD_SETTINGS[kind]
    path = tmp_path / "a.settings.json"
    path.write_bytes(data)
    with pytest.raises(BadInputError, match=said) as error:
        read_settings(path)
    assert str(path) in str(error.value) and "half_offset_s, half, teacher, all optional" in str(error.value)


def test_settings_come_back_as_written(tmp_path: Path) -> None:
    path = tmp_path / "a.settings.json"
    for settings in (VideoSettings(half_offset_s=2700.5, half=2), VideoSettings()):
        path.write_text(settings.text(), encoding="utf-8")
        assert read_settings(path) == settings
    assert read_settings(None) == VideoSettings()
