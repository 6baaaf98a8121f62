"""Low-rank contexts: nothing changes at the start, few numbers train, the product is merged."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils import parametrize

from learners import CLASSES, coop
from vlprompt_pipeline.methods import Recipe, build_learner
from vlprompt_pipeline.parametrizations.low_rank import LowRank, LowRankConfig


def recipe(**low_rank) -> Recipe:
    return coop(prompt={"init": "a photo of a"}, low_rank=low_rank)


def on_linear(rank: int, dropout: float = 0.0, dropped: str = "A") -> torch.nn.Linear:
    """A matrix [6 tokens, 8 wide] under the parametrization, its factors no longer initial."""
    layer = torch.nn.Linear(8, 6, bias=False).eval()
    generator = torch.Generator().manual_seed(0)
    config = LowRankConfig(rank=rank, dropout=dropout, dropped=dropped)
    parametrization = LowRank(config, layer.weight, generator)
    parametrize.register_parametrization(layer, "weight", parametrization)
    with torch.no_grad():
        layer.parametrizations.weight.original1.normal_(generator=generator)
    return layer


def test_it_starts_at_the_initial_words_and_trains_length_plus_width_numbers(tiny_clip):
    plain = build_learner(recipe(rank=1, dropout=0.5), tiny_clip, CLASSES, seed=1)
    words = tiny_clip.embed(tiny_clip.token_ids("a photo of a"))
    assert torch.equal(plain.context, words)
    assert sum(p.numel() for p in plain.parameters()) == 4 * 1 + 1 * tiny_clip.text_width
    assert plain.prompt_names() == ("context",)


@pytest.mark.parametrize(("given", "std"), [({}, 0.2), ({"initial_std": 0.05}, 0.05)])
def test_a_starts_with_the_spread_asked_for_and_b_at_zero(given, std):
    config = LowRankConfig(rank=8, dropout=0.0, **given)
    generator = torch.Generator().manual_seed(0)
    context = torch.zeros(500, 8)
    a, b = LowRank(config, context, generator).right_inverse(context)
    assert a.shape == (500, 8)
    assert a.std().item() == pytest.approx(std, rel=0.05)
    assert abs(a.mean().item()) < 0.1 * std
    assert torch.equal(b, torch.zeros(8, 8))


def test_the_change_has_the_rank_asked_for():
    layer = on_linear(rank=2).eval()
    change = layer.weight - layer.parametrizations.weight[0].initial
    singular = torch.linalg.svdvals(change)
    assert (singular[:2] > 1e-3).all()
    assert (singular[2:] < 1e-6).all()


@pytest.mark.parametrize(("dropped", "axis"), [("A", 1), ("B", 0)])
def test_dropout_leaves_out_whole_rows_or_columns_of_a_rank_one_change(dropped, axis):
    """A factor's value is a row (A, tokens) or a column (B, width) of the product."""
    layer = on_linear(rank=1, dropout=0.5, dropped=dropped)
    whole = (layer.eval().weight - layer.parametrizations.weight[0].initial).detach()
    seen = []
    for _ in range(40):
        part = (layer.train().weight - layer.parametrizations.weight[0].initial).detach()
        ratio = (part / whole).movedim(axis, 0)
        torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), rtol=1e-3, atol=1e-3)
        assert all(abs(value) < 1e-3 or abs(value - 2) < 1e-3 for value in ratio[0].tolist())
        seen.append(ratio[0])
    assert 0.8 < torch.stack(seen).mean() < 1.2  # kept values are scaled, so the mean stays


def test_dropout_of_the_product_leaves_out_single_values():
    layer = on_linear(rank=1, dropout=0.5, dropped="product")
    whole = layer.eval().weight - layer.parametrizations.weight[0].initial
    part = layer.train().weight - layer.parametrizations.weight[0].initial
    kept = (part / whole).round() == 2
    assert 0 < kept.sum() < kept.numel()
    assert len({tuple(row) for row in kept.tolist()}) > 1


def test_draws_go_on_where_a_state_was_saved():
    one, other = on_linear(rank=1, dropout=0.5), on_linear(rank=1, dropout=0.5)
    for _ in range(3):
        one.train().weight  # noqa: B018  (a look draws)
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.train().weight, other.train().weight)
    assert not torch.equal(one.train().weight, one.train().weight)


def test_evaluation_draws_nothing():
    layer = on_linear(rank=1, dropout=0.5).eval()
    assert torch.equal(layer.weight, layer.weight)
    assert layer.parametrizations.weight[0].draws.count == 0
