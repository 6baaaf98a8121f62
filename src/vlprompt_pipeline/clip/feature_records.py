"""Records of the features of a dataset's images: which ones, and their key in the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vlprompt_pipeline.image_datasets import FewShotSet
from vlprompt_pipeline.images import Decoding


@dataclass(frozen=True)
class EvaluationFeatures:
    """Describe the stored features of all test images of a dataset, in index order.

    Attributes:
        key: of the features in the store.
        weights_sha256: hash of the CLIP that made them.
        decoding: how the image files were read.
        images: number of images.
    """

    key: str
    weights_sha256: str
    decoding: Decoding
    images: int


@dataclass(frozen=True)
class SeedFeatures:
    """Hold the few-shot set of another seed that trains beside a run's own, and its features."""

    seed: int
    few_shot_set: FewShotSet
    training: TrainingFeatures


@dataclass(frozen=True)
class TrainingFeatures:
    """Describe the stored features of the training images of a few-shot set, in its order.

    Attributes:
        mode: `cached`, or `online` where crops are drawn and encoded while training.
        weights_sha256: hash of the CLIP that made them.
        decoding: how the image files are read.
        key: of the features in the store; None if `mode` is `online`.
        fingerprints: content fingerprints of the images.
        beside: other seeds that train side by side with this one.
    """

    mode: Literal["cached", "online"]
    weights_sha256: str
    decoding: Decoding
    key: str | None
    fingerprints: tuple[str, ...]
    beside: tuple[SeedFeatures, ...] = ()


@dataclass(frozen=True)
class ValidationFeatures:
    """Describe the stored features of the validation images of a few-shot set, in its order.

    Attributes:
        key: of the features in the store; None if there are no validation images.
        weights_sha256: hash of the CLIP that made them.
        images: number of images.
    """

    key: str | None
    weights_sha256: str
    images: int


@dataclass(frozen=True)
class FewShotSetFeatures:
    """Describe the stored features of the images of a few-shot set, in its order.

    Attributes:
        training: of its training images.
        validation: of its validation images.
    """

    training: TrainingFeatures
    validation: ValidationFeatures
