"""A recipe: a method, its settings and how it is trained, as one entry of conf.

A new combination is an entry that extends another: `qcoop: {extends: coop, quantize: {bits: 1}}`.
What differs by protocol, dataset or shots stands in its `cases` (module `cases`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import SerializeAsAny

from vlprompt_pipeline.config import TrainingParameters
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.methods.registry import get_method
from vlprompt_pipeline.methods.zero import ZeroConfig
from vlprompt_pipeline.parametrizations.config import QuantizeConfig
from vlprompt_pipeline.parametrizations.low_rank import LowRankConfig
from vlprompt_pipeline.parametrizations.noise import NoiseConfig
from vlprompt_pipeline.parametrizations.projected import ProjectedConfig
from vlprompt_pipeline.parsing import Parameters, overlay, parse, unknown
from vlprompt_pipeline.wording import counted

AT_TEST_TIME = "(test-time)"
"""What ends the title of a recipe that looks at test images in more than their plain view."""


class Recipe(Parameters):
    """A resolved recipe.

    Attributes:
        method: registered method; title: what tables call the recipe.
        prompt: the method's own parameters.
        training: optimiser and schedule; none where there is nothing to train.
        low_rank: factors in place of every context, merged at export.
        projected: a few numbers of 4 bits along random directions in place of every context.
        noise: on all tensors of the prompt while training.
        quantize: quantization of all trained tensors, factors included, in or after training.
        test_time: what test images are asked beside their plain view (ZERO); the prompt itself is
            trained and shipped as without. The title then says `(test-time)`.
        tuned_per_dataset: some of this was chosen for the dataset; tables of results say so.
    """

    method: str
    title: str
    prompt: SerializeAsAny[Parameters]
    training: TrainingParameters | None = None
    low_rank: LowRankConfig | None = None
    projected: ProjectedConfig | None = None
    noise: NoiseConfig | None = None
    quantize: QuantizeConfig | None = None
    test_time: ZeroConfig | None = None
    tuned_per_dataset: bool = False

    @property
    def views(self) -> int:
        """In how many views a test image is looked at."""
        return self.test_time.views if self.test_time else 1

    @property
    def bound_to_classes(self) -> bool:
        """Whether what is trained fits no classes but those of training."""
        return get_method(self.method).bound_to_classes(self.prompt)

    @property
    def deciding(self) -> dict[str, Any]:
        """Its settings as plain values but for those that change no result."""
        return self.model_dump(mode="json", exclude={"title": True, "training": {"memory_gb"}})

    @property
    def code(self) -> tuple[Callable[..., Any], ...]:
        """Classes and functions whose code decides its results: for `source_code.code_digest`."""
        learner = get_method(self.method).learner
        return (learner, *self.quantize.code) if self.quantize else (learner,)


def resolve_recipe(name: str, recipes: Mapping[str, Mapping[str, Any]]) -> Recipe:
    """Return the recipe `name` with everything it extends filled in, checked.

    `recipes` are those of a situation (`recipes_in`), where any has cases.

    Raises:
        ConfigError: an unknown recipe, method or key, a wrong value, a circle of `extends`, cases
            that nobody has chosen among, no training of a method that needs one, or a
            parametrization of a method that trains nothing to put it on.
    """
    where = f"recipes.{name}"
    recipe = _parsed(_merged(name, recipes, ()), where)
    _require_consistent(recipe, where)
    return recipe


def stored_recipe(values: Mapping[str, Any]) -> Recipe:
    """Return the recipe that a prompt was trained with, from its plain values.

    Whether it would be accepted for a new training is not checked: the prompt is trained already.

    Raises:
        ConfigError: an unknown method or key, or a wrong value.
    """
    return _parsed(values, "recipe")


def _parsed(values: Mapping[str, Any], where: str) -> Recipe:
    if "method" not in values:
        raise ConfigError(f"{where}: give method, or extends with the name of another recipe")
    method = get_method(str(values["method"]), f"{where}.method")
    prompt = parse(method.parameters, values.get("prompt", {}), f"{where}.prompt")
    recipe = parse(Recipe, {**values, "prompt": prompt}, where)
    return recipe.model_copy(update={"title": _true_title(recipe)})


def _true_title(recipe: Recipe) -> str:
    """Return the title with the rank and the bits of the recipe where it names any.

    A run may set others than the title of conf says. Views at test time are added to it.
    """
    title = recipe.title
    if recipe.low_rank:
        title = re.sub(r"\brank \d+", f"rank {recipe.low_rank.rank}", title)
    if recipe.quantize:
        title = re.sub(r"\b\d+ bits?\b", counted(recipe.quantize.bits, "bit"), title)
    if recipe.test_time and not title.endswith(AT_TEST_TIME):
        title = f"{title} {AT_TEST_TIME}"
    return title


def _require_consistent(recipe: Recipe, where: str) -> None:
    method = get_method(recipe.method)
    if method.learner.trained and not recipe.training:
        raise ConfigError(
            f"{where}.training is missing, and {method.name} is nothing without it; give it, or "
            "extend a recipe that has it"
        )
    restart = method.restart(recipe.prompt)
    if recipe.training and restart is not None and recipe.training.restart != restart:
        raise ConfigError(
            f"{where}.training.restart is {recipe.training.restart}, but {method.name} starts its "
            f"second stage after the share {restart} of the epochs: give both the same number"
        )
    for part in ("low_rank", "projected"):
        if getattr(recipe, part) and not method.learner.contexts:
            raise ConfigError(f"{where}.{part}: {method.name} trains no context to put it on")
    if recipe.projected and (recipe.low_rank or recipe.quantize):
        raise ConfigError(
            f"{where}.projected: its numbers are quantized as they are; leave out low_rank and "
            "quantize"
        )
    if recipe.noise and (not recipe.training or method.learner.fitted):
        raise ConfigError(f"{where}.noise: {method.name} trains no prompt to put it on")
    if recipe.quantize and not (recipe.training or method.learner.fitted):
        raise ConfigError(f"{where}.quantize: {method.name} has no tensors to put it on")
    if recipe.quantize and recipe.quantize.moment == "few_shot":
        if not method.learner.fitted or not method.learner.classifiers:
            raise ConfigError(
                f"{where}.quantize.moment: {method.name} is not given all images at once; leave it "
                "out, or quantize gda, clap, tip_adapter, lp_plus_plus or linear_probe"
            )
        if recipe.training and not recipe.quantize.post_training:
            raise ConfigError(
                f"{where}.quantize.moment: codes are chosen once, so {method.name} takes it with "
                "quantize.post_training: true"
            )


def _merged(name: str, recipes: Mapping[str, Mapping[str, Any]], above: tuple[str, ...]) -> dict:
    if name in above:
        raise ConfigError(
            f"recipes.{above[0]}: extends runs in a circle: {' → '.join([*above, name])}"
        )
    if name not in recipes:
        where = f"recipes.{above[-1]}.extends" if above else "recipes"
        raise ConfigError(unknown(where, "recipe", name, sorted(recipes)))
    settings = dict(recipes[name])
    if settings.pop("cases", None):
        raise ConfigError(
            f"recipes.{name}.cases: settings differ by protocol, dataset or shots; choose with "
            "recipes_in(Situation(protocol, dataset, shots), recipes)"
        )
    parent = settings.pop("extends", None)
    if parent is None:
        return settings
    if not isinstance(parent, str):
        raise ConfigError(f"recipes.{name}.extends is {parent!r}: give the name of a recipe")
    # what differs has another title, so that no table has two methods of one name
    return {
        **overlay(_merged(parent, recipes, (*above, name)), settings),
        "title": settings.get("title", name),
    }
