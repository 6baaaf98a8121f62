"""Compiling is decided from the number of steps."""

from __future__ import annotations

import pytest
import torch

from vlprompt_pipeline.training.compilation import COMPILE_FROM, compiling_pays


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
    assert [part.__name__ for part in seen] == ["_prefix", "_suffix"]
    assert {"_prefix", "_suffix"} <= set(vars(tower))
    assert not {"_prefix", "_suffix"} & set(vars(tiny_clip.text))
