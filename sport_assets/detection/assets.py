"""The detection line's assets, in the order the data flows: videos -> frames -> labels -> data set -> detector.

Belongs here: what each asset reads, calls and publishes. Must not come here: arithmetic, loops over data, heavy
imports. This is the line's only module that knows Dagster.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import dagster as dg
from pydantic import Field

from sport_assets.audit.records import LedgerRecords
from sport_assets.detection import dataset_checks, frame_choice, reviewed, settings, teaching_checks, videos
from sport_assets.detection import events as match_events
from sport_assets.detection import labelled_frames as labelled
from sport_assets.detection import pseudo_labels as pseudo
from sport_assets.detection import review_queue as queue
from sport_assets.detection import reviewed_labels as reviews
from sport_assets.detection.frame_choice import FrameSettings
from sport_assets.detection.schemas import EVENTS, FRAMES
from sport_assets.detection.slicing import Slicing
from sport_assets.detection.teachers import DETECTOR_SETTINGS, TeacherName, TeacherSettings, why_no_weights, why_refused
from sport_assets.detection.video_identifiers import VIDEO, VIDEO_SHA256
from sport_assets.lineage.home import Home
from sport_assets.lineage.record import Input
from sport_assets.orchestration.assets import DECLARATIONS, asset, table_columns
from sport_assets.orchestration.checks import AssetChecks
from sport_assets.orchestration.console import tenths
from sport_assets.orchestration.leakage import learned_from, weights_behind
from sport_assets.orchestration.model_assets import model_assets
from sport_assets.orchestration.model_line import ModelLine, Stage, call, shown
from sport_assets.orchestration.raw_presence import has_raw
from sport_assets.orchestration.recording import AssetRecord, LineageResource
from sport_assets.orchestration.resources import DEVICE, Accelerator, DeviceConfig
from sport_assets.orchestration.withdrawn import without_withdrawn

LINE = "detection"
VIDEOS = dg.DynamicPartitionsDefinition(name=videos.PARTITIONS)
MODELS = dg.MultiPartitionsDefinition(
    {
        "preset": dg.StaticPartitionsDefinition(list(settings.PRESETS)),
        "seed": dg.StaticPartitionsDefinition([str(seed) for seed in range(5)]),
    }
)


def _data() -> Path:
    return Home.from_environment().data


def _keys() -> list[str]:
    return videos.video_keys(_data())


def _video_files(partition: str | None) -> list[str]:
    return videos.video_files(_data(), str(partition))


def _left_out() -> dict[str, str]:
    return videos.left_out(_data())


def _review_files(partition: str | None) -> list[str]:
    return reviewed.review_files(_data(), str(partition))


def _labelled_files(_: str | None) -> list[str]:
    return labelled.labelled_files(_data())


def _published(record: AssetRecord, report: Any, rows: int) -> dg.MaterializeResult:
    """Publish what a step of the line reports of its own output."""
    record.check(report.checks)
    record.index(report.identifiers)
    record.quarantined(report.quarantined)
    return record.publish(rows=rows, facts=report.facts, metadata=shown(record.folder))


@asset(
    LINE,
    description="A match video with its events and settings, known by digest and never copied; and what kind of video "
    "it is.",
    partitions_def=VIDEOS,
    partition_keys=_keys,
    raw_paths=_video_files,
    raw_layout=videos.LAYOUT,
    raw_optional=True,
    left_out=_left_out,
    kinds={"video"},
    code=["sport_assets.detection.video_probe:facts"],
)
def raw_video(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        files = _video_files(context.partition_key)
        facts = call("sport_assets.detection.video_probe:facts", _data() / files[0])
        record.register_raw(files)
        return record.publish(rows=facts["frames"], facts=facts)


@asset(
    LINE,
    description="A video's events on its own clock. Those that are defective, or outside of the video, are in "
    "quarantine.parquet with the reason.",
    reads=["raw_video"],
    partitions_def=VIDEOS,
    partition_keys=_keys,
    checks=AssetChecks.of(match_events.CHECKS),
    kinds={"polars", "parquet"},
    column_schema=table_columns(EVENTS),
)
def events(context: dg.AssetExecutionContext, lineage: LineageResource) -> dg.MaterializeResult:
    with lineage.record(context) as record:
        raw = record.read("detection/raw_video")
        report = match_events.write_events(
            context.partition_key,
            videos.events_of(raw.raw_files()),
            record.folder,
            duration_s=raw.materialization.facts["duration_s"],
            settings=videos.settings_of(raw.raw_files()),
        )
        return _published(record, report, report.facts["events"])


class FramesConfig(FrameSettings, dg.Config):
    """Which frames are taken, and how they are written."""


@asset(
    LINE,
    description="Frames of a video: each Nth, and windows around events. When and why each was taken, and how sharp it "
    "is, stands in frames.parquet.",
    reads=["raw_video", "events"],
    partitions_def=VIDEOS,
    partition_keys=_keys,
    checks=AssetChecks.of(frame_choice.CHECKS),
    kinds={"opencv", "parquet"},
    column_schema=table_columns(FRAMES),
    code=["sport_assets.detection.frames:extract"],
)
def frames(context: dg.AssetExecutionContext, lineage: LineageResource, config: FramesConfig) -> dg.MaterializeResult:
    with lineage.record(context, config) as record:
        report = call(
            "sport_assets.detection.frames:extract",
            _video(record),
            context.partition_key,
            record.read("detection/events").folder,
            record.folder,
            config.model_dump(),
            tenths(context.log.info, "frames of the video read"),
        )
        return _published(record, report, report.facts["frames"])


def _video(record: AssetRecord) -> Path:
    """The file of the partition's video, as it was recorded."""
    return videos.video_of(record.read("detection/raw_video").raw_files())


