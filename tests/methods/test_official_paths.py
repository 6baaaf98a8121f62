"""The official numbers hold on every way through the text tower, not only on the usual one."""

from __future__ import annotations

import pytest

from methods.test_official import require_equal
from parity import parity_clip
from speed.full_length import encode_reference
from vlprompt_pipeline.clip import FrozenClip, TextTower, text_base

CASES = (
    "coop-4-words-end",
    "coop-4-random-front",
    "coop-16-random-middle",
    "coop-4-classwise-end",
    "cocoop-4-batch3",
    "maple-2-depth3",
)


class InFull(TextTower):
    """The text tower as open_clip runs it: every prompt with its prefix, and padded."""

    forward = encode_reference


def _in_full(clip: FrozenClip, monkeypatch) -> FrozenClip:
    clip.text = InFull(clip.model)
    return clip


def _one_row_at_a_time(clip: FrozenClip, monkeypatch) -> FrozenClip:
    monkeypatch.setitem(text_base.AT_ONCE, "cpu", 1)
    return clip


def _nothing_kept(clip: FrozenClip, monkeypatch) -> FrozenClip:
    return clip.computing(clip.dtype, memory=0)


@pytest.mark.parametrize("path", [_in_full, _one_row_at_a_time, _nothing_kept])
@pytest.mark.parametrize("name", CASES)
def test_equals_the_official_implementation(name, path, monkeypatch):
    require_equal(name, "float64", path(parity_clip("float64"), monkeypatch))
