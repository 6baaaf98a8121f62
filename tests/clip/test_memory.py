"""How much memory is free, as each system says it."""

from __future__ import annotations

from types import SimpleNamespace

import psutil
import pytest
import torch

from vlprompt_pipeline.clip import memory

CPU = torch.device("cpu")


def test_of_this_machine_is_some():
    assert memory.free_memory(CPU) > 1 << 20


@pytest.mark.parametrize(
    ("limit", "free"),
    [("1000\n", 450), ("500\n", 1), ("max\n", 7000), ("9999\n", 7000), (None, 7000)],
)
@pytest.mark.parametrize(
    ("own", "limited"), [("/", ""), ("/slurm/job_7/step_0", "slurm/job_7"), ("/a", "a")]
)
def test_the_least_counts_of_what_system_and_limits_leave(
    tmp_path, monkeypatch, limit, free, own, limited
):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=7000))
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(memory, "GROUP", tmp_path / "own")
    (tmp_path / "own").write_text(f"0::{own}\n")
    group = tmp_path / "groups" / limited
    group.mkdir(parents=True)
    if limit:
        (group / "memory.max").write_text(limit)
        (group / "memory.current").write_text("600\n")
        (group / "memory.stat").write_text("anon 540\nfile 60\ninactive_file 50\n")
    assert memory.free_memory(CPU) == free
    assert memory.memory_budget(CPU) == free // 2


def test_where_there_are_no_groups_the_system_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=7000))
    monkeypatch.setattr(memory, "GROUP", tmp_path / "own")
    assert memory.free_memory(CPU) == 7000
    (tmp_path / "own").write_text("4:memory:/job_7\n")  # of version 1
    assert memory.free_memory(CPU) == 7000


def test_on_a_gpu_what_pytorch_holds_and_does_not_use_is_free(monkeypatch):
    for name, value in {
        "mem_get_info": (100, 900),
        "memory_reserved": 50,
        "memory_allocated": 30,
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)
    assert memory.free_memory(torch.device("cuda", 0)) == 120


def test_room_is_left_to_what_fits_exactly():
    room, x, runs = memory.Room(10, CPU), torch.ones(2, requires_grad=True), []

    def part(tensor: torch.Tensor) -> torch.Tensor:
        runs.append(room.left)
        return tensor.exp()

    sum(room.run(part, need, x).sum() for need in (6, 4, 1)).backward()
    assert runs == [4, 0, 0, 0], "the last is computed twice"


def test_a_pass_without_gradient_asks_for_nothing():
    absent = torch.device("cuda", 99)
    with pytest.raises((AssertionError, RuntimeError)):
        memory.Room(None, absent)
    with torch.no_grad():
        assert memory.Room(None, absent).run(lambda x: x, 10**12, 3) == 3
    assert memory.Room(7, absent, reserved=2).left == 5


def test_a_pass_that_is_cut_says_so_once(caplog):
    x = torch.ones(2, requires_grad=True)
    with caplog.at_level("INFO", "vlprompt_pipeline.clip.memory"):
        for need in (100, 10**9, 10**9):
            room = memory.Room(77_000_000, CPU)
            room.run(lambda tensor: tensor.exp(), need, x).sum().backward()
    (message,) = caplog.messages
    assert message.startswith("what a pass needs for its gradient is more than 0.08 GB: the rest")
