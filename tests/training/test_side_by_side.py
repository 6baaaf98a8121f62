"""Prompts trained in one batch are those trained alone."""

from __future__ import annotations

import pytest
import torch
from kedro.config import OmegaConfigLoader
from torch.nn import functional as F

from conftest import ROOT
from learners import CLASSES, coop, unit_vectors
from parity import parity_clip
from vlprompt_pipeline.methods import Situation, build_learner, recipes_in, resolve_recipe
from vlprompt_pipeline.training import CachedViews, train
from vlprompt_pipeline.training.side_by_side import (
    SideBySide,
    Streams,
    layout_key,
    train_together,
)

TRAINING = coop(training={"epochs": 5}).training
VARIANTS = {
    "plain": {},
    "noise": {"noise": {"std": 0.01}},
    "low rank": {"low_rank": {"rank": 1, "dropout": 0.3}},
    "two bits": {"quantize": {"bits": 2, "min_interval_steps": 2, "kl_threshold": 0}},
    "all": {
        "noise": {"std": 0.01},
        "low_rank": {"rank": 2, "dropout": 0.0},
        "quantize": {"bits": 3},
    },
}
SEEDS = (1, 2)


def batches(clip, seed: int) -> CachedViews:
    features = unit_vectors(11, 2, clip.embed_dim, seed=seed).to(clip.dtype)
    return CachedViews(F.normalize(features, dim=-1), torch.arange(11) % 3, 4, seed)


@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-12), ("float32", 5e-6)])
def test_together_equals_one_by_one(precision, tolerance):
    clip = parity_clip(precision)
    wanted = [(parts, seed) for parts in VARIANTS.values() for seed in SEEDS]

    def learners():
        built = [build_learner(coop(**parts), clip, CLASSES, seed) for parts, seed in wanted]
        return [learner.to(clip.dtype) for learner in built]

    alone = learners()
    for learner, (_, seed) in zip(alone, wanted, strict=True):
        train(learner, batches(clip, seed), TRAINING)
    together = learners()
    whole = SideBySide(together, [SEEDS.index(seed) for _, seed in wanted])
    train(whole, Streams([batches(clip, seed) for seed in SEEDS]), TRAINING)

    start = learners()
    for one, other, before in zip(alone, together, start, strict=True):
        for name, tensor in one.state_dict().items():
            found = other.state_dict()[name]
            torch.testing.assert_close(found, tensor, rtol=0, atol=tolerance)
        moved = (other.context - before.eval().context).abs().max()
        assert moved > 1e-3  # far more than the tolerance


@pytest.mark.parametrize(
    ("how", "shares"),
    [
        ({}, True),
        ({"low_rank": {"rank": 1, "dropout": 0.3}}, True),
        ({"prompt": {"class_position": "middle"}}, False),
        ({"prompt": {"class_position": "front"}}, False),
        ({"prompt": {"class_specific": True}}, False),
    ],
)
def test_what_can_share_a_batch(how, shares):
    assert (layout_key(coop(**how)) is not None) is shares


def test_a_batch_is_shared_with_the_same_layout_and_schedule_only():
    def key(**changes):
        return layout_key(coop(**changes))

    assert key() == key(**VARIANTS["all"]) == key(training={"memory_gb": 0.5})
    assert len({key(), key(prompt={"length": 8}), key(training={"lr": 0.1})}) == 3


def test_methods_with_losses_or_features_of_their_own_train_alone():
    conf = OmegaConfigLoader(str(ROOT / "conf"), base_env="base", default_run_env="base")
    recipes = recipes_in(
        Situation("few_shot", "demo_aerial", 16), conf["parameters"]["recipes"], last={}
    )
    shared = [name for name in recipes if layout_key(resolve_recipe(name, recipes))]
    assert shared == ["coop", "qcoop", "rlp", "qrlp", "rp_coop"]


def test_streams_of_different_lengths_are_refused(tiny_clip):
    short = CachedViews(torch.zeros(3, 1, 16), torch.arange(3), 2, 0)
    long = CachedViews(torch.zeros(9, 1, 16), torch.arange(9), 2, 0)
    with pytest.raises(ValueError, match="zip"):
        list(Streams([short, long]).epoch(0))


@pytest.mark.parametrize("parts", VARIANTS.values(), ids=VARIANTS)
def test_each_has_the_history_that_it_would_have_alone(parts):
    clip = parity_clip("float64")

    def learners():
        built = (build_learner(coop(**parts), clip, CLASSES, seed) for seed in SEEDS)
        return [learner.to(clip.dtype) for learner in built]

    sources = [batches(clip, seed) for seed in SEEDS]
    together = train_together(learners(), range(len(SEEDS)), sources, TRAINING)
    for learner, source, rows in zip(learners(), sources, together, strict=True):
        alone = train(learner, source, TRAINING)
        assert [list(row) for row in rows] == [list(row) for row in alone]
        for row, expected in zip(rows, alone, strict=True):
            made, expected_made = row.pop("clusterings", []), expected.pop("clusterings", [])
            assert row == pytest.approx(expected, rel=1e-9, abs=1e-12)
            assert [each["step"] for each in made] == [each["step"] for each in expected_made]
            assert [each["tensor"] for each in made] == [each["tensor"] for each in expected_made]


def test_gradients_of_a_group_are_those_of_each_alone():
    """In single precision, within 1e-5 of the largest."""
    clip = parity_clip("float32")
    alone = [build_learner(coop(), clip, CLASSES, seed).train() for seed in SEEDS]
    together = [build_learner(coop(), clip, CLASSES, seed) for seed in SEEDS]
    whole = SideBySide(together, range(len(SEEDS))).train()
    images, labels = next(Streams([batches(clip, seed) for seed in SEEDS]).epoch(0))
    whole.backward(whole.losses(images, labels))
    for one, other, features, classes in zip(alone, together, images, labels, strict=True):
        one.backward(one.losses(features, classes))
        largest = one.context.grad.abs().max()
        assert (other.context.grad - one.context.grad).abs().max() <= 1e-5 * largest
