"""How much memory is free, as each system says it."""

from __future__ import annotations

import os

import pytest
import torch

from vlprompt_pipeline.clip import memory

CPU = torch.device("cpu")


def test_of_this_machine_is_some():
    assert memory.free_memory(CPU) > 1 << 20


LINUX = "MemTotal: 9000 kB\nMemAvailable:   7 kB\nBuffers: 1 kB\n"


@pytest.mark.parametrize(
    ("limit", "free"), [("1000\n", 400), ("500\n", 1), ("max\n", 7 * 1024), ("9999\n", 7 * 1024)]
)
def test_the_least_counts_of_what_linux_and_a_container_leave(tmp_path, limit, free):
    (tmp_path / "meminfo").write_text(LINUX)
    (tmp_path / "memory.max").write_text(limit)
    (tmp_path / "memory.current").write_text("600\n")
    assert memory.free_memory(CPU, tmp_path / "meminfo", tmp_path) == free


def test_half_of_the_memory_counts_where_nothing_else_is_said(tmp_path):
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    assert memory.free_memory(CPU, tmp_path / "meminfo", tmp_path) == pages * size // 2


def test_a_pass_without_gradient_asks_for_nothing(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda _: pytest.fail("asked"))
    with torch.no_grad():
        assert memory.Room(None, CPU).run(lambda x: x, 10**12, 3) == 3
    assert memory.Room(7, CPU).left == 7


def test_a_pass_that_is_cut_says_so_once(caplog):
    x = torch.ones(2, requires_grad=True)
    with caplog.at_level("INFO", "vlprompt_pipeline.clip.memory"):
        for need in (100, 10**9, 10**9):
            room = memory.Room(77_000_000, CPU)
            room.run(lambda tensor: tensor.exp(), need, x).sum().backward()
    (message,) = caplog.messages
    assert message.startswith("what a pass needs for its gradient is more than 0.08 GB: the rest")
