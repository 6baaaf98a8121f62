"""Precision by device: what auto means, what is refused, and what results are known by."""

from __future__ import annotations

import threading

import pytest
import torch

from vlprompt_pipeline.arithmetic import Arithmetic, matrix_products, resolve_precision
from vlprompt_pipeline.clip import load_clip
from vlprompt_pipeline.errors import ConfigError


@pytest.mark.parametrize(
    ("device", "bf16", "means"),
    [
        ("cuda", True, "bf16"),
        ("cuda", False, "fp16-amp"),
        ("cpu", False, "fp32"),
        ("mps", False, "fp32"),
    ],
)
def test_auto_goes_by_the_device(device, bf16, means, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: bf16)
    assert resolve_precision("auto", device) == means
    assert resolve_precision("fp16-amp", device) == "fp16-amp"


def test_bf16_is_refused_where_a_gpu_only_emulates_it(monkeypatch):
    supported = {"including_emulation": False}
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **asked: asked != supported)
    with pytest.raises(ConfigError, match="this GPU is older than bf16 .* use auto or fp16-amp"):
        resolve_precision("bf16", "cuda")
    assert resolve_precision("bf16", "cpu") == "bf16"


def test_a_precision_that_a_device_has_not_is_refused():
    assert resolve_precision("tf32", "cuda") == "tf32"
    with pytest.raises(ConfigError, match="precision: tf32 is of NVIDIA GPUs, not of cpu; use"):
        resolve_precision("tf32", "cpu")


def test_results_are_known_by_a_precision_that_is_not_single():
    assert Arithmetic("cpu", 2).key == "cpu, threads 2"
    assert Arithmetic("cpu", 2, "bf16").key == "cpu, threads 2, bf16"
    assert Arithmetic("cuda", 2, "tf32").key == "cuda, tf32"
    assert Arithmetic("cuda", 2, "tf32").in_single().key == "cuda"


def test_only_tf32_rounds_factors_and_only_while_it_computes():
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    for precision, rounded in (("tf32", True), ("fp32", False), ("bf16", False)):
        with Arithmetic("cuda", torch.get_num_threads(), precision).running():
            assert torch.backends.cuda.matmul.allow_tf32 is rounded
            assert torch.backends.cudnn.allow_tf32 is rounded
    with pytest.raises(KeyError), matrix_products(True):
        raise KeyError
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == before


def test_features_are_computed_in_the_precision_asked_for(tiny_clip, tiny_clip_folder):
    lower = load_clip(f"local-dir:{tiny_clip_folder}", "tiny", "cpu", precision="bf16")
    pixels = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    exact, rounded = tiny_clip.encode_images(pixels), lower.encode_images(pixels)
    assert rounded.dtype == torch.float32
    difference = (exact - rounded).abs().max()
    assert 1e-5 < difference < 0.05
    assert lower.arithmetic.key.endswith(", bf16")
    half = load_clip(f"local-dir:{tiny_clip_folder}", "tiny", "cpu", precision="fp16-amp")
    nearer = (exact - half.encode_images(pixels)).abs().max()
    assert 1e-6 < nearer < difference / 3, "11 bits of a number are kept, not 8"
    assert torch.equal(  # texts and class features stay in single precision
        tiny_clip.encode_texts(["a cat"]), lower.encode_texts(["a cat"])
    )


def switches() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


def in_thread(work) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_a_thread_that_ends_leaves_the_switches_to_those_that_go_on():
    before, leave, entered = switches(), threading.Event(), threading.Event()

    def other():
        with matrix_products(False):
            entered.set()
            leave.wait(10)

    with matrix_products(False):
        thread = in_thread(other)
        assert entered.wait(10), "the same is computed at once"
    assert switches() == (False, False), "the other still computes"
    leave.set()
    thread.join(10)
    assert switches() == before


def test_a_thread_that_asks_for_something_else_waits():
    before, seen = switches(), []

    def other():
        with matrix_products(False), matrix_products(True):
            seen.append(switches())

    with matrix_products(False):
        thread = in_thread(other)
        thread.join(0.2)
        assert (seen, switches()) == ([], (False, False))
    thread.join(10)
    assert (seen, switches()) == ([(True, True)], before)


def test_threads_that_change_what_they_ask_for_do_not_wait_for_each_other_for_ever():
    wrong = []

    def change():
        for tf32 in (True, False) * 50:
            with matrix_products(tf32), matrix_products(not tf32), matrix_products(tf32):
                wrong.append(switches() != (tf32, tf32))

    before = switches()
    threads = [in_thread(change) for _ in range(4)]
    for thread in threads:
        thread.join(30)
    assert (len(wrong), any(wrong), switches()) == (400, False, before)
