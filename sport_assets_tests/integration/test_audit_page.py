"""The page of a model in a browser: opened from a file, searched, unfolded, walked by keyboard, in the dark, printed.

It is driven in headless Chromium, and skipped where there is none. No test may see a console message or a request that
leaves the file.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sport_assets.audit.page import page as html_of
from sport_assets_tests.audit.reports import digest, season

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
SIX = ("raw_tracking", "tracking", "play_labels", "play_tensors", "embeddings", "features")
# What the page is to reach is 2 s; the limit here is for busy machines. `benchmarks/bench_page.py` measures.
INTERACTIVE_SECONDS = 10.0

Open = Callable[..., "Page"]


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium here")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages of a few weeks, of 400 partitions of each asset, and one whose texts try to become markup."""
    folder = tmp_path_factory.mktemp("pages")
    attack = season(3)
    attack["nodes"][0]["checks"][0]["name"] = attack["findings"][0]["message"] = (
        "<img src=x onerror=document.title='owned'>"
    )
    attack["raw_files"][0]["path"] = attack["nodes"][0]["raw_files"][0] = (
        "</script><script>document.title='owned'</script>"
    )
    for name, report in (("weeks", season()), ("season", season(400, SIX)), ("attack", attack)):
        (folder / f"{name}.html").write_text(html_of(report), encoding="utf-8")
    return {path.stem: path for path in folder.iterdir()}


@pytest.fixture
def opened(browser: "Browser", files: dict[str, Path]) -> Iterator[Open]:
    """Opens a page from its file; fails afterwards if it said anything or asked for anything."""
    said: list[str] = []
    contexts = []

    def open_page(name: str = "weeks", hash: str = "", **context: Any) -> "Page":
        contexts.append(browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **context}))
        found = contexts[-1].new_page()
        url = files[name].as_uri()
        found.on("console", lambda message: said.append(f"console: {message.text}"))
        found.on("pageerror", lambda error: said.append(f"error: {error}"))
        found.on(
            "request",
            lambda request: (
                None
                if request.url.split("#")[0] == url or request.url.startswith("data:")
                else said.append(request.url)
            ),
        )
        found.goto(url + hash)
        found.wait_for_selector("html[data-ready]", state="attached")
        return found

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


def search(page: "Page", text: str) -> list[str]:
    """Types into the search from anywhere, and gives what is offered."""
    page.keyboard.press("/")
    page.keyboard.type(text)
    return page.locator("#found [role=option] b").all_inner_texts()


def details(page: "Page") -> str:
    return page.locator("#details").inner_text()


def box(page: "Page", asset: str) -> Any:
    return page.locator(f".box:has(.choose .name:text-is('{asset}')), .box:has(.name span:text-is('{asset}'))").first


def focused(page: "Page") -> str:
    return str(page.evaluate("document.activeElement.innerText || document.activeElement.getAttribute('aria-label')"))


def test_opens_on_the_model_with_every_asset_and_edge_drawn(opened: Open) -> None:
    page = opened()
    assert page.locator(".box:not(.raw)").count() == 7 and page.locator(".box.raw").count() == 1
    # raw files, the chain of three, and what split, training, evaluation and export read
    assert page.locator(".edges > path").count() == 1 + 2 + 1 + 2 + 3 + 4
    assert "nfl/exported_model" in details(page) and "sanity|0" in details(page)
    assert (
        page.title()
        == f"Audit of nfl/exported_model:sanity|0 · {digest('version', 'nfl/exported_model:sanity|0')[:12]}"
    )


def test_texts_stay_texts(opened: Open) -> None:
    page = opened("attack")
    box(page, "raw_tracking").locator(".choose").click()
    assert "<img src=x" in details(page)
    search(page, "</script>")
    page.keyboard.press("Enter")
    assert "document.title" in details(page)
    assert page.locator("main img, main script").count() == 0
    assert page.title().startswith("Audit of")


