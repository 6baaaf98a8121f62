"""What became of test images, as tables: image by image, class by class, and which for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from vlprompt_pipeline.protocols.choices import Choice


class Outcome(NamedTuple):
    """Tables of a set of images; with a column `half`, its name, they may be joined with others.

    Attributes:
        predictions: one row an image (`predict_among`).
        classes: one row a class (`class_scores`).
        confusion: one row a pair of right and predicted class (`confusion_counts`).
    """

    predictions: pd.DataFrame
    classes: pd.DataFrame
    confusion: pd.DataFrame


def outcomes(predicted: pd.DataFrame, choice: Choice) -> dict[str, Outcome]:
    """Return the outcome of each half of a choice.

    F1 counts where a class was predicted among all images of the choice, of other halves too.
    """
    confusion = confusion_counts(predicted)
    tables = Outcome(predicted, class_scores(confusion, choice.classes.class_names), confusion)
    half_of = np.array(choice.halves)
    named = [table.assign(half=half_of[table["label"]]) for table in tables]
    return {
        half: Outcome(*(table[table["half"] == half] for table in named))
        for half in dict.fromkeys(choice.halves)
    }


def joined(parts: Sequence[Outcome]) -> Outcome:
    """Join all in one."""
    return Outcome(*(pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True)))


def confusion_counts(predicted: pd.DataFrame) -> pd.DataFrame:
    """Return the confusion matrix without its zeros: columns `label, prediction, count`, in order.

    A matrix of 1,000 classes has a million entries, but no more of them than there are images are
    above zero.

    Args:
        predicted: a row an image with `label` and `prediction`.
    """
    pairs = predicted.groupby(["label", "prediction"], sort=True).size()
    return pairs.rename("count").reset_index()


def class_scores(confusion: pd.DataFrame, class_names: Sequence[str]) -> pd.DataFrame:
    """Make a row a class: `label, class_name, images, correct, accuracy, f1` and the worst mix-up.

    `accuracy` is that of the class's own images, in percent: its recall. `f1` is the harmonic mean
    of that and of the share of right answers where the class was predicted. Both are NaN where a
    class has no test images. `confused_with` is the class most often predicted where this one was
    right (the first of several), `confused` how often; empty and 0 where all were recognised.

    Args:
        confusion: counts of all images that were classified among these classes.
        class_names: by label.
    """
    label, prediction, count = (
        confusion[column].to_numpy() for column in ("label", "prediction", "count")
    )
    size, hit = len(class_names), label == prediction
    images = np.bincount(label, count, size).astype(int)
    correct = np.bincount(label[hit], count[hit], size).astype(int)
    predicted = np.bincount(prediction, count, size).astype(int)
    images_or_nan = np.where(images > 0, images, np.nan)
    mixed_up = confusion[~hit].sort_values("count", ascending=False, kind="stable")
    worst = mixed_up.drop_duplicates("label").set_index("label")
    confused = worst["count"].reindex(range(size), fill_value=0)
    names = worst["prediction"].map(dict(enumerate(class_names)))
    return pd.DataFrame(
        {
            "label": np.arange(size),
            "class_name": class_names,
            "images": images,
            "correct": correct,
            "accuracy": 100.0 * correct / images_or_nan,
            "f1": 200.0 * correct / (images_or_nan + predicted),
            "confused_with": names.reindex(range(size), fill_value="").to_numpy(),
            "confused": confused.to_numpy(),
        }
    )
