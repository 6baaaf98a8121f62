"""Steps that are recorded on a GPU, which is simulated, train as those that run as they stand."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from simulated_gpu import GpuError, Graph, simulated_gpu
from training.cuts import require_same_tensors
from training.recipes import (
    RECIPES,
    TRAINED,
    Batches,
    group,
    images_of,
    ready_to_train,
    short_recipe,
)
from vlprompt_pipeline.clip import load_clip
from vlprompt_pipeline.methods import METHODS, get_method, resolve_recipe
from vlprompt_pipeline.methods.coop import CoOp
from vlprompt_pipeline.parametrizations.draws import Draws, StepDraws
from vlprompt_pipeline.training import loop, train
from vlprompt_pipeline.training.capture import WARM_UP, CudaRecorder
from vlprompt_pipeline.training.side_by_side import Streams

ALIKE = {"rlp_maple", "ivlp_low_rank", "qmaple", "rlp", "qcoop", "zs_lp"}
"""Recipes whose parts are all among those of others."""
LOG = "vlprompt_pipeline.training.capture"


class EagerRecorder:
    """Warms up, records and replays as `CudaRecorder`, with the call itself in place of a graph."""

    def warm_up(self, call):
        return call()

    def record(self, call):
        return call


@pytest.fixture
def gpu() -> Iterator[type[Graph]]:
    with simulated_gpu() as graphs:
        yield graphs


@pytest.fixture
def clip_on(tiny_clip_folder):
    return lambda device: load_clip(
        f"local-dir:{tiny_clip_folder}", "tiny", device, precision="fp32"
    )


def trained(name: str, clip, **training) -> tuple[dict[str, Tensor], list[dict]]:
    """The state of a learner after a few steps, on the host, and its history."""
    if name == "group":
        learner = group(clip)
        images = images_of(learner)
        batches = Streams([Batches(images), Batches(-images)])
        recipe = short_recipe("coop", **training)
    else:
        recipe = short_recipe(name, **training)
        learner, batches = ready_to_train(recipe, clip)
    rows = train(learner, batches, recipe.training)
    return {name: value.cpu() for name, value in learner.state_dict().items()}, rows


def require_same(ours, reference) -> None:
    assert ours[1] == reference[1]
    require_same_tensors(ours[0], reference[0])


def test_every_method_that_trains_is_among_them():
    short = {resolve_recipe(name, RECIPES).method for name in set(TRAINED) - ALIKE}
    assert short == {resolve_recipe(name, RECIPES).method for name in TRAINED}
    untrained = {resolve_recipe(name, RECIPES).method for name in set(RECIPES) - set(TRAINED)}
    assert short | untrained == set(METHODS)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.long] * (n in ALIKE)) for n in [*TRAINED, "group"]]
)
def test_recorded_steps_train_as_those_that_run_as_they_stand(
    name, clip_on, gpu, monkeypatch, caplog
):
    """No step asks the host for anything, and what a recorded one reads keeps its place."""
    clip = clip_on("cuda")
    with caplog.at_level(logging.INFO, LOG):
        ours = trained(name, clip)
    replayed = gpu.replayed
    monkeypatch.setattr(loop, "recorder_for", lambda _: EagerRecorder())
    require_same(ours, trained(name, clip))
    if name != "group" and get_method(short_recipe(name).method).learner.not_capturable:
        assert "are not recorded: each step draws other texts" in caplog.text
        assert gpu.recorded == 0
    else:
        assert caplog.messages == []
        assert replayed > 0


def test_steps_of_each_shape_are_warmed_up_and_recorded_once(clip_on, gpu):
    """12 steps: 8 of four images and 4 of one, in the order long, long, short."""
    trained("coop", clip_on("cuda"), epochs=4)
    assert gpu.recorded == 2
    assert gpu.replayed == 12 - 2 * WARM_UP


def test_each_stage_of_a_method_is_recorded_for_itself(clip_on, gpu):
    trained("two_stage", clip_on("cuda"))
    assert gpu.recorded == 4


def test_what_the_host_knows_of_a_stage_is_read_anew_from_a_loaded_state(tiny_clip):
    learner, _ = ready_to_train(short_recipe("two_stage"), tiny_clip)
    before = {name: value.clone() for name, value in learner.train().state_dict().items()}
    assert learner.phase == "norms"
    learner.start_second_stage()
    assert learner.phase == "classifier"
    learner.load_state_dict(before)
    assert learner.phase == "norms"


def test_an_optimizer_that_starts_anew_is_read_where_it_is_then(clip_on, gpu):
    (ours, rows), (reference, _) = (
        trained("coop", clip_on(device), epochs=8, restart=0.5) for device in ("cuda", "cpu")
    )
    torch.testing.assert_close(ours["context"], reference["context"], rtol=0, atol=1e-4)
    assert gpu.recorded == 4, "both shapes before and behind it"
    assert len(rows) == 8


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_rates_and_steps_that_are_on_the_gpu_train_as_those_of_the_host(clip_on, gpu, optimizer):
    (ours, _), (reference, _) = (
        trained("coop", clip_on(device), optimizer=optimizer) for device in ("cuda", "cpu")
    )
    start, _ = ready_to_train(short_recipe("coop"), clip_on("cpu"))
    assert (reference["context"] - start.context).abs().max() > 1e-2
    torch.testing.assert_close(ours["context"], reference["context"], rtol=0, atol=1e-4)


def test_what_cannot_be_recorded_runs_as_it_stands_and_says_so(clip_on, gpu, monkeypatch, caplog):
    clip = clip_on("cuda")
    reference = trained("qrlp", clip)

    class Asking(CoOp):
        """Reads a number in every step."""

        def losses(self, images, labels):
            assert labels.max().item() >= 0
            return super().losses(images, labels)

    monkeypatch.setitem(METHODS, "coop", replace(get_method("coop"), learner=Asking))
    with caplog.at_level(logging.WARNING, LOG):
        ours = trained("qrlp", clip)
    (message,) = caplog.messages
    assert message.startswith("a step of Asking cannot be recorded (operation not permitted when ")
    require_same(ours, reference)


def test_a_recording_without_room_says_what_to_make_smaller(clip_on, gpu, caplog):
    clip = clip_on("cuda")
    reference = trained("coop", clip)
    gpu.is_full = True
    with caplog.at_level(logging.WARNING, LOG):
        ours = trained("coop", clip)
    (message,) = caplog.messages
    assert "(CUDA out of memory. Tried" in message
    assert message.endswith(
        "a smaller training.batch_size or training.memory_gb would leave room for it"
    )
    require_same(ours, reference)


def test_kernels_that_repeat_their_bits_are_asked_for_while_a_method_trains(clip_on, gpu):
    seen = []

    class Noted(CoOp):
        def losses(self, images, labels):
            seen.append(torch.are_deterministic_algorithms_enabled())
            return super().losses(images, labels)

    def train_noted(device: str) -> None:
        recipe = short_recipe("coop")
        learner, batches = ready_to_train(recipe, clip_on(device))
        learner.__class__ = Noted
        train(learner, batches, recipe.training)

    train_noted("cpu")
    assert not any(seen)
    seen.clear()
    train_noted("cuda")
    assert all(seen)
    assert not torch.are_deterministic_algorithms_enabled(), "it is as it was before"


def test_an_operation_without_such_kernels_is_named_and_trains_all_the_same(
    clip_on, gpu, monkeypatch, caplog
):
    clip = clip_on("cuda")
    reference = trained("qrlp", clip)

    class Summing(CoOp):
        """Adds up images one after the other, for which a GPU has no such kernel.

        It does so after it has drawn, and draws the same again when the step is.
        """

        def losses(self, images, labels):
            losses = super().losses(images, labels)
            assert images.cumsum(0).shape == images.shape
            return losses

    monkeypatch.setitem(METHODS, "coop", replace(get_method("coop"), learner=Summing))
    with caplog.at_level(logging.WARNING, "vlprompt_pipeline.training"):
        ours = trained("qrlp", clip)
    (message,) = caplog.messages
    said = "training Summing again with the same seed may give other last bits on this GPU: cumsum"
    assert message.startswith(said)
    assert gpu.replayed > 0, "it is recorded as any other"
    require_same(ours, reference)
    assert not torch.are_deterministic_algorithms_enabled()


def test_recordings_of_several_threads_wait_for_each_other(gpu):
    device = torch.device("cuda", 0)

    def record(_: int) -> None:
        recorder = CudaRecorder(device)
        for run in (recorder.warm_up, recorder.record):
            run(lambda: (time.sleep(0.05), torch.ones(2, device=device) + 1))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(record, range(3)))
    assert gpu.recorded == 3


def test_a_recording_that_fails_leaves_the_thread_on_its_stream(gpu):
    recorder, before = CudaRecorder(torch.device("cuda", 0)), torch.cuda.current_stream()
    with pytest.raises(GpuError, match="due to a previous error"):
        recorder.record(lambda: torch.ones(2, device="cuda").max().item())
    assert torch.cuda.current_stream() is before


def test_what_cannot_be_recorded_says_why():
    reasons = {name: get_method(name).learner.not_capturable for name in METHODS}
    said = {name: reason for name, reason in reasons.items() if reason}
    assert said == {"mma_plus_plus": "each step draws other texts, which have other lengths"}


def test_a_step_that_draws_another_shape_is_told_what_to_say():
    draws = Draws(torch.Generator())
    step = StepDraws(draws)
    for _ in range(2):
        step.refill()
        with step.prepared():
            draws.normal((2,), torch.zeros(1))
    sentence = r"a step drew \[2\] and now \[3\]: give the method a text in not_capturable"
    with step.prepared(), pytest.raises(RuntimeError, match=sentence):
        draws.normal((3,), torch.zeros(1))
