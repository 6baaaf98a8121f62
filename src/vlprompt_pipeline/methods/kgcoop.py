"""KgCoOp: CoOp kept near the text features of hand-written prompts (Yao et al., CVPR 2023).

Loss = cross-entropy + weight · (1 - mean over classes of cos(learned, hand-written)). Details
follow htyao89/KgCoOp, trainers/kgcoop.py; the templates are a parameter here, because papers
differ in them.
"""

from __future__ import annotations

from pydantic import Field
from torch import Generator, Tensor
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.methods.base import ClassTexts
from vlprompt_pipeline.methods.coop import CoOp, CoOpParameters, bound_to_classes
from vlprompt_pipeline.methods.registry import Method, register
from vlprompt_pipeline.methods.texts import TextParameters, text_features


class KgCoOpParameters(CoOpParameters, TextParameters):
    """CoOp's, the weight of the second term (published: 8), and the set of templates."""

    weight: float = Field(ge=0)


class KgCoOp(CoOp):
    """CoOp with a second term of the loss."""

    def __init__(
        self,
        clip: FrozenClip,
        classes: ClassTexts,
        parameters: KgCoOpParameters,
        generator: Generator,
    ) -> None:
        """Raise ConfigError or DataError if words, templates or class names do not fit."""
        super().__init__(clip, classes, parameters, generator)
        self.weight = parameters.weight
        frozen = text_features(clip, classes, parameters)
        self.register_buffer("frozen_features", frozen, persistent=False)

    def losses(self, image_features: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return cross-entropy, and the weighted distance to the hand-written prompts."""
        learned = self.class_features()
        logits = self.clip.logit_scale * image_features @ learned.T
        return {
            "cross_entropy": F.cross_entropy(logits, labels),
            "knowledge": self.weight * distance(learned, self.frozen_features),
        }


def distance(learned: Tensor, frozen: Tensor) -> Tensor:
    """Return 1 - mean cosine of normalised class features, both `[classes, embed]`."""
    return 1 - (learned * frozen).sum(-1).mean()


register(
    Method(
        name="kgcoop",
        parameters=KgCoOpParameters,
        learner=KgCoOp,
        bound_to_classes=bound_to_classes,
    )
)
