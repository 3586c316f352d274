"""Errors of a training with their exit codes; each message says what happened and what to do.

Belongs here: the exceptions that `run` turns into an exit code and one clear message. Must not be here: heavy imports.
"""

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_BAD_SPEC = 2
EXIT_NON_FINITE = 3
EXIT_OUT_OF_MEMORY = 4
EXIT_LEASE_HELD = 5
EXIT_STOPPED = 75  # EX_TEMPFAIL: start the same spec again and it goes on


class TrainingError(Exception):
    """A training that ended with a known reason; `exit_code` is what the process returns."""

    exit_code = EXIT_FAILED


class BadSpecError(TrainingError):
    """The spec, its settings, its builder or what the builder returned cannot be trained."""

    exit_code = EXIT_BAD_SPEC


class NonFiniteLossError(TrainingError):
    """A loss, a weight or the monitored metric became NaN or infinite; the last good checkpoint is kept."""

    exit_code = EXIT_NON_FINITE


class OutOfMemoryError(TrainingError):
    """The process or the accelerator has no memory left."""

    exit_code = EXIT_OUT_OF_MEMORY


class LeaseHeldError(TrainingError):
    """Another trainer works on the same spec; the message names it."""

    exit_code = EXIT_LEASE_HELD


class StoppedError(TrainingError):
    """Stopped on request (SIGTERM) at a checkpoint; the same spec goes on when it is started again."""

    exit_code = EXIT_STOPPED
