"""The documents of a bundle, held against the libraries of their formats."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from sport_assets.audit.bundle.write import write_bundle
from sport_assets_tests.audit.bundles import WEEKS, Toy, contents, make_toy

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def files(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Files:
    return contents(
        write_bundle(toy.lineage, toy.model, tmp_path_factory.mktemp("out") / "a.zip", key=toy.private).path
    )


@pytest.fixture(scope="module")
def bom(files: Files) -> Any:
    return json.loads(files["ml_bom.cdx.json"])


@pytest.fixture(scope="module")
def events(files: Files) -> Any:
    return [json.loads(line) for line in files["openlineage.ndjson"].splitlines()]


def test_the_bill_of_materials_is_valid_cyclonedx(files: Files) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(files["ml_bom.cdx.json"].decode()) is None
    spoilt = json.loads(files["ml_bom.cdx.json"])
    spoilt["metadata"]["component"]["modelCard"]["metrics"] = []
    assert validator.validate_str(json.dumps(spoilt)) is not None


def test_the_bill_of_materials_holds_model_metrics_limits_data_and_packages(toy: Toy, bom: Any) -> None:
    model = bom["metadata"]["component"]
    assert model["type"] == "machine-learning-model"
    assert {file["name"] for file in model["components"]} == {"model.onnx", "tables/of players.json"}
    card = model["modelCard"]
    metrics = card["quantitativeAnalysis"]["performanceMetrics"]
    assert metrics[0] == {
        "type": "ade",
        "value": "0.41",
        "slice": "full",
        "confidenceInterval": {"lowerBound": "0.35", "upperBound": "0.47"},
    }
    assert {metric["slice"] for metric in metrics if "slice" in metric} == {"full", "baseline / standing_still / full"}
    assert "It says so in two lines." in card["considerations"]["technicalLimitations"]
    assert card["considerations"]["ethicalConsiderations"] == [{"name": "Nobody was measured."}]
    data = {component["name"] for component in bom["components"] if component["type"] == "data"}
    tables = {f"toy/{name}:{week}" for name in ("raw", "table") for week in WEEKS}
    assert data == {*tables, *(f"toy/{week}.csv" for week in WEEKS)}
    made = toy.lineage.ledger.latest("toy/exported_model", "sanity|0")
    assert made is not None
    libraries = {(c["name"], c["version"]) for c in bom["components"] if c["type"] == "library"}
    assert libraries == set(made.environment.packages.items())


def test_package_urls_are_well_formed_and_every_reference_leads_somewhere(bom: Any) -> None:
    from packageurl import PackageURL

    for component in bom["components"]:
        if component["type"] == "library":
            url = PackageURL.from_string(component["purl"])
            assert (url.type, url.version) == ("pypi", component["version"])
    references = ["model", *(component["bom-ref"] for component in bom["components"])]
    assert len(set(references)) == len(references)
    named = {name for each in bom["dependencies"] for name in [each["ref"], *each["dependsOn"]]}
    named |= {each["ref"] for each in bom["metadata"]["component"]["modelCard"]["modelParameters"]["datasets"]}
    assert named <= set(references)


def test_croissant_is_valid_but_for_what_only_a_person_knows(
    files: Files, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import mlcroissant

    path = tmp_path / "croissant.json"
    path.write_bytes(files["croissant.json"])
    with caplog.at_level(logging.WARNING):
        found = mlcroissant.Dataset(jsonld=path)
    assert not found.metadata.issues.errors
    missing = {warning.split('"')[1].rsplit("/", 1)[-1] for warning in found.metadata.issues.warnings}
    assert missing == {"citeAs", "license"}
    assert "not standard" not in caplog.text


def test_croissant_names_files_by_digest_and_columns_by_type(toy: Toy, files: Files) -> None:
    said = json.loads(files["croissant.json"])
    described = {each["contentUrl"]: each for each in said["distribution"] if each["@type"] == "cr:FileObject"}
    for week in WEEKS:
        made = toy.lineage.ledger.latest("toy/raw", week)
        assert made is not None
        raw = described[f"data/toy/{week}.csv"]
        assert (raw["sha256"], raw["contentSize"]) == (made.raw_files[0].sha256, f"{made.raw_files[0].size} B")
    for url, each in described.items():
        if url.startswith("store/"):
            path = toy.lineage.home.root / unquote(url)
            assert path.stat().st_size == int(each["contentSize"].split()[0])
    [rows] = said["recordSet"]
    assert [(f["name"], f["dataType"]) for f in rows["field"]] == [("game_id", "sc:Text"), ("yards", "sc:Float")]


def test_croissant_reads_the_rows_that_it_describes(toy: Toy, files: Files, tmp_path: Path) -> None:
    """In a folder laid out as the document says."""
    import mlcroissant

    shutil.copytree(toy.lineage.home.store / "toy" / "table", tmp_path / "store" / "toy" / "table")
    (tmp_path / "croissant.json").write_bytes(files["croissant.json"])
    dataset = mlcroissant.Dataset(jsonld=tmp_path / "croissant.json")
    [rows] = dataset.metadata.record_sets
    read = [row[f"{rows.id}/yards"] for row in dataset.records(rows.id)]
    assert sorted(read) == [1.5, 1.5, 2.5, 2.5]


def test_every_event_and_facet_is_one_of_openlineages_own(events: Any) -> None:
    from openlineage.client import event_v2, facet_v2

    facets: dict[str, Any] = {
        "version": facet_v2.dataset_version_dataset.DatasetVersionDatasetFacet,
        "schema": facet_v2.schema_dataset.SchemaDatasetFacet,
        "outputStatistics": facet_v2.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
        "dataQualityAssertions": facet_v2.data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet,
        "tags": facet_v2.tags_run.TagsRunFacet,
        "processing_engine": facet_v2.processing_engine_run.ProcessingEngineRunFacet,
        "jobType": facet_v2.job_type_job.JobTypeJobFacet,
    }
    fields = {
        "schema": facet_v2.schema_dataset.SchemaDatasetFacetFields,
        "tags": facet_v2.tags_run.TagsRunFacetFields,
        "dataQualityAssertions": facet_v2.data_quality_assertions_dataset.Assertion,
    }
    seen = set()

    def hold(named: dict[str, Any]) -> None:
        for name, facet in named.items():
            said = {key: value for key, value in facet.items() if not key.startswith("_")}
            assert facet["_schemaURL"] == facets[name]._get_schema()
            facets[name](**said)  # refuses a field that it does not have, and asks for those it must have
            for rows in said.values() if name in fields else ():
                for row in rows:
                    fields[name](**row)
            seen.add(name)

    for event in events:
        run = event_v2.Run(runId=event["run"]["runId"])
        job = event_v2.Job(event["job"]["namespace"], event["job"]["name"])
        inputs = [event_v2.InputDataset(each["namespace"], each["name"]) for each in event["inputs"]]
        outputs = [event_v2.OutputDataset(each["namespace"], each["name"]) for each in event["outputs"]]
        kind = event_v2.RunState(event["eventType"])
        held = event_v2.RunEvent(
            eventTime=event["eventTime"],
            run=run,
            job=job,
            eventType=kind,
            inputs=inputs,
            outputs=outputs,
            producer=event["producer"],
        )
        assert held.schemaURL == event["schemaURL"]
        hold(event["run"]["facets"])
        hold(event["job"]["facets"])
        for each in event["inputs"]:
            hold(each["facets"])
            hold(each.get("inputFacets", {}))
        for each in event["outputs"]:
            hold(each["facets"])
            hold(each.get("outputFacets", {}))
    assert seen == facets.keys()


def test_events_tell_the_chain_in_order(toy: Toy, events: Any) -> None:
    made = [event for event in events if event["outputs"]]
    names = [event["outputs"][0]["name"] for event in made]
    assert names == [
        "toy/raw:2023-w01",
        "toy/table:2023-w01",
        "toy/raw:2023-w02",
        "toy/table:2023-w02",
        "toy/checkpoint:sanity|0",
        "toy/evaluation:sanity|0",
        "toy/exported_model:sanity|0",
    ]
    versions: dict[str, str] = {}
    for event in made:
        for each in event["inputs"]:
            if each["namespace"] == "sport_assets":
                assert versions[each["name"]] == each["facets"]["version"]["datasetVersion"]
        [output] = event["outputs"]
        versions[output["name"]] = output["facets"]["version"]["datasetVersion"]
    assert len({event["run"]["runId"] for event in events}) == len(events)


def test_checks_are_told_with_what_they_found_also_later_ones(events: Any) -> None:
    checks = [event for event in events if not event["outputs"]]
    said = [
        (event["inputs"][0]["name"], each["name"], each["success"], each["severity"], each.get("actual"))
        for event in checks
        for each in event["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    ]
    assert ("toy/table:2023-w01", "has_players", False, "error", "2 of 2 failed") in said
    assert ("toy/checkpoint:sanity|0", "leakage", True, "error", "0 of 2 failed") in said


def test_the_statement_is_in_totos_and_slsas(files: Files) -> None:
    from google.protobuf import json_format
    from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
    from in_toto_attestation.v1 import statement_pb2
    from in_toto_attestation.v1.statement import Statement

    said = json.loads(files["provenance.intoto.json"])
    Statement.copy_from_pb(json_format.ParseDict(said, statement_pb2.Statement())).validate()
    predicate = json_format.ParseDict(said["predicate"], provenance_pb2.Provenance())  # refuses unknown fields
    names = {each.name for each in predicate.build_definition.resolved_dependencies}
    assert {f"raw/toy/{week}.csv" for week in WEEKS} <= names
    assert {each["name"] for each in said["subject"]} == {"model/model.onnx", "model/tables/of players.json"}


def test_another_implementation_accepts_the_signature(toy: Toy, files: Files) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError
    from securesystemslib.signer import SSlibKey

    said = json.loads(files["provenance.dsse.json"])
    key = SSlibKey.from_crypto(load_pem_public_key(toy.public.read_bytes()), keyid=said["signatures"][0]["keyid"])
    envelope = Envelope.from_dict(said)
    assert envelope.payload == files["provenance.intoto.json"]
    envelope.verify([key], 1)
    envelope.payload += b" "
    with pytest.raises(VerificationError):
        envelope.verify([key], 1)
