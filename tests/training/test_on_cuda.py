"""On a real GPU recorded steps train as those that run as they stand, and the host never waits.

`test_capture.py` holds the same without a GPU, on a simulated one.
"""

from __future__ import annotations

import pytest
import torch

from training.recipes import TRAINED, Batches, group, images_of, ready_to_train, short_recipe
from vlprompt_pipeline.clip import load_clip
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.training import loop, train
from vlprompt_pipeline.training.capture import Steps
from vlprompt_pipeline.training.side_by_side import Streams
from vlprompt_pipeline.training.step import TrainingStep

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no CUDA device")

NAMES = [*TRAINED, "group"]
ASKED_ONCE = 3
"""Steps of a shape in which what follows from names and shapes is made and brought to the GPU."""


@pytest.fixture(scope="module")
def clip(tiny_clip_folder):
    return load_clip(f"local-dir:{tiny_clip_folder}", "tiny", "cuda", precision="fp32")


def trained(name: str, clip, **training):
    """The tensors of a learner after a few steps, as one vector of the host, and its history."""
    recipe = short_recipe("coop" if name == "group" else name, **training)
    if name == "group":
        learner = group(clip)
        images = images_of(learner)
        batches = Streams([Batches(images), Batches(-images)])
    else:
        learner, batches = ready_to_train(recipe, clip)
    rows = train(learner, batches, recipe.training)
    values = [v.detach().double().flatten().cpu() for v in learner.state_dict().values()]
    return torch.cat(values), rows


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_training_repeats_its_bits_and_is_that_of_single_steps(
    name, clip, monkeypatch, caplog
):
    recorded, again = trained(name, clip), trained(name, clip)
    assert torch.equal(recorded[0], again[0])
    assert recorded[1] == again[1]
    assert "cannot be recorded" not in caplog.text
    assert "other last bits" not in caplog.text
    monkeypatch.setattr(loop, "recorder_for", lambda _: None)
    alone, _ = trained(name, clip)
    torch.testing.assert_close(recorded[0], alone, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_no_step_makes_the_host_wait(name, clip, monkeypatch):
    taken: dict[object, int] = {}
    take = TrainingStep.__call__

    def step(self, images, labels):
        key = self.running.learner.phase, images.shape
        taken[key] = taken.get(key, 0) + 1
        if taken[key] <= ASKED_ONCE or self.running.learner.not_capturable:
            return take(self, images, labels)
        torch.cuda.set_sync_debug_mode("error")
        try:
            return take(self, images, labels)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(TrainingStep, "__call__", step)
    monkeypatch.setattr(loop, "recorder_for", lambda _: None)
    trained(name, clip, epochs=14 if name == "two_stage" else 6)
    assert max(taken.values()) > ASKED_ONCE


@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16-amp"])
def test_each_precision_trains_recorded_as_alone(precision, clip, monkeypatch):
    recorded, _ = trained("coop", clip, precision=precision)
    monkeypatch.setattr(loop, "recorder_for", lambda _: None)
    alone, _ = trained("coop", clip, precision=precision)
    torch.testing.assert_close(recorded, alone, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_a_recorded_step_that_went_wrong_is_named(broken, clip):
    learner, batches = ready_to_train(short_recipe("coop"), clip)
    recipe = short_recipe("coop", epochs=4)
    epoch = batches.epoch

    def spoiled(number):
        for step, (images, labels) in enumerate(epoch(number)):
            yield (images * broken if (number, step) == (3, 1) else images), labels

    batches.epoch = spoiled
    with pytest.raises(UserError, match="in epoch 3, step 1, at learning rate"):
        train(learner, batches, recipe.training)


def test_pixels_that_come_by_a_stream_of_their_own_arrive(clip):
    from vlprompt_pipeline.clip.transfer import transferred

    items = [(torch.full((256, 256), float(i)), torch.tensor([i])) for i in range(50)]
    for i, (pixels, label) in enumerate(transferred(iter(items), torch.device("cuda"))):
        assert label.item() == i
        assert torch.equal(pixels.cpu(), items[i][0])


def test_steps_are_recorded_on_it(clip):
    recipe = short_recipe("coop", epochs=6)
    learner, batches = ready_to_train(recipe, clip)
    replays = []
    record = Steps._take

    def take(self, images, labels):
        result = record(self, images, labels)
        replays.append([each._replay is not None for each in self._alike.values()])
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Steps, "_take", take)
        train(learner, batches, recipe.training)
    assert all(replays[-1])
