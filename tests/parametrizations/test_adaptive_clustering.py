"""The codebook over training: when it is looked at, when it changes, and how it is resumed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils import parametrize

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.parametrizations import (
    ClusteringCheck,
    QuantizeConfig,
    Quantizer,
    quantized_tensors,
)


def quantizer(bits: int = 1, **settings: object) -> Quantizer:
    return Quantizer(QuantizeConfig(bits=bits, **settings))


def halves(zeros: int) -> Tensor:
    return torch.tensor([0.0] * zeros + [1.0] * (8 - zeros))


def started(**settings: object) -> Quantizer:
    """With codebook [0, 1] and four values at each entry."""
    link = quantizer(normalise=False, **settings)
    link(halves(zeros=4))
    link.pop_history()
    return link


def test_first_tensor_is_recorded() -> None:
    link = quantizer(normalise=False)
    weight = torch.tensor([0.0, 0.5, 2.0, 2.0])
    link(weight)
    expected = ClusteringCheck(0, 0.0, True, 2 * 0.25**2 / 4, ((0.25, 2.0),))
    assert link.pop_history() == [expected]
    assert link.pop_history() == []


def test_not_looked_at_within_the_interval() -> None:
    link = started(min_interval_steps=5)
    for step in range(1, 5):
        link.observe(step, halves(zeros=7), epoch_steps=1)
    assert link.pop_history() == []
    link.observe(5, halves(zeros=7), epoch_steps=1)
    assert [row.step for row in link.pop_history()] == [5]


def test_interval_is_an_epoch_if_not_given() -> None:
    link = started()
    link.observe(9, halves(zeros=7), epoch_steps=10)
    assert link.pop_history() == []
    link.observe(10, halves(zeros=7), epoch_steps=10)
    assert len(link.pop_history()) == 1


def test_drift_by_hand() -> None:
    """4:4 becomes 6:2; with one added to each count, KL(0.7:0.3 || 0.5:0.5)."""
    link = started(kl_threshold=0.09)
    link.observe(1, halves(zeros=6), epoch_steps=1)
    (row,) = link.pop_history()
    assert row.kl == pytest.approx(0.7 * math.log(1.4) + 0.3 * math.log(0.6))
    assert row.kl == pytest.approx(0.0823, abs=1e-4)
    assert not row.reclustered


def test_small_drift_keeps_the_codebook_and_is_looked_at_again() -> None:
    link = started(kl_threshold=0.09)
    for step in (1, 2, 3):
        link.observe(step, 1.5 * halves(zeros=4), epoch_steps=1)
    rows = link.pop_history()
    assert [(row.step, row.kl, row.reclustered) for row in rows] == [
        (1, 0, False),
        (2, 0, False),
        (3, 0, False),
    ]
    assert rows[0].codebooks == ((0.0, 1.0),)
    assert rows[0].mean_squared_error == pytest.approx(0.25 / 2)


def test_large_drift_makes_a_new_codebook_and_starts_the_interval_anew() -> None:
    link = started(kl_threshold=0.08, min_interval_steps=3)
    weight = 1.5 * halves(zeros=6)
    for step in range(1, 7):
        link.observe(step, weight, epoch_steps=1)
    first, second = link.pop_history()
    assert (first.step, first.reclustered) == (3, True)
    assert (first.codebooks, first.mean_squared_error) == (((0.0, 1.5),), 0.0)
    assert (second.step, second.kl, second.reclustered) == (6, 0.0, False)
    assert link.histogram.tolist() == [[6, 2]]


def test_infinite_threshold_never_clusters_again() -> None:
    link = started(kl_threshold=math.inf)
    link.observe(1, halves(zeros=1), epoch_steps=1)
    assert not link.pop_history()[0].reclustered


def test_no_drift_is_above_no_threshold() -> None:
    link = started(kl_threshold=0)
    link.observe(1, halves(zeros=4), epoch_steps=1)
    assert not link.pop_history()[0].reclustered


@pytest.mark.parametrize(
    ("wrong", "sentence"), [(math.nan, "not finite"), (1e30, "beyond half precision")]
)
def test_a_tensor_that_diverged_is_told_where_its_codebook_stays(wrong, sentence) -> None:
    link = started(kl_threshold=math.inf)
    link.observe(1, wrong * torch.ones(8), epoch_steps=1)
    with pytest.raises(UserError, match=sentence):
        link.pop_history()


def test_what_is_forgotten_leaves_no_row_and_is_made_anew() -> None:
    link = quantizer(normalise=False)
    link(halves(zeros=4))
    link.forget()
    assert link.pop_history() == []
    assert link(3 * halves(zeros=4)).unique().tolist() == [0, 3]


@pytest.mark.parametrize("bits", [1, 2])
def test_tensor_that_starts_as_zeros(bits: int) -> None:
    link = quantizer(bits)
    assert link(torch.zeros(1, 512)).tolist() == torch.zeros(1, 512).tolist()
    moved = torch.randn(1, 512, generator=torch.Generator().manual_seed(0))
    link.observe(1, moved, epoch_steps=1000)
    assert [row.reclustered for row in link.pop_history()] == [True, True]
    assert link(moved).unique().numel() == 2**bits


class LowRank(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.linspace(-1, 1, 4)[:, None])
        self.b = nn.Parameter(torch.linspace(0.5, 2, 6)[None])

    def forward(self, initial: Tensor) -> Tensor:
        return initial + self.a @ self.b


class Doubled(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return 2 * weight


def prompt() -> nn.Module:
    module = nn.Module()
    module.context = nn.Parameter(torch.ones(4, 6))
    return module


def test_before_another_parametrization() -> None:
    module = nn.ModuleDict({"text": prompt()})
    text = module["text"]
    parametrize.register_parametrization(text, "context", quantizer(bits=2))
    parametrize.register_parametrization(text, "context", Doubled())
    ((name, link, given),) = quantized_tensors(module)
    assert name == "text.context"
    assert torch.equal(given, torch.ones(4, 6))
    assert torch.equal(2 * link(given), text.context)
    text.context.sum().backward()
    assert torch.equal(given.grad, 2 * torch.ones(4, 6))


def test_other_parametrizations_are_passed_over() -> None:
    module = prompt()
    parametrize.register_parametrization(module, "context", Doubled())
    assert list(quantized_tensors(module)) == []


def test_on_the_tensors_of_another_parametrization() -> None:
    module = prompt()
    low_rank = LowRank()
    parametrize.register_parametrization(low_rank, "a", quantizer())
    parametrize.register_parametrization(low_rank, "b", quantizer())
    parametrize.register_parametrization(module, "context", low_rank)
    found = {name: link(given) for name, link, given in quantized_tensors(module)}
    assert list(found) == ["context.0.a", "context.0.b"]
    assert torch.equal(1 + found["context.0.a"] @ found["context.0.b"], module.context)
    assert all(values.unique().numel() == 2 for values in found.values())


def train(module: nn.Module, steps: range) -> list[ClusteringCheck]:
    rows = []
    for step in steps:
        draw = torch.Generator().manual_seed(step)
        target = torch.randn(4, 512, generator=draw) + (torch.arange(512) < 8 * step)
        weight = module.parametrizations.context.original
        weight.grad = None
        (module.context - target).square().sum().backward()
        with torch.no_grad():
            weight -= 0.1 * weight.grad
        for _, link, given in quantized_tensors(module):
            link.observe(step, given, epoch_steps=3)
            rows += link.pop_history()
    return rows


def fresh() -> nn.Module:
    module = nn.Module()
    module.context = nn.Parameter(torch.zeros(4, 512))
    link = quantizer(bits=2, kl_threshold=0.01)
    parametrize.register_parametrization(module, "context", link)
    link.pop_history()
    return module


def test_resumed_from_safetensors_bit_for_bit(tmp_path: Path) -> None:
    whole = fresh()
    rows = train(whole, range(1, 21))
    assert {row.reclustered for row in rows} == {True, False}

    first = fresh()
    rows_first = train(first, range(1, 9))
    save_file(first.state_dict(), tmp_path / "state.safetensors")
    second = nn.Module()
    second.context = nn.Parameter(torch.randn(4, 512))
    parametrize.register_parametrization(second, "context", quantizer(bits=2, kl_threshold=0.01))
    second.load_state_dict(load_file(tmp_path / "state.safetensors"))
    rows_second = train(second, range(9, 21))

    assert rows_first + rows_second == rows
    for name, value in whole.state_dict().items():
        assert np.array_equal(second.state_dict()[name].numpy(), value.numpy()), name
    assert torch.equal(second.context, whole.context)
