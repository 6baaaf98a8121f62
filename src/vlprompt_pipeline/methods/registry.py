"""The methods by name. A method is one module that ends in `register(Method(…))`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.parsing import Parameters, unknown


def always(parameters: Parameters) -> bool:
    """Say yes: for methods that are bound to the classes of training whatever their parameters."""
    return True


@dataclass(frozen=True)
class Method:
    """One way to adapt a frozen CLIP.

    Attributes:
        name: what a recipe's `method` says.
        parameters: model of the recipe's `prompt` section.
        learner: a `PromptLearner`; made from (clip, classes, parameters, generator).
        bound_to_classes: whether prompts with these parameters fit only the classes of training.
        restart: what `training.restart` must be with these parameters, or none if it is free.
        side_by_side: whether prompts with these parameters can train as one batch: the learner has
            one `context` and a `layout`, and the losses of `PromptLearner`.

    Example:
        >>> from vlprompt_pipeline.methods import get_method
        >>> method = get_method("coop")  # registered by the module `coop`
        >>> method.name, method.learner.__name__
        ('coop', 'CoOp')
    """

    name: str
    parameters: type[Parameters]
    learner: type[Any]
    bound_to_classes: Callable[[Any], bool] = lambda parameters: False
    restart: Callable[[Any], float | None] = lambda parameters: None
    side_by_side: Callable[[Any], bool] = lambda parameters: False


METHODS: dict[str, Method] = {}
"""Every registered method by its name."""


def register(method: Method) -> None:
    """Make a method known by its name, which must be new."""
    if method.name in METHODS:
        raise ValueError(f"two methods are named {method.name}")
    METHODS[method.name] = method


def get_method(name: str, where: str = "recipes") -> Method:
    """Return the method of that name; `where` it is asked for stands in the message.

    Raises:
        ConfigError: there is none.
    """
    if name not in METHODS:
        raise ConfigError(unknown(where, "method", name, sorted(METHODS)))
    return METHODS[name]
