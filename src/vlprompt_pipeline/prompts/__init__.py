"""Methods that adapt a frozen CLIP; importing the package registers them."""

from vlprompt_pipeline.prompts import (  # noqa: F401  (imported to register)
    clip_adapter,
    cocoop,
    coop,
    deep_language,
    deep_vision,
    ivlp,
    kgcoop,
    linear_probe,
    lp_plus_plus,
    maple,
    prograd,
    promptsrc,
    tcp,
    tip_adapter,
    variational,
    zero_shot,
)
from vlprompt_pipeline.prompts.base import ClassTexts, FewShotFeatures, PromptLearner
from vlprompt_pipeline.prompts.build import build_learner, build_plain, quantize_after
from vlprompt_pipeline.prompts.recipe import Recipe, resolve_recipe
from vlprompt_pipeline.prompts.registry import Method, get_method, method_names, register

__all__ = [
    "ClassTexts",
    "FewShotFeatures",
    "Method",
    "PromptLearner",
    "Recipe",
    "build_learner",
    "build_plain",
    "get_method",
    "method_names",
    "quantize_after",
    "register",
    "resolve_recipe",
]
