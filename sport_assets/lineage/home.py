"""Where things lie: the home of records and the folder of raw files.

Belongs here: paths and the environment variables that set them. Must not come here: reading or writing what lies there.
"""

import os
from dataclasses import dataclass
from pathlib import Path

HOME_VARIABLE = "SPORT_ASSETS_HOME"
DATA_VARIABLE = "SPORT_ASSETS_DATA"


@dataclass(frozen=True)
class Home:
    """The two roots: ``root`` holds all that is made, ``data`` the user's raw files, which are never written."""

    root: Path
    data: Path

    @classmethod
    def from_environment(cls) -> "Home":
        """``SPORT_ASSETS_HOME`` (default ``./.sport_assets``) and ``SPORT_ASSETS_DATA`` (default ``./data``)."""
        root = Path(os.environ.get(HOME_VARIABLE) or ".sport_assets").expanduser().resolve()
        data = Path(os.environ.get(DATA_VARIABLE) or "data").expanduser().resolve()
        return cls(root=root, data=data)

    @property
    def store(self) -> Path:
        """Published versions."""
        return self.root / "store"

    @property
    def records(self) -> Path:
        """One JSON file per event."""
        return self.root / "records"

    @property
    def ledger(self) -> Path:
        """The index and chain of the records."""
        return self.root / "ledger.sqlite"

    @property
    def dagster(self) -> Path:
        """DAGSTER_HOME."""
        return self.root / "dagster"

    @property
    def training(self) -> Path:
        """Working files of trainings, by the digest of their spec."""
        return self.root / "training"

    @property
    def mlflow_uri(self) -> str:
        """MLflow's tracking URI: SQLite beside the ledger."""
        return f"sqlite:///{self.root / 'mlflow.db'}"