def test_a_box_tells_all_that_is_known(opened: Open) -> None:
    page = opened()
    box(page, "evaluation").locator(".choose").click()
    told = details(page)
    for said in (
        "failed check overridden",
        "beats_baselines",
        "Overridden by Grace: a smoke test",
        "2 of 16",
        "evaluation.parquet",
    ):
        assert said in told, said
    assert digest("version", "nfl/evaluation:sanity|0") in told
    page.locator("#details a", has_text="nfl/checkpoint:sanity|0").first.click()
    assert "training.max_epochs" in details(page)
    assert page.locator(".box.chosen .name").inner_text() == "checkpoint"


def test_partitions_unfold_and_lead_to_their_details(opened: Open) -> None:
    page = opened()
    tracking = box(page, "tracking")
    tracking.locator(".expand").click()
    rows = tracking.locator("[role=option]")
    assert rows.count() == 4
    assert rows.nth(1).inner_text().split("\n") == ["2000-w02", "12,001 rows · 7 quarantined"]
    rows.nth(2).click()
    assert "Withdrawn by Ada" in details(page) and "the league asked for it" in details(page)
    tracking.locator(".expand").click()
    assert rows.count() == 0 or not rows.first.is_visible()


def test_an_asset_sums_up_its_partitions(opened: Open) -> None:
    page = opened()
    box(page, "tracking").locator(".choose").click()
    told = details(page)
    for said in ("1 withdrawn", "48,006", "values_sound", "1 warn, 3 passed", "65eabbb71b8b"):
        assert said in told, said


def test_a_finding_leads_to_its_partition(opened: Open) -> None:
    page = opened()
    page.locator("#findings a", has_text="nfl/tracking:2000-w03").click()
    assert "Withdrawn by Ada" in details(page)
    assert box(page, "tracking").locator("[role=option][aria-selected=true]").inner_text().startswith("2000-w03")


def test_search_finds_a_game_and_marks_all_that_contain_it(opened: Open) -> None:
    page = opened()
    assert search(page, "2023000102") == ["2023000102"]
    page.keyboard.press("Enter")
    marked = page.locator(".box.hit .name").all_inner_texts()
    assert marked == ["raw_tracking", "tracking", "play_tensors"]
    assert "In 3 versions of 3 assets" in details(page)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    assert page.locator(".box.hit").count() == 0


def test_search_finds_files_and_digests(opened: Open) -> None:
    page = opened()
    assert search(page, "output_2000_w02")[0] == "nfl/train/output_2000_w02.csv"
    page.keyboard.press("Enter")
    path = "nfl/train/output_2000_w02.csv"
    assert path in details(page) and digest(path) in details(page)
    assert "Stands on it (7)" in details(page), "its week, and the four that read all weeks"
    assert page.locator(".box.raw .hit").first.is_visible()

    version = digest("version", "nfl/play_tensors:2000-w04")
    assert search(page, version[:10])[0].startswith(version[:10])
    page.keyboard.press("Enter")
    assert version in details(page)
    assert page.locator(".box.chosen .name").inner_text() == "play_tensors"

    search(page, "2000-w02")
    page.keyboard.press("Enter")
    assert page.locator(".box.hit .name").all_inner_texts() == ["raw_tracking", "tracking", "play_tensors"]
    assert "2000-w02" in details(page)

    assert search(page, "tracking:2000-w0")[:2] == ["nfl/tracking:2000-w01", "nfl/tracking:2000-w02"]
    assert "Nothing here is called" in (search(page, "zzz") or page.locator("#found").inner_text())


def test_can_be_walked_by_keyboard_alone(opened: Open) -> None:
    page = opened()
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the findings"
    page.locator(".box.raw .choose").focus()
    page.keyboard.press("ArrowDown")
    assert focused(page).startswith("raw_tracking")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert "nfl" in details(page) and "tracking" in details(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "listbox"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert "2000-w03" in details(page) and "Withdrawn by Ada" in details(page)
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "false"
    assert "Details of nfl/tracking 2000-w03" in page.locator("#told").inner_text(), "what is shown is also said"
    box(page, "tracking").locator(".choose").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#details') !== null"), "Enter again goes into the details"
    page.keyboard.press("Escape")
    assert focused(page).startswith("tracking")
    page.keyboard.press("ArrowUp")
    assert focused(page).startswith("raw_tracking")
    ring = page.evaluate("getComputedStyle(document.activeElement.closest('.box')).outlineStyle")
    assert ring == "solid", "one sees where one is"


def test_everything_that_can_be_used_has_a_name(opened: Open) -> None:
    page = opened()
    for expand in page.locator(".expand").all():
        expand.click()
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, a[href], input, [role=listbox], [role=option], [role=group]')]"
        ".filter((e) => !(e.getAttribute('aria-label') || e.innerText || '').trim() && e.offsetParent !== null)"
        ".map((e) => e.outerHTML.slice(0, 120))"
    )
    assert nameless == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


