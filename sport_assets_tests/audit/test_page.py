"""The page as text: what it says, that nothing in it can become markup, that it is the same twice, and small."""

import copy
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from sport_assets.audit.page import page
from sport_assets.audit.page.layers import Cell, layers
from sport_assets.audit.page.pack import IDENTIFIERS, pack
from sport_assets.audit.page.portable import without_circumstances
from sport_assets.audit.page.sections import figure, size, text
from sport_assets_tests.audit.reports import check, digest, season

SIX = ("raw_tracking", "tracking", "play_labels", "play_tensors", "embeddings", "features")
HOSTILE = "</script><img src=x onerror=alert(1)>'\"&<!--{{ 7*7 }}"


class Tags(HTMLParser):
    """Tags and attributes of a page, the text of its scripts, and the text that people see."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._inside = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts.append(data)
        elif self._inside != "style":
            self.text += f"{data} "


def data(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, flags=re.DOTALL)
    assert found is not None
    content: dict[str, Any] = json.loads(found[1])
    return content


def hostile(value: Any) -> Any:
    """A report in which every text that comes from outside tries to break out."""
    if isinstance(value, dict):
        return {key: hostile(each) for key, each in value.items()}
    if isinstance(value, list):
        return [hostile(each) for each in value]
    return (
        f"{value}{HOSTILE}" if value and isinstance(value, str) and value not in ("error", "warning", "note") else value
    )


def test_says_what_matters_before_any_script_runs() -> None:
    seen = " ".join(Tags(page(season())).text.split())
    for said in (
        "1 error 2 warnings 1 note",
        "Withdrawn input nfl/tracking:2000-w03 withdrawn by Ada: the league asked for it",
        "overridden by Grace: a smoke test",
        "ada on workstation",
        "and the working tree differed from it",
        "full.ade 0.410 0.369 to 0.451",
        "Damped landing",
        "1 of 4 withdrawn",
        "1 of 4 standing on withdrawn data",
        "48,006 rows · 7 quarantined",
        "the train side of the split",
        digest("model.onnx"),
    ):
        assert said in seen, said


def test_a_figure_is_told_once() -> None:
    report = season()
    report["evaluation"]["facts"] |= {"ade_full": 0.41, "worst_play": [7, 8], "games": 4}
    seen = Tags(page(report)).text
    assert "Ade full" not in seen and "Worst play" in seen and "Games" in seen


def test_findings_lead_to_their_partition() -> None:
    report = season()
    links = {attributes.get("href") for tag, attributes in Tags(page(report)).tags if tag == "a"}
    assert {f"#node={finding['node']}" for finding in report["findings"]} <= links


def test_many_findings_of_one_kind_are_folded() -> None:
    report = season(40)
    for node in report["nodes"][:30]:
        report["findings"].append(
            {
                "kind": "stale_input",
                "severity": "warning",
                "node": node["id"],
                "name": node["name"],
                "message": "old",
                "remedy": "build",
            }
        )
    parsed = Tags(page(report))
    [more] = [attributes["data-findings"] for _, attributes in parsed.tags if "data-findings" in attributes]
    assert more is not None and len(more.split()) == 25
    assert parsed.text.count("build") < 5, "one remedy for all is said once"


def test_nothing_in_a_report_becomes_markup() -> None:
    plain, attacked = Tags(page(season())), Tags(page(hostile(season())))
    assert [tag for tag, _ in attacked.tags] == [tag for tag, _ in plain.tags]
    names = {name for _, attributes in attacked.tags for name in attributes}
    assert names == {name for _, attributes in plain.tags for name in attributes}
    assert not [name for name in names if name.startswith("on")]
    assert "{{ 7*7 }}" in attacked.text and "49" not in attacked.text.split("{{")[1]
    assert data(page(hostile(season())))["assets"][0] == f"nfl/raw_tracking{HOSTILE}"


def test_only_its_own_script_and_style_may_run() -> None:
    import base64
    import hashlib

    parsed = Tags(page(season()))
    policy = next(a["content"] for tag, a in parsed.tags if tag == "meta" and a.get("http-equiv"))
    assert policy is not None and policy.startswith("default-src 'none'") and "unsafe" not in policy
    own = base64.b64encode(hashlib.sha256(parsed.scripts[-1].encode()).digest()).decode()
    assert f"script-src 'sha256-{own}'" in policy
    outside = [a for _, a in parsed.tags for name in ("src", "href") if re.match(r"(https?:)?//", a.get(name) or "")]
    assert outside == []


def test_the_same_report_gives_the_same_page() -> None:
    assert page(season()) == page(copy.deepcopy(season()))


def elsewhere(report: dict[str, Any]) -> dict[str, Any]:
    """The same model made by somebody else, later, on another machine, in another order."""
    text = json.dumps(report)
    for node in report["nodes"]:
        text = text.replace(node["id"], f"99{node['id'][2:]}")
    for before, after in (("2026-", "2031-"), ('"ada"', '"eve"'), ("workstation", "cluster"), ("fbafc85f", "00000000")):
        assert before in text
        text = text.replace(before, after)
    again: dict[str, Any] = json.loads(text)
    again["model"]["made"]["threads"] = 64
    again["training"][0]["facts"]["seconds"] = 2.5
    # of the partitions of an asset, records are numbered as chance has it
    weeks, rest = again["nodes"][:-4], again["nodes"][-4:]
    again["nodes"] = [node for place in range(3) for node in reversed(weeks[place::3])] + rest
    for node in again["nodes"]:
        node |= {"device": "cuda", "git_commit": None, "withdrawn": None, "newer_version": digest("later"), "facts": {}}
    again["raw_files"].reverse()
    again["findings"] = [finding for finding in again["findings"] if finding["kind"] == "overridden_check"]
    again["head"] = {"records": 9_999, "hash": digest("elsewhere")}
    return again


def test_the_stores_page_depends_on_versions_alone() -> None:
    first, second = season(), elsewhere(season())
    assert page(first) != page(second)
    assert page(first, for_store=True) == page(second, for_store=True)


def test_the_stores_page_changes_with_what_the_model_is() -> None:
    report = season()
    report["nodes"][0]["checks"][0]["failed"] = 1
    assert page(report, for_store=True) != page(season(), for_store=True)


@pytest.mark.parametrize("circumstance", ["2026-11", "workstation", "Ada", "fbafc85", "00000001-", "7af582bb", "25.7"])
def test_the_stores_page_carries_no_circumstance(circumstance: str) -> None:
    assert circumstance in page(season())
    assert circumstance not in page(season(), for_store=True)


def test_what_was_marked_later_is_not_on_the_stores_page() -> None:
    marked = season()
    for node in marked["nodes"][3:]:
        node["checks"].append(check("untainted", passed=False, failed=1))
        node["identifiers"] = (node["identifiers"] or {}) | {"error": "/home/ada: the row index is gone"}
    marked["counts"]["checks"] += len(marked["nodes"]) - 3
    assert page(marked, for_store=True) == page(season(), for_store=True)
    assert "with failed checks" not in Tags(page(marked)).text, "standing on withdrawn data is said once"


def test_versions_made_twice_are_one_node_in_the_store() -> None:
    report = season()
    again = copy.deepcopy(report["nodes"][1]) | {"id": "00000099-abc"}
    report["nodes"].insert(2, again)
    report["nodes"][-1]["inputs"].append("00000099-abc")
    assert len(without_circumstances(report)["nodes"]) == len(season()["nodes"])


def test_is_small_with_400_partitions_of_six_assets() -> None:
    html = page(season(400, SIX))
    assert len(data(html)["nodes"]["rows"]) == 2_404
    assert len(html.encode()) < 3_000_000


def test_identifiers_give_way_before_the_page_grows_too_large() -> None:
    report = season(400, SIX)
    for number, node in enumerate(report["nodes"][:-4]):
        plays = [f"{2023_000_000 + number},{play}" for play in range(390)]
        node["identifiers"]["game_id,play_id"] = {"count": 390, "values": plays}
    packed = pack(report).data
    assert sum(len(json.dumps(value)) for value in packed["pool"] if isinstance(value, list)) < IDENTIFIERS * 1.1
    columns = packed["nodes"]["columns"].index("identifiers")
    last = packed["nodes"]["rows"][2_000][columns]
    assert last["game_id,play_id"] == [390, None], "how many there are is still said"
    assert len(packed["pool"][last["game_id"][1]]) == 16, "games are found all the same"
    assert len(page(report).encode()) < 5_000_000


def cells(reads: list[set[int]]) -> list[list[tuple[int, bool]]]:
    return [[(c.box, c.lane) for c in (*row.left, *row.middle, *row.right)] for row in layers(reads)]


def test_rows_lead_down_to_the_model_and_edges_pass_by_in_lanes() -> None:
    # 0 -> 1 -> 2 -> 3, and 0 -> 3
    assert cells([set(), {0}, {1}, {2, 0}]) in (
        [[(0, False)], [(1, False), (0, True)], [(2, False), (0, True)], [(3, False)]],
        [[(0, False)], [(0, True), (1, False)], [(0, True), (2, False)], [(3, False)]],
    )


def test_a_source_stands_right_above_what_reads_it() -> None:
    rows = layers([set(), {0}, {1}, {2, 4}, set()])
    assert Cell(4, False) in [*rows[2].left, *rows[2].middle, *rows[2].right]


def test_order_avoids_crossings() -> None:
    # two chains that would cross if rows kept the order of their numbers
    rows = cells([set(), set(), {1}, {0}, {2, 3}])
    assert [box for box, _ in rows[0]] == [0, 1] and [box for box, _ in rows[1]] == [3, 2]


def test_an_asset_that_continues_itself_and_a_circle_are_drawn_all_the_same() -> None:
    assert sorted(box for row in cells([{0, 2}, {0}, {1}]) for box, lane in row if not lane) == [0, 1, 2]


def test_a_report_with_next_to_nothing_is_a_page() -> None:
    report = season(1)
    report |= {"evaluation": None, "training": [], "findings": [], "raw_files": [], "head": None}
    report["nodes"] = [report["nodes"][-1] | {"checks": [], "findings": [], "inputs": ["00000001-gone"], "rows": None}]
    report["model"] |= {"partition": None, "files": [], "made": None}
    html = page(report)
    assert "No</b> findings" in html and "no rows counted" in html
    assert data(html)["nodes"]["rows"][0][data(html)["nodes"]["columns"].index("inputs")] == ["00000001-gone"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.12345678, "0.1235"), (31369, "31,369"), (True, "yes"), (None, "none"), ([4, 5], "4, 5"), (1e-7, "1e-07")],
)
def test_values_are_written_for_people(value: Any, shown: str) -> None:
    assert text(value) == shown


def test_an_interval_has_the_digits_of_its_figure() -> None:
    assert figure({"value": 0.41, "low": 0.36912, "high": 0.4512}) == {"value": "0.410", "interval": "0.369 to 0.451"}
    assert figure({"value": 812.3, "low": 800.11, "high": 820.4})["interval"] == "800 to 820"
    assert figure(None) == {"value": "", "interval": ""}
    assert [size(n) for n in (12, 4_812_034, 3_900_000_000)] == ["12 B", "4.8 MB", "3.9 GB"]
