"""Oracles are scipy and the bootstrap as everybody writes it, drawing indices of images."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.evaluation import metrics
from vlprompt_pipeline.results import statistics

IMAGES, SEEDS = 300, 3


@pytest.fixture(scope="module")
def answers():
    """Two methods that agree on most images, [seeds, images] each."""
    draw = np.random.default_rng(7)
    hard = draw.random(IMAGES)
    one = draw.random((SEEDS, IMAGES)) < 0.95 - 0.5 * hard
    other = np.where(draw.random((SEEDS, IMAGES)) < 0.1, draw.random((SEEDS, IMAGES)) < 0.68, one)
    return one, other


def drawn_by_index(score, *arrays, resamples=4000):
    """`score` of the arrays at the same drawn images, once for each of many draws."""
    draw = np.random.default_rng(1)
    picks = draw.integers(0, arrays[0].shape[-1], (resamples, arrays[0].shape[-1]))
    return np.array([score(*(array[..., pick] for array in arrays)) for pick in picks])


def accuracy(right):
    return 100 * right.mean()


def bounds(drawn):
    return np.quantile(drawn, [0.025, 0.975])


class TestIntervals:
    def test_accuracy_is_as_by_drawn_indices(self, answers):
        one, _ = answers
        slow = drawn_by_index(accuracy, one)
        fast = statistics.accuracy_interval(one)
        assert fast == pytest.approx(bounds(slow), abs=0.3)
        assert fast.low < accuracy(one) < fast.high

    def test_one_seed_is_the_binomial(self):
        """70 of 200 right: resampling right and wrong is a binomial, whose quantiles are known."""
        from scipy.stats import binom

        right = np.arange(200) < 70
        expected = 100 * binom(200, 0.35).ppf([0.025, 0.975]) / 200
        assert statistics.accuracy_interval(right) == pytest.approx(expected, abs=0.5)

    def test_h_is_as_by_drawn_indices(self, answers):
        base, new = answers[0], answers[1][:, :100]
        halves = drawn_by_index(accuracy, base), drawn_by_index(accuracy, new)[::-1]
        slow = [metrics.harmonic_mean(*pair) for pair in zip(*halves, strict=True)]
        assert statistics.h_interval(base, new) == pytest.approx(bounds(slow), abs=0.4)

    def test_of_sixteen_times_the_images_it_is_a_fourth_as_wide(self, answers):
        one, _ = answers
        few, many = (
            statistics.accuracy_interval(one),
            statistics.accuracy_interval(np.tile(one, 16)),
        )
        assert (many.high - many.low) * 4 == pytest.approx(few.high - few.low, rel=0.1)

    def test_where_all_images_are_of_one_kind_there_is_none(self):
        """Of 12 images that are all right, 100 to 100 would leave out most accuracies likely."""
        assert np.isnan(statistics.accuracy_interval(np.ones((2, 12)))).all()
        assert np.isnan(statistics.h_interval(np.ones(5), np.zeros(5))).all()

    @pytest.mark.parametrize("images", [12, 30])
    def test_of_high_accuracies_on_few_images_it_covers_what_it_says(self, images):
        """Of those that have one; without that rule, 4 of 10 intervals of 12 images did."""
        draw = np.random.default_rng(images)
        found = [statistics.accuracy_interval(draw.random(images) < 0.95) for _ in range(200)]
        given = [interval for interval in found if not np.isnan(interval.low)]
        assert np.mean([low - 1e-9 <= 95 <= high + 1e-9 for low, high in given]) >= 0.9

    def test_the_same_answers_have_the_same_interval(self, answers):
        one, _ = answers
        assert statistics.accuracy_interval(one) == statistics.accuracy_interval(one)


class TestMcNemar:
    @pytest.mark.parametrize(
        ("only_one", "only_other"),
        [(0, 0), (1, 0), (5, 5), (12, 3), (3, 12), (700, 600), (9000, 8)],
    )
    def test_it_is_the_binomial_test_of_scipy(self, only_one, only_other):
        one = np.array([True] * only_one + [False] * only_other + [True, False])
        other = np.array([False] * only_one + [True] * only_other + [True, False])
        found = statistics.compare_accuracy(one, other)
        discordant = only_one + only_other
        expected = binomtest(only_one, discordant).pvalue if discordant else 1.0
        assert found.test == "McNemar"
        assert found.p_value == pytest.approx(expected, rel=1e-9, abs=1e-300)
        assert found.difference == pytest.approx(100 * (only_one - only_other) / len(one))

    def test_one_seed_in_two_dimensions_is_one_seed(self, answers):
        one, other = answers[0][0], answers[1][0]
        assert statistics.compare_accuracy(one[None], other[None]) == (
            statistics.compare_accuracy(one, other)
        )


class TestPairedBootstrap:
    def test_accuracy_is_as_by_drawn_indices(self, answers):
        slow = drawn_by_index(lambda a, b: accuracy(a) - accuracy(b), *answers)
        observed = accuracy(answers[0]) - accuracy(answers[1])
        found = statistics.compare_accuracy(*answers)
        assert found.test == "paired bootstrap"
        assert found.difference == pytest.approx(observed)
        assert found[1:3] == pytest.approx(bounds(slow), abs=0.3)
        as_far = (np.abs(slow - observed) >= abs(observed)).mean()
        assert found.p_value == pytest.approx(as_far, abs=0.02)

    def test_h_is_as_by_drawn_indices(self, answers):
        one, other = answers
        (one_base, one_new), (other_base, other_new) = (
            (method[:, :200], method[:, 200:]) for method in (one, other)
        )

        def h(base, new):
            return metrics.harmonic_mean(accuracy(base), accuracy(new))

        draw = np.random.default_rng(2)
        slow = []
        for _ in range(4000):
            base, new = draw.integers(0, 200, 200), draw.integers(0, 100, 100)
            slow.append(
                h(one_base[:, base], one_new[:, new]) - h(other_base[:, base], other_new[:, new])
            )
        observed = h(one_base, one_new) - h(other_base, other_new)
        found = statistics.compare_h(one_base, one_new, other_base, other_new)
        assert found.difference == pytest.approx(observed)
        assert found[1:3] == pytest.approx(bounds(slow), abs=0.4)
        as_far = (np.abs(np.array(slow) - observed) >= abs(observed)).mean()
        assert found.p_value == pytest.approx(as_far, abs=0.02)

    def test_a_comparison_turned_round_is_its_negative(self, answers):
        one, other = answers
        there, back = (
            statistics.compare_accuracy(one, other),
            statistics.compare_accuracy(other, one),
        )
        assert there.difference == -back.difference
        assert there.p_value == pytest.approx(back.p_value, abs=0.01)

    def test_a_method_is_not_different_from_itself(self, answers):
        one, _ = answers
        assert statistics.compare_accuracy(one, one) == (0, 0, 0, 1, "paired bootstrap")
        assert statistics.compare_h(one, one, one, one) == (0, 0, 0, 1, "paired bootstrap")

    def test_the_p_value_is_never_zero(self):
        """All draws are 100 points, none is as far from them as they are from 0: 1 of 10,001."""
        found = statistics.compare_accuracy(np.ones((2, 50)), np.zeros((2, 50)))
        assert found.p_value == 1 / 10_001

    def test_it_keeps_its_level_where_there_is_no_difference(self):
        """Of 400 tests between equals, 5 % are expected below 0.05; 8 % has a chance below 1 %."""
        draw = np.random.default_rng(5)
        found = [
            statistics.compare_accuracy(*(draw.random((2, 3, 150)) < 0.7)).p_value
            for _ in range(400)
        ]
        assert 0.02 < np.mean(np.array(found) <= 0.05) < 0.08

    def test_it_is_as_mcnemar_where_three_seeds_are_the_same(self, answers):
        """Zero-shot CLIP does not depend on the seed: three seeds of it are one."""
        one, other = answers[0][0], answers[1][0]
        thrice = statistics.compare_accuracy(np.tile(one, (3, 1)), np.tile(other, (3, 1)))
        once = statistics.compare_accuracy(one, other)
        assert thrice.p_value == pytest.approx(once.p_value, abs=0.05)
        assert thrice[1:3] == pytest.approx(once[1:3], abs=1e-9)


class TestHolm:
    def test_by_hand(self):
        """By size 0.005 · 4, 0.01 · 3, 0.03 · 2, 0.04 · 1, and none below the one before."""
        adjusted = statistics.holm([0.01, 0.04, 0.03, 0.005])
        assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])

    def test_it_is_the_step_down_procedure(self):
        """As Holm states it: reject from the smallest on, until one is above level / (m - rank)."""
        draw = np.random.default_rng(0)
        for _ in range(50):
            given = draw.random(8) ** 3
            level = draw.random()
            rejected = set()
            for rank, index in enumerate(np.argsort(given)):
                if given[index] > level / (len(given) - rank):
                    break
                rejected.add(index)
            adjusted = np.array(statistics.holm(given))
            assert set(np.flatnonzero(adjusted <= level)) == rejected

    def test_nothing_exceeds_one_and_nothing_gives_nothing(self):
        assert statistics.holm([0.9, 0.8]) == [1, 1]
        assert statistics.holm([]) == []

    @pytest.mark.parametrize("wrong", [float("nan"), -0.1, 1.1])
    def test_what_is_no_probability_is_refused(self, wrong):
        with pytest.raises(DataError, match="outside 0 to 1 or missing"):
            statistics.holm([0.5, wrong])


@pytest.mark.parametrize(
    ("difference", "adjusted", "expected"),
    [
        (1.0, 0.05, "better"),
        (-1.0, 0.049, "worse"),
        (1.0, 0.051, "no difference shown"),
        (0.0, 0.01, "no difference shown"),
        (1.0, float("nan"), "no difference shown"),
    ],
)
def test_the_verdict_is_of_the_adjusted_p_value(difference, adjusted, expected):
    paired = statistics.Paired(difference, -1.0, 1.0, 0.001, "McNemar")
    assert statistics.verdict(paired, adjusted) == expected


class TestWhatCannotBeCompared:
    def test_different_images_or_seeds(self):
        with pytest.raises(DataError, match=r"one has \(3, 4\).*the other \(2, 4\)"):
            statistics.compare_accuracy(np.ones((3, 4)), np.ones((2, 4)))
        with pytest.raises(DataError, match=r"one has \(1, 5\).*the other \(1, 4\)"):
            statistics.compare_h(np.ones(4), np.ones(5), np.ones(4), np.ones(4))

    @pytest.mark.parametrize("empty", [[], np.ones((0, 4)), np.ones((3, 0)), np.ones((2, 2, 2))])
    def test_nothing_to_score(self, empty):
        with pytest.raises(DataError, match="some of each"):
            statistics.accuracy_interval(empty)

    @pytest.mark.parametrize("value", [float("nan"), 0.5, 2])
    def test_neither_right_nor_wrong(self, value):
        with pytest.raises(DataError, match="some value is neither"):
            statistics.h_interval([1, 0], [1, value])
