"""Chance and codebooks of quantizers across a cut: what a restart must not change."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from learners import CLASSES, coop, random_views
from training.cuts import require_same_bits_after_a_cut
from vlprompt_pipeline.methods import PromptLearner, build_learner
from vlprompt_pipeline.parametrizations import CLUSTERING_COLUMNS
from vlprompt_pipeline.training import Checkpoint, train

QUANTIZED = [
    {"quantizer": "kmeans", "codebook": "row"},
    {"quantizer": "stochastic"},
    {"quantizer": "gaussian"},
    {"quantizer": "kmeans", "post_training": True},
]


def _train(clip, quantize: dict[str, Any], checkpoint: Checkpoint | None = None, seed: int = 1):
    training = {"epochs": 5, "lr": 0.5, "warmup_lr": 0.5}
    recipe = coop(training=training, quantize={"bits": 2, "kl_threshold": 0.001, **quantize})
    learner = build_learner(recipe, clip, CLASSES, seed)
    return learner, train(learner, random_views(clip), recipe.training, checkpoint)


def _shown(learner: PromptLearner) -> torch.Tensor:
    return learner.prompt_tensors()["context"]


@pytest.mark.parametrize("after", [0, 2, 4])
@pytest.mark.parametrize("quantize", QUANTIZED, ids=str)
def test_a_cut_run_ends_with_the_same_bits_and_rows(tiny_clip, tmp_path, quantize, after):
    trained = partial(_train, tiny_clip, quantize)
    whole, continued = require_same_bits_after_a_cut(trained, tmp_path / "c", after + 1)
    assert torch.equal(_shown(continued), _shown(whole))


@pytest.mark.parametrize("quantizer", ["stochastic", "gaussian"])
def test_chance_is_of_the_seed(tiny_clip, quantizer):
    one, same, other = (_train(tiny_clip, {"quantizer": quantizer}, seed=s)[0] for s in (1, 1, 2))
    assert torch.equal(_shown(one), _shown(same))
    assert not torch.equal(_shown(one), _shown(other))


def test_rows_of_clusterings(tiny_clip):
    _, rows = _train(tiny_clip, {"codebook": "row"})
    made = [row for epoch in rows for row in epoch["clusterings"]]
    assert len(made) > 1
    for row in made:
        assert tuple(row) == CLUSTERING_COLUMNS
        assert (len(row["codebooks"]), len(row["codebooks"][0])) == (4, 4)
        assert row["mean_squared_error"] > 0
    assert [row["kl"] > 0.001 for row in made] == [False] + [True] * (len(made) - 1)
