"""The one ``dg.Definitions``: merges the lines, adds resources, sensors, jobs. Wiring only."""

import dagster as dg

import sport_assets.orchestration  # noqa: F401 - first: see there
from sport_assets.cricket import assets as cricket
from sport_assets.detection import assets as detection
from sport_assets.detection.videos import QUIET_S
from sport_assets.nfl import assets as nfl
from sport_assets.orchestration.alerts import Metric, alert_sensor
from sport_assets.orchestration.console import console_logger
from sport_assets.orchestration.recording import LineageResource
from sport_assets.orchestration.resources import Accelerator, mlflow_resource
from sport_assets.orchestration.sensors import raw_files_sensor, reaper

# Facts of an evaluation that must not fall behind the version before, and by how much they may.
WATCHED = {
    "nfl/evaluation": [
        *(Metric(f"{name}_{frames}") for frames in ("full", "10_frames") for name in ("ade", "rmse")),
        Metric("fde_full"),
        Metric("miss_rate_2yd_full", tolerance=0.1),
        Metric("coverage_accuracy", "higher"),
    ],
    "detection/evaluation": [Metric(name, "higher") for name in ("all_ap50", "player_ap50", "ball_recall_10px")],
    # the whole gain over frequencies is a few per cent of the log-loss
    "cricket/evaluation": [Metric("log_loss", tolerance=0.003), Metric("calibration_error", tolerance=0.5)],
}

defs = dg.Definitions(
    assets=[*nfl.ASSETS, *cricket.ASSETS, *detection.ASSETS],
    resources={"lineage": LineageResource(), "accelerator": Accelerator(), "mlflow": mlflow_resource},
    sensors=[
        reaper,
        alert_sensor(WATCHED),
        raw_files_sensor("nfl", "nfl/raw_tracking", follow=["nfl/tracking"]),
        raw_files_sensor("cricket", "cricket/raw_matches", follow=["cricket/deliveries", "cricket/innings"]),
        raw_files_sensor("detection", "detection/raw_video", follow=["detection/events"], settle_seconds=QUIET_S),
    ],
    # heavy work runs in Pipes children; the multiprocess executor would only load everything twice
    executor=dg.in_process_executor,
    loggers={"console": console_logger},
)
