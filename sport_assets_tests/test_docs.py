"""Runs what the README and `docs/` tell people to type.

Belongs here: the documents as tests. Each document is one test: its shell and Python blocks run in order, as
a reader would type them, in a folder like a fresh checkout. The documents follow one another, so a page in
`docs/` may count on what the README has made. A block that cannot run here stands below a comment

    <!-- not run: the reason -->

and is listed in `NOT_RUN`, so that leaving one out is a decision that a reviewer sees.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    "README.md",
    "docs/lineage.md",
    "docs/audit.md",
    "docs/audit-page.md",
    "docs/bundle.md",
    "docs/verify.md",
    "docs/adding-a-line.md",
    "docs/troubleshooting.md",
    "docs/tuning.md",
    "docs/training.md",
    "docs/cricket-data.md",
    "docs/cricket-graph.md",
    "docs/cricket-models.md",
    "docs/cricket-stages.md",
    "docs/cricket-forecasts.md",
    "docs/detection-videos-and-labels.md",
    "docs/detection-training.md",
    "docs/reproduce.md",
    # changes the model that the others stand on, so it comes last
    "docs/withdraw.md",
]
LANGUAGES_RUN = ("bash", "python")
LANGUAGES_SHOWN = ("", "text", "json", "yaml", "csv", "diff")

# (page, first line of the block)
NOT_RUN = {
    ("README.md", "make demo"),
    ("README.md", "make test"),
    ("README.md", "make ui"),
    ("README.md", "sport-assets build cricket/model_card --partition '42|full'"),
    ("docs/tuning.md", "sport-assets tune nfl --preset production --trials 60 --timeout 14400"),
    ("docs/tuning.md", "sport-assets build nfl/model_card --partition 'production|0' --set tuned=3f9c0a71be52"),
    ("docs/cricket-stages.md", "sport-assets tune cricket"),
    (
        "docs/cricket-stages.md",
        "sport-assets build cricket/final_model --set latest_matches=null --set max_epochs=null --set hidden_dim=128 "
        "--set layers=3",
    ),
    (
        "docs/cricket-stages.md",
        "sport-assets build cricket/model_card --partition '42|hybrid' --set tuned=3f9c0a71be52",
    ),
    ("docs/cricket-forecasts.md", 'sport-assets predict cricket --model "cricket/exported_model:42|full" \\'),
    ("docs/cricket-forecasts.md", 'sport-assets simulate cricket --model "cricket/exported_model:42|full" \\'),
    ("docs/cricket-forecasts.md", "sport-assets simulate cricket --model model.onnx --state state.json"),
    ("README.md", "sport-assets add-video final_1st.mp4 final_2nd.mp4 semifinal.mp4"),
    (
        "docs/detection-videos-and-labels.md",
        "sport-assets add-video recordings/final_1st.mp4 --events recordings/final_1st.json",
    ),
    (
        "docs/detection-videos-and-labels.md",
        "sport-assets build detection/review_queue --set teacher=rfdetr --set teacher_model=3f9c0a71be52 "
        "--set threshold=0.2",
    ),
    (
        "docs/detection-training.md",
        "sport-assets sample-data detection --videos 6 --seconds 6 --width 480 --height 288 --players 5 "
        "--static-share 1 --easy",
    ),
    (
        "docs/detection-training.md",
        "sport-assets build detection/model_card --partition 'production|0' "
        "--set model.pretrained=rf-detr-medium.pth \\",
    ),
    ("docs/detection-training.md", "sport-assets build detection/model_card --partition 'production|0' \\"),
    (
        "docs/detection-training.md",
        "sport-assets predict detection --model 'detection/exported_model:sanity|0' "
        "--input data/detection/videos/match_01_static.mp4 \\",
    ),
    ("docs/detection-training.md", "import cv2"),
    ("docs/detection-training.md", "from sahi.predict import get_sliced_prediction"),
    ("docs/reproduce.md", "sport-assets reproduce for-another-machine.zip --data /media/archive"),
}


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    code: str
    reason_not_run: str | None

    @property
    def first_line(self) -> str:
        return self.code.splitlines()[0]


def blocks_of(page: str, text: str) -> list[Block]:
    """The fenced blocks of a Markdown text. Raises `ValueError` where a fence is not closed."""
    found: list[Block] = []
    inside: tuple[int, str, str | None] | None = None
    code: list[str] = []
    before = ""
    for number, line in enumerate(text.splitlines(), start=1):
        fence = re.fullmatch(r"\s*```(\S*)\s*", line)
        if inside is None and fence:
            comment = re.fullmatch(r"<!-- not run: (.+) -->", before)
            inside = (number, fence.group(1), comment.group(1) if comment else None)
            code = []
        elif inside is not None and fence and not fence.group(1):
            found.append(Block(page, inside[0], inside[1], "\n".join(code), inside[2]))
            inside, before = None, ""
        elif inside is not None:
            code.append(line)
        elif line.strip():
            before = line.strip()
    if inside is not None:
        raise ValueError(f"{page}:{inside[0]}: the block is not closed")
    return found


def page_blocks(page: str) -> list[Block]:
    return blocks_of(page, (ROOT / page).read_text())


def runnable(page: str) -> list[Block]:
    return [b for b in page_blocks(page) if b.language in LANGUAGES_RUN and b.reason_not_run is None]


class Reader:
    """Types the blocks into one shell after another; what a block exports, the next one has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pages_read: set[str] = set()
        self.exports = folder.parent / "exports.sh"
        self.exports.write_text("")
        for entry in ROOT.iterdir():
            # what a fresh checkout has, and the environment; no data and nothing made from it
            if entry.name not in (".git", ".sport_assets", "data", ".venv", "build") and "cache" not in entry.name:
                (folder / entry.name).symlink_to(entry)
        (folder / ".venv").symlink_to(sys.prefix)
        (folder / "data").mkdir()
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("SPORT_ASSETS_", "DAGSTER_"))}
        self.environment["PATH"] = f"{Path(sys.executable).parent}:{self.environment['PATH']}"

    def read(self, page: str) -> None:
        """Type the whole page, once: its own test reports a failure, not the next page's as well."""
        if page not in self.pages_read:
            self.pages_read.add(page)
            for block in runnable(page):
                self.type(block)

    def type(self, block: Block) -> None:
        code = block.code
        if block.language == "python":
            file = self.folder.parent / "block.py"
            file.write_text(code)
            code = f"python {file}"
        script = f"set -euo pipefail\nsource {self.exports}\n{code}\nexport -p > {self.exports}\n"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=280,
        )
        assert done.returncode == 0, f"{block.page}:{block.line}\n{block.code}\n---\n{done.stdout[-6000:]}"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    folder = tmp_path_factory.mktemp("reader") / "sport_assets"
    folder.mkdir()
    return Reader(folder)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", PAGES)
