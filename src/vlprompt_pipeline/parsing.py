"""Turn plain values into checked parameters, or into one sentence that says which key is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from vlprompt_pipeline.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)


class Frozen(BaseModel):
    """Base of models of plain values: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Parameters(Frozen):
    """Base of all parameter models."""


def is_none(value: object) -> bool:
    """Tell whether a setting is absent: `exclude_if` of fields that came later than their model."""
    return value is None


def _several(value: Any) -> Any:
    return tuple(str(value).split("+")) if isinstance(value, (str, int, float)) else value


Several = BeforeValidator(_several)
"""Validator of a list, which on the command line is its items joined by `+`."""


def _once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value} is listed twice")
    return values


Once = AfterValidator(_once)
"""Validator of a list whose items are compared with each other: each stands there once."""


def one_place(template: str) -> str:
    """Return a template that has one place for the class name, and raise ValueError for others."""
    if template.count("{}") != 1 or template.count("{") + template.count("}") != 2:
        raise ValueError("a template has {} once, where the class name goes, as 'a photo of a {}.'")
    return template


def safe_in_paths(name: str) -> str:
    """Return the name of a dataset, and raise ValueError for one that no path can have."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name):
        raise ValueError(
            "a dataset's name stands in paths; rename the folder or table to up to 100 letters, "
            "digits, '.', '_' and '-', with a letter or digit first"
        )
    if name == "average":
        raise ValueError("'average' is the row of means in every table: rename the dataset")
    return name


DatasetName = Annotated[
    str,
    BeforeValidator(lambda name: str(name) if type(name) is int else name),  # dataset=2024
    AfterValidator(safe_in_paths),
]
"""Name of a dataset: a known one, or a folder or table of the user's own photos."""


def parse(model: type[Model], values: Any, where: str = "parameters") -> Model:
    """Build `model` from plain values, or say in one sentence which key is wrong.

    Raises:
        ConfigError: naming every offending key, its value and what is allowed there.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        reasons: dict[str, str] = {}
        errors = error.errors()
        within = {item["loc"][:-1] for item in errors if item["loc"]}
        for item in errors:
            if item["type"] == "too_short" and item["loc"] in within:
                continue  # it is counted without the wrong ones, which are named themselves
            subject, reason = _reason(model, item | {"loc": _location(item, values)}, where)
            reasons[subject] = f"{reasons[subject]}, or {reason}" if subject in reasons else reason
        raise ConfigError("; ".join(map("".join, reasons.items()))) from None


def first_fault(error: ValidationError) -> str:
    """Return what is wrong with values that a program wrote: the first key, and why."""
    first = error.errors(include_url=False, include_input=False)[0]
    return ": ".join(filter(None, (".".join(map(str, first["loc"])), _without_capital(first))))


def unknown(where: str, what: str, name: str, allowed: list[str]) -> str:
    """Write the sentence for a name that is not allowed, with the nearest one that is."""
    near = get_close_matches(name, allowed, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"{where}: unknown {what} {name!r}{hint}; allowed: {', '.join(allowed)}"


def _location(item: Any, values: Any) -> list[str]:
    """Return the keys that lead to a wrong value, without pydantic's names of a union's members."""
    keys = []
    *_, last = item["loc"] or [None]
    for key in item["loc"]:
        try:
            values = values[key]
        except (KeyError, IndexError, TypeError):
            if item["type"] != "missing" or key != last:
                continue
        keys.append(str(key))
    return keys


def _reason(model: type[BaseModel], item: Any, where: str) -> tuple[str, str]:
    """Return what is wrong, and why: the members of a union each have their own reason."""
    location = item["loc"]
    path = _path(where, location)
    if item["type"] == "extra_forbidden":
        owner = _model_at(model, location[:-1])
        fields = owner.model_fields.items() if owner else ()
        allowed = sorted(name for name, field in fields if not field.exclude)
        return unknown(_path(where, location[:-1]), "key", location[-1], allowed), ""
    if item["type"] == "missing":
        return f"{path} is missing; set it in conf or with --params", ""
    return f"{path} is {item['input']!r}: ", _without_capital(item)


def _without_capital(item: Any) -> str:
    """Return pydantic's message as it stands within a sentence."""
    reason = item["msg"].removeprefix("Value error, ")
    return f"{reason[0].lower()}{reason[1:]}"


def _path(where: str, location: list[str]) -> str:
    """Write where a key stands; an option is no section, so a colon is behind it."""
    if " " in where and location:
        return f"{where}: {'.'.join(location)}"
    return ".".join([where, *location])


def _model_at(model: type[BaseModel], path: list[str]) -> type[BaseModel] | None:
    current: type[BaseModel] | None = model
    for part in path:
        if part.isdigit():  # of a list, whose items are models
            continue
        fields = current.model_fields if current else {}
        field = fields.get(part, fields.get("root"))
        current = _inner_model(field.annotation) if field else None
    return current


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType, Annotated, tuple, dict):
        return next(filter(None, map(_inner_model, get_args(annotation))), None)
    return None


def overlay(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested mappings as one, `over` winning."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = overlay(merged[key], value) if both else value
    return merged
