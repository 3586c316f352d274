"""The asset that publishes a model's audit page beside it.

Belongs here: when the page is made, and how people find it from Dagster. Must not come here: what it shows
(``audit.page``).
"""

from pathlib import Path

import dagster as dg

from sport_assets.audit import page as audit_page_package
from sport_assets.audit.chain import walk
from sport_assets.audit.page import PAGE_FILE, page
from sport_assets.audit.records import LedgerRecords
from sport_assets.audit.report import report
from sport_assets.lineage.errors import LineageError
from sport_assets.orchestration.assets import asset
from sport_assets.orchestration.model_line import ModelLine
from sport_assets.orchestration.recording import LineageResource

AUDIT_PAGE = "audit_page"
_FOLDER = Path(audit_page_package.__file__).parent
_SHOWN_WITH = tuple(path for path in sorted(_FOLDER.iterdir()) if path.suffix in (".html", ".css", ".js"))
_MODULES = tuple(f"sport_assets.audit.page.{path.stem}" for path in sorted(_FOLDER.glob("[a-z]*.py")))


def audit_page_link(line: str) -> dict[str, dg.MetadataValue]:
    """Metadata that leads from another asset of the line to the page."""
    return {AUDIT_PAGE: dg.MetadataValue.asset(dg.AssetKey([line, AUDIT_PAGE]))}


def audit_page_asset(model: ModelLine) -> dg.AssetsDefinition:
    """The page of the line's exported model, from its raw files on.

    It says what the versions hold and nothing of when and where they were made, so that the same model has the same
    page. How the model stands today is what ``sport-assets audit`` tells.
    """

    @asset(
        model.line,
        name=AUDIT_PAGE,
        description="What the model was made of, back to every raw file: one HTML file to open, search and print.",
        reads=["exported_model", "model_card"],
        partitions_def=model.partitions_def,
        kinds={"html"},
        code=["sport_assets.audit.page", *_MODULES, "sport_assets.audit.report"],
        code_files=_SHOWN_WITH,
    )
    def audit_page(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
        with lineage.record(context) as record:
            exported = record.read(f"{model.line}/exported_model")
            card = record.read(f"{model.line}/model_card")
            described = {ref.version for ref in card.materialization.inputs if ref.key == exported.ref.key}
            if described != {exported.ref.version}:
                raise LineageError(
                    f"{card.ref.key}:{card.ref.partition} describes another model than the newest. "
                    f"Run: sport-assets build {card.ref.key} --partition '{card.ref.partition}'"
                )
            records = LedgerRecords(record.inner.lineage)
            content = report(walk(records, exported.ref.record), records)
            record.output(PAGE_FILE).write_text(page(content, for_store=True), encoding="utf-8")
            result = record.publish(facts={"steps": len(content["nodes"]), "raw_files": len(content["raw_files"])})
            link = {"page": dg.MetadataValue.path(str(record.published_folder / PAGE_FILE))}
            return result._replace(metadata={**(result.metadata or {}), **link})

    return audit_page
