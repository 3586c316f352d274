"""What a page of 400 partitions per asset costs: making it, its size, and the time until it can be used.

The time is Chromium's own clock, from the start of the navigation until every box can be clicked and searched.
"""

import shutil
import statistics
import tempfile
import time
from pathlib import Path

from sport_assets.audit.page import page
from sport_assets_tests.audit.reports import season

ASSETS = ("raw_tracking", "tracking", "play_labels", "play_tensors", "embeddings", "features")
PARTITIONS = (18, 400)
RUNS = 5
GOAL_BYTES = 5_000_000
GOAL_SECONDS = 2.0


def main() -> None:
    """Print the figures."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder:
        for partitions in PARTITIONS:
            report = season(partitions, ASSETS)
            began = time.perf_counter()
            html = page(report)
            made = time.perf_counter() - began
            path = Path(folder) / f"{partitions}.html"
            path.write_text(html, encoding="utf-8")
            size = path.stat().st_size
            print(
                f"{partitions} partitions of {len(ASSETS)} assets, {len(report['nodes']):,} in all: "
                f"made in {made:.2f} s, {size / 1e6:.2f} MB (goal: {GOAL_BYTES / 1e6:.0f})"
            )
            if chromium is None:
                print("    no Chromium here")
            else:
                _browse(path, chromium)


def _browse(path: Path, chromium: str) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        ready, found = [], []
        for _ in range(RUNS):
            opened = browser.new_page(viewport={"width": 1440, "height": 900})
            opened.goto(path.as_uri())
            opened.wait_for_selector("html[data-ready]", state="attached")
            ready.append(opened.evaluate("performance.now()") / 1000)
            began = time.perf_counter()
            opened.keyboard.press("/")
            opened.keyboard.insert_text("2023000507")
            opened.locator("#found [role=option]").first.wait_for()
            found.append(time.perf_counter() - began)
            opened.close()
        browser.close()
    print(
        f"    interactive in {statistics.median(ready):.2f} s, at most {max(ready):.2f} (goal: {GOAL_SECONDS:.0f}); "
        f"a game found in {statistics.median(found):.2f} s; medians of {RUNS}"
    )
