"""A short run of the real thing: reproducible, learning, and written as a loadable folder."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from vlprompt_pipeline.clip import load_clip
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.demo.batches import Batches
from vlprompt_pipeline.demo.checkpoint import save_checkpoint
from vlprompt_pipeline.demo.config import Architecture, PretrainingConfig
from vlprompt_pipeline.demo.model import encode_text, normalise
from vlprompt_pipeline.demo.pool import render_pool
from vlprompt_pipeline.demo.tokens import CompactTokens
from vlprompt_pipeline.demo.trainer import Trained, pretrain
from vlprompt_pipeline.image_datasets.rendered.vocabulary import caption_words
from vlprompt_pipeline.pipelines.demo_pretraining import nodes

RECIPE = PretrainingConfig(
    pool=300,
    steps=12,
    batch=16,
    warmup=4,
    learning_rate=2e-3,
    threads=1,
    architecture=Architecture(
        embed=32, patch=12, width=64, heads=2, vision_layers=2, text_layers=2
    ),
)


@pytest.fixture(scope="module")
def pool():
    return render_pool(RECIPE.pool, RECIPE.seed, RECIPE.pool_gap)


@pytest.fixture(scope="module")
def trained(pool) -> Trained:
    return pretrain(pool, RECIPE)


@pytest.fixture
def folder(trained, tmp_path):
    save_checkpoint(trained, RECIPE.architecture, tmp_path / "clip")
    return tmp_path / "clip"


def test_the_same_seed_gives_the_same_file(pool, trained, tmp_path):
    first = save_checkpoint(trained, RECIPE.architecture, tmp_path / "a")
    torch.rand(5)  # whatever else draws from the global stream
    pool_again = render_pool(RECIPE.pool, RECIPE.seed, RECIPE.pool_gap)
    again = save_checkpoint(pretrain(pool_again, RECIPE), RECIPE.architecture, tmp_path / "b")
    other = RECIPE.model_copy(update={"seed": 1})
    different = save_checkpoint(pretrain(pool, other), RECIPE.architecture, tmp_path / "c")
    assert first == again
    assert first != different


def test_training_lowers_the_loss(pool):
    longer = RECIPE.model_copy(update={"steps": 200, "one_kind_share": 0.0, "long_share": 0.0})
    end = pretrain(pool, longer)
    assert end.loss < 0.9 * np.log(RECIPE.batch)  # below guessing among the batch


def test_the_rng_of_a_step_does_not_depend_on_the_steps_before(pool):
    batches = Batches(pool, CompactTokens(caption_words()), RECIPE)
    ahead = [batches.at(step).rows for step in range(4)][3]
    assert torch.equal(batches.at(3).rows, ahead)
    assert not torch.equal(batches.at(3).pictures, batches.at(4).pictures)


def test_batches_of_one_kind_occur(pool):
    only = RECIPE.model_copy(update={"one_kind_share": 1.0})
    batches = Batches(pool, CompactTokens(caption_words()), only)
    for step in range(6):
        assert len(batches.at(step).attributes[:, 0].unique()) == 1


def test_the_file_holds_used_rows_only(trained, folder):
    state = load_file(folder / "open_clip_model.safetensors")
    ids = state["token_embedding.row_ids"]
    assert "token_embedding.weight" not in state
    assert state["token_embedding.rows"].shape == (len(ids), 64)
    assert state["token_embedding.unseen"].shape == (64,)
    assert {49406, 49407} <= set(ids.tolist())
    assert all(t.dtype == torch.float16 for name, t in state.items() if t is not ids)


def test_loaded_as_a_local_folder_it_gives_the_trained_features(pool, trained, folder):
    clip = load_clip(f"local-dir:{folder}", "trained", "cpu")
    texts = ["a photo of a red heart.", "two rings", "a photo of a zebra crossing."]
    rounded = trained.model.half().float().eval()
    with torch.no_grad():
        known = encode_text(rounded, trained.tokens.encode(texts[:2]))
        tokens = open_clip.SimpleTokenizer()(texts)
        full = clip.model.encode_text(tokens, normalize=True)
        pictures = normalise(pool.pictures[:4])
        images = clip.model.encode_image(pictures, normalize=True)
        expected = rounded.encode_image(pictures, normalize=True)
    assert torch.allclose(full[:2], known, atol=1e-5)
    assert torch.allclose(images, expected, atol=1e-5)
    assert torch.isfinite(full).all()


def test_nodes_write_checkpoint_card_and_record(trained, tmp_path):
    accuracy = {
        "demo_counts": {"everything": 1.5, "base": 2.0, "new": 3.0, "classes": 38, "pictures": 9}
    }
    record = nodes.write_clip(trained, accuracy, RECIPE, tmp_path)
    card = (tmp_path / "CARD.md").read_text()
    assert record["sha256"] in card
    assert "| `demo_counts` | 38 | yes | 9 | 1.5 | 2.0 | 3.0 |" in card
    assert record["bytes"] == (tmp_path / "open_clip_model.safetensors").stat().st_size
    config = json.loads((tmp_path / "open_clip_config.json").read_text())
    assert config["model_cfg"]["quick_gelu"] is True
    assert config["preprocess_cfg"]["size"] == 48
