"""A stored trained prompt is read again, or refused in a sentence."""

from __future__ import annotations

from unittest.mock import patch

import pytest
import torch
from torch import nn

from learners import CLASSES, COOP
from vlprompt_pipeline.clip import ClipIdentity
from vlprompt_pipeline.errors import ConfigError, PromptFileError
from vlprompt_pipeline.filesystem.tensor_files import load_tensors, save_tensors
from vlprompt_pipeline.methods import (
    METHODS,
    ClassTexts,
    Method,
    build_learner,
    register,
    restore_learner,
    stored_recipe,
)
from vlprompt_pipeline.methods.texts import FixedTexts, TextParameters
from vlprompt_pipeline.methods.trained import TrainedPrompt

STATE = {"context": torch.arange(8.0).reshape(2, 4)}


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "prompt.safetensors"
    TrainedPrompt(COOP, STATE, CLASSES, ClipIdentity("ab" * 32), {"seed": 1}).save(path)
    return path


def test_what_is_read_is_what_was_stored(stored):
    prompt = TrainedPrompt.load(stored)
    assert torch.equal(prompt.state["context"], STATE["context"])
    assert (prompt.recipe, prompt.classes, prompt.provenance) == (COOP, CLASSES, {"seed": 1})
    assert prompt.clip_identity == ClipIdentity("ab" * 32)


@pytest.mark.parametrize("header", [None, ["format"], "format", {"format": "another"}])
def test_the_header_of_another_file_is_refused(header, stored):
    save_tensors(stored, STATE, "prompt", header)
    with pytest.raises(PromptFileError, match="is not a prompt of this project: train again"):
        TrainedPrompt.load(stored)


@pytest.mark.parametrize("key", ["format", "recipe", "class_names", "template", "clip_identity"])
def test_a_header_that_lacks_something_is_refused(key, stored):
    header = load_tensors(stored, "prompt")[1] | {"weights_sha256": "ab" * 32}
    header[key] = 5
    if key != "clip_identity":
        del header[key]
    save_tensors(stored, STATE, "prompt", header)
    with pytest.raises(PromptFileError, match="is not a prompt of this project: train again"):
        TrainedPrompt.load(stored)


def test_what_is_no_file_of_tensors_is_refused(stored):
    with pytest.raises(PromptFileError, match="run prompt_training first"):
        TrainedPrompt.load(stored.with_name("other.safetensors"))
    with pytest.raises(PromptFileError, match="cannot be read .*: train again"):
        TrainedPrompt.load(stored.parent)
    stored.write_bytes(stored.read_bytes()[:-1])
    with pytest.raises(PromptFileError, match="is truncated or no file of tensors"):
        TrainedPrompt.load(stored)


def test_a_state_of_other_shapes_is_refused_with_what_to_do(stored, tiny_clip):
    prompt = TrainedPrompt.load(stored)
    with pytest.raises(PromptFileError, match=r"prompt does not fit CoOp: size mismatch .*grows"):
        restore_learner(prompt.resolved_recipe(), tiny_clip, CLASSES, prompt.state)


@patch.dict(METHODS)
def test_first_values_of_layers_follow_the_seed_and_leave_other_draws_alone(tiny_clip):
    class Adapter(FixedTexts):
        def build(self, clip, generator):
            super().build(clip, generator)
            self.adapter = nn.Linear(clip.embed_dim, 2)

    register(Method("adapter", TextParameters, Adapter))
    values = {"method": "adapter", "title": "Adapter", "prompt": {"templates": "benchmark"}}
    recipe = stored_recipe(values)
    before = torch.random.get_rng_state()
    first, again, other = (
        build_learner(recipe, tiny_clip, CLASSES, seed).adapter.weight for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_template_without_a_place_for_the_name_is_refused():
    with pytest.raises(ConfigError, match=r"^template 'a photo': a template has \{\} once"):
        ClassTexts(("cat", "dog"), "a photo")
