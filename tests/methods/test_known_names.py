"""Which rows of a classifier belong to which class names."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from learners import RECIPES
from vlprompt_pipeline.methods import (
    ClassTexts,
    FewShotFeatures,
    build_learner,
    fit_learner,
    resolve_recipe,
)
from vlprompt_pipeline.methods.known_names import hashed_names, rows_of


def test_a_name_is_known_by_the_first_six_bytes_of_its_sha256():
    """Two integers of three bytes, the least first; of `cat` they are 77af77 and 8b51ab."""
    assert hashed_names(["cat"]).tolist() == [[0x77AF77, 0xAB518B]]


def test_classes_of_one_name_have_a_row_each():
    hashes = hashed_names(["missile", "dog", "missile"])
    assert rows_of(["missile", "cat", "missile", "dog", "missile"], hashes) == [0, None, 2, 1, 2]
    assert rows_of(["missile"], hashes) == [0]
    assert rows_of(["cat"], hashed_names([])) == [None]


def test_gda_tells_classes_of_one_name_apart_by_their_images(tiny_clip):
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(3, tiny_clip.embed_dim, generator=generator)
    labels = torch.arange(3).repeat_interleave(8)
    noise = torch.randn(24, tiny_clip.embed_dim, generator=generator)
    features = F.normalize(centres[labels] + 0.1 * noise, dim=-1)
    recipe = resolve_recipe("gda", RECIPES)
    classes = ClassTexts(("missile", "dog", "missile"), "a photo of a {}.")
    learner = build_learner(recipe, tiny_clip, classes, seed=1)
    fit_learner(learner, recipe, FewShotFeatures(features, labels, features, labels), seed=1)
    weight, bias = learner.classifier()
    assert torch.equal(weight, learner.weight)
    assert torch.equal(bias, learner.bias)
