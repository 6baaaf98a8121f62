from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, f1_score, recall_score

from evaluation.random_predictions import random_predictions
from vlprompt_pipeline.evaluation.outcomes import (
    class_scores,
    confusion_counts,
    joined,
    outcomes,
)
from vlprompt_pipeline.image_datasets import ClassSubset
from vlprompt_pipeline.protocols.choices import Choice

CLASSES = 12
NAMES = tuple(f"class {label}" for label in range(CLASSES))


@pytest.fixture(scope="module")
def predicted() -> pd.DataFrame:
    return random_predictions(CLASSES, 90)[0]


def test_the_confusion_matrix_is_that_of_scikit_learn(predicted):
    counts = confusion_counts(predicted)
    assert (counts["count"] > 0).all()
    dense = np.zeros((CLASSES, CLASSES), int)
    dense[counts["label"], counts["prediction"]] = counts["count"]
    expected = confusion_matrix(predicted["label"], predicted["prediction"], labels=range(CLASSES))
    assert (dense == expected).all()


def test_class_by_class_it_is_scikit_learns_recall_and_f1(predicted):
    label, answer = predicted["label"], predicted["prediction"]
    found = class_scores(confusion_counts(predicted), NAMES)
    assert found["class_name"].tolist() == list(NAMES)
    seen = sorted(label.unique())
    assert len(seen) < CLASSES, "a class without test images is among them"
    options = {"labels": seen, "average": None}
    assert found["accuracy"][seen].to_numpy() == pytest.approx(
        100 * recall_score(label, answer, **options)
    )
    assert found["f1"][seen].to_numpy() == pytest.approx(100 * f1_score(label, answer, **options))
    unseen = found.drop(index=seen)
    assert unseen[["accuracy", "f1"]].isna().all(axis=None)
    assert (unseen["images"] == 0).all()
    assert found["correct"].sum() == (label == answer).sum()


def test_the_most_frequent_wrong_answer():
    predicted = pd.DataFrame(
        {
            "label": [0, 0, 0, 0, 0, 0, 1, 2, 2, 3, 3, 3],
            "prediction": [0, 2, 1, 2, 1, 0, 1, 0, 0, 0, 2, 2],
        }
    )
    found = class_scores(confusion_counts(predicted), ["cat", "dog", "hen", "owl"])
    assert found["confused_with"].tolist() == ["dog", "", "cat", "hen"], "of equals the first"
    assert found["confused"].tolist() == [2, 0, 2, 2]
    assert found["correct"].tolist() == [2, 1, 0, 0]


def test_a_half_keeps_its_rows_and_answers_of_the_other_count_against_it(predicted):
    """F1 of the base half is scikit-learn's over all images, with the labels of the half."""
    halves = ("generalised_base",) * 6 + ("generalised_new",) * 6
    found = outcomes(predicted, Choice(ClassSubset(tuple(range(CLASSES)), NAMES), halves))
    assert list(found) == ["generalised_base", "generalised_new"]
    base, new = found.values()
    assert base.predictions["label"].max() < 6 <= new.predictions["label"].min()
    assert base.confusion["count"].sum() == len(base.predictions)
    expected = f1_score(
        predicted["label"], predicted["prediction"], labels=range(6), average="macro"
    )
    assert base.classes["f1"].mean() == pytest.approx(100 * expected)
    whole = joined([base, new])
    assert [len(table) for table in whole] == [90, CLASSES, len(confusion_counts(predicted))]
    assert set(whole.confusion["half"]) == set(halves)
