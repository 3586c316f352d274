"""What the detection line's tables hold: columns, units, and the rules that each value must keep.

Belongs here: the declarations of tables (validated by Pandera on polars). They serve validation and the column
descriptions that people browse. Must not come here: reading files, rules about more than one value, Dagster.
"""

import polars as pl

from sport_assets.lineage.quarantine import QUARANTINE_SCHEMA
from sport_assets.lineage.table import Column, Rule, Table

# -- videos: events and frames ---------------------------------------------------------------------------------------

FRAME_REASONS = ("every", "event", "both")

_FROM_ZERO = (Rule("ge", (0,), "not_negative"),)
_FROM_ONE = (Rule("ge", (1,), "positive"),)

EVENTS = Table(
    "detection_events",
    {
        "event": Column(pl.Int64, "Number of the event in its file, from 1", _FROM_ONE),
        "label": Column(pl.String, "What happened, in capitals: PASS, DRIVE, HIGH PASS and so on"),
        "team": Column(pl.String, "Side that did it, as the file says it: left, right", nullable=True),
        "player": Column(pl.String, "Who did it, as the file says it", nullable=True),
        "half": Column(pl.Int64, "Half of the match, from 1, where the file says it", _FROM_ONE, nullable=True),
        "game_clock_s": Column(
            pl.Float64, "Clock of the half that the file shows to people (s)", _FROM_ZERO, nullable=True
        ),
        "time_ms": Column(pl.Float64, "Time in the video from its first frame (ms)", _FROM_ZERO),
        "visibility": Column(pl.String, "Whether it can be seen, as the file says it", nullable=True),
    },
    "One row an event that lies inside the video, by time",
)

_EVENT_QUARANTINE_TEXTS = {
    "rule": "Why the event was set aside",
    "column": "Entry of the event that is to blame",
    "value": "What stands there",
    "file": "Name of the events file",
    "line": "Line of the file on which the event begins",
    "row": "The event as the file has it, with its number from 1, as JSON",
}
EVENT_QUARANTINE = Table(
    "detection_event_quarantine",
    {name: Column(type(dtype), _EVENT_QUARANTINE_TEXTS[name]) for name, dtype in QUARANTINE_SCHEMA.items()},
    "Events that were set aside, one row each, with the first reason",
)

FRAMES = Table(
    "detection_frames",
    {
        "frame": Column(pl.Int64, "Number of the frame in the video in order of showing, from 0", _FROM_ZERO),
        "time_ms": Column(pl.Float64, "When the frame is shown, from the first frame of the video (ms)", _FROM_ZERO),
        "reason": Column(
            pl.String,
            "Why the frame was chosen: every (each Nth frame), event (near an event) or both",
            (Rule("isin", (list(FRAME_REASONS),), "reason_vocabulary"),),
        ),
        "file": Column(pl.String, "The picture's file, relative to the folder of this table"),
        "width": Column(pl.Int64, "Width of the picture, turned upright (px)", _FROM_ONE),
        "height": Column(pl.Int64, "Height of the picture, turned upright (px)", _FROM_ONE),
        "bytes": Column(pl.Int64, "Size of the file (bytes)", _FROM_ONE),
        "sha256": Column(
            pl.String, "SHA-256 of the file in hex", (Rule("str_matches", (r"^[0-9a-f]{64}$",), "sha256_format"),)
        ),
        "sharpness": Column(
            pl.Float64, "Variance of the Laplacian of the grey picture (grey levels squared); low: blurred", _FROM_ZERO
        ),
    },
    "One row a frame that was taken out of the video, in order",
)
