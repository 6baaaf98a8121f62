"""A seeded random split, class by class: for own photos, and for a dataset if asked for by name.

Our choice, as no published split is drawn like this: each class is shuffled by a generator of its
own, seeded by the seed and the class, over its images in ASCII order. So the same files give the
same split on every machine, and photos added to one class leave the others as they were.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RandomSplit:
    """How images are dealt out to the parts.

    The default shares are those of the published random splits (methods: CoOp's
    `read_and_split_data`). The three are weights: what counts is their ratio.

    Attributes:
        train: share of the training images.
        val: share of the validation images, of which few-shot sets list at most four a class.
        test: share of the test images.
        seed: seed of the draw.
    """

    train: float = 0.5
    val: float = 0.2
    test: float = 0.3
    seed: int = 1

    @property
    def mark(self) -> str:
        """What every result made with it is marked with."""
        return f"own random split, seed {self.seed}"

    def divide(self, paths: Sequence[str], key: str) -> dict[str, list[str]]:
        """Deal the images of the class `key` out to train, val and test, each in ASCII order.

        Shares are rounded, but a class of two or more images has at least one to train with and
        one to test with; a single image is for training.
        """
        shuffled = sorted(paths)
        random.Random(f"{self.seed} {key}").shuffle(shuffled)
        number, whole = len(shuffled), self.train + self.val + self.test
        test = min(max(round(number * self.test / whole), 1), number - 1) if number else 0
        val = min(round(number * self.val / whole), max(number - test - 1, 0))
        return {
            "train": sorted(shuffled[test + val :]),
            "val": sorted(shuffled[test : test + val]),
            "test": sorted(shuffled[:test]),
        }
