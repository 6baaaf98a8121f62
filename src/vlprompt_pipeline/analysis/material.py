"""What the runs of an analysis have in common: classes, training images and test images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from vlprompt_pipeline.clip import FrozenClip, ImageEncoder
from vlprompt_pipeline.methods import ClassTexts, FewShotFeatures, PromptLearner, Recipe
from vlprompt_pipeline.training import Batches

HALVES = ("base", "new")


@dataclass(frozen=True)
class TestImages:
    """The test images of one half.

    Attributes:
        rows: `[images]` their places among all test images, as a mask or as numbers.
        labels: `[images]` within the half.
        features: `[images, embed]` of the frozen CLIP, normalised.
    """

    rows: Tensor
    labels: Tensor
    features: Tensor

    def correct(self, logits: Tensor) -> int:
        """Return right answers among logits `[images, classes]`, or cosines."""
        return int((logits.argmax(1) == self.labels).sum())


@dataclass(frozen=True)
class Material:
    """One dataset on one CLIP.

    Attributes:
        clip: the frozen CLIP.
        classes: of each half, `base` and `new`.
        test: test images of each half.
        batches: training images of the base classes, called with learner, recipe and seed.
        at_once: features of all few-shot images of the base classes, called with a seed.
        encode: features `[all test images, embed]` of another encoder than the frozen CLIP, as one
            with prompts in its image tower is.
        described: what the images of each seed and of the test are, as text.
    """

    clip: FrozenClip
    classes: Mapping[str, ClassTexts]
    test: Mapping[str, TestImages]
    batches: Callable[[PromptLearner, Recipe, int], Batches]
    at_once: Callable[[int], FewShotFeatures]
    encode: Callable[[ImageEncoder], Tensor]
    described: Mapping[int, str]

    def correct(self, half: str, learner: PromptLearner) -> int:
        """Count right answers of a learner for the classes of a half, on images as it sees them."""
        test, encoder = self.test[half], learner.image_side()
        features = test.features if encoder is self.clip else self.encode(encoder)[test.rows]
        return test.correct(learner.logits(features))

    def identity(self, seed: int) -> list[object]:
        """Return everything that a result with this seed depends on, besides the recipe."""
        classes = [[texts.names, texts.template] for texts in self.classes.values()]
        return [self.clip.identity_sha256, classes, self.described[seed]]
