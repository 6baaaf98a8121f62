"""The official numbers hold on every way through the text tower, not only on the usual one."""

from __future__ import annotations

import pytest

from methods import test_official as official
from speed.full_length import encode_reference
from vlprompt_pipeline.clip import TextTower, text_base

CASES = (
    "coop-4-words-end",
    "coop-4-random-front",
    "coop-16-random-middle",
    "coop-4-classwise-end",
    "cocoop-4-batch3",
    "maple-2-depth3",
)


def _in_full(monkeypatch) -> None:
    monkeypatch.setattr(TextTower, "forward", encode_reference)


def _one_row_at_a_time(monkeypatch) -> None:
    monkeypatch.setitem(text_base.AT_ONCE, "cpu", 1)


def _nothing_kept(monkeypatch) -> None:
    plain = TextTower.__init__

    def without_memory(self, *arguments):
        plain(self, *arguments)
        self.memory = 0

    monkeypatch.setattr(TextTower, "__init__", without_memory)


@pytest.mark.parametrize("path", [_in_full, _one_row_at_a_time, _nothing_kept])
@pytest.mark.parametrize("name", CASES)
def test_equals_the_official_implementation(name, path, monkeypatch):
    path(monkeypatch)
    official.test_equals_the_official_implementation(name, "float64", monkeypatch)