class PseudoLabelsConfig(dg.Config):
    """Which teacher labels, and how it looks. With ``teacher=rfdetr`` one of the other two says with what weights.

    What a video's own settings say of its teacher goes before. What only a detector has a use for is for the videos
    that one labels, and is refused where there are none.
    """

    teacher: TeacherName = Field(
        "background",
        description="background: what moves before a camera that stands, without any weights; rfdetr: a detector; "
        "none: no boxes, for a review that begins from nothing",
    )
    teacher_model: str | None = Field(None, description="version of detection/exported_model, by digest")
    weights: str | None = Field(
        None, description="file of weights (.onnx or .pth), relative to the folder of raw files: detection/weights/…"
    )
    threshold: float = Field(0.1, ge=0, le=1, description="least score of a label")
    slice_size: int = Field(1280, ge=32, description="side of the windows that the detector looks through, px")
    slice_overlap: float = Field(0.2, ge=0, le=0.9)
    slice_batch: int = Field(8, ge=1, description="windows that go through the detector at once")
    teacher_device: str = Field(
        "cpu", pattern=DEVICE, description="cpu, cuda:N or auto: what a checkpoint of rfdetr's (.pth) runs on"
    )
    compile: bool = Field(False, description="compile such a checkpoint by torch.compile first: takes about a minute")

    def for_detectors(self) -> list[str]:
        """What is set, other than by default, that only a detector has a use for."""
        fields = type(self).model_fields
        return [name for name in DETECTOR_SETTINGS if getattr(self, name) != fields[name].default]


def _refused(config: Mapping[str, Any]) -> str | None:
    """Why this configuration of pseudo-labels cannot be meant for the videos that there are."""
    asked = PseudoLabelsConfig(**config)
    of_videos = set(videos.teachers(_data(), asked.teacher).values()) or {asked.teacher}
    weights = None if asked.weights is None else _data() / asked.weights
    return why_refused(asked.for_detectors(), of_videos) or why_no_weights(of_videos, weights, asked.teacher_model)


