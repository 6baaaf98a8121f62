"""Methods that adapt a frozen CLIP; importing the package registers them."""

from vlprompt_pipeline.prompts import (  # noqa: F401  (imported to register)
    cocoop,
    coop,
    kgcoop,
    prograd,
    variational,
    zero_shot,
)
from vlprompt_pipeline.prompts.base import ClassTexts, PromptLearner
from vlprompt_pipeline.prompts.build import build_learner, build_plain, quantize_after
from vlprompt_pipeline.prompts.recipe import Recipe, check_recipe, resolve_recipe
from vlprompt_pipeline.prompts.registry import Method, get_method, method_names, register

__all__ = [
    "ClassTexts",
    "Method",
    "PromptLearner",
    "Recipe",
    "build_learner",
    "build_plain",
    "check_recipe",
    "get_method",
    "method_names",
    "quantize_after",
    "register",
    "resolve_recipe",
]
