"""TCP against its formula, token by token through open_clip's own blocks."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from learners import unit_vectors
from parity import parity_clip
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.methods import ClassTexts
from vlprompt_pipeline.methods.tcp import TCP, TCPParameters

CLASSES = ClassTexts(("dog", "fire truck"), "a photo of a {}, a type of pet.")


def learner(clip, **changes) -> TCP:
    values = {"length": 3, "init": None, "layer": 2, "weight": 8.0, "templates": "benchmark"}
    parameters = TCPParameters(**{**values, **changes})
    made = TCP(clip, CLASSES, parameters, torch.Generator().manual_seed(0)).to(clip.dtype)
    return made.requires_grad_(True)


def slow_features(clip, tcp: TCP, layer: int) -> torch.Tensor:
    """77 tokens for each class: the prompt in words, its first three vectors learned."""
    net, model = tcp.class_net, clip.model
    features = []
    for name, frozen in zip(CLASSES.names, tcp.texts, strict=True):
        ids = [
            *clip.tokenizer.start,
            *clip.token_ids(f"X X X {name}, a type of pet."),
            clip.tokenizer.end,
        ]
        x = model.token_embedding(torch.tensor(ids + [0] * (77 - len(ids))))
        x = torch.cat([x[:1], tcp.context, x[4:]]) + model.positional_embedding
        hidden = net.linear1.weight @ frozen + net.linear1.bias
        hidden = hidden * torch.sigmoid(1.702 * hidden)
        tokens = (net.linear2.weight @ hidden + net.linear2.bias).reshape(3, -1)
        for depth, block in enumerate(model.transformer.resblocks):
            if depth == layer:
                x = torch.cat([x[:1], tokens, x[4:]])
            x = block(x[None], attn_mask=model.attn_mask.to(x.dtype))[0]
        features.append(model.ln_final(x[len(ids) - 1]) @ model.text_projection)
    return F.normalize(torch.stack(features), dim=-1)


@pytest.mark.parametrize("layer", [1, 2])
def test_it_equals_the_formula_in_value_loss_and_gradient(layer):
    clip = parity_clip("float64")
    tcp = learner(clip, layer=layer)
    images = F.normalize(unit_vectors(5, clip.embed_dim, seed=1).double(), dim=-1)
    labels = torch.tensor([0, 1, 1, 0, 1])

    slow = slow_features(clip, tcp, layer)
    words = [f"a photo of a {name}, a type of pet." for name in CLASSES.names]
    cosines = F.cosine_similarity(slow, clip.encode_texts(words))
    expected = F.cross_entropy(clip.logit_scale * images @ slow.T, labels)
    expected = expected + 8 * (1 - cosines.mean())
    ours = sum(tcp.losses(images, labels).values())

    torch.testing.assert_close(tcp.class_features(), slow, rtol=0, atol=1e-12)
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=0)
    parameters = list(tcp.parameters())
    for one, other in zip(
        torch.autograd.grad(ours, parameters),
        torch.autograd.grad(expected, parameters),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-12)


def test_class_tokens_depend_on_the_class_and_replace_the_context(tiny_clip):
    tcp = learner(tiny_clip, layer=1)
    before = tcp.class_features()
    with torch.no_grad():
        tcp.class_net.linear2.bias += 1
    assert not torch.allclose(before, tcp.class_features())


def test_a_layer_that_the_tower_has_not_is_refused(tiny_clip):
    sentence = "prompt.layer is 2, but tiny has 2 blocks, counted from 0: give 1 or less"
    with pytest.raises(ConfigError, match=sentence):
        learner(tiny_clip, layer=2)
