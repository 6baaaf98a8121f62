"""The few-shot images of the base classes, in the form that a method reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.clip import FeatureStore, FrozenClip, ImageSet, TrainingViews
from vlprompt_pipeline.config import FeatureParameters
from vlprompt_pipeline.image_datasets import ClassSubset, FewShotSet
from vlprompt_pipeline.methods import FewShotFeatures, PromptLearner
from vlprompt_pipeline.progress import bar
from vlprompt_pipeline.training import Batches, CachedViews, OnlineViews, PixelViews


@dataclass(frozen=True)
class FewShotImages:
    """What the stages before training left: sampled over all classes, restricted here.

    Attributes:
        clip: the frozen CLIP.
        folder: of the image files.
        few_shot: paths and labels.
        base: the classes of training.
        described: outputs of feature extraction, `training` and `validation`.
        store: where features are.
        parameters: how images become features.
        seed: of crops and order.
    """

    clip: FrozenClip
    folder: Path
    few_shot: FewShotSet
    base: ClassSubset
    described: dict[str, dict[str, Any]]
    store: FeatureStore
    parameters: FeatureParameters
    seed: int

    def batches(self, learner: PromptLearner, batch_size: int) -> Batches:
        """Training batches of what the learner reads: cached, or new crops in every step."""
        kept, labels = self._restricted(self.few_shot.train)
        if self._cached and learner.reads == "features":
            return CachedViews(self._views(kept), labels, batch_size, self.seed)
        pixels = PixelViews(
            self._files(kept),
            self._crops,
            labels,
            batch_size,
            self.seed,
            not self._cached,
            self.parameters.workers,
        )
        return pixels if learner.reads == "pixels" else OnlineViews(self.clip, pixels)

    def at_once(self) -> FewShotFeatures:
        """Features of all training and validation images."""
        kept, labels = self._restricted(self.few_shot.train)
        views = self._views(kept)
        own, own_labels = self._restricted(self.few_shot.val)
        validation, key = views.new_zeros(0, self.clip.embed_dim), self._of("validation")["key"]
        if key:
            validation = self.store.load(key).of(self.clip)[own, 0].to(self.clip.device)
        return FewShotFeatures(F.normalize(views.mean(1), dim=-1), labels, validation, own_labels)

    @property
    def _cached(self) -> bool:
        return self._of("training")["mode"] == "cached"

    @property
    def _crops(self) -> TrainingViews:
        return TrainingViews(
            self.clip.preprocessing,
            self.seed,
            self.parameters.views,
            self.parameters.crop_scale,
            self._of("training")["decoding"],
        )

    def _of(self, part: str) -> dict[str, Any]:
        return self.described[part]

    def _views(self, rows: list[int]) -> Tensor:
        """Features `[images, views, embed]`; with online crops they are encoded now, and kept."""
        if self._cached:
            values = self.store.load(self._of("training")["key"]).of(self.clip)[rows]
        else:
            files, size = self._files(rows), self.parameters.batch_size
            found = self.store.extract(self.clip, files, self._crops, batch_size=size, progress=bar)
            values = found.of(self.clip)
        return values.to(self.clip.device)

    def _files(self, rows: list[int]) -> ImageSet:
        fingerprints = self._of("training")["fingerprints"]
        return ImageSet(
            self.folder,
            tuple(self.few_shot.train[row][0] for row in rows),
            tuple(fingerprints[row] for row in rows),
        )

    def _restricted(self, images: tuple[tuple[str, int], ...]) -> tuple[list[int], Tensor]:
        """Row numbers of the images of the base classes, and their labels among these."""
        known = self.base.relabelling
        kept = [row for row, (_, label) in enumerate(images) if label in known]
        labels = torch.tensor([known[images[row][1]] for row in kept], dtype=torch.int64)
        return kept, labels.to(self.clip.device)
