"""Give the few-shot images of the base classes in the form that a method reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.clip import FeatureStore, FrozenClip, ImageEncoder, ImageSet, TrainingViews
from vlprompt_pipeline.clip.dataset_features import encode_images
from vlprompt_pipeline.clip.feature_records import TrainingFeatures, ValidationFeatures
from vlprompt_pipeline.config import FeatureParameters, TrainingParameters
from vlprompt_pipeline.image_datasets import ClassSubset, FewShotSet
from vlprompt_pipeline.methods import FewShotFeatures, PromptLearner
from vlprompt_pipeline.training.batches import Batches, CachedViews, OnlineViews, PixelViews


@dataclass(frozen=True, kw_only=True)
class FewShotImages:
    """The few-shot images of the base classes, as batches or all at once.

    The few-shot set and its features are of all classes; only the base classes are given.

    Attributes:
        clip: the frozen CLIP.
        folder: of the image files.
        few_shot_set: paths and labels.
        base: the classes of training.
        training: where the features of the training images are.
        validation: where those of the validation images are; only `at_once` reads them.
        store: the feature store.
        parameters: how images become features.
        seed: of crops and order.
    """

    clip: FrozenClip
    folder: Path
    few_shot_set: FewShotSet
    base: ClassSubset
    training: TrainingFeatures
    validation: ValidationFeatures | None
    store: FeatureStore
    parameters: FeatureParameters
    seed: int

    def batches(self, learner: PromptLearner, training: TrainingParameters) -> Batches:
        """Make training batches of what the learner reads: cached, or new crops in every step."""
        rows, labels = self._base_rows(self.few_shot_set.train)
        if self._cached and learner.reads != "pixels":
            views = self._views(rows, learner.image_side())
            size, last = training.batch_size, training.drop_last
            return CachedViews(views, labels, size, self.seed, learner.views_apart, last)
        pixels = PixelViews(
            self._files(rows),
            self._crops,
            labels,
            training.batch_size,
            self.seed,
            fresh=not self._cached,
            workers=self.parameters.workers,
            drop_last=training.drop_last,
        )
        return pixels if learner.reads == "pixels" else OnlineViews(learner.image_side(), pixels)

    def at_once(self) -> FewShotFeatures:
        """Return the features of all training and validation images."""
        rows, labels = self._base_rows(self.few_shot_set.train)
        views = self._views(rows, self.clip)
        validation_rows, validation_labels = self._base_rows(self.few_shot_set.val)
        validation = views.new_zeros(0, self.clip.embed_dim)
        if self.validation and self.validation.key:
            stored = self.store.load(self.validation.key).of(self.clip)
            validation = stored[validation_rows, 0].to(self.clip.device)
        training = F.normalize(views.mean(1), dim=-1)
        return FewShotFeatures(training, labels, validation, validation_labels, views)

    @property
    def _cached(self) -> bool:
        return self.training.mode == "cached"

    @property
    def _crops(self) -> TrainingViews:
        return TrainingViews(
            self.clip.preprocessing,
            self.seed,
            self.parameters.views,
            self.parameters.crop_scale,
            self.training.decoding,
        )

    def _views(self, rows: list[int], encoder: ImageEncoder) -> Tensor:
        """Load features `[images, views, embed]`, or compute and store them."""
        if self._cached and encoder is self.clip:
            values = self.store.load(self.training.key).of(self.clip)[rows]
        else:
            files, store = self._files(rows), self.store.root
            values = encode_images(encoder, files, self._crops, store, self.parameters).of(encoder)
        return values.to(self.clip.device)

    def _files(self, rows: list[int]) -> ImageSet:
        return ImageSet(
            self.folder,
            tuple(self.few_shot_set.train[row][0] for row in rows),
            tuple(self.training.fingerprints[row] for row in rows),
        )

    def _base_rows(self, images: tuple[tuple[str, int], ...]) -> tuple[list[int], Tensor]:
        """Return row numbers of the images of the base classes, and their labels among these."""
        base_label = self.base.relabelling
        rows = [row for row, (_, label) in enumerate(images) if label in base_label]
        labels = torch.tensor([base_label[images[row][1]] for row in rows], dtype=torch.int64)
        return rows, labels.to(self.clip.device)
