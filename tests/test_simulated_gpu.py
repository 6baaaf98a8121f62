"""The simulated GPU refuses what a GPU refuses, and repeats what was recorded."""

from __future__ import annotations

import pytest
import torch

from simulated_gpu import MPS, GpuError, simulated_gpu


@pytest.fixture
def gpu():
    with simulated_gpu() as graphs:
        yield graphs


def test_tensors_of_both_sides_do_not_mix(gpu):
    there = torch.ones(3, device="cuda")
    with pytest.raises(GpuError, match=r"aten.add.Tensor: tensors on cuda:0 and on the cpu"):
        there + torch.ones(3)
    assert (there + torch.ones(())).device == torch.device("cuda", 0)
    with pytest.raises(TypeError, match="can't convert cuda:0"):
        there.numpy()


@pytest.mark.parametrize(
    "step",
    [
        lambda x: x.max().item(),
        lambda x: bool((x > 0).any()),
        lambda x: x[x > 0],
        lambda x: x[[0, 1]],
        lambda x: torch.randn(3, device=x.device),
        lambda x: (x > 0).nonzero(),
        lambda x: x + torch.ones(3).to(x.device),
        lambda x: x.cpu(),
    ],
)
def test_what_makes_the_host_wait_cannot_be_recorded(gpu, step):
    values = torch.arange(3.0, device="cuda")
    step(values)
    with pytest.raises(GpuError, match="previous error") as failed, torch.cuda.graph(gpu()):
        step(values)
    assert str(failed.value.__cause__).startswith("operation not permitted")


def test_a_recorded_step_repeats_operations_and_no_line_of_python(gpu):
    given, total = torch.ones(2, device="cuda"), torch.zeros(2, device="cuda")
    factor = 2
    graph = gpu()
    with torch.cuda.graph(graph):
        doubled = given * factor
        total.add_(doubled)
    assert total.tolist() == [0, 0]  # recording computes nothing
    given.fill_(3)
    factor = 5
    graph.replay()
    graph.replay()
    assert doubled.tolist() == [6, 6]
    assert total.tolist() == [12, 12]


def test_memory_that_was_freed_cannot_be_read(gpu):
    given, graph = torch.ones(2, device="cuda"), gpu()
    with torch.cuda.graph(graph):
        given * 2
    del given
    with pytest.raises(GpuError, match=r"aten.mul.Tensor of a recorded step reads memory that"):
        graph.replay()


def test_on_mps_what_a_mac_refuses_is_refused():
    with simulated_gpu(MPS):
        there = torch.ones(3, device="mps")
        assert (there.device.type, there.is_cuda, torch.cuda.is_available()) == (
            "mps",
            False,
            False,
        )
        with pytest.raises(TypeError, match="doesn't support float64"):
            there.double()
        assert there.cpu().double().sum() == 3
        with pytest.raises(NotImplementedError, match="_linalg_eigh"):
            torch.linalg.eigvalsh(torch.eye(2, device="mps"))
        with pytest.raises(GpuError, match="may be freed"):
            there.copy_(torch.zeros(3), non_blocking=True)
        assert there.copy_(torch.zeros(3)).tolist() == [0, 0, 0]
