"""Whether two materializations gave the same: the same bytes, or the same numbers within a tolerance.

Belongs here: comparing two versions file by file, and what their records say of code, packages and machine. Must not
come here: making the second one (``reproduce``).

On other hardware a training ends with other last digits, and what stands on it follows. So a step is judged by how it
stands. Where all it was made from is identical and it trains nothing, every array, table, text and number must be the
same within the tolerance. Where it is a training, or stands on what is itself only within tolerance (``loose``), its
weights and the numbers of ``evaluation.json`` must be, and tables must have the same rows and columns; its pictures,
texts and curves follow from these and are named as not compared.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sport_assets.audit.changes import Change, environment_changes, setting_changes
from sport_assets.lineage.manifest import Materialization
from sport_assets.orchestration.file_likeness import Files, Limits, is_number

IDENTICAL, WITHIN, DIFFERENT = "identical", "within tolerance", "different"
COMPUTED, WEIGHTS, METRICS = Limits(1e-4, 1e-6), Limits(0.05, 0.01), Limits(0.01, 0.001)
EVALUATION = "evaluation.json"
_MISSING = "is missing"
_PICTURES = {".png", ".svg"}
# facts that tell how long something took or how large a file is, not what came out
_OF_THE_RUN = re.compile(r"seconds|bytes|per_s|checkpoints_written|resumed")


@dataclass(frozen=True)
class Tolerance:
    """What may differ: the last digits of what is computed from the same, the weights of a training, its metrics.

    Trained on two threads instead of one, the weights of a small model came out within 2 percent and its metrics within
    0.01 percent; longer trainings drift further.
    """

    computed: Limits = COMPUTED
    weights: Limits = WEIGHTS
    metrics: Limits = METRICS


@dataclass(frozen=True)
class Likeness:
    """The verdict on two versions, what differs between them, and files whose bytes differ but were not judged."""

    verdict: str
    differences: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class Comparison:
    """Compares a recorded materialization with one made again.

    ``names``: recorded digests and what they became, so that a text that names an input's version is not another text.
    """

    tolerance: Tolerance = field(default_factory=Tolerance)
    names: dict[str, str] = field(default_factory=dict)

    def of(
        self, recorded: Materialization, again: Materialization, folders: tuple[Path, Path], *, loose: bool
    ) -> Likeness:
        """The verdict. ``folders`` are those of the two versions; the recorded one's files may be gone."""
        loose = loose or recorded.seed is not None
        exact = self.tolerance.computed
        numbers, arrays = (self.tolerance.metrics, self.tolerance.weights) if loose else (exact, exact)
        compared = Files(numbers, arrays, not loose, self.names)
        differences, notes = _by_record(recorded, again)
        skipped: list[str] = []
        identical = recorded.version == again.version
        if not identical:
            missing: list[str] = []
            for path, found in _files(recorded, again, folders, compared):
                if found is _MISSING:
                    missing.append(path)
                elif found is None:
                    skipped.append(path)
                else:
                    differences.append(f"{path}: {found}")
            if missing:
                notes.append(
                    f"recorded files are not here ({', '.join(missing)}): recorded figures were compared instead"
                )
                differences += _facts(recorded, again, numbers, loose)
        self.learn(recorded.version, again.version)
        before, now = (made.facts.get("spec_digest") for made in (recorded, again))
        if isinstance(before, str) and isinstance(now, str):
            self.learn(before, now)
        verdict = DIFFERENT if differences else IDENTICAL if identical else WITHIN
        return Likeness(verdict, tuple(differences), tuple(skipped), tuple(notes))

    def learn(self, recorded: str, now: str) -> None:
        """A digest that texts may name, and what it became."""
        self.names[recorded] = now
        self.names[recorded[:12]] = now[:12]


def reasons(recorded: Materialization, again: Materialization) -> list[Change]:
    """What was another one then: code, configuration, Python, device, threads, packages, machine, commit."""
    code = Change("code version", recorded.code_version, again.code_version)
    settings = [
        Change(f"configuration: {name}", before, now)
        for name, before, now in setting_changes(recorded.config, again.config)
        # left open then, and given now: what was taken stands in the environment
        if not (name in ("device", "threads") and before is None)
    ]
    environment = environment_changes(recorded.environment, again.environment)
    return [*([code] if code.before != code.after else []), *settings, *environment]


def _by_record(recorded: Materialization, again: Materialization) -> tuple[list[str], list[str]]:
    """What the two records say differently: differences that count, and those that are only worth a note."""
    differences, notes = [], []
    for name in ("rows", "quarantined_rows"):
        before, now = getattr(recorded, name), getattr(again, name)
        if before != now:
            differences.append(f"{name.replace('_', ' ')}: {before}, now {now}")
    verdicts = {check.name: check for check in recorded.checks}
    for check in again.checks:
        before_check = verdicts.pop(check.name, None)
        if before_check is None:
            notes.append(f"check {check.name} was not run then")
        elif before_check.passed != check.passed:
            said = f"check {check.name} {'passed' if before_check.passed else 'failed'}, now it " + (
                "passes" if check.passed else "fails"
            )
            (differences if check.blocking else notes).append(said)
    notes += [f"check {name} is not run any more" for name in verdicts]
    return differences, notes


def _files(
    recorded: Materialization, again: Materialization, folders: tuple[Path, Path], compared: Files
) -> Iterator[tuple[str, str | None]]:
    """Each file whose bytes differ, with what differs in it; None where it is not judged, _MISSING where it is gone."""
    old, new = folders
    before = {file.path: file.sha256 for file in recorded.files}
    now = {file.path: file.sha256 for file in again.files}
    for path in sorted(before.keys() | now.keys()):
        if path not in now:
            yield path, "is not made any more"
        elif path not in before:
            yield path, "was not made then"
        elif before[path] != now[path]:
            if not _judged(path, recorded, compared.values, before):
                yield path, None
            elif not (old / path).is_file():
                yield path, _MISSING
            else:
                found = compared.differs(path, old / path, new / path)
                if found is not None:
                    yield path, found


def _judged(path: str, recorded: Materialization, values: bool, files: Mapping[str, str]) -> bool:
    """Whether the file says anything beyond what the others of its version say."""
    name, suffix = path.rsplit("/", 1)[-1], Path(path).suffix
    if suffix == ".pt2" and any(other.endswith(".onnx") for other in files):
        return False  # its bytes depend on the folder; the ONNX file beside it has the same graph and weights
    if suffix in _PICTURES and "/" not in path and len({Path(other).suffix for other in files} - _PICTURES):
        return False
    if recorded.seed is not None and suffix == ".safetensors":
        return name.startswith("weights")  # not the optimizer's state
    return values or suffix in {".safetensors", ".onnx", ".parquet"} or name == EVALUATION


def _facts(recorded: Materialization, again: Materialization, limits: Limits, loose: bool) -> list[str]:
    """Differences of the figures that both records hold; bytes that differ count where these must be the same."""
    found = []
    for name, value in recorded.facts.items():
        now = again.facts.get(name)
        judged = isinstance(value, float) or (not loose and is_number(value))
        if judged and not _OF_THE_RUN.search(name) and not _near(value, now, limits):
            found.append(f"{name} was {value:.6g}, is {now if now is None else f'{now:.6g}'}")
    return found if loose or found else ["other bytes"]


def _near(recorded: float, now: Any, limits: Limits) -> bool:
    return is_number(now) and limits.alike(float(recorded), float(now))
