"""Prompts of each image, some at a time where no gradient needs them all."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from vlprompt_pipeline.methods import conditional
from vlprompt_pipeline.methods.layout import class_layout


def test_some_at_a_time_give_what_all_at_once_give(tiny_clip, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    layout = class_layout(tiny_clip, ("cat", "big red dog", "boat"), 4, "end", False)
    contexts = torch.randn(7, 4, tiny_clip.text_width, generator=generator)
    images = F.normalize(torch.randn(7, tiny_clip.embed_dim, generator=generator), dim=-1)
    whole = conditional.own_similarities(tiny_clip, layout, contexts, images)
    calls: list[int] = []
    plain = conditional.group_features

    def counted(clip, layout, contexts):
        calls.append(len(contexts))
        return plain(clip, layout, contexts)

    monkeypatch.setattr(conditional, "group_features", counted)
    monkeypatch.setattr(conditional, "FEATURES_AT_ONCE", 9)
    with torch.no_grad():
        parts = conditional.own_similarities(tiny_clip, layout, contexts, images)
    assert calls == [3, 3, 1]
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-6)
    by_hand = [
        image @ plain(tiny_clip, layout, context[None])[0].T
        for image, context in zip(images, contexts, strict=True)
    ]
    torch.testing.assert_close(whole, torch.stack(by_hand), rtol=1e-5, atol=1e-6)
