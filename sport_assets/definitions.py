"""The one ``dg.Definitions``: merges the lines, adds resources, sensors, jobs. Wiring only."""

import dagster as dg

import sport_assets.orchestration  # noqa: F401 - first: see there
from sport_assets.nfl import assets as nfl
from sport_assets.orchestration.console import console_logger
from sport_assets.orchestration.recording import LineageResource
from sport_assets.orchestration.resources import Accelerator, mlflow_resource
from sport_assets.orchestration.sensors import raw_files_sensor, reaper

defs = dg.Definitions(
    assets=[*nfl.ASSETS],
    resources={"lineage": LineageResource(), "accelerator": Accelerator(), "mlflow": mlflow_resource},
    sensors=[reaper, raw_files_sensor("nfl", "nfl/raw_tracking", follow=["nfl/tracking"])],
    # heavy work runs in Pipes children; the multiprocess executor would only load everything twice
    executor=dg.in_process_executor,
    loggers={"console": console_logger},
)
