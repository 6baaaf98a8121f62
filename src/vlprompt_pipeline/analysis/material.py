"""What the runs of an analysis have in common: classes, training images and test images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.prompts import ClassTexts, PromptLearner
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
        batches: training images of the base classes, called with seed and batch size.
        identities: what the training images of each seed and the test images are, by seed: part of
            the fingerprint of a result.
    """

    clip: FrozenClip
    classes: Mapping[str, ClassTexts]
    test: Mapping[str, TestImages]
    batches: Callable[[int, int], Batches]
    identities: Mapping[int, str]
