"""What is picked is what a gather takes, and so is its gradient."""

from __future__ import annotations

import torch

from vlprompt_pipeline.clip.picking import picked

PLACES = torch.tensor([[3, 0], [2, 0]])  # of the second row only the first is asked for
INVERSE = torch.tensor([[1, 2, 2, 0, 2], [2, 2, 0, 2, 2]])


def test_values_and_gradients_are_those_of_a_gather():
    generator = torch.Generator().manual_seed(0)
    x, weights = (torch.randn(*shape, 3, generator=generator) for shape in ((2, 5), (2, 2)))
    weights[1, 1] = 0
    found, added_up = [], []
    for take in (
        lambda x: picked(x, PLACES, INVERSE),
        lambda x: x.gather(1, PLACES[..., None].expand(-1, -1, 3)),
    ):
        leaf = x.clone().requires_grad_()
        taken = take(leaf)
        added_up.append("Gather" in type(taken.grad_fn).__name__)
        (taken * weights).sum().backward()
        found.append((taken.detach(), leaf.grad))
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
    assert added_up == [False, True]


def test_without_gradient_it_is_a_gather_alone():
    x = torch.randn(2, 5, 3, requires_grad=True)
    with torch.no_grad():
        assert torch.equal(picked(x, PLACES, INVERSE)[0], x[0, [3, 0]])
