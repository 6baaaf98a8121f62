"""What is exported, wherever it comes from: a registered model, or a finished cell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from vlprompt_pipeline.clip import EvaluationView, FrozenClip
from vlprompt_pipeline.export import load_learner
from vlprompt_pipeline.methods import ClassTexts, PromptLearner
from vlprompt_pipeline.registry.card import ModelCard
from vlprompt_pipeline.registry.classifier import Classifier
from vlprompt_pipeline.rejection import Rejection


@dataclass(frozen=True)
class ShippedModel:
    """A packed prompt with its CLIP.

    Attributes:
        card: how to use the prompt: labels, template, decoding, recipe.
        packed: the packed prompt.
        clip: the frozen CLIP it belongs to.
        name: that tables of labels show, such as `demo_aerial.coop`; none: the recipe's title.
        version: beside it, the registry's number; none: the packed prompt's hash.
        rejection: how it says "none of these"; none where it always names a label.
    """

    card: ModelCard
    packed: bytes
    clip: FrozenClip
    name: str | None = None
    version: str | None = None
    rejection: Rejection | None = None

    @classmethod
    def of(
        cls, classifier: Classifier, name: str, version: str | None, rejection: Rejection | None
    ) -> ShippedModel:
        """Ship a classifier, computed on the CPU in single precision, with a rejection."""
        clip = classifier.clip.on("cpu", "fp32")
        return cls(classifier.card, classifier.packed, clip, name, version, rejection)

    @cached_property
    def learner(self) -> PromptLearner:
        """The prompt at work, for the card's labels.

        Raises:
            PromptFileError: prompt and CLIP do not belong together.
        """
        texts = ClassTexts(self.card.class_names, self.card.template)
        return load_learner(self.packed, self.card.resolved_recipe(), self.clip, texts).eval()

    @property
    def view(self) -> EvaluationView:
        """From an image file to pixels, as evaluated."""
        return EvaluationView(self.clip.preprocessing, self.card.decoding)
