"""The detection line's commands: `add-video`, `sample-data detection` and `predict detection`.

Belongs here: their arguments and what they print. Must not come here: the work (`sport_assets.detection`).
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sport_assets.cli.common import JSON, clear_errors, err, print_json
from sport_assets.cli.groups import predict_app, sample_app
from sport_assets.lineage.home import Home

app = typer.Typer()


@app.command("add-video")
def add_video(
    files: Annotated[list[Path], typer.Argument(help="Videos; the key of each is its name without the extension.")],
    events: Annotated[Path | None, typer.Option(help="JSON file of the events of one video.")] = None,
    half_offset: Annotated[
        float | None,
        typer.Option("--half-offset", help="What the clock of the events reads at the first frame, seconds."),
    ] = None,
    half: Annotated[int | None, typer.Option(min=1, max=9, help="The half that the video shows.")] = None,
    teacher: Annotated[
        str | None,
        typer.Option(help="Who makes their pseudo-labels: background (a camera that stands), rfdetr, or none."),
    ] = None,
    as_json: JSON = False,
) -> None:
    """Register videos: each becomes a partition. They are linked, not copied; the same one again changes nothing."""
    from sport_assets.detection.videos import PARTITIONS, add_videos
    from sport_assets.orchestration.partitions import tell_dagster

    with clear_errors():
        home = Home.from_environment()
        added = add_videos(home.data, files, events, half_offset, half, teacher)
        tell_dagster(home, PARTITIONS, [each.key for each in added])
        if as_json:
            print_json([asdict(each) for each in added])
            return
        for each in added:
            err.print(f"{each.key}: {'added' if each.new else 'there already'}", highlight=False, soft_wrap=True)


@sample_app.command("detection")
def sample_detection(
    output: Annotated[Path | None, typer.Option(help="Where to; by default SPORT_ASSETS_DATA/detection.")] = None,
    videos: Annotated[int, typer.Option(min=1, max=99, help="Number of videos, each another match.")] = 6,
    seconds: Annotated[float, typer.Option(min=0.2, max=3600, help="Length of each.")] = 8.0,
    width: Annotated[int, typer.Option(min=160, max=7680, help="Of the picture, px.")] = 1280,
    height: Annotated[int, typer.Option(min=96, max=4320, help="Of the picture, px.")] = 720,
    players: Annotated[int, typer.Option(min=1, max=11, help="On each side.")] = 11,
    static_share: Annotated[float, typer.Option(min=0, max=1, help="Of the videos: with a camera that stands.")] = 1.0,
    easy: Annotated[bool, typer.Option("--easy", help="A large ball, and nothing that looks like one.")] = False,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    defects: Annotated[
        bool, typer.Option("--defects", help="Add a damaged file for each rule of videos and events.")
    ] = False,
    as_json: JSON = False,
) -> None:
    """Generated match videos with events, and the exact truth of every frame beside. Files that differ are kept."""
    from sport_assets.detection.synthetic import generate

    with clear_errors():
        folder = output or Home.from_environment().data / "detection"
        with err.status("generating") as status:
            made = generate(
                folder,
                videos=videos,
                seconds=seconds,
                seed=seed,
                width=width,
                height=height,
                players=players,
                difficulty="easy" if easy else "hard",
                static_share=static_share,
                defects=defects,
                progress=lambda done, total: status.update(f"generating: {done} of {total} frames"),
            )
        if as_json:
            print_json({"folder": folder, **asdict(made)})
        else:
            err.print(f"{videos} videos in {folder}", highlight=False, soft_wrap=True)


@predict_app.command("detection")
def predict_detection(
    model: Annotated[
        str, typer.Option(help="ONNX file, version folder, digest, or detection/exported_model:'sanity|0'.")
    ],
    input_: Annotated[Path, typer.Option("--input", help="An image, a folder of images, or a video.")],
    output: Annotated[Path, typer.Option(help="COCO results (JSON) to write.")],
    slice_: Annotated[
        int | None, typer.Option("--slice", help="Look at windows of this side, px, instead of the whole image.")
    ] = None,
    overlap: Annotated[
        float | None, typer.Option(help="Of neighbouring windows, as a share of their side: 0.2 by default.")
    ] = None,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="Least score of a result.")] = 0.05,
    video: Annotated[Path | None, typer.Option(help="MP4 to write: the frames of the video with boxes.")] = None,
    filter_balls: Annotated[
        bool, typer.Option("--filter-balls", help="Of a video: take out balls on no smooth path over its frames.")
    ] = False,
    categories: Annotated[
        str | None, typer.Option(help="As 1=player,2=ball, in the order of training: for exports of rfdetr itself.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N, or auto: a GPU if ONNX Runtime has CUDA.")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="Of the processor. One gives the same bits everywhere.")] = 1,
    as_json: JSON = False,
) -> None:
    """Detect players and balls. With --slice a network sees small balls of large frames in their full size."""
    from sport_assets.detection.predict import parse_categories, predict, windows_of
    from sport_assets.lineage.models import find_model

    with clear_errors():
        path = find_model(Home.from_environment(), model)
        with err.status("detecting") as status:
            report = predict(
                path,
                input_,
                output,
                slicing=windows_of(slice_, overlap),
                threshold=threshold,
                video=video,
                filter_balls=filter_balls,
                categories=None if categories is None else parse_categories(categories),
                device=device,
                threads=threads,
                progress=lambda done, total: status.update(f"detecting: {done} of {total} images"),
            )
        if as_json:
            print_json({"model": path, "output": output, "video": video, **asdict(report)})
            return
        found = ", ".join(f"{count} × {name}" for name, count in report.detections.items())
        err.print(f"{report.images} images: {found}; in {output}", highlight=False, soft_wrap=True)
        if report.balls_filtered is not None:
            reasons = ", ".join(f"{count} {reason}" for reason, count in report.balls_filtered.items())
            taken = sum(report.balls_filtered.values())
            err.print(f"{taken} balls filtered out" + f" ({reasons})" * bool(reasons), highlight=False, soft_wrap=True)
        if report.undecodable:
            frames = report.images + report.undecodable
            err.print(
                f"{report.undecodable} of {frames} frames cannot be decoded and have no results: the video is damaged",
                highlight=False,
                soft_wrap=True,
            )
        if report.turned:
            err.print(
                f"{report.turned} images have an orientation tag: boxes are in their pixels as stored, not as viewers "
                "turn them. Detectors know people upright: save such images upright first.",
                highlight=False,
                soft_wrap=True,
            )
        if video is not None:
            err.print(f"drawn: {video}", highlight=False, soft_wrap=True)
