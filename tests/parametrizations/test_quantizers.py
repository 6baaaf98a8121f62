"""What quantizers share and where they differ: scope of a codebook, chance, after training."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.parametrizations import (
    QUANTIZERS,
    QuantizeConfig,
    Quantizer,
    QuantizerKind,
    decode,
    make_quantizer,
)

NAMES = tuple(QUANTIZERS)
each_quantizer = pytest.mark.parametrize("name", NAMES)
SHAPE = (3, 2, 20)


def quantizer(name: str = "kmeans", shape: tuple[int, ...] = SHAPE, **settings) -> Quantizer:
    config = QuantizeConfig(**{"quantizer": name, "bits": 2, **settings})
    return make_quantizer(config, shape, torch.Generator().manual_seed(3))


def weights(*shape: int) -> Tensor:
    """Rows of different place and spread."""
    values = torch.randn(shape or SHAPE, generator=torch.Generator().manual_seed(0))
    scale = torch.arange(1.0, values[..., 0].numel() + 1).view(*values.shape[:-1], 1)
    return 0.01 * (values * scale + 3 * scale)


@each_quantizer
@pytest.mark.parametrize("scope", [{"codebook": "row"}, {"codebook": "group", "group_size": 10}])
def test_codebooks_of_parts_are_those_of_the_parts_alone(name: str, scope: dict) -> None:
    weight = weights()
    shown = quantizer(name, **scope).eval()(weight)
    size = scope.get("group_size", SHAPE[-1])
    parts = [quantizer(name, (size,)).eval()(part) for part in weight.flatten().split(size)]
    torch.testing.assert_close(shown.flatten(), torch.cat(parts), rtol=2**-10, atol=0)


@each_quantizer
@pytest.mark.parametrize("scope", ["tensor", "row"])
def test_what_is_stored_is_what_evaluation_shows(name: str, scope: str) -> None:
    weight = weights()
    link = quantizer(name, codebook=scope)
    for _ in range(3):
        link(weight)
    shown = link.eval()(weight)
    assert torch.equal(shown, link(weight))
    if link.stores_indices:
        indices, codebooks = link.encode(weight)
        assert codebooks.shape == (1 if scope == "tensor" else 6, 4)
        assert torch.equal(decode(indices, codebooks), shown)
    else:
        assert torch.equal(weight.half().float(), shown)


@each_quantizer
@pytest.mark.parametrize("training", [True, False])
def test_gradient_is_that_of_the_weight(name: str, training: bool) -> None:
    weight, direction = weights().requires_grad_(), weights().flip(-1)
    (quantizer(name).train(training)(weight) * direction).sum().backward()
    assert torch.equal(weight.grad, direction)


@each_quantizer
def test_nan_is_not_hidden(name: str) -> None:
    link, weight = quantizer(name), weights()
    link(weight)
    weight[0, 0, 0] = torch.nan
    assert link(weight)[0, 0, 0].isnan()


@each_quantizer
def test_state_goes_on_where_it_was_saved(name: str) -> None:
    """Chance included: the draws after a restart are those that would have come."""
    weight = weights()
    one, other = quantizer(name), quantizer(name)
    for step in range(1, 4):
        one(weight)
        one.observe(step, weight.square(), epoch_steps=1)
    other.load_state_dict(one.state_dict())
    for step in range(4, 7):
        assert torch.equal(one(weight), other(weight))
        one.observe(step, weight, epoch_steps=1)
        other.observe(step, weight, epoch_steps=1)
    assert torch.equal(one.codebook, other.codebook)


def test_stochastic_rounding_goes_to_a_neighbour_and_on_average_nowhere() -> None:
    weight = weights()
    link = quantizer("stochastic", bits=3)
    drawn = torch.stack([link(weight) for _ in range(2000)])
    assert len({tuple(draw.flatten().tolist()) for draw in drawn[:5]}) == 5
    entries = link.eval().encode(weight)[1][0].float()
    spacing = (entries[1] - entries[0]).item()
    torch.testing.assert_close(drawn.mean(0), weight, rtol=0, atol=4 * spacing / 2 / 2000**0.5)
    assert (drawn - weight).abs().max() <= spacing * 1.01
    assert torch.isin(drawn, entries).all()


def test_noise_has_the_variance_of_the_error_of_k_means() -> None:
    weight = weights()
    error = quantizer("kmeans", codebook="row").eval()(weight) - weight
    link = quantizer("gaussian", codebook="row")
    drawn = torch.stack([link(weight) for _ in range(2000)])
    noise = (drawn - weight).movedim(0, -1).flatten(2)  # [3, 2, draws of a row]
    expected = error.square().mean(-1)
    torch.testing.assert_close(noise.square().mean(-1), expected, rtol=0.05, atol=0)
    torch.testing.assert_close(
        noise.mean(-1), 0 * expected, rtol=0, atol=0.02 * expected.max() ** 0.5
    )


def test_after_training_the_trained_tensor_is_quantized() -> None:
    link, alone = quantizer(post_training=True), quantizer()
    assert link(weights()) is not None
    moved = weights().square()
    assert torch.equal(link.train()(moved), moved)
    link.observe(1, moved, epoch_steps=1)
    assert link.last_step == -1
    assert torch.equal(link.eval()(moved), alone.eval()(moved))
    assert torch.equal(link.train()(moved), moved)
    assert torch.equal(link.eval()(weights()), quantizer()(weights()))


def test_drift_is_the_mean_of_the_codebooks() -> None:
    """Of two rows one drifts; the histogram is over both."""
    start = torch.tensor([[0.0] * 4 + [1.0] * 4] * 2)
    moved = torch.tensor([[0.0] * 6 + [1.0] * 2, [0.0] * 4 + [1.0] * 4])
    settings = {"bits": 1, "normalise": False, "kl_threshold": 1.0}
    alone, both = (
        quantizer(shape=(8,), **settings),
        quantizer(shape=(2, 8), codebook="row", **settings),
    )
    alone(start[0])
    both(start)
    alone.observe(1, moved[0], epoch_steps=1)
    both.observe(1, moved, epoch_steps=1)
    one, two = alone.pop_history()[-1].kl, both.pop_history()[-1].kl
    assert one > 0
    assert two == pytest.approx(one / 2)


@pytest.mark.parametrize("entries", [[0.0], [[0.0], [1.0]], [0.0, float("nan")], None])
def test_a_quantizer_that_gives_no_codebook_is_named(monkeypatch, entries) -> None:
    kind = QuantizerKind("own", "own", lambda values, count, start: entries)
    monkeypatch.setitem(QUANTIZERS, "own", kind)
    with pytest.raises(ConfigError, match=r"quantizer: own gives .*return 4 finite numbers"):
        quantizer("own")(weights())


def test_entries_may_come_in_any_order(monkeypatch) -> None:
    kmeans = QUANTIZERS["kmeans"].fit
    kind = QuantizerKind("own", "own", lambda *given: kmeans(*given)[::-1])
    monkeypatch.setitem(QUANTIZERS, "own", kind)
    assert torch.equal(quantizer("own")(weights()), quantizer("kmeans")(weights()))


def test_groups_that_do_not_fill_a_tensor() -> None:
    with pytest.raises(ConfigError, match="groups of 50 do not fill the 120 values of context"):
        QuantizeConfig(bits=1, codebook="group", group_size=50).codebooks(SHAPE, "context")
    assert QuantizeConfig(bits=1, codebook="group", group_size=500).codebooks(SHAPE) == 1
    assert QuantizeConfig(bits=1, codebook="row").codebooks(()) == 1