@asset(
    LINE,
    description="What a teacher sees in the frames of a video, as COCO with scores: a detector by windows, or the "
    "difference to the background before a camera that stands.",
    reads=["raw_video", "frames"],
    partitions_def=VIDEOS,
    partition_keys=_keys,
    pins={"teacher_model": "exported_model"},
    refuses=_refused,
    checks=AssetChecks.of(teaching_checks.PSEUDO_LABELS),
    kinds={"opencv", "json"},
    code=["sport_assets.detection.pseudo_labels:write_pseudo_labels"],
)
def pseudo_labels(
    context: dg.AssetExecutionContext,
    lineage: LineageResource,
    accelerator: Accelerator,
    config: PseudoLabelsConfig,
) -> dg.MaterializeResult:
    with lineage.record(context, config) as record:
        files = record.read("detection/raw_video").raw_files()
        teacher = videos.settings_of(files).teacher or config.teacher
        detects = teacher == "rfdetr"
        if not detects and config.for_detectors():
            context.log.warning(
                f"its teacher is {teacher}: {', '.join(config.for_detectors())} reach other videos only"
            )
        weights, facts = _teacher_weights(record, config) if detects else (None, {})
        wanted = DeviceConfig(device=config.teacher_device if detects else "cpu", precision=None, threads=None)
        with accelerator.hold(wanted) as device:
            report = pseudo.write_pseudo_labels(
                record.read("detection/frames").folder,
                videos.video_of(files),
                context.partition_key,
                record.folder,
                TeacherSettings(
                    teacher=teacher,
                    weights=weights,
                    threshold=config.threshold,
                    slicing=Slicing(config.slice_size, config.slice_overlap, config.slice_batch),
                    device=device.name,
                    compiled=config.compile,
                ),
                progress=tenths(context.log.info, "frames labelled"),
            )
        report = replace(report, facts={**report.facts, **facts})
        return _published(record, report, report.facts["players"] + report.facts["balls"])


def _teacher_weights(record: AssetRecord, config: PseudoLabelsConfig) -> tuple[Path | None, dict[str, Any]]:
    """The weights of a teacher that is a detector, and what is to be recorded of them.

    They are a model of this line, which becomes an ancestor, or a raw file, known by digest. What published that file,
    if anything of this home did, becomes an ancestor as well. None where none are set, which the teacher refuses.
    """
    if config.teacher_model is not None:
        return record.inner.read_version("detection/exported_model", config.teacher_model).folder, {}
    if config.weights is None:
        return None, {}
    [file] = record.register_raw([config.weights], listed=False)
    return _data() / file.path, weights_behind(record.inner, Path(file.path).name, file.sha256)


class ReviewQueueConfig(dg.Config):
    """How long the queue of a video is, and what it goes by."""

    budget: int = Field(
        300, ge=1, description="frames of each video that a person is asked to look at; 200 to 500 in all are the aim"
    )
    show_pseudo_labels: bool = Field(True, description="rank by pseudo-labels, and show them")


@asset(
    LINE,
    description="The frames of a video that a person should look at, in order: where the teacher was unsure, where a "
    "ball is, where looks differ, and as different as can be. As a package for CVAT, and as a page to look at.",
    reads=["frames", "pseudo_labels"],
    partitions_def=VIDEOS,
    partition_keys=_keys,
    checks=AssetChecks.of(teaching_checks.REVIEW_QUEUE),
    kinds={"opencv", "html"},
)
def review_queue(
    context: dg.AssetExecutionContext, lineage: LineageResource, config: ReviewQueueConfig
) -> dg.MaterializeResult:
    with lineage.record(context, config) as record:
        report = queue.write_review_queue(
            record.read("detection/frames").folder,
            context.partition_key,
            record.folder,
            queue.QueueSettings(config.budget),
            record.read("detection/pseudo_labels").folder if config.show_pseudo_labels else None,
        )
        result = _published(record, report, report.facts["queued"])
        too_many = queue.more_than_planned(_queued(record))
        if too_many is not None:
            context.log.warning(too_many)
        return result


def _queued(record: AssetRecord) -> dict[str, int]:
    """How many frames the newest queue of each video asks for."""
    newest = ((key, record.inner.lineage.ledger.latest("detection/review_queue", key)) for key in _keys())
    return {key: made.facts["queued"] for key, made in newest if made is not None}


class ReviewedConfig(dg.Config):
    """``reviewer``: who reviewed, where the file does not say it; ``roles``: keep goalkeepers and referees apart."""

    reviewer: str | None = None
    roles: bool = False


