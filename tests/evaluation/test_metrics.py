from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, top_k_accuracy_score

from evaluation.random_predictions import random_predictions
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.evaluation import metrics
from vlprompt_pipeline.evaluation.metrics import METRICS, Metric, register
from vlprompt_pipeline.evaluation.metrics.calibration import calibration_error
from vlprompt_pipeline.evaluation.outcomes import class_scores, confusion_counts

ALL = tuple(metrics.METRICS)


def test_accuracy_is_in_percent():
    assert metrics.accuracy(1, 8) == 12.5


class TestCalibrationError:
    def test_by_hand(self):
        """Two bins of (0, 1]: the lower is 0.4 sure and all wrong, the upper 0.8 and all right."""
        confidence, correct = [0.3, 0.5, 0.7, 0.9], [False, False, True, True]
        expected = 100 * (0.5 * abs(0.0 - 0.4) + 0.5 * abs(1.0 - 0.8))
        assert calibration_error(confidence, correct, bins=2) == pytest.approx(expected)

    def test_edges_belong_to_the_lower_bin(self):
        """0.5 is in (0, 0.5]: there 0.5 and 0.1 meet and cancel to |1/2 - 0.3|."""
        found = calibration_error([0.5, 0.1], [True, False], bins=2)
        assert found == pytest.approx(100 * (0.5 - 0.3))

    def test_sure_and_right_is_perfect_and_sure_and_wrong_the_worst(self):
        assert calibration_error([1.0, 1.0], [True, True]) == 0
        assert calibration_error([1.0, 0.0], [False, True]) == 100

    def test_it_equals_a_loop_over_fifteen_bins(self):
        draw = np.random.default_rng(0)
        confidence, correct = draw.uniform(0.01, 1, 500), draw.random(500) < 0.6
        expected = 0.0
        for b in range(15):
            inside = (confidence > b / 15) & (confidence <= (b + 1) / 15)
            if inside.any():
                gap = abs(correct[inside].mean() - confidence[inside].mean())
                expected += 100 * inside.mean() * gap
        assert calibration_error(confidence, correct) == pytest.approx(expected)


def classes_of(predicted: pd.DataFrame, classes: int) -> pd.DataFrame:
    return class_scores(confusion_counts(predicted), [f"class {i}" for i in range(classes)])


def test_the_score_of_predictions():
    predicted = pd.DataFrame(
        {
            "label": [0, 1, 1, 0],
            "prediction": [0, 1, 0, 0],
            "probability": [1.0] * 4,
            "top": [[0, 1], [1, 0], [0, 1], [0, 1]],
            "entropy": [0.0, 0.0, 0.2, 0.2],
        }
    )
    plain = metrics.score_of(predicted, classes_of(predicted, 2), ALL)
    assert (plain["correct"], plain["total"], plain["accuracy"]) == (3, 4, 75.0)
    assert plain["top5_accuracy"] == 100
    assert plain["macro_f1"] == pytest.approx(100 * (4 / 5 + 2 / 3) / 2)
    assert plain["calibration_error"] == 25
    assert plain["entropy"] == pytest.approx(0.1)
    more = predicted.assign(
        spread=0.05, sampled_prediction=[0, 1, 0, 0], mean_prediction=[0, 1, 1, 0]
    )
    scores = metrics.score_of(more, classes_of(more, 2), ALL)
    assert (scores["sampled_accuracy"], scores["mean_accuracy"]) == (75, 100)
    assert scores["spread"] == pytest.approx(5)


@pytest.mark.parametrize(("classes", "images"), [(2, 40), (5, 60), (30, 400)])
def test_scores_are_those_of_scikit_learn(classes, images):
    """A class that has no image is among them, which scikit-learn would count as 0."""
    predicted, probabilities = random_predictions(classes, images)
    found = metrics.score_of(predicted, classes_of(predicted, classes), ALL)
    label, answer = predicted["label"], predicted["prediction"]
    assert found["accuracy"] == pytest.approx(100 * accuracy_score(label, answer))
    f1 = f1_score(label, answer, average="macro", labels=np.unique(label))
    assert found["macro_f1"] == pytest.approx(100 * f1)
    if classes > 5:
        top5 = top_k_accuracy_score(label, probabilities, k=5, labels=range(classes))
        assert found["top5_accuracy"] == pytest.approx(100 * top5)
    else:
        assert found["top5_accuracy"] == 100


