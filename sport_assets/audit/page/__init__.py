"""The page of a model: one HTML file that needs no network, made from the report that ``sport-assets audit`` prints.

Belongs here: putting the page together. Must not come here: walking the records and finding faults (``chain``,
``report``); where boxes stand (``layers``), how data is packed (``pack``), what the tables hold (``sections``).

The first view is plain HTML, so that findings, metrics and the graph are there before any script runs, and in print.
Everything about single partitions lies in the page as data and is drawn when somebody looks at it: that is what keeps
thousands of partitions quick. All text reaches the page through Jinja's escaping or as the text of a DOM node.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sport_assets.audit.page.layers import layers
from sport_assets.audit.page.pack import Packed, pack
from sport_assets.audit.page.portable import without_circumstances
from sport_assets.audit.page.sections import boxes, evaluation, findings, identity, made, size, trainings

PAGE_FILE = "audit_page.html"
_HERE = Path(__file__).parent
# In this order: each one uses what those before it define.
_SCRIPTS = ("data.js", "lists.js", "details.js", "graph.js", "search.js", "main.js")


def page(report: Mapping[str, Any], *, for_store: bool = False) -> str:
    """The whole HTML file of a report.

    ``for_store`` leaves out times, hosts, users, record ids, and all that may happen to a version later: the page of
    the same model is then the same file, wherever and whenever it was made.
    """
    import jinja2

    shown = without_circumstances(report) if for_store else report
    packed = pack(shown)
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    script = "(() => {\n'use strict';\n" + "".join((_HERE / name).read_text("utf-8") for name in _SCRIPTS) + "})();\n"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["bytes"] = size
    return environment.get_template("page.html").render(
        for_store=for_store,
        model=identity(shown),
        made=made(shown),
        counts=shown.get("counts") or {},
        head=shown.get("head"),
        findings=findings(shown),
        trainings=trainings(shown),
        evaluation=evaluation(shown),
        boxes=boxes(packed),
        rows=layers(_edges(packed)),
        data=_data(packed),
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _edges(packed: Packed) -> list[set[int]]:
    """By asset, and after these by box of raw files: the numbers of those that it is made from."""
    raw = {owner: len(packed.assets) + number for number, owner in enumerate(packed.raw_owners)}
    edges = [set(reads) | ({raw[number]} if number in raw else set()) for number, reads in enumerate(packed.reads)]
    return edges + [set() for _ in raw]


def _data(packed: Packed) -> str:
    """JSON that nothing in it can end early: neither ``</script>`` nor a comment begins without a ``<``."""
    text = json.dumps(packed.data, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