# Texts with less than 4.5 : 1 between them and the paper they stand on (WCAG 2, AA).
FAINT = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const pixel = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const channel = (part) => (part <= 10.02 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([red, green, blue]) => 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
  const paper = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const found = pixel(getComputedStyle(each).backgroundColor);
      if (found[3] > 250) return found;
    }
    return [255, 255, 255];
  };
  const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  return [...document.querySelectorAll('main *, header *')]
    .filter((element) => hasText(element) && element.getClientRects().length)
    .map((element) => {
      const own = light(pixel(getComputedStyle(element).color));
      const [least, most] = [own, light(paper(element))].sort((a, b) => a - b);
      return [(most + 0.05) / (least + 0.05), element.className, element.textContent.slice(0, 40)];
    })
    .filter(([contrast]) => contrast < 4.5);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_is_readable_in_the_light_and_in_the_dark(opened: Open, scheme: str) -> None:
    page = opened(color_scheme=scheme)
    box(page, "tracking").locator(".expand").click()
    search(page, "2023000102")
    page.keyboard.press("Enter")
    assert page.evaluate(FAINT) == []


def test_the_theme_can_be_chosen(opened: Open) -> None:
    page = opened(color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.locator("#theme").click()
    assert page.evaluate(paper) == light and page.locator("#theme").inner_text() == "Theme: light"
    page.locator("#theme").click()
    assert page.evaluate(paper) != light and page.locator("#theme").inner_text() == "Theme: dark"
    page.locator("#theme").click()
    assert page.evaluate(paper) == light


def test_fits_a_narrow_screen(opened: Open) -> None:
    page = opened(viewport={"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    search(page, "2023000102")
    page.keyboard.press("Enter")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_prints_with_findings_metrics_and_digests(opened: Open) -> None:
    page = opened()
    assert page.pdf(format="A4")[:5] == b"%PDF-"
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    printed = page.locator("body").inner_text()
    for said in (
        "withdrawn by Ada",
        "0.369 to 0.451",
        digest("model.onnx"),
        digest("nfl/train/input_2000_w01.csv"),
        "1 of 4 withdrawn",
    ):
        assert said in printed, said
    assert not page.locator(".bar").is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("#printed-files").count() == 0


def test_stays_usable_with_400_partitions_per_asset(opened: Open) -> None:
    began = time.monotonic()
    page = opened("season")
    box(page, "tracking").locator(".expand").click()
    rows = box(page, "tracking").locator("[role=option]")
    rows.first.wait_for()
    assert time.monotonic() - began < INTERACTIVE_SECONDS
    assert rows.count() < 30, "only what is in sight is drawn"
    assert rows.first.get_attribute("aria-setsize") == "400"
    page.keyboard.press("End")
    box(page, "tracking").locator("[role=listbox]").focus()
    page.keyboard.press("End")
    assert rows.last.inner_text().startswith("2019-w20")
    began = time.monotonic()
    game = str(2023_000_000 + 399 * 100 + 7)
    assert search(page, game) == [game]
    page.keyboard.press("Enter")
    assert time.monotonic() - began < INTERACTIVE_SECONDS
    assert "In 6 versions of 6 assets" in details(page)
    assert page.evaluate("document.querySelectorAll('*').length") < 3_000


def test_an_address_names_a_partition(opened: Open) -> None:
    report = season()
    [node] = [node for node in report["nodes"] if node["name"] == "nfl/tracking:2000-w02"]
    page = opened(hash=f"#node={node['id']}")
    assert "2000-w02" in details(page) and "check warns" in details(page)
    page = opened(hash="#asset=nfl%2Ftracking")
    assert "1 warn, 3 passed" in details(page)
