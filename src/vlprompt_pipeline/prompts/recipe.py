"""A recipe: a method, its settings and how it is trained, as one entry of conf.

A new combination is an entry that extends another: `qcoop: {extends: coop, quantize: {bits: 1}}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import SerializeAsAny

from vlprompt_pipeline.config import Parameters, TrainingParameters, parse, unknown
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.parametrizations.config import QuantizeConfig
from vlprompt_pipeline.parametrizations.low_rank import LowRankConfig
from vlprompt_pipeline.parametrizations.noise import NoiseConfig
from vlprompt_pipeline.prompts.registry import get_method


class Recipe(Parameters):
    """A resolved recipe.

    Attributes:
        method: registered method; title: what tables call the recipe.
        prompt: the method's own parameters.
        training: optimiser and schedule; none where there is nothing to train.
        low_rank: factors in place of every context, merged at export.
        noise: on all tensors of the prompt while training.
        quantize: quantization of all trained tensors, factors included, in or after training.
    """

    method: str
    title: str
    prompt: SerializeAsAny[Parameters]
    training: TrainingParameters | None = None
    low_rank: LowRankConfig | None = None
    noise: NoiseConfig | None = None
    quantize: QuantizeConfig | None = None


def resolve_recipe(name: str, recipes: Mapping[str, Mapping[str, Any]]) -> Recipe:
    """The recipe `name` with everything it extends filled in, checked.

    Raises:
        ConfigError: an unknown recipe, method or key, a wrong value, a circle of `extends`, or a
            parametrization of a method that trains nothing.
    """
    values = _merged(name, recipes, ())
    where = f"recipes.{name}"
    if "method" not in values:
        raise ConfigError(f"{where}: give method, or extends with the name of another recipe")
    method = get_method(str(values["method"]), f"{where}.method")
    prompt = parse(method.parameters, values.get("prompt", {}), f"{where}.prompt")
    recipe = parse(Recipe, {**values, "prompt": prompt}, where)
    for key in ("low_rank", "noise", "quantize"):
        if getattr(recipe, key) and not recipe.training:
            raise ConfigError(f"{where}.{key}: {method.name} trains no tensor to put it on")
    return recipe


def check_recipe(name: str, recipe: Recipe, has_new_classes: bool) -> None:
    """Refuse a recipe that cannot serve the protocol.

    Raises:
        ConfigError: prompts bound to the training classes would meet others.
    """
    if has_new_classes and get_method(recipe.method).bound_to_classes(recipe.prompt):
        raise ConfigError(
            f"recipes.{name}: class-specific prompts know no class but those of training; set "
            "prompt.class_specific to false, or protocol to few_shot"
        )


def _merged(name: str, recipes: Mapping[str, Mapping[str, Any]], above: tuple[str, ...]) -> dict:
    if name in above:
        raise ConfigError(
            f"recipes.{above[0]}: extends runs in a circle: {' → '.join([*above, name])}"
        )
    if name not in recipes:
        where = f"recipes.{above[-1]}.extends" if above else "recipes"
        raise ConfigError(unknown(where, "recipe", name, sorted(recipes)))
    own = dict(recipes[name])
    parent = own.pop("extends", None)
    return own if parent is None else _overlay(_merged(parent, recipes, (*above, name)), own)


def _overlay(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _overlay(merged[key], value) if both else value
    return merged
