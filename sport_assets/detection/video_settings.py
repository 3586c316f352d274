"""What a person says of a video that its file does not: ``detection/videos/<key>.settings.json``.

Belongs here: the settings, reading and writing their file. Must not come here: where it lies (``videos``), what the
clock is used for (``events``).
"""

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sport_assets.detection.errors import BadInputError


class VideoSettings(BaseModel):
    """How the clock of the events stands to the video, and who labels it. Unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    half_offset_s: float = Field(
        default=0.0,
        description="what the clock of the events reads, in seconds, at the first frame of the video; it is "
        "subtracted. 510 for a clip cut from minute 8:30 of a half; 2700 for a video of the second half whose events "
        "count from kick-off of the match",
    )
    half: int | None = Field(
        default=None,
        ge=1,
        le=9,
        description="the half that the video shows, for files whose events count anew in each half; events of other "
        "halves are set aside",
    )

    teacher: Literal["rfdetr", "background", "none"] | None = Field(
        default=None,
        description="who makes the pseudo-labels of this video, whatever is asked for others: background differencing "
        "needs a camera that stands",
    )

    def text(self) -> str:
        """The file's content; what is as by default is left out."""
        return json.dumps(self.model_dump(exclude_defaults=True), sort_keys=True) + "\n"


def read_settings(path: Path | None) -> VideoSettings:
    """The settings in a file, or the defaults where there is none (None).

    Raises ``BadInputError`` that names the file and the setting that is wrong.
    """
    if path is None:
        return VideoSettings()
    try:
        return VideoSettings.model_validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror or error}). Remove it or mend it.") from error
    except ValidationError as error:
        raise BadInputError(
            f"{path}: {first_fault(error)}. Settings of a video are a JSON object with "
            f"{', '.join(VideoSettings.model_fields)}, all optional."
        ) from error


def first_fault(error: ValidationError) -> str:
    """The first setting that is wrong, and what is wrong with it."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "the file"
    return f"{where}: {first['msg']}"
