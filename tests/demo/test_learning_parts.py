"""Loss, schedule, attributes and pre-processing, each against something else than itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from learners import unit_vectors
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.demo import trainer
from vlprompt_pipeline.demo.attributes import AttributeHeads, attribute_labels
from vlprompt_pipeline.demo.config import Architecture, PretrainingConfig
from vlprompt_pipeline.demo.loss import contrastive_loss, shared_targets
from vlprompt_pipeline.demo.model import build, encode_text, model_config, normalise
from vlprompt_pipeline.demo.trainer import learning_rate
from vlprompt_pipeline.image_datasets.rendered.scenes import (
    CountScene,
    FlagScene,
    GlyphScene,
    ShapeScene,
)

TINY = Architecture(embed=16, patch=16, width=32, heads=2, vision_layers=1, text_layers=2)


def test_different_captions_give_open_clip_s_loss():
    images, texts = unit_vectors(2, 6, 8)
    rows = torch.arange(12).view(6, 2)
    ours = contrastive_loss(images, texts, shared_targets(rows), torch.tensor(7.0))
    theirs = open_clip.ClipLoss()(images, texts, torch.tensor(7.0))
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-6)


def test_equal_captions_share_the_target():
    targets = shared_targets(torch.tensor([[1, 2], [3, 4], [1, 2], [1, 2]]))
    third = 1 / 3
    expected = [[third, 0, third, third], [0, 1, 0, 0]]
    assert torch.allclose(targets[:2], torch.tensor(expected))


def test_the_rate_rises_then_falls():
    config = PretrainingConfig(steps=1000, warmup=100, learning_rate=2e-3, final_share=0.02)
    assert learning_rate(0, config) == pytest.approx(2e-5)
    assert learning_rate(500, config) == pytest.approx(2e-3 * 0.51)  # half way: mean of 1 and 0.02
    assert learning_rate(1000, config) == pytest.approx(4e-5)
    rates = [learning_rate(step, config) for step in range(100, 1000)]
    assert rates == sorted(rates, reverse=True)


def test_attributes_of_known_scenes():
    scenes = [
        ShapeScene("photo", "heart", "red", "blue"),
        ShapeScene("sketch", "heart", "red", "blue", pattern="dotted", second="white"),
        FlagScene("photo", "disc", ("white", "red"), "gray"),
        CountScene("icon", "three", "heart", "red", "blue"),
        GlyphScene("photo", "letter a", "red", "blue"),
    ]
    kind, style, colour, second, noun, pattern, scale, count, layout, land = attribute_labels(
        scenes
    ).T.tolist()
    assert kind == [0, 0, 4, 2, 1]
    assert style == [0, 4, 0, 2, 0]
    assert colour == [0, -100, 9, 0, 0]  # red, hidden, white, red, red
    assert second == [-100, -100, 0, -100, -100]
    assert noun[0] == noun[1] == noun[3]
    assert noun[2] == -100
    assert noun[4] not in noun[:4]
    assert pattern == [-100, 1, -100, -100, -100]
    assert scale == [-100] * 5
    assert count == [-100, -100, -100, 1, -100]
    assert layout == [-100, -100, 2, -100, -100]
    assert land == [-100] * 5


def test_attribute_loss_of_blank_heads_is_that_of_guessing():
    heads = AttributeHeads(8, torch.Generator().manual_seed(0))
    with torch.no_grad():
        heads.weight.zero_()
    labels = torch.full((4, 10), -100)
    labels[:, 0] = 2  # of six kinds
    loss = heads.loss(torch.ones(4, 8), labels)
    assert loss.item() == pytest.approx(math.log(6) / 3)


def test_pictures_are_normalised_as_open_clip_does(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "picture.png")
    config = open_clip.transform.PreprocessCfg(**model_config(TINY)["preprocess_cfg"])
    transform = open_clip.transform.image_transform_v2(config, is_train=False)
    expected = transform(Image.open(tmp_path / "picture.png"))
    assert torch.allclose(normalise(picture[None])[0], expected, atol=1e-6)


def test_short_text_encoding_equals_open_clip_s_of_77_tokens():
    model = build(TINY, vocabulary=20, seed=0).eval()
    rows = torch.tensor([[17, 3, 4, 19, 0, 0], [17, 5, 6, 7, 8, 19]])
    full = torch.zeros(2, 77, dtype=torch.int64)
    full[:, :6] = rows
    with torch.no_grad():
        expected = model.encode_text(full, normalize=True)
        assert torch.allclose(encode_text(model, rows), expected, atol=1e-6)


def test_weights_follow_the_seed_and_leave_the_global_stream_alone():
    before = torch.random.get_rng_state()
    first, second, other = (build(TINY, 20, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["visual.conv1.weight"], other["visual.conv1.weight"])


def test_matrices_alone_are_decayed():
    model = build(TINY, 20, 0)
    heads = AttributeHeads(TINY.embed, torch.Generator())
    decayed, free = trainer._optimizer(model, heads, PretrainingConfig()).param_groups
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    kept = {names.get(id(parameter)) for parameter in free["params"]}
    assert {"token_embedding.weight", "positional_embedding", "logit_scale", None} < kept
    assert {names[id(parameter)] for parameter in decayed["params"]}.isdisjoint(kept)
    assert "text_projection" not in kept
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0.0)


def test_a_recipe_that_cannot_work_is_refused():
    with pytest.raises(ValidationError, match="width 30 must be a multiple of heads 4"):
        Architecture(width=30)
    with pytest.raises(ValidationError, match="stepps"):
        PretrainingConfig(stepps=3)
