"""Chance and codebooks of quantizers across a cut: what a restart must not change."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from vlprompt_pipeline.config import TrainingParameters
from vlprompt_pipeline.methods import ClassTexts, PromptLearner, Recipe, build_learner
from vlprompt_pipeline.methods.coop import CoOpParameters
from vlprompt_pipeline.parametrizations import CLUSTERING_COLUMNS, QuantizeConfig
from vlprompt_pipeline.training import CachedViews, Checkpoint, train

CLASSES = ClassTexts(("cat", "big red dog", "boat"), "a photo of a {}.")
QUANTIZED = [
    {"quantizer": "kmeans", "codebook": "row"},
    {"quantizer": "stochastic"},
    {"quantizer": "gaussian"},
    {"quantizer": "kmeans", "post_training": True},
]


def _train(clip, quantize: dict[str, Any], checkpoint: Checkpoint | None = None, seed: int = 1):
    training = {"epochs": 5, "batch_size": 4, "lr": 0.5, "momentum": 0.9, "weight_decay": 5e-4}
    recipe = Recipe(
        method="coop",
        title="CoOp",
        prompt=CoOpParameters(length=4, init=None, class_specific=False, class_position="end"),
        training=TrainingParameters(**training, warmup_epochs=1, warmup_lr=0.5),
        quantize=QuantizeConfig(bits=2, kl_threshold=0.001, **quantize),
    )
    generator = torch.Generator().manual_seed(0)
    features = F.normalize(torch.randn(11, 2, clip.embed_dim, generator=generator), dim=-1)
    learner = build_learner(recipe, clip, CLASSES, seed)
    batches = CachedViews(features, torch.arange(11) % 3, 4, seed=3)
    return learner, train(learner, batches, recipe.training, checkpoint)


def _shown(learner: PromptLearner) -> torch.Tensor:
    return learner.prompt_tensors()["context"]


@pytest.mark.parametrize("after", [0, 2, 4])
@pytest.mark.parametrize("quantize", QUANTIZED, ids=str)
def test_a_cut_run_ends_with_the_same_bits_and_rows(
    tiny_clip, tmp_path, monkeypatch, quantize, after
):
    whole, rows = _train(tiny_clip, quantize)
    checkpoint = Checkpoint(tmp_path / "c.safetensors", "fingerprint")
    save = Checkpoint.save

    def save_then_die(self, running, history, epochs):
        save(self, running, history, epochs)
        if epochs == after + 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Checkpoint, "save", save_then_die)
        _train(tiny_clip, quantize, checkpoint)
    continued, again = _train(tiny_clip, quantize, checkpoint)
    assert again == rows
    assert torch.equal(_shown(continued), _shown(whole))
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, continued.state_dict()[name]), name


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
