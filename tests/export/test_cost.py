"""What one image costs, against counts by hand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.nn import functional as F

from conftest import TINY_CLIP
from learners import CLASSES, untrained
from vlprompt_pipeline.export.cost import image_operations, inference_cost, operations
from vlprompt_pipeline.methods import FewShotFeatures

WIDTH, LAYERS, TOKENS, EMBED = 32, 2, 17, 16  # of TINY_CLIP's image tower, class token included
WORDS = {"length": 4, "init": "a photo of a"}


def transformer(width: int, layers: int, tokens: int) -> int:
    """Two operations a weight and token, 12 w² weights a block, and two products of attention."""
    return layers * (2 * tokens * 12 * width**2 + 4 * tokens**2 * width)


TOWER = 2 * 16 * 3 * 64 * WIDTH + transformer(WIDTH, LAYERS, TOKENS) + 2 * WIDTH * EMBED
ZERO_SHOT = TOWER + 2 * EMBED * len(CLASSES.names)


def test_the_image_tower_is_counted_as_by_hand(tiny_clip):
    assert TINY_CLIP["vision_cfg"]["width"] == WIDTH
    assert image_operations(tiny_clip, tiny_clip.model.encode_image) == TOWER


def test_attention_stays_as_it_is_for_other_threads(tiny_clip):
    pixels, seen = torch.rand(2, 3, 32, 32), []

    def work() -> None:
        seen.append(torch.backends.mha.get_fastpath_enabled())
        with ThreadPoolExecutor(1) as thread:
            seen.append(thread.submit(tiny_clip.encode_images, pixels).result())

    with torch.no_grad():
        alone = tiny_clip.encode_images(pixels)
        operations(work)
    assert seen[0], "another path of attention has other last bits"
    assert torch.equal(seen[1], alone)


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("zero_shot", {"templates": "photo"}),
        ("coop", {**WORDS, "class_specific": False, "class_position": "end"}),
        ("prolip", {"templates": "photo", "weight": 0.1}),  # a projection in place of CLIP's
    ],
)
def test_what_does_not_depend_on_the_image_costs_nothing(tiny_clip, method, parameters):
    assert inference_cost(untrained(tiny_clip, method, **parameters)) == 1


def test_an_adapter_costs_its_two_products(tiny_clip):
    made = untrained(tiny_clip, "clip_adapter", ratio=0.2, templates="photo")
    adapter = 2 * (EMBED * EMBED // 4) * 2
    assert inference_cost(made) == pytest.approx((ZERO_SHOT + adapter) / ZERO_SHOT, rel=1e-12)


def test_a_memory_costs_a_product_a_key(tiny_clip):
    strength = {"initial": 1.0, "to": 2.0, "steps": 1}
    made = untrained(tiny_clip, "tip_adapter", alpha=strength, beta=strength, templates="photo")
    images = F.normalize(torch.ones(6, EMBED), dim=-1)
    made.fit(FewShotFeatures(images, torch.arange(3).repeat(2), images, torch.arange(3).repeat(2)))
    expected = (ZERO_SHOT + 2 * EMBED * 6) / ZERO_SHOT
    assert inference_cost(made) == pytest.approx(expected, rel=1e-12)


def test_prompts_of_their_own_for_each_image_cost_the_text_tower(tiny_clip):
    """Less than whole sequences for each class, more than their suffixes alone."""
    made = untrained(tiny_clip, "cocoop", **WORDS)
    width, layers = TINY_CLIP["text_cfg"]["width"], TINY_CLIP["text_cfg"]["layers"]
    network = 2 * (EMBED * width // 16 + width // 16 * width)
    sequences = 3 * transformer(width, layers, 1 + 4 + 3) + 3 * 2 * width * EMBED
    cost = inference_cost(made) * ZERO_SHOT - ZERO_SHOT - network
    assert 0.2 * sequences < cost < sequences


def test_samples_multiply_what_depends_on_the_image(tiny_clip):
    settings = {**WORDS, "kl_weight": 0.001, "prediction": "sampled"}
    one, ten = (
        inference_cost(untrained(tiny_clip, "variational_conditional", samples=n, **settings))
        for n in (1, 10)
    )
    assert 8 < (ten - 1) / (one - 1) < 10


def test_prompts_in_the_image_tower_cost_their_tokens(tiny_clip):
    """Two more tokens in every block, but for the last, which computes the class token alone."""
    made = untrained(tiny_clip, "deep_vision", length=2, depth=1, templates="photo")
    whole = transformer(WIDTH, 1, TOKENS + 2) - transformer(WIDTH, 1, TOKENS)
    last = 2 * (2 * 2 * WIDTH**2 + 2 * 2 * WIDTH)  # their keys and values, and products with these
    assert inference_cost(made) == pytest.approx((ZERO_SHOT + whole + last) / ZERO_SHOT, rel=1e-12)


def test_counting_leaves_no_trace(tiny_clip):
    before = torch.backends.mha.get_fastpath_enabled()
    image_operations(tiny_clip, tiny_clip.model.encode_image)
    assert torch.backends.mha.get_fastpath_enabled() == before
