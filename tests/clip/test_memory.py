"""How much memory is free, as each system says it."""

from __future__ import annotations

import pytest
import torch

from vlprompt_pipeline.clip import memory


def test_of_this_machine_is_some():
    assert memory.free_memory(torch.device("cpu")) > 1 << 20


def test_what_linux_says(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:   7 kB\nBuffers: 1 kB\n")
    assert memory._available(tmp_path / "meminfo") == 7 * 1024
    assert memory._available(tmp_path / "nothing") is None


@pytest.mark.parametrize(("limit", "left"), [("1000\n", 400), ("500\n", 1), ("max\n", None)])
def test_what_a_container_leaves(tmp_path, limit, left):
    (tmp_path / "memory.max").write_text(limit)
    (tmp_path / "memory.current").write_text("600\n")
    assert memory._left_to_container(tmp_path) == left


def test_the_least_of_all_counts(monkeypatch):
    monkeypatch.setattr(memory, "_available", lambda: 100)
    monkeypatch.setattr(memory, "_left_to_container", lambda: 40)
    assert memory.free_memory(torch.device("cpu")) == 40
    monkeypatch.setattr(memory, "_available", lambda: None)
    monkeypatch.setattr(memory, "_left_to_container", lambda: None)
    monkeypatch.setattr(memory, "_half_of_all", lambda: 70)
    assert memory.free_memory(torch.device("cpu")) == 70


def test_a_pass_without_gradient_asks_for_nothing(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda _: pytest.fail("asked"))
    with torch.no_grad():
        assert memory.Room(None, torch.device("cpu")).run(lambda x: x, 10**12, 3) == 3
    assert memory.Room(7, torch.device("cpu")).left == 7


def test_a_pass_that_is_cut_says_so_once(caplog):
    memory._tell.cache_clear()
    x = torch.ones(2, requires_grad=True)
    with caplog.at_level("INFO", "vlprompt_pipeline.clip.memory"):
        for need in (100, 10**9, 10**9):
            room = memory.Room(50_000_000, torch.device("cpu"))
            room.run(lambda tensor: tensor.exp(), need, x).sum().backward()
    (message,) = caplog.messages
    assert message.startswith("what a pass needs for its gradient is more than 0.05 GB: the rest")
