"""What the reports of all lines share: JSON, Markdown tables, pictures, and a card's sections on where a model is from.

Belongs here: forms without a sport, giving the same bytes for the same input. Must not come here: figures, and texts
that say what a model is for. matplotlib is imported inside the functions: pictures are no reason to load it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CARD_FILE = "model_card.md"
SHORT = 12
"""Characters of a version that are shown; the records have all of them."""
FONT: Any = {"font.family": "DejaVu Sans", "font.size": 10}


def write_json(path: Path, content: Any) -> None:
    """Readable JSON with sorted keys; NaN is refused, so that every reader can read it."""
    path.write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


@contextmanager
def drawing() -> Iterator[Any]:
    """matplotlib's figure class without any window system, in one style whatever the user's settings."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(FONT)
        yield Figure


def save_picture(figure: Any, path: Path) -> None:
    """PNG without the name and version of the program that wrote it. The figure has a constrained layout."""
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    figure.savefig(path, format="png", dpi=110, metadata={"Software": None})


def markdown_table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in GitHub's Markdown."""
    columns = list(header)
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def front_matter(*tags: str) -> str:
    """The block that model hubs read at the top of a card."""
    lines = ["---", "library_name: onnxruntime", "pipeline_tag: other", "tags:", *(f"- {tag}" for tag in tags), "---"]
    return "\n".join(lines)


def data_table(facts: Mapping[str, Any]) -> str:
    """What a training read: asset, partition, version. ``facts["data"]`` as the factory gives it to a card."""
    rows = [
        [f"`{item['asset']}`", item["partition"] or "", f"`{item['version'][:SHORT]}`"]
        for item in sorted(facts.get("data", []), key=lambda i: (i["asset"], i["partition"] or ""))
    ]
    return markdown_table(["asset", "partition", "version"], rows) if rows else ""


def settings_table(settings: Mapping[str, Mapping[str, Any]]) -> str:
    """All settings of a training, folded."""
    rows = [
        [f"{section}.{key}", f"`{json.dumps(value)}`"]
        for section in ("data", "model", "training")
        for key, value in sorted(settings.get(section, {}).items())
    ]
    table = markdown_table(["setting", "value"], rows)
    return f"<details><summary>All settings</summary>\n\n{table}\n\n</details>"


def provenance(facts: Mapping[str, Any]) -> str:
    """A card's section on the versions behind a model and their checks; ``facts`` as the factory gives them."""
    rows = [
        [label, f"`{facts[key][:SHORT]}`"]
        for label, key in (
            ("checkpoint", "checkpoint"),
            ("evaluation", "evaluation"),
            ("exported model", "exported_model"),
            ("code", "code_version"),
        )
        if facts.get(key)
    ]
    checks = facts.get("checks", {})
    text = "## Provenance\n\n" + markdown_table(["", "version"], rows)
    if facts.get("exported_model"):
        text += (
            "\n\nThis card says what was known when it was made. Whether anything behind the model was withdrawn, "
            f"failed or was replaced since, `sport-assets audit {facts['exported_model'][:SHORT]}` tells."
        )
    if checks:
        verdicts = [[f"`{name}`", "passed" if passed else "**failed**"] for name, passed in sorted(checks.items())]
        text += "\n\n" + markdown_table(["check", "result"], verdicts)
    return text
