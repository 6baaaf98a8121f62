"""CoOp: context vectors in place of the words around the class name (Zhou et al., IJCV 2022).

Details follow KaiyangZhou/CoOp, trainers/coop.py.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.methods.base import PromptLearner
from vlprompt_pipeline.methods.context import INITIAL_STD, ContextParameters, initial_context
from vlprompt_pipeline.methods.layout import class_layout
from vlprompt_pipeline.methods.registry import Method, register


class CoOpParameters(ContextParameters):
    """Context of a prompt.

    Attributes:
        class_specific: a context for each class instead of one for all.
        class_position: where the class name stands among the vectors.
    """

    class_specific: bool
    class_position: Literal["end", "middle", "front"]


class CoOp(PromptLearner):
    """One trainable context `[length, width]`, or `[classes, length, width]` if class-specific."""

    settings: CoOpParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError or DataError if initial words or class names do not fit."""
        initial = initial_context(clip, self.settings, generator)
        if self.settings.class_specific:
            shape = (len(self.classes.names), *initial.shape)
            if self.settings.init is None:
                initial = INITIAL_STD * torch.randn(shape, generator=generator)
            initial = initial.expand(shape).clone()
        self.context = nn.Parameter(initial.to(clip.device))
        self.layout = class_layout(
            clip,
            self.classes.names,
            self.context.shape[-2],
            self.settings.class_position,
            self.settings.class_specific,
        )

    def class_features(self) -> Tensor:
        """Return normalised text feature of each class, `[classes, embed]`."""
        return F.normalize(self.clip.text(self.layout.fill(self.context))[0], dim=-1)


def bound_to_classes(parameters: CoOpParameters) -> bool:
    """Say whether contexts fit the classes of training only, as class-specific ones do."""
    return parameters.class_specific


def has_one_context(parameters: CoOpParameters) -> bool:
    """Say whether there is one context, all of it in front of the class names."""
    return not parameters.class_specific and parameters.class_position == "end"


register(Method("coop", CoOpParameters, CoOp, bound_to_classes, side_by_side=has_one_context))
