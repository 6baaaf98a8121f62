"""The best clustering: against trying all, against restarts, and on a grid against no grid."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from vlprompt_pipeline.parametrizations import clustering
from vlprompt_pipeline.parametrizations.clustering import kmeans_1d, lloyd_1d

FINITE = st.floats(-1000, 1000, width=32)
FEW_DIFFERENT = st.integers(-3, 3).map(float)


def squared_error(values: np.ndarray, centroids: np.ndarray) -> float:
    nearest = np.abs(values[:, None] - centroids).argmin(axis=1)
    return float(np.square(values - centroids[nearest]).sum())


def least_error_of_all(values: list[float], k: int) -> float:
    """By trying every way to cut the sorted values into at most k pieces."""
    ordered = np.sort(values)
    pieces = min(k, len(values))
    return min(
        sum(float(np.square(piece - piece.mean()).sum()) for piece in np.split(ordered, cuts))
        for cuts in combinations(range(1, len(values)), pieces - 1)
    )


def least_error_of_partitions(values: list[float], k: int) -> float:
    """By trying every assignment, intervals or not."""
    best = np.inf
    for code in range(k ** len(values)):
        labels = np.array([code // k**place % k for place in range(len(values))])
        groups = [np.array(values)[labels == label] for label in range(k)]
        error = sum(float(np.square(group - group.mean()).sum()) for group in groups if group.size)
        best = min(best, error)
    return best


@settings(deadline=None, max_examples=300)
@given(st.lists(FINITE | FEW_DIFFERENT, min_size=1, max_size=10), st.integers(1, 8))
def test_no_cuts_are_better(values: list[float], k: int) -> None:
    centroids = kmeans_1d(np.array(values), k)
    assert centroids.shape == (k,)
    assert (np.diff(centroids) >= 0).all()
    best = least_error_of_all(values, k)
    assert squared_error(np.array(values), centroids) == pytest.approx(best, rel=1e-6, abs=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.lists(FINITE, min_size=1, max_size=6), st.integers(1, 3))
def test_no_assignment_is_better(values: list[float], k: int) -> None:
    error = squared_error(np.array(values), kmeans_1d(np.array(values), k))
    assert error == pytest.approx(least_error_of_partitions(values, k), rel=1e-6, abs=1e-6)


def test_by_hand() -> None:
    values = np.array([[10, 1, 12], [2, 11, 3]], np.float32)
    assert kmeans_1d(values, 2).tolist() == [2, 11]
    assert kmeans_1d(values, 1).tolist() == [6.5]


@pytest.mark.parametrize(
    ("values", "k", "centroids"),
    [([7.0], 2, [7, 7]), ([1, 1, 1, 2], 4, [1, 2, 2, 2]), ([3, 1, 3, 1, 2], 3, [1, 2, 3])],
)
def test_fewer_distinct_values_than_centroids(
    values: list[float], k: int, centroids: list[float]
) -> None:
    assert kmeans_1d(np.array(values), k).tolist() == centroids


@pytest.mark.parametrize(
    ("values", "k"), [([], 2), ([1, np.nan], 2), ([1, np.inf], 2), ([-np.inf, 1], 2), ([1, 2], 0)]
)
def test_values_that_cannot_be_clustered(values: list[float], k: int) -> None:
    with pytest.raises(ValueError, match="finite values"):
        kmeans_1d(np.array(values), k)


def test_lloyd_rests_at_means_of_one_value_too_and_leaves_centroids_without() -> None:
    values = np.array([0.0, 0.0, 1.0, 10.0])
    rested = lloyd_1d(values, np.array([0.0, 6.0, 50.0]))
    assert rested.tolist() == pytest.approx([1 / 3, 10, 50])


def test_far_from_zero() -> None:
    values = np.random.default_rng(0).normal(size=500)
    near, far = kmeans_1d(values, 4), kmeans_1d(values + 1e6, 4)
    np.testing.assert_allclose(far - 1e6, near, atol=1e-8)


def test_order_does_not_matter() -> None:
    values = np.random.default_rng(0).normal(size=2048).astype(np.float32)
    shuffled = np.random.default_rng(1).permutation(values)
    assert kmeans_1d(values, 16).tobytes() == kmeans_1d(shuffled, 16).tobytes()


@pytest.mark.parametrize("k", [2, 4, 16])
@pytest.mark.parametrize("seed", [0, 1])
def test_at_least_as_good_as_fifty_restarts(k: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=2048)
    with threadpool_limits(1):  # its threads wait for each other where cores are few
        restarts = KMeans(k, n_init=50, random_state=seed).fit(values[:, None])
    assert squared_error(values, kmeans_1d(values, k)) <= restarts.inertia_ * (1 + 1e-12)


def _crowd_and_outliers(draw: np.random.Generator) -> np.ndarray:
    crowd, spread = 0.01 * draw.normal(size=20_000), 5 + 3 * draw.normal(size=9_990)
    return np.concatenate((crowd, spread, 1000 + draw.normal(size=10)))


@pytest.mark.parametrize(
    "make",
    [
        lambda draw: draw.normal(size=30_000),
        lambda draw: draw.standard_t(2, 30_000),
        _crowd_and_outliers,
    ],
    ids=["normal", "heavy tails", "crowd and outliers"],
)
def test_grid_of_many_values_costs_little(
    make: Callable[[np.random.Generator], np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = make(np.random.default_rng(0))
    on_grid = squared_error(values, kmeans_1d(values, 16))
    monkeypatch.setattr(clustering, "EXACT_LIMIT", values.size)
    exact = squared_error(values, kmeans_1d(values, 16))
    assert exact * (1 - 1e-12) <= on_grid < exact * (1 + 1e-5)


def test_many_values_end_where_lloyd_rests() -> None:
    values = np.random.default_rng(0).normal(size=100_000)
    centroids = kmeans_1d(values, 16)
    nearest = np.searchsorted([(a + b) / 2 for a, b in pairwise(centroids)], values)
    means = [values[nearest == place].mean() for place in range(16)]
    np.testing.assert_allclose(centroids, means, rtol=1e-9)