@asset(
    LINE,
    description="What a person made of the review queue of a video: CVAT's export, or COCO, matched with the frames "
    "that were asked for; and who reviewed.",
    reads=["review_queue", "frames"],
    partitions_def=VIDEOS,
    partition_keys=_keys,
    raw_paths=_review_files,
    raw_layout=reviewed.LAYOUT,
    raw_optional=True,
    raw_samples=False,
    checks=AssetChecks.of(teaching_checks.REVIEWED_LABELS),
    kinds={"json"},
)
def reviewed_labels(
    context: dg.AssetExecutionContext, lineage: LineageResource, config: ReviewedConfig
) -> dg.MaterializeResult:
    with lineage.record(context, config) as record:
        [file] = record.register_raw(_review_files(context.partition_key), listed=False)
        report = reviews.write_reviewed(
            _data() / file.path,
            record.read("detection/frames").folder,
            context.partition_key,
            record.folder,
            queue=record.read("detection/review_queue").folder,
            roles=config.roles,
            reviewer=config.reviewer,
        )
        return _published(record, report, sum(report.facts["boxes"].values()))


class LabelledConfig(dg.Config):
    """``roles``: keep goalkeepers and referees apart, instead of counting them as players."""

    roles: bool = False


@asset(
    LINE,
    description="Labelled data sets of others, in COCO, YOLO, Pascal VOC or CVAT, as one. What breaks a rule is in "
    "quarantine.parquet with rule, file and line.",
    raw_paths=_labelled_files,
    raw_layout=labelled.LAYOUT,
    raw_optional=True,
    raw_samples=False,
    checks=AssetChecks.of(labelled.CHECKS),
    kinds={"json"},
)
def labelled_frames(
    context: dg.AssetExecutionContext, lineage: LineageResource, config: LabelledConfig
) -> dg.MaterializeResult:
    with lineage.record(context, config) as record:
        record.register_raw(_labelled_files(None), listed=False)
        report = labelled.write_labelled(
            labelled.labelled_sets(_data()),
            record.folder,
            roles=config.roles,
            withdrawn=record.withdrawn_rows(labelled.WITHDRAWABLE),
        )
        return _published(record, report, report.facts["boxes"])


class DatasetConfig(dg.Config):
    """Which labels are taken and how videos are put on sides; exact lists of videos go before shares."""

    valid_share: float = Field(0.2, ge=0, lt=1, description="of the images, as whole videos: 0.2 for 80/20")
    test_share: float = Field(0.2, ge=0, lt=1, description="of the images, as whole videos; evaluation needs some")
    valid_videos: list[str] = Field(default_factory=list)
    test_videos: list[str] = Field(default_factory=list)
    use_pseudo_labels: bool = Field(True, description="train on what no person has looked at as well")
    least_score: float = Field(0.4, ge=0, le=1, description="of a pseudo-label that is taken")
    layout: Literal["rfdetr", "spec"] = Field(
        "rfdetr", description="spec: {train,val}/images and {train,val}/annotations/annotations.json as well"
    )


@asset(
    LINE,
    description="Reviewed, labelled and pseudo-labels as one COCO data set, whole videos on each side: of each image "
    "the labels that are most to be trusted.",
    reads=["frames", "pseudo_labels", "reviewed_labels", "labelled_frames"],
    checks=AssetChecks.of(dataset_checks.CHECKS),
    kinds={"json"},
    code=["sport_assets.detection.dataset:write_from_folders"],
)
def coco_dataset(
    context: dg.AssetExecutionContext, lineage: LineageResource, config: DatasetConfig
) -> dg.MaterializeResult:
    with lineage.record(context, config) as record:
        found = _sources(record, config)
        labels, files = [made for _, made, _ in found], _video_sha256(record)
        report = call(
            "sport_assets.detection.dataset:write_from_folders",
            [(kind, made.ref.partition or LINE, made.folder, images) for kind, made, images in found],
            record.folder,
            settings=config.model_dump(exclude={"use_pseudo_labels"}),
            teacher_videos=_teacher_videos(record, labels, files),
            video_sha256=files,
        )
        return _published(record, report, report.facts["images"])


