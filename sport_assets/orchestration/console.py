"""What a person sees on the terminal while assets run: our messages and Dagster's warnings, one line each.

Belongs here: a Dagster logger. Must not come here: what the messages say.
"""

import logging
import sys
from collections.abc import Callable
from typing import Any

import dagster as dg
from dagster._utils.error import SerializableErrorInfo  # the package names it nowhere else

Sink = Callable[[str], None]


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Console(logging.Handler):
    """Hands each line to ``sink``, which a command with a progress display replaces by its own."""

    sink: Sink = staticmethod(_to_stderr)

    def emit(self, record: logging.LogRecord) -> None:
        """Messages of assets from INFO up; Dagster's own events only when something is wrong."""
        meta: dict[str, Any] = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        if event is not None and record.levelno < logging.ERROR:
            return
        text = str(meta.get("orig_message") or record.getMessage())
        failure = event.step_failure_data if event is not None and event.is_step_failure else None
        if failure is not None and failure.error is not None and failure.user_failure_data is None:
            text += f" {cause(failure.error)}"  # a dg.Failure is told by whoever runs the step
        if text.startswith("[pipes]"):
            return
        level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        step = str(meta.get("step_key") or "").replace("__", "/")
        type(self).sink(f"  {step + ': ' if step else ''}{level}{text}")


def cause(error: SerializableErrorInfo) -> str:
    """The class and message of the error that an asset raised, in one line."""
    while error.cause is not None and (error.cls_name or "").startswith("Dagster"):
        error = error.cause
    return " ".join(error.message.split())


@dg.logger(None, description="One line per message of an asset; Dagster's own events only when something is wrong.")
def console_logger(context: dg.InitLoggerContext) -> logging.Logger:
    """The ``console`` logger of all jobs."""
    logger = logging.Logger("sport_assets.console", logging.INFO)
    logger.addHandler(Console())
    return logger


def tenths(say: Callable[[str], None], what: str) -> Callable[[int, int], None]:
    """A progress callback (done, total) that says where a step is after each tenth of it."""
    said = 0

    def progress(done: int, total: int) -> None:
        nonlocal said
        if done * 10 // max(total, 1) > said:
            said = done * 10 // max(total, 1)
            say(f"{done:,} of {total:,} {what}")

    return progress
