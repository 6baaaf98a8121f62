"""2SFS passes to its second stage when its share of the epochs is over."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from learners import CLASSES, RECIPES, untrained
from training.cuts import require_same_bits_after_a_cut
from training.recipes import ready_to_train, short_recipe
from vlprompt_pipeline.methods import (
    PromptLearner,
    Recipe,
    build_learner,
    resolve_recipe,
    restore_learner,
)
from vlprompt_pipeline.parametrizations import QuantizeConfig
from vlprompt_pipeline.parametrizations.noise import NoiseConfig
from vlprompt_pipeline.training import Checkpoint, train


def trained(
    recipe: Recipe, clip
) -> Callable[[Checkpoint | None], tuple[PromptLearner, list[dict]]]:
    """How a recipe is trained, from a checkpoint if there is one."""

    def run(checkpoint: Checkpoint | None) -> tuple[PromptLearner, list[dict]]:
        learner, batches = ready_to_train(recipe, clip)
        return learner, train(learner, batches, recipe.training, checkpoint)

    return run


@pytest.mark.parametrize(
    ("share", "epochs", "first_stage"),
    [(0.6, 20, 12), (0.6, 3, 2), (0.01, 10, 1), (0.99, 10, 9), (0.5, 2, 1)],
)
def test_the_second_stage_begins_after_its_share_of_the_epochs(
    tiny_clip, share, epochs, first_stage
):
    learner = untrained(tiny_clip, "two_stage", template="a photo of a {}.", share=share)
    phases = []
    for epoch in range(epochs):
        phases.append(learner.phase)
        learner.epoch_done(epoch, epochs)
    assert phases == ["norms"] * first_stage + ["classifier"] * (epochs - first_stage)


@pytest.mark.parametrize(
    "quantize", [{}, {"normalise": False}, {"codebook": "scaled", "centre": True}], ids=str
)
def test_a_quantized_classifier_starts_with_codebooks_of_the_text_features(tiny_clip, quantize):
    """Those of the zeros before would show zeros, with which there is no second stage."""
    mine = {"extends": "two_stage", "quantize": {"bits": 4, **quantize}}
    recipe = resolve_recipe("mine", {**RECIPES, "mine": mine})
    learner = build_learner(recipe, tiny_clip, CLASSES, seed=1).train()
    assert learner.phase == "norms"
    learner.class_features()
    learner.start_second_stage()
    assert learner.phase == "classifier"
    shown, texts = learner.classifier, learner.text_features()
    if quantize.get("centre"):
        texts = texts - texts.mean(0)
    assert (shown - texts).square().mean() < 0.05 * texts.square().mean()


def test_the_stage_of_a_prompt_that_is_loaded_is_its_own(tiny_clip):
    learner, other = (ready_to_train(short_recipe("two_stage"), tiny_clip)[0] for _ in range(2))
    learner.start_second_stage()
    assert other.phase == "norms"
    other.load_prompt(learner.prompt_tensors())
    assert other.phase == "classifier"


def test_noise_leaves_the_names_of_classes_as_they_are(tiny_clip, tmp_path):
    """With noise on them every class would be a new one, and the classifier would not train."""
    noise = NoiseConfig(std=0.1)
    noisy = short_recipe("two_stage", epochs=5).model_copy(update={"noise": noise})
    learner, _ = require_same_bits_after_a_cut(trained(noisy, tiny_clip), tmp_path / "c", 4)
    assert not torch.equal(learner.classifier, learner.text_features())
    restored = restore_learner(noisy, tiny_clip, CLASSES, learner.state_dict()).eval()
    assert torch.equal(restored.class_features(), learner.class_features())


def test_a_quantized_run_cut_between_its_stages_ends_with_the_same_bits(tiny_clip, tmp_path):
    """Its classifier has no codebooks before the second stage, so no step asks for them."""
    quantize = QuantizeConfig(bits=2, normalise=False, min_interval_steps=2, kl_threshold=1e-4)
    recipe = short_recipe("two_stage", epochs=4).model_copy(update={"quantize": quantize})
    run = trained(recipe, tiny_clip)
    require_same_bits_after_a_cut(run, tmp_path / "checkpoint", 2)
    _, rows = run(None)
    made = [sum(each["tensor"] == "classifier" for each in row["clusterings"]) for row in rows]
    assert made[:2] == [0, 0]
    assert made[2] > 0
