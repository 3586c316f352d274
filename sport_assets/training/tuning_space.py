"""Which settings a search may change, and within which bounds: plain data that a line declares or a user's file holds.

Belongs here: reading such a space, and putting its values into complete settings. Must not be here: the search itself
(`tuning`), heavy imports (the Dagster side reads spaces to refuse wrong ones early).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Mapping
from typing import Any, Literal

import pydantic

from sport_assets.training.errors import BadSpecError
from sport_assets.training.spec import describe


class Range(pydantic.BaseModel):
    """The values that one setting may take.

    `float` and `int`: from `low` to `high`, both included; `log` the same on a logarithmic scale; `categorical`: one of
    `choices`, which may be any JSON values.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    kind: Literal["float", "log", "int", "categorical"]
    low: float | None = pydantic.Field(None, allow_inf_nan=False)
    high: float | None = pydantic.Field(None, allow_inf_nan=False)
    choices: tuple[Any, ...] = ()

    @pydantic.model_validator(mode="after")
    def _bounds_are_sound(self) -> Range:
        if self.kind == "categorical":
            if len(self.choices) < 2 or self.low is not None or self.high is not None:
                raise ValueError("categorical takes two or more choices, and neither low nor high")
            return self
        if self.choices or self.low is None or self.high is None:
            raise ValueError(f"{self.kind} takes low and high, and no choices")
        if not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
        if self.kind == "log" and self.low <= 0:
            raise ValueError(f"log needs low above 0 (it is {self.low:g})")
        if self.kind == "int" and (self.low % 1 or self.high % 1):
            raise ValueError(f"int needs whole numbers (low {self.low:g}, high {self.high:g})")
        return self

    def holding(self, name: str, value: Any) -> Range:
        """The same range, widened where it must be to hold `value`, the preset's own.

        Raises `BadSpecError` for a value that no range of this kind can hold.
        """
        if self.kind == "categorical":
            known = {encoded(choice) for choice in self.choices}
            return self if encoded(value) in known else self.model_copy(update={"choices": (*self.choices, value)})
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or (self.kind == "log" and value <= 0) or (self.kind == "int" and value % 1):
            raise BadSpecError(
                f"the space searches {name} as {self.kind}, but the preset has {value!r} there, which no such range "
                "holds; declare it as categorical, with its choices"
            )
        assert self.low is not None and self.high is not None
        return self.model_copy(update={"low": min(self.low, value), "high": max(self.high, value)})


Space = Mapping[str, Range]
"""Ranges by a setting's dotted name, as `training.learning_rate`."""


def read_space(content: Mapping[str, Any], source: str = "the search space") -> dict[str, Range]:
    """A space from plain data: `{"training.learning_rate": {"kind": "log", "low": 1e-4, "high": 1e-2}}`.

    Raises `BadSpecError` that names `source`, the setting and what is wrong with it.
    """
    if not isinstance(content, Mapping) or not content:
        raise BadSpecError(f"{source} must be a mapping of settings to ranges, and not empty")
    space = {}
    for name, given in content.items():
        try:
            space[str(name)] = Range.model_validate(given)
        except pydantic.ValidationError as error:
            raise BadSpecError(f"{source}: {name}:\n{describe(error)}") from error
    return dict(sorted(space.items()))


def fitted_space(space: Space, settings: Mapping[str, Any], fixed: Collection[str] = ()) -> dict[str, Range]:
    """The space as it is searched over complete settings: without what is `fixed`, each range holding what is there.

    Raises `BadSpecError` for a name that the settings do not have, and where nothing is left to search.
    """
    known = dotted(settings)
    unknown = sorted(set(space) - set(known))
    if unknown:
        raise BadSpecError(
            f"the search space names unknown settings: {', '.join(unknown)}; known settings: {', '.join(sorted(known))}"
        )
    left = {name: range_.holding(name, known[name]) for name, range_ in sorted(space.items()) if name not in fixed}
    if not left:
        raise BadSpecError(f"nothing is left to search: {', '.join(sorted(space))} are all fixed by hand")
    return left


def dotted(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Values by `section.name`."""
    return {
        f"{section}.{name}": value
        for section, content in settings.items()
        if isinstance(content, Mapping)
        for name, value in content.items()
    }


def with_values(settings: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Complete settings with other values by dotted name."""
    changed = copy.deepcopy(dict(settings))
    for name, value in values.items():
        section, _, field = name.partition(".")
        changed[section][field] = value
    return changed


def encoded(choice: Any) -> str:
    """A choice as text: the study's storage takes lists no other way, and 1 and true stay two choices."""
    return json.dumps(choice, sort_keys=True)
