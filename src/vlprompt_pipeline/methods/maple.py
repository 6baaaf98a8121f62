"""MaPLe: prompts in both towers, coupled (Khattak et al., CVPR 2023).

The image prompts of each block are a linear map of the text prompts of that block, with weights of
its own. Details follow muzairkhattak/multimodal-prompt-learning, trainers/maple.py.
"""

from __future__ import annotations

from copy import deepcopy

from torch import Generator, Tensor, nn

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.methods.deep import prompted_blocks
from vlprompt_pipeline.methods.deep_language import DeepLanguage, DeepLanguageParameters
from vlprompt_pipeline.methods.image_prompts import ImagePromptLearner
from vlprompt_pipeline.methods.networks import linear
from vlprompt_pipeline.methods.registry import Method, register


class MaPLeParameters(DeepLanguageParameters):
    """Prompts of the text tower, and their maps to those of the image tower.

    Attributes:
        projection_bias: whether the maps have a bias, as in the official code. The size that
            QPrompt prints for QMaPLe counts none.
    """

    projection_bias: bool = True


class MaPLe(ImagePromptLearner, DeepLanguage):
    """Deep language prompts and a projection `[image width, text width]` for each block."""

    settings: MaPLeParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError or DataError if the tower, depth, words or names do not fit."""
        # both towers are prompted in the same blocks, so the shallower one decides
        depth = prompted_blocks("depth", self.settings.depth, clip.image, clip)
        self.settings = self.settings.model_copy(update={"depth": depth})
        super().build(clip, generator)
        sides = (clip.text_width, clip.image.width)
        first, deep = (
            linear(*sides, generator, bias=self.settings.projection_bias) for _ in range(2)
        )
        # the official code makes all but the first as copies of one
        self.projections = nn.ModuleList([first, *(deepcopy(deep) for _ in self.deep_context)]).to(
            clip.device
        )

    def image_prompts(self) -> list[Tensor]:
        """Return the maps of the text prompts."""
        texts = (self.context, *self.deep_context)
        return [project(text) for project, text in zip(self.projections, texts, strict=True)]


register(Method("maple", MaPLeParameters, MaPLe))
