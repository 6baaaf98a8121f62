"""Deep vision prompts under hand-written texts: visual prompt tuning.

What muzairkhattak/multimodal-prompt-learning calls VPT, after Jia et al. (ECCV 2022). The texts
never change, so they are encoded once.
"""

from __future__ import annotations

from pydantic import Field
from torch import Generator

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.methods.deep import normal_prompts, prompted_blocks
from vlprompt_pipeline.methods.image_prompts import ImagePromptLearner
from vlprompt_pipeline.methods.registry import Method, register
from vlprompt_pipeline.methods.texts import FixedTexts, TextParameters


class DeepVisionParameters(TextParameters):
    """`length` prompts in each of the first `depth` blocks, and the set of templates."""

    length: int = Field(ge=1)
    depth: int = Field(ge=1)


class DeepVision(ImagePromptLearner, FixedTexts):
    """`visual` prompts `[length, width]`, one tensor for each prompted block."""

    settings: DeepVisionParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError or DataError if the tower, depth, templates or names do not fit."""
        super().build(clip, generator)
        depth = prompted_blocks("depth", self.settings.depth, clip.image, clip)
        self.visual = normal_prompts(clip, depth, self.settings.length, clip.image.width, generator)


register(Method("deep_vision", DeepVisionParameters, DeepVision))