def test_a_reader_can_type_it(reader: Reader, page: str) -> None:
    for each in PAGES[: PAGES.index(page) + 1]:
        reader.read(each)


def test_every_page_is_read() -> None:
    assert sorted(PAGES) == sorted(["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])


def test_what_is_not_run_is_listed() -> None:
    skipped = {
        (b.page, b.first_line)
        for page in PAGES
        for b in page_blocks(page)
        if b.language in LANGUAGES_RUN and b.reason_not_run
    }
    assert skipped == NOT_RUN


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md", "data/README.md"])
def test_blocks_have_a_known_language(page: str) -> None:
    """`sh`, `shell` or `console` would go past the test that runs `bash`."""
    unknown = [(b.line, b.language) for b in page_blocks(page) if b.language not in LANGUAGES_RUN + LANGUAGES_SHOWN]
    assert not unknown


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md"])
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    local = [t.split("#")[0] for t in targets if not re.match(r"[a-z]+:", t) and not t.startswith("#")]
    broken = [t for t in local if not ((ROOT / page).parent / t).exists()]
    assert not broken


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md"])
def test_make_targets_exist(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / page).read_text(), flags=re.MULTILINE))
    assert named <= targets


def test_a_wrong_command_would_be_noticed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    reader = Reader(tmp_path / "folder")
    page = "```bash\nexport SEEN=yes\n```\n\n```python\nimport os\nassert os.environ['SEEN'] == 'yes'\n```\n"
    for block in blocks_of("page.md", page):
        reader.type(block)
    (wrong,) = blocks_of("page.md", "```bash\nsport-assets no-such-command | cat\n```\n")
    with pytest.raises(AssertionError, match=r"page\.md:1"):
        reader.type(wrong)
    (skipped,) = blocks_of("page.md", "<!-- not run: opens a browser -->\n```bash\nmake ui\n```\n")
    assert skipped.reason_not_run == "opens a browser"
    with pytest.raises(ValueError, match="not closed"):
        blocks_of("page.md", "```bash\necho\n")
