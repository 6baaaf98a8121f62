"""Deep language prompts: vectors in front of the class name, replaced in the first blocks.

`[start] v_1 … v_n <words> <name> . [end]`: v starts from the first n tokens of `init`, what is left
of it stays fixed, and further vectors take the places of v at the input of the text tower's
blocks 1 to depth - 1. The text side of MaPLe, IVLP and PromptSRC; alone it is the "deep language
prompting" of muzairkhattak/multimodal-prompt-learning, trainers/independentVL.py.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.methods.base import PromptLearner
from vlprompt_pipeline.methods.context import INITIAL_STD
from vlprompt_pipeline.methods.deep import normal_prompts, prompted_blocks
from vlprompt_pipeline.methods.layout import class_layout
from vlprompt_pipeline.methods.registry import Method, register
from vlprompt_pipeline.parsing import Parameters


class DeepLanguageParameters(Parameters):
    """Prompts of the text tower.

    Attributes:
        length: number n of vectors in each prompted block.
        init: words of the prompt, at least n tokens, or none for vectors of a normal distribution
            with standard deviation 0.02 and no words behind them. The official code ignores the
            words where n is above 4: set none for that.
        depth: number of prompted blocks.
    """

    length: int = Field(ge=1)
    init: str | None
    depth: int = Field(ge=1)


class DeepLanguage(PromptLearner):
    """A `context` `[n, width]`, and a `deep_context` of as many for each further prompted block."""

    settings: DeepLanguageParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError or DataError if depth, words or class names do not fit."""
        depth = prompted_blocks("depth", self.settings.depth, clip.text, clip)
        initial, self.words = _initial(clip, self.settings, generator)
        self.context = nn.Parameter(initial.to(clip.device))
        self.deep_context = normal_prompts(
            clip, depth - 1, self.settings.length, clip.text_width, generator
        )
        self.contexts = ("context", *(f"deep_context.{i}" for i in range(depth - 1)))
        before = self.settings.length + len(self.words)
        self.layout = class_layout(clip, self.classes.names, before)

    def class_features(self) -> Tensor:
        """Return normalised text feature of each class, `[classes, embed]`."""
        prompts = self.layout.fill(torch.cat([self.context, self.words.to(self.context)]))
        prompts = replace(prompts, deep=[deep[None] for deep in self.deep_context])
        return F.normalize(self.clip.text(prompts)[0], dim=-1)


def _initial(
    clip: FrozenClip, parameters: DeepLanguageParameters, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Return first vectors `[n, width]` and the embeddings of the fixed words behind them."""
    if parameters.init is None:
        vectors = torch.randn(parameters.length, clip.text_width, generator=generator)
        return INITIAL_STD * vectors, clip.embed([])
    words = parameters.init.replace("_", " ")
    ids = clip.token_ids(words)
    if len(ids) < parameters.length:
        raise ConfigError(
            f"prompt.init: {words!r} has {len(ids)} tokens, fewer than prompt.length, which is "
            f"{parameters.length}; lower that, or set init to null for random vectors"
        )
    clip.words.warn_unseen([words])
    embeddings = clip.embed(ids)
    return embeddings[: parameters.length].float().clone(), embeddings[parameters.length :]


register(Method("deep_language", DeepLanguageParameters, DeepLanguage))
