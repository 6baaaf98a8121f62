"""Calibrate how a version says "none of these", and see what that does to the test images.

Calibration is on validation images that nothing else was chosen on: those that the few-shot set
does not list, which methods may have chosen settings on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from vlprompt_pipeline.clip import ImageSet
from vlprompt_pipeline.clip.dataset_features import encode_images
from vlprompt_pipeline.config import FeatureParameters
from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.evaluation.metrics.calibration import calibration_error
from vlprompt_pipeline.evaluation.predict import CHUNK
from vlprompt_pipeline.filesystem.home import at_home
from vlprompt_pipeline.image_datasets import DatasetCard, FewShotSet
from vlprompt_pipeline.image_datasets.image_folders import IMAGE_SUFFIXES
from vlprompt_pipeline.registry.classifier import BATCH, Classifier
from vlprompt_pipeline.rejection import KINDS, Rejection, RejectionParameters, calibrate, softmax
from vlprompt_pipeline.wording import counted, some

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Effect:
    """What a rejection does to the test images; shares between 0 and 1.

    Attributes:
        images: how many.
        accepted: share that gets a label.
        accuracy: among these.
        accuracy_of_all: without rejection.
        calibration_error: of the scores as they were, in percent.
        calibration_error_scaled: with the temperature.
        covered: share whose set of labels holds the right one, of conformal sets.
        labels: mean size of a set.
    """

    images: int
    accepted: float
    accuracy: float
    accuracy_of_all: float
    calibration_error: float
    calibration_error_scaled: float
    covered: float | None = None
    labels: float | None = None

    @classmethod
    def of(cls, rejection: Rejection, logits: np.ndarray, labels: np.ndarray) -> Effect:
        """Apply a rejection to logits `[images, classes]` whose right classes are known."""
        decision = rejection.decide(logits)
        right, plain = decision.best == labels, softmax(logits).max(-1)
        scaled, accepted = decision.probabilities.max(-1), decision.accepted
        sets, rows = decision.sets, np.arange(len(labels))
        return cls(
            images=len(labels),
            accepted=float(accepted.mean()),
            accuracy=float(right[accepted].mean()) if accepted.any() else 0.0,
            accuracy_of_all=float(right.mean()),
            calibration_error=calibration_error(plain, right),
            calibration_error_scaled=calibration_error(scaled, right),
            covered=None if sets is None else float(sets[rows, labels].mean()),
            labels=None if sets is None else float(sets.sum(-1).mean()),
        )

    def sentence(self, rejection: Rejection) -> str:
        """Say what happens to test images, beside what was wanted."""
        wanted = f"{rejection.calibration.wanted:.0%}"
        if self.covered is not None:
            return (
                f"sets of {self.labels:.1f} labels on average hold the right one of "
                f"{self.covered:.0%} of {self.images} test images (wanted: {wanted}); "
                f"{1 - self.accepted:.0%} of these images are none of the classes to it"
            )
        return (
            f"it names a class of {self.accepted:.0%} of {self.images} test images, and "
            f'{self.accuracy:.0%} of these names are right (wanted: {wanted}; without "none": '
            f"{self.accuracy_of_all:.0%})"
        )


@dataclass(frozen=True)
class LabelledImages:
    """Where images with known classes come from.

    Attributes:
        table: the dataset's index.
        card: of the dataset.
        few_shot_set: whose images are not used, and whose seed draws some where there are many.
        store: folder of the feature store.
        features: how images become features.
        project: folder that a relative folder of outsiders starts from.
    """

    table: pd.DataFrame
    card: DatasetCard
    few_shot_set: FewShotSet
    store: Path
    features: FeatureParameters
    project: Path

    def kept(self, class_names: Iterable[str], most: int) -> pd.DataFrame:
        """List validation images of some classes that the few-shot set has not.

        The column `class_number` is the place of a class in `class_names`.
        """
        listed = {path for path, _ in self.few_shot_set.val}
        rows = self._of(class_names, "val")
        rows = rows[~rows["path"].isin(listed)]
        if len(rows) > most:
            drawn = np.random.default_rng(self.few_shot_set.seed).choice(
                len(rows), most, replace=False
            )
            rows = rows.iloc[np.sort(drawn)]
        return rows

    def test(self, class_names: Iterable[str]) -> pd.DataFrame:
        """List test images of some classes."""
        return self._of(class_names, "test")

    def logits(self, classifier: Classifier, rows: pd.DataFrame) -> np.ndarray:
        """Return what a classifier says of images, `[images, classes]`."""
        images, view = ImageSet.of(self.card.folder, rows), classifier.view
        features = encode_images(classifier.image_side, images, view, self.store, self.features)
        chunks = features.values[:, 0].split(CHUNK)
        return np.concatenate([classifier.logits(chunk) for chunk in chunks])

    def outsiders(self, classifier: Classifier, folder: str | None) -> np.ndarray | None:
        """Return the same of all images below a folder, if one is named.

        Files that cannot be read are left out, with a warning that names them.

        Raises:
            DataError: it holds no image that can be read.
        """
        if folder is None:
            return None
        root = self.project / at_home(folder)
        files = sorted(path for path in root.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
        if not files:
            raise DataError(
                f"registry.rejection.outsiders: no images in {root}: name a folder with photos "
                "that belong to none of the classes"
            )
        parts: list[np.ndarray] = []
        problems: list[str] = []
        for start in range(0, len(files), BATCH):
            pixels = []
            for path in files[start : start + BATCH]:
                try:
                    pixels.append(classifier.view.of(path))
                except DataError as error:
                    problems.append(str(error))
            if pixels:
                parts.append(classifier.logits_of_pixels(torch.stack(pixels), ()))
        if not parts:
            raise DataError(f"registry.rejection.outsiders: no image can be read: {problems[0]}")
        if problems:
            left_out = counted(len(problems), "image")
            logger.warning(
                "registry.rejection.outsiders: %s left out: %s", left_out, some(problems)
            )
        return np.concatenate(parts)

    def _of(self, class_names: Iterable[str], part: str) -> pd.DataFrame:
        rows = self.table[self.table["part"] == part].reset_index(drop=True)
        numbers = {name: number for number, name in enumerate(class_names)}
        names = rows["label"].map(dict(enumerate(self.card.class_names)))
        rows = rows.assign(class_number=names.map(numbers)).dropna(subset=["class_number"])
        return rows.astype({"class_number": int})


def calibrate_version(
    classifier: Classifier, images: LabelledImages, how: RejectionParameters, name: str
) -> tuple[Rejection, Effect] | None:
    """Calibrate the rejection of a version; None, and a warning, where it cannot be.

    Args:
        classifier: as it ships, without a rejection.
        images: to calibrate on, and to see what it does.
        how: what is wanted.
        name: of the model, for the warning.

    Raises:
        ConfigError: the kind needs logits, and the method has none.
        DataError: the folder of outsiders has no image that can be read.
    """
    if how.kind == "none":
        return None
    if KINDS[how.kind].needs_logits and not classifier.has_logits:
        raise ConfigError(
            f"registry.rejection.kind is {how.kind}, but {name} averages probabilities and has no "
            "logits: choose max_softmax or conformal"
        )
    names = classifier.card.class_names
    kept, test = images.kept(names, how.images), images.test(names)
    outsiders = images.outsiders(classifier, how.outsiders)
    logits = images.logits(classifier, kept) if len(kept) else np.zeros((0, len(names)))
    try:
        rejection = calibrate(how, logits, kept["class_number"].to_numpy(), outsiders)
    except DataError as error:
        logger.warning('%s never says "none of these": %s', name, error)
        return None
    labels = test["class_number"].to_numpy()
    return rejection, Effect.of(rejection, images.logits(classifier, test), labels)
