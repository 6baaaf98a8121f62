"""AUROC, FPR95 and risk against coverage, held to scikit-learn and to cases counted by hand."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from vlprompt_pipeline.rejection import auroc, false_positive_rate, risk_coverage


@pytest.mark.parametrize("levels", [5, 10_000])  # many equal scores, and hardly any
@pytest.mark.parametrize(("inside", "outside"), [(40, 7), (3, 200)])
def test_auroc_and_fpr95_are_those_of_scikit_learn(inside, outside, levels):
    draw = np.random.default_rng(inside + levels)
    insiders = draw.integers(0, levels, inside) + levels // 4
    outsiders = draw.integers(0, levels, outside)
    known = np.r_[np.ones(inside), np.zeros(outside)]
    scores = np.r_[insiders, outsiders]
    assert auroc(insiders, outsiders) == pytest.approx(100 * roc_auc_score(known, scores))
    wrong, right, _ = roc_curve(known, scores, drop_intermediate=False)
    expected = 100 * wrong[right >= 0.95 - 1e-12].min()
    assert false_positive_rate(insiders, outsiders) == pytest.approx(expected)


def test_auroc_of_apart_equal_and_swapped_scores():
    assert auroc([3, 4], [1, 2, 2.5]) == 100
    assert auroc([1, 1], [1]) == 50
    assert auroc([1], [2, 3]) == 0


def test_fpr_takes_in_as_many_insiders_as_it_says():
    insiders = np.arange(1, 21)  # 95 % of 20 are 19: the threshold is 2
    assert false_positive_rate(insiders, [0, 1, 1.9, 2, 30]) == 40
    assert false_positive_rate(insiders, [1.0], accepted=1.0) == 100


def test_risk_rises_where_the_wrong_answers_are():
    curve = risk_coverage([0.9, 0.8, 0.8, 0.1], [True, False, True, False])
    assert curve.thresholds.tolist() == [0.9, 0.8, 0.1]
    assert curve.coverage.tolist() == [0.25, 0.75, 1.0]
    assert curve.risk.tolist() == pytest.approx([0, 1 / 3, 1 / 2])
