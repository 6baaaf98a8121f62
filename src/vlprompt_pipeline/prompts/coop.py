"""CoOp: context vectors in place of the words around the class name (Zhou et al., IJCV 2022).

Details follow KaiyangZhou/CoOp, trainers/coop.py.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.config import Parameters
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.prompts.base import ClassTexts, PromptLearner
from vlprompt_pipeline.prompts.layout import class_layout
from vlprompt_pipeline.prompts.registry import Method, register

INITIAL_STD = 0.02


class CoOpParameters(Parameters):
    """Context of a prompt.

    Attributes:
        length: number M of context vectors.
        init: words whose token embeddings they start from (as many tokens as vectors), or none
            for a normal distribution with standard deviation 0.02.
        class_specific: a context for each class instead of one for all.
        class_position: where the class name stands among the vectors.
    """

    length: int = Field(ge=1)
    init: str | None
    class_specific: bool
    class_position: Literal["end", "middle", "front"]


class CoOp(PromptLearner):
    """One trainable context `[length, width]`, or `[classes, length, width]` if class-specific."""

    def __init__(
        self,
        clip: FrozenClip,
        classes: ClassTexts,
        parameters: CoOpParameters,
        generator: Generator,
    ) -> None:
        """Raises ConfigError or DataError if initial words or class names do not fit."""
        super().__init__(clip, classes)
        initial = initial_context(clip, parameters, generator)
        if parameters.class_specific:
            initial = _for_each_class(initial, parameters, len(classes.names), generator)
        self.context = nn.Parameter(initial.to(clip.device))
        self.layout = class_layout(
            clip,
            classes.names,
            parameters.length,
            parameters.class_position,
            parameters.class_specific,
        )

    def class_features(self) -> Tensor:
        """Normalised text feature of each class, `[classes, embed]`."""
        return F.normalize(self.clip.text(self.layout.fill(self.context))[0], dim=-1)


def initial_context(clip: FrozenClip, parameters: CoOpParameters, generator: Generator) -> Tensor:
    """Context `[length, width]` from words or from a normal distribution.

    Raises:
        ConfigError: the words have more or fewer tokens than the context has vectors.
    """
    if parameters.init is None:
        return INITIAL_STD * torch.randn(parameters.length, clip.text_width, generator=generator)
    words = parameters.init.replace("_", " ")
    ids = clip.token_ids(words)
    if len(ids) != parameters.length:
        raise ConfigError(
            f"prompt.init: {words!r} has {len(ids)} tokens, but prompt.length is "
            f"{parameters.length}; make them equal, or set init to null for random vectors"
        )
    clip.warn_unseen([words])
    return clip.embed(ids).float().clone()


def _for_each_class(
    initial: Tensor, parameters: CoOpParameters, classes: int, generator: Generator
) -> Tensor:
    if parameters.init is None:
        shape = (classes, *initial.shape)
        return INITIAL_STD * torch.randn(shape, generator=generator)
    return initial.expand(classes, -1, -1).clone()


register(
    Method(
        name="coop",
        parameters=CoOpParameters,
        learner=CoOp,
        bound_to_classes=lambda parameters: parameters.class_specific,
    )
)
