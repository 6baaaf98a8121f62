"""A context along random directions: nothing changes at first, and the gradient is that of P z."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from learners import CLASSES, COOP, coop
from vlprompt_pipeline.errors import ConfigError, UserError
from vlprompt_pipeline.methods import build_learner, quantize_after, resolve_recipe
from vlprompt_pipeline.parametrizations import QuantizeConfig
from vlprompt_pipeline.parametrizations.projected import Projected, ProjectedConfig
from vlprompt_pipeline.random_directions import LEVELS, UNIT, change, projection, splitmix64

RECIPE = coop(prompt={"init": "a photo of a"}, projected={})


def on_context(seed: int = 0, gain: float = 2.0) -> tuple[Projected, torch.Tensor]:
    """Return the link on a context [4, 32], and numbers that are not zero."""
    generator = torch.Generator().manual_seed(seed)
    context = torch.randn(4, 32, generator=generator)
    link = Projected(ProjectedConfig(numbers=60, gain=gain), context)
    return link, torch.randn(60, generator=generator)


def test_the_generator_is_splitmix64():
    """First numbers of its authors' C code."""
    assert splitmix64(1234567, 3).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]
    assert splitmix64(0, 1).tolist() == [0xE220A8397B1DCDAF]


def test_signs_are_the_bits_of_the_stream():
    signs = projection(0, 7, 9)  # 63 bits of the first number
    first = 0xE220A8397B1DCDAF
    assert signs.flatten().tolist() == [1 - 2 * (first >> e & 1) for e in range(63)]
    assert abs(projection(5, 2048, 60).mean()) < 0.01


def test_the_table_is_that_of_max_for_normal_values():
    """Max, IRE Transactions 1960, 16 levels."""
    printed = [0.1284, 0.3881, 0.6568, 0.9424, 1.256, 1.618, 2.069, 2.733]
    assert LEVELS[8:] == tuple(round(UNIT * level) for level in printed)
    assert LEVELS[:8] == tuple(-level for level in LEVELS[:7:-1])


def test_it_starts_at_the_initial_words_and_trains_60_numbers(tiny_clip):
    learner = build_learner(RECIPE, tiny_clip, CLASSES, seed=1)
    words = tiny_clip.embed(tiny_clip.token_ids("a photo of a"))
    assert torch.equal(learner.context, words)
    assert [tuple(p.shape) for p in learner.parameters()] == [(60,)]
    assert learner.prompt_names() == ("context",)


def test_the_gradient_is_that_of_the_unquantized_product():
    link, z = on_context(gain=2.0)
    z.requires_grad_()
    pull = torch.randn(4, 32, generator=torch.Generator().manual_seed(1))
    (link(z) * pull).sum().backward()
    signs = torch.from_numpy(projection(1, 128, 60)).float()
    torch.testing.assert_close(z.grad, signs.T @ pull.flatten() * 2.0 / 128**0.5)


def test_what_is_shown_is_near_the_unquantized_product():
    """16 levels of Max leave 0.95 % of the variance of normal values."""
    link, z = on_context()
    signs = torch.from_numpy(projection(1, 128, 60)).float()
    exact = (signs @ z * 2.0 / 128**0.5).view(4, 32)
    error = (link(z) - link.initial - exact).square().mean() / exact.square().mean()
    assert 0 < error < 0.04


@pytest.mark.parametrize("scale", [0.0, 1e-9, 1.0, 100.0])
def test_training_and_the_file_show_the_same_bits(scale):
    link, z = on_context()
    indices, half = (part.numpy() for part in link.encode(scale * z))
    decoded = change(indices, half[()], 1, 128).reshape(4, 32)
    shown = link(scale * z)
    assert np.array_equal(shown.numpy(), link.initial.numpy() + decoded)
    assert torch.equal(shown, link.initial) == (scale < 1e-6)


def test_numbers_that_are_zero_have_the_lower_of_the_middle_levels():
    indices, scale = on_context()[0].encode(torch.zeros(60))
    assert indices.tolist() == [7] * 60
    assert scale == 0


def test_numbers_that_diverged_are_refused():
    link, z = on_context()
    z[0] = torch.inf
    with pytest.raises(UserError, match="not finite"):
        link.encode(z)
    with pytest.raises(UserError, match="beyond half precision"):
        link.encode(torch.full_like(z, 1e6))


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"quantize": {"bits": 1}}, "leave out low_rank and quantize"),
        ({"low_rank": {"rank": 1, "dropout": 0.0}}, "leave out low_rank and quantize"),
        ({"projected": {"numbers": 1025}}, "numbers"),
        (
            {"method": "zero_shot", "prompt": {"templates": "benchmark"}, "training": None},
            "rp.projected: zero_shot trains no context to put it on",
        ),
    ],
)
def test_what_does_not_go_with_it_is_refused(sections, words):
    with pytest.raises(ConfigError, match=words):
        resolve_recipe("rp", {"rp": {**COOP, "projected": {}, **sections}})


def test_it_is_quantized_already(tiny_clip):
    learner = build_learner(RECIPE, tiny_clip, CLASSES, seed=1)
    with pytest.raises(UserError, match="quantized already"):
        quantize_after(learner, QuantizeConfig(bits=1))
