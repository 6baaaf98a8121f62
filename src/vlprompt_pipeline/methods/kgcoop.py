"""KgCoOp: CoOp kept near the text features of hand-written prompts (Yao et al., CVPR 2023).

Loss = cross-entropy + weight · (1 - mean over classes of cos(learned, hand-written)). Details
follow htyao89/KgCoOp, trainers/kgcoop.py; the templates are a parameter here, because papers
differ in them.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.methods.coop import CoOp, CoOpParameters, bound_to_classes
from vlprompt_pipeline.methods.registry import Method, register
from vlprompt_pipeline.methods.texts import HandWrittenTexts, TextParameters


class KgCoOpParameters(CoOpParameters, TextParameters):
    """CoOp's, the weight of the second term (published: 8), and the set of templates."""

    weight: float = Field(ge=0)


class HeldByTexts(HandWrittenTexts):
    """A learner that its loss holds near hand-written texts, as strongly as `weight` says."""

    def losses(self, image_features: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return cross-entropy, and the weighted distance to the hand-written prompts."""
        learned = self.class_features()
        logits = self.clip.logit_scale * image_features @ learned.T
        # both are normalised, so this is 1 - mean cosine
        distance = 1 - (learned * self.texts).sum(-1).mean()
        return {
            "cross_entropy": F.cross_entropy(logits, labels),
            "knowledge": self.settings.weight * distance,
        }


class KgCoOp(HeldByTexts, CoOp):
    """CoOp with a second term of the loss."""

    settings: KgCoOpParameters


register(Method("kgcoop", KgCoOpParameters, KgCoOp, bound_to_classes))
