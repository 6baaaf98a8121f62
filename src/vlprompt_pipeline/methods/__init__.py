"""Methods that adapt a frozen CLIP.

Importing the package imports all modules in it, and a method's module registers the method.
"""

from importlib import import_module
from pkgutil import iter_modules

from vlprompt_pipeline.methods.base import PromptLearner
from vlprompt_pipeline.methods.build import (
    build_learner,
    build_plain,
    fit_learner,
    quantize_after,
    restore_learner,
)
from vlprompt_pipeline.methods.cases import Situation, recipes_in
from vlprompt_pipeline.methods.inputs import ClassTexts, FewShotFeatures
from vlprompt_pipeline.methods.recipe import Recipe, resolve_recipe, stored_recipe
from vlprompt_pipeline.methods.registry import METHODS, Method, get_method, register

__all__ = [
    "METHODS",
    "ClassTexts",
    "FewShotFeatures",
    "Method",
    "PromptLearner",
    "Recipe",
    "Situation",
    "build_learner",
    "build_plain",
    "fit_learner",
    "get_method",
    "quantize_after",
    "recipes_in",
    "register",
    "resolve_recipe",
    "restore_learner",
    "stored_recipe",
]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
