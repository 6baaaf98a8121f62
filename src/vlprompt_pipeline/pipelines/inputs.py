"""Inputs that nodes of several stages treat in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.image_datasets import FewShotSet
from vlprompt_pipeline.methods import resolve_recipe
from vlprompt_pipeline.methods.trained import TrainedPrompt
from vlprompt_pipeline.reproducibility.differences import differences


def in_two(values: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """Split a node's variable inputs, which Kedro gives as one flat list, in the middle.

    They are two datasets for each method or target: all of the first kind, then all of the second.
    """
    middle = len(values) // 2
    return values[:middle], values[middle:]


def require_prompt_of_this_run(
    prompt: TrainedPrompt, method: str, recipes: dict[str, Any], few_shot_set: FewShotSet
) -> None:
    """Refuse a prompt that an earlier training with other settings or images left in this cell.

    Raises:
        PromptFileError: it names the first setting that differs.
    """
    images = "few-shot images"
    trained = {**prompt.resolved_recipe().deciding, images: prompt.provenance["few_shot_sha256"]}
    wanted = {**resolve_recipe(method, recipes).deciding, images: few_shot_set.digest["train"]}
    for setting, (then, now) in differences(trained, wanted).items():
        raise PromptFileError(
            f"the trained prompt of {method} was made with {setting} {then}, and this run has "
            f"{now}: run prompt_training with these settings first, or give those it was made with"
        )
