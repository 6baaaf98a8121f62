"""Few-shot sets, image for image those of the published protocol.

The reference (CoOp's `generate_fewshot_dataset`, run after `random.seed(seed)`) groups a part's
rows by label in order of first appearance, draws K train images per group, then min(K, 4) val
images per group, all from one stream. `random.Random(seed)` is that same stream.
"""

from __future__ import annotations

import csv
import hashlib
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

import pandas as pd

from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.filesystem.files import sha256_json
from vlprompt_pipeline.image_datasets.index import DatasetCard, ImageIndex
from vlprompt_pipeline.image_datasets.schema import class_names_of
from vlprompt_pipeline.image_datasets.split import Split
from vlprompt_pipeline.wording import some

MAX_VAL_SHOTS = 4
ShortClasses = Literal["refuse", "take_all"]
"""How to treat a class with fewer training images than shots."""

LabelledPath = tuple[str, int]


@dataclass(frozen=True)
class FewShotSet:
    """The images of one (dataset, shots, seed), in sampled order.

    Attributes:
        dataset: name of the dataset.
        shots: training images per class; of `short_classes` fewer.
        seed: seed of the draw.
        split_sha256: content hash of the split it was drawn from.
        train: (path, label) of each training image; paths as in the index.
        val: the same for validation, `min(shots, 4)` per class where there are as many.
    """

    dataset: str
    shots: int
    seed: int
    split_sha256: str
    train: tuple[LabelledPath, ...]
    val: tuple[LabelledPath, ...]

    @property
    def short_classes(self) -> dict[int, int]:
        """Labels with fewer training images than shots, and how many they have."""
        sizes = Counter(label for _, label in self.train)
        return {label: size for label, size in sorted(sizes.items()) if size < self.shots}

    @property
    def content_sha256(self) -> str:
        """SHA-256 over everything, labels included, which the published digests leave out."""
        return sha256_json(vars(self))

    @property
    def digest(self) -> dict[str, str]:
        """First 16 hex digits of the SHA-256 over the paths joined by newlines, by part."""
        return {"train": _digest(self.train), "val": _digest(self.val)}

    def require_split(self, card: DatasetCard) -> None:
        """Refuse another split of the dataset: its labels may be those of other classes.

        Raises:
            DataError: the images were split again after the set was drawn.
        """
        if self.split_sha256 != card.split_sha256:
            raise DataError(
                f"the few-shot set of {self.dataset}, {self.shots} shots, seed {self.seed}, was "
                "drawn from another split than there is now: run few_shot_sampling and what comes "
                "behind it, or kedro run as a whole"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return a mapping for JSON, with the digests."""
        return {**vars(self), "digest": self.digest, "content_sha256": self.content_sha256}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> FewShotSet:
        """Read what `to_dict` wrote.

        Raises:
            DataError: a part of it is absent, or the digests do not fit the content.
        """
        try:
            kept = {key: stored[key] for key in ("dataset", "shots", "seed", "split_sha256")}
            parts = {
                part: tuple((str(path), int(label)) for path, label in stored[part])
                for part in ("train", "val")
            }
            few_shot, written = cls(**kept, **parts), (stored["digest"], stored["content_sha256"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"the stored few-shot set is incomplete ({error!r}); run few_shot_sampling again"
            ) from error
        if (few_shot.digest, few_shot.content_sha256) != written:
            raise DataError(
                f"the stored few-shot set of {few_shot.dataset} was altered: its images, labels or "
                "settings are not those that were written; run few_shot_sampling again"
            )
        return few_shot


def sample_few_shot(
    index: ImageIndex, shots: int, seed: int, short_classes: ShortClasses = "refuse"
) -> FewShotSet:
    """Draw the few-shot set of an index.

    A class with fewer training images than shots is refused (our choice): the reference takes all
    it has, so that "16 shots" means up to 16. A class may have fewer validation images.

    Raises:
        ConfigError: `shots` is below 1.
        DataError: a class has no or too few training images.
    """
    card = index.card
    split = Split(f"the split of {card.name}", index.table, card.split_sha256)
    return sample_from_split(card.name, split, shots, seed, short_classes)


def published_digest(dataset: str, shots: int, seed: int) -> dict[str, str] | None:
    """Return the `FewShotSet.digest` of the set that linzhiqiu/cross_modal_adaptation published.

    Returns:
        The digest by part; None if no such set is published.
    """
    file = files(__package__) / "few_shot_digests.csv"
    wanted = (dataset, str(shots), str(seed))
    for *key, train, val in csv.reader(file.read_text(encoding="utf-8").splitlines()):
        if tuple(key) == wanted:
            return {"train": train, "val": val}
    return None


def sample_from_split(
    dataset: str, split: Split, shots: int, seed: int, short_classes: ShortClasses = "refuse"
) -> FewShotSet:
    """Draw the same set as `sample_few_shot` without any image, from the split alone.

    Raises:
        ConfigError: `shots` is below 1.
        DataError: a class has no or too few training images.
    """
    if shots < 1:
        raise ConfigError(f"shots is {shots}; give a number of training images per class from 1")
    train, val = (_by_label(split.table, part) for part in ("train", "val"))
    least = shots if short_classes == "refuse" else 1
    _require_enough(dataset, class_names_of(split.table), train, shots, least)
    stream = random.Random(seed)
    return FewShotSet(
        dataset=dataset,
        shots=shots,
        seed=seed,
        split_sha256=split.sha256,
        train=_draw(stream, train, shots),
        val=_draw(stream, val, min(shots, MAX_VAL_SHOTS)),
    )


def _by_label(table: pd.DataFrame, part: str) -> dict[int, list[LabelledPath]]:
    """Return images of a part by label; labels in order of first appearance."""
    rows = table.loc[table["part"] == part, ["path", "label"]]
    groups: dict[int, list[LabelledPath]] = {}
    for path, label in zip(rows["path"].tolist(), rows["label"].tolist(), strict=True):
        groups.setdefault(label, []).append((path, label))
    return groups


def _draw(
    stream: random.Random, groups: dict[int, list[LabelledPath]], number: int
) -> tuple[LabelledPath, ...]:
    drawn: list[LabelledPath] = []
    for items in groups.values():
        # As the reference: a group that is too small is taken whole and in order, without a draw.
        drawn += stream.sample(items, number) if len(items) >= number else items
    return tuple(drawn)


def _require_enough(
    dataset: str,
    class_names: Sequence[str],
    train: dict[int, list[LabelledPath]],
    shots: int,
    least: int,
) -> None:
    sizes = [len(train.get(label, ())) for label in range(len(class_names))]
    short = [
        f"{name} {size}" for name, size in zip(class_names, sizes, strict=True) if size < least
    ]
    if not short:
        return
    if not train:
        raise DataError(
            f"{dataset} has no training images, it is for testing only; draw few-shot sets "
            "from another dataset"
        )
    remedy = (
        f"the largest number of shots that works is {min(sizes)}, and with "
        "short_classes=take_all such a class takes what it has"
        if min(sizes)
        else "give every class at least one training image"
    )
    raise DataError(
        f"{len(short)} of the {len(sizes)} classes of {dataset} have fewer training images "
        f"than the {shots} shots asked for ({some(short)}); {remedy}"
    )


def _digest(images: tuple[LabelledPath, ...]) -> str:
    return hashlib.sha256("\n".join(path for path, _ in images).encode()).hexdigest()[:16]
