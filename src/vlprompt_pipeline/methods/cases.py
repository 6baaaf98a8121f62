"""Cases of a recipe: settings that hold in some protocols, on some datasets, with some shots.

Published recipes are not one list of numbers: CoOp trains for 50, 100 or 200 epochs by shots.

    coop:
      training: {epochs: 200}
      cases:
        - when: {protocol: [few_shot], shots: [2, 4]}
          training: {epochs: 100}

The cases that hold are laid over their own recipe, a later one over an earlier one. Only then is
the recipe extended: what extends it gets it as it is in this situation, and puts its own settings
over that. So a child's settings win over its parent's cases, as what is said nearer always does.

A setting that is a multiple or a fraction of the number of shots says so, for every number of them:
`steps: 500 * shots`, `weight: 1 / shots`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.parsing import Parameters, overlay, parse
from vlprompt_pipeline.protocols import PROTOCOLS

Shots = Annotated[int, Field(ge=1)]

_BY_SHOTS = re.compile(r"(\d+(?:\.\d+)?) ?([*/]) ?shots")


class Situation(NamedTuple):
    """What decides which cases hold; the dataset's name is without prefix."""

    protocol: str
    dataset: str
    shots: int


class When(Parameters):
    """Where a case holds: everything that is given must fit."""

    protocol: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    dataset: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    shots: Annotated[tuple[Shots, ...], Field(min_length=1)] | None = None

    @field_validator("protocol")
    @classmethod
    def _registered(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if set(names or ()) - set(PROTOCOLS):
            raise ValueError(f"protocols are {', '.join(PROTOCOLS)}")
        return names

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.protocol is self.dataset is self.shots is None:
            raise ValueError("give protocol, dataset or shots, each a list")
        return self

    def holds(self, situation: Situation) -> bool:
        """Tell whether the situation is among those named."""
        named = (self.protocol, self.dataset, self.shots)
        return all(
            values is None or value in values
            for values, value in zip(named, situation, strict=True)
        )


class Case(Parameters):
    """Sections of a recipe that replace its own where `when` holds, key by key."""

    when: When
    title: str | None = None
    prompt: dict[str, Any] | None = None
    training: dict[str, Any] | None = None
    low_rank: dict[str, Any] | None = None
    projected: dict[str, Any] | None = None
    noise: dict[str, Any] | None = None
    quantize: dict[str, Any] | None = None
    test_time: dict[str, Any] | None = None

    @property
    def changes_texts_only(self) -> bool:
        """Whether templates are all that is another."""
        return self.model_fields_set == {"when", "prompt"} and set(self.prompt) == {"templates"}


def recipes_in(
    situation: Situation,
    recipes: Mapping[str, Mapping[str, Any]],
    last: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, dict[str, Any]]:
    """Apply the cases of a situation to recipes; what each extends still stands there.

    A recipe of which a case on the dataset holds is marked `tuned_per_dataset`, unless all it
    changes is the set of templates: texts are written for a dataset, not tuned on it.

    Args:
        situation: protocol, dataset and shots of a run.
        recipes: entries of conf.
        last: settings laid over the cases, too: those of a command line.

    Raises:
        ConfigError: a case is not one, says nowhere where it holds, or changes the method.
    """
    resolved = {name: _in_situation(name, recipe, situation) for name, recipe in recipes.items()}
    for name, settings in (last or {}).items():
        if "cases" not in settings:  # what brings cases of its own means them to hold
            resolved[name] = overlay(resolved[name], settings)
    return {name: _by_shots(recipe, situation.shots) for name, recipe in resolved.items()}


def _by_shots(setting: Any, shots: int) -> Any:
    """Replace settings such as `500 * shots` and `1 / shots` by their numbers."""
    if isinstance(setting, Mapping):
        return {key: _by_shots(value, shots) for key, value in setting.items()}
    match = _BY_SHOTS.fullmatch(setting) if isinstance(setting, str) else None
    if not match:
        return setting
    number = float(match[1]) * shots if match[2] == "*" else float(match[1]) / shots
    return int(number) if number.is_integer() else number


def _in_situation(name: str, recipe: Mapping[str, Any], situation: Situation) -> dict[str, Any]:
    resolved = {key: value for key, value in recipe.items() if key != "cases"}
    for case in _cases(name, recipe.get("cases") or []):
        if case.when.holds(situation):
            resolved = overlay(resolved, case.model_dump(exclude_unset=True, exclude={"when"}))
            if case.when.dataset and not case.changes_texts_only:
                resolved["tuned_per_dataset"] = True
    return resolved


def _cases(name: str, entries: Any) -> list[Case]:
    if not isinstance(entries, list | tuple):
        raise ConfigError(f"recipes.{name}.cases is {entries!r}: give a list of cases")
    cases = []
    for number, case in enumerate(entries):
        where = f"recipes.{name}.cases[{number}]"
        if not isinstance(case, Mapping):
            raise ConfigError(f"{where} is {case!r}: give when and the settings that hold then")
        for key in sorted({"method", "extends"} & set(case)):
            raise ConfigError(
                f"{where}.{key}: a case changes settings alone; make another method a recipe of "
                "its own"
            )
        cases.append(parse(Case, case, where))
    return cases
