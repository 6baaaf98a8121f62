"""The quantizer alone: what it shows, its gradient, what can be stored of it, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.export import PackedPrompt, QuantizedTensor, pack, unpack
from vlprompt_pipeline.parametrizations import QuantizeConfig, Quantizer, decode
from vlprompt_pipeline.parametrizations.half import halved

SIGNIFICANT = 2**-11  # of float16, relative


def quantizer(bits: int = 1, **settings: object) -> Quantizer:
    return Quantizer(QuantizeConfig(bits=bits, **settings))


def context(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.02 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_by_hand() -> None:
    weight = torch.tensor([[0.9, 1.1, -2.0], [-1.5, 1.0, -2.5]])
    for normalise in (True, False):
        shown = quantizer(normalise=normalise)(weight)
        assert shown.tolist() == [[1, 1, -2], [-2, 1, -2]]


@settings(deadline=None)
@given(
    st.integers(1, 8),
    st.sampled_from([(4, 512), (4, 1), (1, 512), (3, 2, 5), (1,), ()]),
    st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.float64]),
    st.floats(1e-4, 100),
    st.floats(-100, 100),
    st.booleans(),
)
def test_shows_the_nearest_entry_of_what_is_stored(
    bits: int,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    spread: float,
    offset: float,
    normalise: bool,
) -> None:
    weight = (spread * context(*shape) + offset).to(dtype)
    link = quantizer(bits, normalise=normalise)
    shown = link(weight)
    indices, codebook = link.encode(weight)
    assert (shown.shape, shown.dtype) == (weight.shape, dtype)
    assert (indices.shape, indices.dtype) == (weight.shape, torch.uint8)
    assert (codebook.shape, codebook.dtype) == ((1, 2**bits), torch.float16)
    assert torch.equal(decode(indices, codebook, dtype), shown)
    values, entries = weight.double().flatten(), codebook[0].double()
    distance = (values - entries[indices.flatten().long()]).abs()
    least = (values[:, None] - entries).abs().min(dim=1).values
    torch.testing.assert_close(distance, least, rtol=0, atol=1e-6 * (1 + abs(offset)))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_file_gives_back_what_training_saw(bits: int) -> None:
    weight = context(4, 512) - 0.003
    link = quantizer(bits)
    shown = link(weight)
    tensor = QuantizedTensor(*(part.numpy() for part in link.encode(weight)))
    stored = unpack(pack(PackedPrompt("qcoop", {"context": tensor}, "0" * 64, "0" * 64)))
    read = torch.tensor(stored.tensors["context"].decode(), dtype=torch.float32)
    assert read.numpy().tobytes() == shown.numpy().tobytes()


def test_minus_zero() -> None:
    weight = torch.tensor([-1e-9, 1.0, -1e-9, 1.0])
    link = quantizer(normalise=False)
    assert decode(*link.encode(weight)).numpy().tobytes() == link(weight).numpy().tobytes()


def test_seeing_other_tensors_changes_nothing() -> None:
    link = quantizer(bits=2)
    link(context(4, 512))
    before = {name: value.clone() for name, value in link.state_dict().items()}
    for mode in (True, False):
        link.train(mode)(5 + 3 * context(4, 512, seed=1))
        link.encode(context(4, 512, seed=2))
    after = link.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_normalised_codebook_follows_mean_and_spread() -> None:
    weight = context(4, 512)
    following, fixed = quantizer(bits=2), quantizer(bits=2, normalise=False)
    entries, _ = following(weight).unique(), fixed(weight)
    moved = following(7 * weight + 3).unique()
    torch.testing.assert_close(moved, 7 * entries + 3, rtol=2 * SIGNIFICANT, atol=0)
    assert fixed(7 * weight + 3).unique().numel() == 1


def test_same_tensor_same_codebook() -> None:
    one, other = quantizer(bits=4), quantizer(bits=4)
    assert torch.equal(one(context(4, 512)), other(context(4, 512)))
    assert torch.equal(one.codebook, other.codebook)


@pytest.mark.parametrize("bits", [1, 4, 8])
@pytest.mark.parametrize("value", [0.0, 0.1, -300.0])
def test_constant_tensor(bits: int, value: float) -> None:
    shown = quantizer(bits)(torch.full((4, 512), value))
    torch.testing.assert_close(shown, torch.full((4, 512), value), rtol=SIGNIFICANT, atol=0)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (torch.nan, "not finite: training diverged"),
        (torch.inf, "not finite: training diverged"),
        (1e30, r"beyond half precision \(65504\).*leave quantize out"),
    ],
)
def test_values_that_cannot_be_stored(wrong: float, sentence: str) -> None:
    link = quantizer()
    good, bad = context(4, 512), context(4, 512)
    bad[1, 2] = wrong
    with pytest.raises(UserError, match=sentence):
        link(bad)
    link = quantizer()
    link(good)
    with pytest.raises(UserError, match=sentence):
        link.encode(bad)
    with pytest.raises(UserError, match=sentence):
        link.observe(99, bad, epoch_steps=1)


def test_half_precision_is_enough_up_to_its_largest_number() -> None:
    assert halved(torch.tensor([65504.0, -65504.0])).tolist() == [65504, -65504]
    assert halved(torch.tensor([65504.0])).dtype == torch.float16
    assert halved(torch.tensor([-65505.0])).tolist() == [-65505]


@pytest.mark.parametrize("normalise", [True, False])
def test_nan_is_not_hidden(normalise: bool) -> None:
    link = quantizer(normalise=normalise)
    weight = context(4, 512)
    link(weight)
    weight[1, 2] = torch.nan
    assert link(weight)[1, 2].isnan()


def test_transposed_tensor() -> None:
    weight = context(512, 4).T
    link = quantizer(bits=2)
    assert torch.equal(link(weight), link(weight.contiguous()))


@pytest.mark.parametrize(
    "wrong",
    [
        {"bits": 0},
        {"bits": 9},
        {},
        {"bits": 1, "kl_threshold": -1},
        {"bits": 1, "kl_threshold": np.nan},
        {"bits": 1, "min_interval_steps": 0},
        {"bits": 1, "centroids": 2},
    ],
)
def test_wrong_configuration(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        QuantizeConfig(**wrong)
