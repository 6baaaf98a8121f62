"""What the runs of an analysis have in common: classes, training images and test images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.prompts import ClassTexts, PromptLearner, Recipe
from vlprompt_pipeline.training import Batches

HALVES = ("base", "new")


@dataclass(frozen=True)
class TestImages:
    """Normalised features `[images, embed]` and labels `[images]` within one half."""

    features: Tensor
    labels: Tensor

    def correct(self, learner: PromptLearner) -> int:
        """Right answers of a learner for the classes of this half."""
        return self._right(learner.logits(self.features))

    def correct_of_texts(self, texts: Tensor) -> int:
        """Right answers of text features `[classes, embed]`."""
        return self._right(self.features @ texts.T)

    def _right(self, logits: Tensor) -> int:
        return int((logits.argmax(1) == self.labels).sum())


@dataclass(frozen=True)
class Material:
    """One dataset on one CLIP.

    Attributes:
        clip: the frozen CLIP.
        classes: of each half, `base` and `new`.
        test: test images of each half.
        batches: training images of the base classes, called with learner, recipe and seed.
        described: what the images of each seed and of the test are, as text.
    """

    clip: FrozenClip
    classes: Mapping[str, ClassTexts]
    test: Mapping[str, TestImages]
    batches: Callable[[PromptLearner, Recipe, int], Batches]
    described: Mapping[int, str]

    def identity(self, seed: int) -> list[object]:
        """Everything that a result with this seed depends on, besides the recipe."""
        classes = [[texts.names, texts.template] for texts in self.classes.values()]
        return [self.clip.weights_sha256, classes, self.described[seed]]
