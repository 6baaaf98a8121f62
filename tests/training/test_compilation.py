"""Compiling is decided from the number of steps."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch

from training.recipes import ready_to_train, short_recipe
from vlprompt_pipeline.training.compilation import COMPILE_FROM, can_compile, compiling_pays


@pytest.mark.parametrize(
    ("steps", "device", "pays"),
    [
        (COMPILE_FROM, "cuda", True),
        (COMPILE_FROM - 1, "cuda", False),
        (10**9, "cpu", False),
        (10**9, "mps", False),
    ],
)
def test_only_a_long_run_on_cuda_is_compiled(steps, device, pays):
    assert compiling_pays(steps, torch.device(device)) is pays


def test_a_compiled_tower_leaves_the_other_as_it_is(tiny_clip, monkeypatch):
    seen = []
    monkeypatch.setattr(torch, "compile", lambda part, dynamic: seen.append(part) or part)
    tower = tiny_clip.text.compiled()
    parts = tiny_clip.text.parts
    assert [part.__name__ for part in seen] == [*parts] != []
    assert {*parts} <= set(vars(tower))
    assert not {*parts} & set(vars(tiny_clip.text))


def test_a_compiled_tower_computes_with_the_weights_of_its_view(tiny_clip, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda part, dynamic: part)
    prompts = tiny_clip.prompts(["a photo of a cat."])
    weights = [1.5 * each for each in tiny_clip.text.attention_weights()]
    plain, compiled = (
        tower.with_attention(weights)(prompts)
        for tower in (tiny_clip.text, tiny_clip.text.compiled())
    )
    assert torch.equal(plain, compiled)
    assert not torch.equal(plain, tiny_clip.text(prompts))


@pytest.mark.parametrize("name", ["coop", "cocoop", "maple"])
def test_the_tower_is_compiled_as_a_whole(name, tiny_clip, monkeypatch):
    """An import or a value of the host inside of it would cut it into pieces."""
    compile_whole = partial(torch.compile, backend="eager", fullgraph=True)
    monkeypatch.setattr(torch, "compile", compile_whole)
    learner, batches = ready_to_train(short_recipe(name), tiny_clip)
    images, labels = next(batches.epoch(0))
    losses = []
    for tower in (tiny_clip.text, tiny_clip.text.compiled()):
        learner.clip = copy.copy(tiny_clip)
        learner.clip.text = tower
        losses.append(learner.backward(learner.losses(images, labels)).detach())
    torch.testing.assert_close(*losses, rtol=0, atol=0)


def test_a_machine_without_a_compiler_trains_without_compiling(monkeypatch, caplog):
    def compiled(part, dynamic):
        def run(x):
            raise RuntimeError("Failed to find C compiler.\nSet the CC environment variable")

        return run

    can_compile.cache_clear()
    monkeypatch.setattr(torch, "compile", compiled)
    assert not can_compile(torch.device("cpu"))
    (message,) = caplog.messages
    assert message.startswith("torch.compile does not work here (Failed to find C compiler.): ")
    can_compile.cache_clear()
