"""The kernels that a GPU is asked for are those that all threads that train can do with."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch
from torch.utils import deterministic

from vlprompt_pipeline.training.repeatable import does_without, repeatable

GPU = torch.device("cuda")
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
LACKING = RuntimeError("kthvalue CUDA does not have a deterministic implementation, but you set")


def asked_for() -> tuple[bool, bool, bool]:
    """What the process asks for: such kernels, with a warning alone, filled memory."""
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        deterministic.fill_uninitialized_memory,
    )


@pytest.fixture(autouse=True)
def as_before():
    before = asked_for()
    yield
    assert asked_for() == before


def test_they_are_asked_for_on_a_gpu_alone():
    before = asked_for()
    with repeatable(torch.device("cpu")):
        assert asked_for() == before
    with repeatable(GPU):
        assert asked_for() == (True, False, False)


@pytest.mark.parametrize(("given", "found"), [(None, ":4096:8"), (":16:8", ":16:8")])
def test_cublas_gets_a_workspace_before_any_product_unless_the_user_gave_it_one(given, found):
    """PyTorch looks for it once, at the first product: features come before training."""
    environment = {k: v for k, v in os.environ.items() if k != WORKSPACE}
    environment |= {WORKSPACE: given} if given else {}
    code = f"import os, vlprompt_pipeline; print(os.environ[{WORKSPACE!r}])"
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert said.stdout == f"{found}\n"


def test_a_workspace_that_cublas_does_not_repeat_with_is_told(caplog):
    error = RuntimeError("to enable this, set CUBLAS_WORKSPACE_CONFIG=:4096:8 before\nmore")
    with repeatable(GPU):
        assert does_without(error, "MaPLe")
        assert asked_for() == (True, True, False)
    (message,) = caplog.messages
    assert message.startswith("training MaPLe again with the same seed may give other last bits")
    assert message.endswith("set CUBLAS_WORKSPACE_CONFIG=:4096:8 before")


def test_the_setting_of_before_comes_back_also_after_an_error():
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with pytest.raises(ZeroDivisionError), repeatable(GPU):
            assert asked_for() == (True, False, False)
            raise ZeroDivisionError
        assert asked_for() == (True, True, True)
    finally:
        torch.use_deterministic_algorithms(False)


def test_other_errors_are_not_its_affair():
    with repeatable(GPU):
        assert not does_without(RuntimeError("CUDA out of memory"), "CoOp")
        assert asked_for() == (True, False, False)
    assert not does_without(LACKING, "CoOp"), "nobody trains on a GPU"


def test_where_one_thread_does_without_all_do_until_it_has_ended():
    started, noted, ended = (Barrier(2, timeout=20) for _ in range(3))
    seen = []

    def strict() -> None:
        with repeatable(GPU):
            started.wait()
            noted.wait()
            seen.append(asked_for())
            ended.wait()
            ended.wait()
            seen.append(asked_for())

    def without() -> None:
        with repeatable(GPU):
            started.wait()
            assert does_without(LACKING, "CoOp")
            assert not does_without(LACKING, "CoOp"), "a second time it is an error"
            noted.wait()
            ended.wait()
        ended.wait()

    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(strict), pool.submit(without)]:
            each.result()
    assert seen == [(True, True, False), (True, False, False)]
