"""IVLP: prompts in both towers, independent of each other (Khattak et al., CVPR 2023).

The baseline of MaPLe; muzairkhattak/multimodal-prompt-learning, trainers/independentVL.py.
"""

from __future__ import annotations

from pydantic import Field
from torch import Generator

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.methods.deep import normal_prompts, prompted_blocks
from vlprompt_pipeline.methods.deep_language import DeepLanguage, DeepLanguageParameters
from vlprompt_pipeline.methods.image_prompts import ImagePromptLearner
from vlprompt_pipeline.methods.registry import Method, register


class IVLPParameters(DeepLanguageParameters):
    """Those of the text side, and length and depth of the image side."""

    image_length: int = Field(ge=1)
    image_depth: int = Field(ge=1)


class IVLP(ImagePromptLearner, DeepLanguage):
    """Deep language prompts, and `visual` prompts `[image_length, width]` for each block."""

    settings: IVLPParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError or DataError if the tower, depths, words or names do not fit."""
        super().build(clip, generator)
        depth = prompted_blocks("image_depth", self.settings.image_depth, clip.image, clip)
        self.visual = normal_prompts(
            clip, depth, self.settings.image_length, clip.image.width, generator
        )
        self.contexts = (*self.contexts, *(f"visual.{i}" for i in range(len(self.visual))))


register(Method("ivlp", IVLPParameters, IVLP))
