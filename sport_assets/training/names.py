"""Names that the training, evaluation and export of every line share with the factory that makes their assets.

Belongs here: file names and check names alone. Must not come here: anything that needs an import.
"""

SPLIT_FILE = "split.json"
"""Which samples train, validate and test, in the folder of a line's data set."""

BEATS_BASELINES = "beats_baselines"
"""The check that ``evaluate`` returns: better than every baseline on held-out data."""

SPEC_FILE = "training_spec.json"
"""What a training was and its digest, in its result folder."""

PARITY = "parity"
"""The check that ``export`` returns: the exported model gives what the trained one gives."""

EPOCHS_FOLDER = "epochs"
"""Weights of the latest epochs and states of some, among the working files of a training."""

TUNING_FILE = "best.json"
"""What a search for better settings found, in the folder of a line's tuning: `preset`, `overrides` by dotted name."""

EVALUATION_FILE = "evaluation.json"
"""What ``evaluate`` writes: ``metrics`` (group, name, value and interval), ``baselines`` (each the same), samples."""
