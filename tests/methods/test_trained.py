"""A stored trained prompt is read again, or refused in a sentence."""

from __future__ import annotations

import pytest
import torch

from learners import CLASSES, COOP
from vlprompt_pipeline.clip import ClipIdentity
from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.filesystem.tensor_files import load_tensors, save_tensors
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


@pytest.mark.parametrize("key", ["recipe", "class_names", "template", "clip_identity"])
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
