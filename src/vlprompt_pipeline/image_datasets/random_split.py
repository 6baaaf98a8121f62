"""A seeded random split, class by class: for own photos, and for a dataset if asked for by name.

Our choice, as no published split is drawn like this: each class is shuffled by a generator of its
own, seeded by the seed and the class, over its images in ASCII order. So the same files give the
same split on every machine, and photos added to one class leave the others as they were. Copies of
a picture within a class are dealt out as one, so that none is in training and in test.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain


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
        """Text that marks every result made with the split."""
        return f"own random split, seed {self.seed}"

    def divide(
        self, paths: Sequence[str], key: str, fingerprints: Mapping[str, str]
    ) -> dict[str, list[str]]:
        """Deal the images of the class `key` out to train, val and test, each in ASCII order.

        Shares are of different pictures and rounded, but a class of two or more has at least one to
        train with and one to test with; a single picture is for training.

        Args:
            paths: the images.
            key: of the class.
            fingerprints: by path; images with the same one stay together, and an image without one
                counts as a picture of its own.
        """
        return self.extend({}, paths, key, fingerprints)

    def extend(
        self,
        kept: Mapping[str, Sequence[str]],
        new: Sequence[str],
        key: str,
        fingerprints: Mapping[str, str],
    ) -> dict[str, list[str]]:
        """Deal new images of the class `key` out so that it comes as near to its shares as it can.

        Args:
            kept: images that stay in their part, by part.
            new: the other images.
            key: of the class.
            fingerprints: as of `divide`, of `kept` and `new`.
        """
        train, val, test = (
            _by_picture(kept.get(part, ()), fingerprints) for part in ("train", "val", "test")
        )
        shuffled = _by_picture(new, fingerprints)
        random.Random(f"{self.seed} {key}").shuffle(shuffled)
        number = len(train) + len(val) + len(test) + len(shuffled)
        whole = self.train + self.val + self.test
        tested = min(max(round(number * self.test / whole), 1), number - 1) if number else 0
        validated = min(round(number * self.val / whole), max(number - tested - 1, 0))
        for_test = min(max(tested - len(test), 0), len(shuffled))
        at_most = len(shuffled) - for_test - (not train)
        for_val = max(min(validated - len(val), at_most), 0)
        parts = {
            "train": [*train, *shuffled[for_test + for_val :]],
            "val": [*val, *shuffled[for_test : for_test + for_val]],
            "test": [*test, *shuffled[:for_test]],
        }
        return {part: sorted(chain.from_iterable(copies)) for part, copies in parts.items()}


def _by_picture(paths: Sequence[str], fingerprints: Mapping[str, str]) -> list[list[str]]:
    """Group the copies of a picture, in the ASCII order of their first paths."""
    copies: dict[str, list[str]] = defaultdict(list)
    for path in sorted(paths):
        copies[fingerprints.get(path, path)].append(path)
    return list(copies.values())
