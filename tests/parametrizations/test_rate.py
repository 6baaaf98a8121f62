"""Codebooks for entropy-coded indices: the bits that were asked for, and what they are worth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from vlprompt_pipeline.export.packed import PackedPrompt, pack, unpack
from vlprompt_pipeline.export.tensors import StructuredTensor
from vlprompt_pipeline.parametrizations import QuantizeConfig, make_quantizer
from vlprompt_pipeline.parametrizations.clustering import kmeans_1d
from vlprompt_pipeline.parametrizations.rate import entries_at_rate
from vlprompt_pipeline.parametrizations.scaled import fit_scaled

NORMAL = np.random.default_rng(0).normal(3.0, 0.2, 20_000)


def indexed(values: np.ndarray, entries: np.ndarray) -> tuple[float, float]:
    """Entropy of the indices in bits, and mean squared error in variances."""
    places = np.searchsorted((entries[1:] + entries[:-1]) / 2, values)
    shares = np.bincount(places, minlength=len(entries)) / len(values)
    shares = shares[shares > 0]
    error = np.square(values - entries[places]).mean() / values.var()
    return float(-(shares * np.log2(shares)).sum()), float(error)


@pytest.mark.parametrize("rate", [0.3, 1.0, 1.7, 2.1, 2.9])
@pytest.mark.parametrize("entries", [8, 16])
def test_the_rate_is_reached(rate, entries):
    found = entries_at_rate(NORMAL, entries, rate)
    assert (np.diff(found) >= 0).all()
    assert indexed(NORMAL, found)[0] == pytest.approx(rate, abs=0.01)


def test_few_values_come_near_it_from_below():
    for seed in range(4):
        values = np.random.default_rng(seed).normal(size=60)
        assert 1.4 < indexed(values, entries_at_rate(values, 8, 1.5))[0] < 1.5


def test_at_equal_bits_it_errs_less_than_k_means():
    bits, error = indexed(NORMAL, kmeans_1d(NORMAL, 8))
    ours, less = indexed(NORMAL, entries_at_rate(NORMAL, 16, bits))
    assert ours == pytest.approx(bits, abs=0.01)
    assert less < 0.97 * error
    # the best scalar quantizer is 1.53 dB above the bound of a normal variable
    assert 4.0**-bits < less < 1.05 * 10**0.153 * 4.0**-bits


def test_a_rate_beyond_the_entries_gives_the_highest_entropy():
    found = entries_at_rate(NORMAL, 4, 3.0)
    assert 1.9 < indexed(NORMAL, found)[0] <= 2


def test_entries_lie_evenly_on_both_sides_of_the_mean():
    found = entries_at_rate(np.linspace(-1, 1, 2001), 5, 1.8)
    assert found[2] == pytest.approx(0, abs=1e-9)
    assert found == pytest.approx(-found[::-1], abs=1e-9)
    assert found[1] < 0 < found[3]


def test_values_that_are_alike_or_few():
    assert entries_at_rate(np.full(9, 2.5), 4, 1.0).tolist() == [2.5] * 4
    found = entries_at_rate(np.array([0.0, 0.0, 0.0, 1.0]), 4, 0.5)
    assert set(np.round(found, 6)) >= {0.0}
    assert np.isfinite(found).all()


def test_scaled_codes_take_the_rate():
    draw = np.random.default_rng(1)
    weight = draw.normal(0, 1, (40, 96)) * draw.uniform(0.5, 2, (40, 1)) * draw.uniform(0.2, 5, 96)
    codes = fit_scaled(weight, 3, rate=1.5)
    shares = np.bincount(codes.indices.ravel(), minlength=8) / codes.indices.size
    bits = -(shares[shares > 0] * np.log2(shares[shares > 0])).sum()
    assert bits == pytest.approx(1.5, abs=0.03)


def test_what_is_shown_is_what_the_file_gives_back():
    weight = torch.randn(40, 96, generator=torch.Generator().manual_seed(0))
    weight[:, 3] *= 12
    sizes = {}
    for settings in ({"bits": 3, "rate": 1.5}, {"bits": 3}, {"bits": 2}):
        config = QuantizeConfig(codebook="scaled", **settings)
        quantizer = make_quantizer(config, weight.shape, torch.Generator()).eval()
        seen = quantizer(weight)
        parts = (part.numpy() for part in quantizer.parts(weight))
        stored = StructuredTensor(tuple(weight.shape), *parts)
        data = pack(PackedPrompt("m", {"t": stored}, "0" * 64, "0" * 64))
        assert np.array_equal(unpack(data).tensors["t"].decode(), seen.numpy())
        sizes[str(settings)] = len(data)
    coarse, fine, two = sizes.values()
    assert coarse < two < fine
    assert coarse < 28 + 60 + 2 * (8 + 40 + 96) + weight.numel() * 1.55 / 8


def test_plain_codebooks_take_it_too():
    weight = 0.02 * torch.randn(16, 128, generator=torch.Generator().manual_seed(0))
    quantizer = make_quantizer(QuantizeConfig(bits=4, rate=2.0), weight.shape, torch.Generator())
    shown = quantizer.eval()(weight)
    entropy, error = indexed(
        weight.numpy().ravel(), quantizer.encode(weight)[1][0].double().numpy()
    )
    assert entropy == pytest.approx(2.0, abs=0.05)
    assert error == pytest.approx(float((shown - weight).square().mean() / weight.var()), rel=0.01)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"bits": 2, "rate": 2.0}, "rate 2 is not below bits 2"),
        ({"bits": 1, "rate": 0.5}, "rate 0.5 is not below bits 1, which are 2 to 8"),
        ({"bits": 3, "rate": 0.0}, "greater than 0"),
        ({"bits": 3, "rate": 2.0, "quantizer": "uniform"}, "leave quantizer away"),
        ({"bits": 3, "rate": 2.0, "codebook": "row"}, "rate goes with codebook: auto, tensor"),
    ],
)
def test_what_does_not_go_together(settings, sentence):
    with pytest.raises(ValidationError, match=sentence):
        QuantizeConfig(**settings)
