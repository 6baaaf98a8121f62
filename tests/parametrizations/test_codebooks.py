"""Where entries lie: by hand, and against the properties that define each quantizer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlprompt_pipeline.parametrizations import QUANTIZERS, QuantizeConfig, kmeans_1d, lloyd_1d

NAMES = tuple(QUANTIZERS)
VALUES = st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=40).map(np.array)


def fitted(name: str, values: list[float], bits: int, start: str = "quantiles") -> list[float]:
    return QUANTIZERS[name].fit(np.array(values, np.float64), 2**bits, start).tolist()


@pytest.mark.parametrize(
    ("name", "values", "bits", "entries"),
    [
        ("uniform", [0, 1, 9], 1, [0, 9]),
        ("uniform", [3, -3, 1], 2, [-3, -1, 1, 3]),
        ("stochastic", [3, -3, 1], 2, [-3, -1, 1, 3]),
        ("symmetric", [1, -0.5, 3], 2, [-3, -1, 1, 3]),
        ("power_of_two", [0.9, -0.1], 1, [-1, 1]),
        ("power_of_two", [-6.1, 2], 2, [-8, -4, 4, 8]),  # 6.1 · 4/3 is just above 8
        ("power_of_two", [-5.9, 2], 2, [-4, -2, 2, 4]),
        ("power_of_two", [0, 0], 1, [-1, 1]),
        ("kmeans", [0, 1, 9, 11], 1, [0.5, 10]),
        ("gaussian", [0, 1, 9, 11], 1, [0.5, 10]),
        ("lloyd_max", [0, 1, 9, 11], 1, [0.5, 10]),
    ],
)
def test_by_hand(name: str, values: list[float], bits: int, entries: list[float]) -> None:
    assert fitted(name, values, bits) == pytest.approx(entries)


def test_lloyd_depends_on_where_it_starts() -> None:
    """From the range, entries in the gap keep their places and serve nothing."""
    values = [0.0, 1.0, 2.0, 3.0, 100.0]
    assert fitted("lloyd_max", values, 2, "range") == pytest.approx([1.5, 100 / 3, 200 / 3, 100])
    assert len(set(fitted("lloyd_max", values, 2, "quantiles"))) == 4


def squared_error(values: np.ndarray, entries: np.ndarray) -> float:
    return float(np.square(values[:, None] - entries).min(axis=1).sum())


@settings(deadline=None)
@given(VALUES, st.integers(1, 3), st.sampled_from(["quantiles", "range"]))
def test_lloyd_rests_between_its_start_and_the_optimum(
    values: np.ndarray, bits: int, start: str
) -> None:
    entries = QUANTIZERS["lloyd_max"].fit(values, 2**bits, start)
    first = {"quantiles": np.quantile(values, (np.arange(2**bits) + 0.5) / 2**bits)}.get(
        start, np.linspace(values.min(), values.max(), 2**bits)
    )
    slack = 1e-6 * (1 + np.square(values).sum())
    assert squared_error(values, entries) <= squared_error(values, first) + slack
    best = squared_error(values, kmeans_1d(values, 2**bits))
    assert best <= squared_error(values, entries) + slack
    again = lloyd_1d(values, entries)
    assert squared_error(values, again) == pytest.approx(squared_error(values, entries), abs=slack)


@settings(deadline=None)
@given(VALUES, st.sampled_from(NAMES), st.integers(1, 8))
def test_every_codebook_is_ascending_and_full(values: np.ndarray, name: str, bits: int) -> None:
    entries = np.array(fitted(name, values, bits))
    assert entries.shape == (2**bits,)
    assert np.isfinite(entries).all()
    assert (np.diff(entries) >= -1e-9 * np.abs(values).max()).all()
    assert not squared_error(values, kmeans_1d(values, 2**bits)) > squared_error(
        values, entries
    ) + 1e-6 * (1 + np.square(values).sum())


def test_group_size_goes_with_groups() -> None:
    for wrong in ({"codebook": "group"}, {"codebook": "row", "group_size": 4}):
        with pytest.raises(ValueError, match="group_size goes with codebook: group"):
            QuantizeConfig(bits=1, **wrong)
    with pytest.raises(ValueError, match="noise in training"):
        QuantizeConfig(bits=1, quantizer="gaussian", post_training=True)
