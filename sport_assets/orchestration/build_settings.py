"""What ``--set`` means: each setting goes to the assets that have it; a wrong one is refused before anything is made.

Belongs here: reading settings, spreading them over a build's assets, checking them. Must not come here: the plan and
the runs (``build``).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg
from pydantic import TypeAdapter, ValidationError

from sport_assets.lineage.errors import LineageError
from sport_assets.lineage.record import Lineage
from sport_assets.orchestration.assets import DECLARATIONS
from sport_assets.training.errors import TrainingError
from sport_assets.training.spec import describe


class BuildError(Exception):
    """A build that cannot begin or go on; the message names the remedy."""


USERS_TO_MEND = (BuildError, LineageError, TrainingError, OSError, ValueError)
"""Errors whose message is for the user, and that say nothing against other partitions."""


class Settings:
    """The settings of one build: ``FIELD=VALUE`` or ``line/asset.FIELD=VALUE``."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._parsed = [_parse(text) for text in texts]
        self._configs: dict[str, dict[str, Any]] = {}
        # of assets with a preset: partitions, and what of the preset was set
        self._given_presets: dict[str, tuple[list[str], list[str]]] = {}

    def spread(self, keys: Sequence[str], partition: str | None) -> None:
        """Give each setting to the assets whose configuration has it. Raises ``BuildError`` for one that none has."""
        for asset_key, name, value, text in self._parsed:
            if asset_key is not None and asset_key not in keys:
                raise BuildError(f"--set {asset_key}.{name}: {asset_key} is not part of this build")
            takers = [key for key in keys if asset_key in (None, key) and self._give(key, partition, name, value, text)]
            if not takers:
                known = sorted(f"{key}.{field_}" for key in keys for field_ in _fields(DECLARATIONS[key].config))
                raise BuildError(
                    f"--set {name}: no asset of this build has a setting {name!r}. Settings: {', '.join(known)}; "
                    "those of a preset go by section and name, as training.max_epochs"
                )
        self._check_presets()

    def _give(self, key: str, partition: str | None, name: str, value: Any, text: str) -> bool:
        """Set one field of an asset's configuration, or one of its preset's settings; False when it has none such."""
        declared = DECLARATIONS[key]
        config = self._configs.setdefault(key, {})
        if declared.config is not None and name in _fields(declared.config):
            config[name] = _fitting(declared.config, name, value, text)
            return True
        if declared.preset is None or declared.partitions_def is None:
            return False
        partitions = [partition] if partition is not None else declared.partitions()
        known = _dotted(declared.preset(partitions[0], {}))
        found = [dotted for dotted in known if name in (dotted, dotted.split(".", 1)[-1])]
        if len(found) > 1:
            raise BuildError(f"--set {name}: several settings have this name; say which one: {', '.join(found)}")
        if not found:
            return False
        overrides = config.setdefault("overrides", {})
        overrides[found[0]] = value
        self._given_presets.setdefault(key, (partitions, []))[1].append(f"{name}={value}")
        return True

    def _check_presets(self) -> None:
        """Refuse what a preset refuses, when all is set: two settings may only fit together. Raises ``BuildError``."""
        for key, (partitions, texts) in self._given_presets.items():
            preset, overrides = DECLARATIONS[key].preset, self._configs[key]["overrides"]
            assert preset is not None
            for one in partitions:
                try:
                    preset(one, overrides)
                except (ValueError, TrainingError, LineageError) as error:
                    raise BuildError(f"--set {', '.join(texts)}: {key}:{one}: {error}") from error

    def check(self, keys: Sequence[str], lineage: Lineage) -> None:
        """Raises ``BuildError`` for what a field, or an asset as a whole, refuses, ``LineageError`` for a version that
        is not here."""
        for key in keys:
            complete, declared = self.complete(key), DECLARATIONS[key]
            why = declared.refuses(complete) if declared.refuses is not None else None
            if why is not None:
                raise BuildError(f"{key}: {why}")
            for name, pinned in declared.pins.items():
                if complete.get(name) is not None:
                    lineage.read_version(pinned, complete[name])

    def given(self, key: str) -> dict[str, Any] | None:
        """What was set of an asset's configuration, or None."""
        return self._configs.get(key)

    def complete(self, key: str) -> dict[str, Any]:
        """The complete configuration of an asset as its record holds it."""
        config = DECLARATIONS[key].config
        if config is None:
            return {}
        try:
            return config(**self._configs.get(key, {})).model_dump(mode="json")
        except ValidationError as error:
            raise BuildError(f"{key}:\n{describe(error)}") from error
        except ValueError as error:
            raise BuildError(f"{key}: {error}") from error


def _fields(config: type[dg.Config] | None) -> set[str]:
    return set(config.model_fields) if config is not None else set()


def _dotted(settings: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Names of all settings with their sections, as ``training.max_epochs``."""
    names: list[str] = []
    for name, value in settings.items():
        names += _dotted(value, f"{prefix}{name}.") if isinstance(value, Mapping) else [f"{prefix}{name}"]
    return names


def _fitting(config: type[dg.Config], name: str, value: Any, text: str) -> Any:
    """The text itself where the field takes text: a digest may look like a number (1234567, 12e4567)."""
    if isinstance(value, str):
        return value
    try:
        kind: Any = config.model_fields[name].annotation
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return text
    return value


def _parse(text: str) -> tuple[str | None, str, Any, str]:
    """``FIELD=VALUE`` or ``line/asset.FIELD=VALUE``: asset, field, the value as JSON where it can be, and as text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise BuildError(f"--set {text}: write FIELD=VALUE or line/asset.FIELD=VALUE")
    try:
        parsed: Any = json.loads(value)
    except json.JSONDecodeError:
        parsed = value
    if "/" in name:
        asset_key, dot, name = name.partition(".")
        if not dot:
            raise BuildError(f"--set {text}: write line/asset.FIELD=VALUE")
        return asset_key, name, parsed, value
    return None, name, parsed, value