def _sources(record: AssetRecord, config: DatasetConfig) -> list[tuple[str, Input, Path]]:
    """What labels there are: their kind, their input, and the folder that their file names are relative to.

    What is left out is read all the same, since the data set depends on it being left out.
    """
    lineage = record.inner.lineage
    gone = {row[VIDEO] for row in record.withdrawn_rows((VIDEO,))}
    there = [key for key in _keys() if has_raw(_data(), DECLARATIONS["detection/raw_video"], key)]
    found: list[tuple[str, Input, Path]] = []
    for key in without_withdrawn(lineage, "detection/frames", there):
        images = record.read("detection/frames", key).folder
        kinds = [("reviewed", "reviewed_labels")] if _review_files(key) else []
        for kind, name in [*kinds, ("pseudo", "pseudo_labels")]:
            if without_withdrawn(lineage, f"detection/{name}", [key]):
                made = record.read(f"detection/{name}", key)
                # where no teacher looked, a frame without boxes says nothing
                wanted = kind == "reviewed" or (
                    config.use_pseudo_labels and pseudo.was_taught(made.materialization.facts)
                )
                if wanted and key not in gone:
                    found.append((kind, made, images))
    if _labelled_files(None):
        made = record.read("detection/labelled_frames", None)
        found.append(("labelled", made, made.folder))
    return found


def _video_sha256(record: AssetRecord) -> dict[str, str]:
    """By video, the digest of the very file that the frames were taken from which this record read."""
    records, frames, raw_video = LedgerRecords(record.inner.lineage), "detection/frames", "detection/raw_video"
    read = records.materializations(ref.record for ref in record.inner.inputs if ref.key == frames)
    behind = [ref.record for made in read.values() for ref in made.inputs if ref.key == raw_video]
    return {str(made.partition): videos.digest_of(made.raw_files) for made in records.materializations(behind).values()}


def _teacher_videos(record: AssetRecord, labels: Sequence[Input], files: Mapping[str, str]) -> list[str]:
    """Videos that a teacher of these labels learned from, under this name or another: nothing may be evaluated on them.

    Reviewed labels count as well: a person began with what the teacher saw. ``files``: the videos' files by SHA-256.
    """
    behind = [made.ref.record for made in labels]
    names, digests = (
        {value for (value,) in learned_from(record.inner.lineage, behind, [column])} for column in (VIDEO, VIDEO_SHA256)
    )
    return sorted(names | {video for video, digest in files.items() if digest in digests})


class ExportConfig(dg.Config):
    """Further forms of the model, each kept where the ball's average precision on validation images falls by at most
    half a point."""

    fp16: bool = Field(False, description="model_fp16.onnx: half floats, for GPUs")
    int8: bool = Field(False, description="model_int8.onnx: weights in 8 bits, for processors")


MODEL = ModelLine(
    line=LINE,
    partitions_def=MODELS,
    dataset="coco_dataset",
    samples=None,
    settings="sport_assets.detection.settings:resolve",
    stages=[
        Stage(
            "head_checkpoint",
            builder="sport_assets.detection.models:build_head",
            description="Phase 1: the encoder is frozen, what stands on it learns; weights of the epoch with the best "
            "validation mAP.",
            phase=settings.HEAD_PHASE,
        ),
        Stage(
            "detector_checkpoint",
            builder="sport_assets.detection.models:build_detector",
            description="Phase 2: all of the network learns, from the best of phase 1; weights of the epoch with the "
            "best validation mAP.",
            starts_from="head_checkpoint",
            phase=settings.WHOLE_PHASE,
        ),
    ],
    evaluate="sport_assets.detection.evaluation:evaluate",
    export="sport_assets.detection.export:export",
    card="sport_assets.detection.card:card",
    choose=settings.choose,
    weights=settings.pretrained,
    memory_settings=("model.resolution", "model.groups", "model.queries"),
    export_reads=["evaluation"],
    export_config=ExportConfig,
    may_lose=lambda dimensions: dimensions["preset"] == "sanity",
    kinds=frozenset({"pytorch"}),
    evaluation_rows="test_images",
    code_files=sorted((Path(__file__).parent / "presets").glob("*.yaml")),
)

ASSETS = [
    *(raw_video, events, frames, pseudo_labels, review_queue, reviewed_labels, labelled_frames, coco_dataset),
    *model_assets(MODEL),
]