@pytest.mark.parametrize(
    ("base", "new", "expected"),
    [(60, 40, 48), (50, 50, 50), (100, 0, 0), (0, 0, 0), (82.69, 63.22, 71.66)],
)
def test_harmonic_mean(base, new, expected):
    assert metrics.harmonic_mean(base, new) == pytest.approx(expected, abs=0.005)


def test_harmonic_means_of_arrays_are_those_of_their_numbers():
    found = metrics.harmonic_mean([60, 0, 100], [40, 0, 0])
    assert found.tolist() == pytest.approx([48, 0, 0])


def test_only_named_metrics_are_computed_and_only_where_they_apply():
    predicted, _ = random_predictions(3, 20)
    classes = classes_of(predicted, 3)
    assert [*metrics.score_of(predicted, classes, ())] == ["correct", "total", "accuracy"]
    found = metrics.score_of(predicted, classes, ("entropy", "spread"))
    assert "entropy" in found and "spread" not in found  # no distribution over prompts


def test_outsiders_are_told_by_probability_and_by_energy_where_there_are_some():
    predicted, _ = random_predictions(3, 40)
    predicted = predicted.assign(energy=np.arange(40))
    outsiders = pd.DataFrame({"probability": [0.0, 2.0], "energy": [-1, 20]})
    names = ("auroc", "fpr95", "energy_auroc", "energy_fpr95")
    classes = classes_of(predicted, 3)
    found = metrics.score_of(predicted, classes, names, outsiders)
    assert (found["auroc"], found["fpr95"]) == (50, 50)
    above = 19 + 0.5  # of 40 energies that many are above 20, and one is equal
    assert found["energy_auroc"] == pytest.approx(100 * (40 + above) / 80)
    assert found["energy_fpr95"] == 50
    assert not set(names) & set(metrics.score_of(predicted, classes, names))
    sampled = metrics.score_of(predicted.drop(columns="energy"), classes, names, outsiders)
    assert "auroc" in sampled and "energy_auroc" not in sampled


def test_an_unknown_metric_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"metrics: unknown metric 'macrof1'.*'macro_f1'"):
        metrics.require_metrics(["entropy", "macrof1"])


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("accuracy", "two metrics are named accuracy"),
        ("top5_accuracy", "two metrics are named top5_accuracy"),
        ("F1 (macro)", "a metric is named 'F1 (macro)': give it a name of letters, digits and"),
    ],
)
def test_a_name_that_is_taken_or_no_column_can_have_is_refused(name, why):
    before = dict(METRICS)
    with pytest.raises(ValueError, match=re.escape(why)):
        register(Metric(name, "their own", lambda predicted, classes: 0.0))
    assert before == METRICS


@pytest.mark.parametrize(
    ("value", "said"),
    [(float("nan"), "'nan'"), ("three", "'three'"), (pd.Series([1, 2]), "'0    1")],
)
def test_a_metric_that_gives_no_number_is_named(monkeypatch, value, said):
    monkeypatch.setitem(METRICS, "own", Metric("own", "own", lambda predicted, classes: value))
    predicted, _ = random_predictions(2, 4)
    with pytest.raises(ConfigError, match=f"^metrics: own gives {said}.*: return a finite number"):
        metrics.score_of(predicted, classes_of(predicted, 2), ["own"])


def test_a_metric_may_add_columns_and_give_a_number_of_numpy(monkeypatch):
    def own(predicted: pd.DataFrame, classes: pd.DataFrame) -> float:
        predicted["right"] = predicted["prediction"] == predicted["label"]
        return np.float32(predicted["right"].sum())

    monkeypatch.setitem(METRICS, "own", Metric("own", "own", own))
    predicted, _ = random_predictions(2, 4)
    before = [*predicted.columns]
    found = metrics.score_of(predicted, classes_of(predicted, 2), ["own"])["own"]
    assert type(found) is float and [*predicted.columns] == before
