"""Recorded and replayed steps train as those that run as they stand."""

from __future__ import annotations

import logging
from functools import partial

import pytest
import torch

from training.tape import TapeRecorder, WitnessRecorder
from training.test_without_the_host import CLASSES, LABELS, RECIPES, _images, _smaller
from vlprompt_pipeline.methods import build_learner, resolve_recipe
from vlprompt_pipeline.training import loop, train
from vlprompt_pipeline.training.capture import WARM_UP, EagerRecorder
from vlprompt_pipeline.training.optimizers import make_optimizer
from vlprompt_pipeline.training.side_by_side import SideBySide, Streams

RECORDED = [
    "coop",
    "qrlp",
    "rp_coop",
    "prograd",
    "variational",
    "variational_conditional",
    "coop_with_noise",
    "coop_with_adam",
    "stochastic",
    "scaled",
    "half",
    "two_stage",
    "promptsrc",
    "clip_lora",
    "group",
]
LONG = {"rp_coop", "prograd", "variational_conditional", "coop_with_noise", "clip_lora"}
HALF = {"extends": "coop", "training": {"precision": "fp16-amp"}}
GROUP = ("coop", "qrlp", "coop_with_noise")
"""Recipes that train side by side, with two seeds each."""
QUANTIZE = {"min_interval_steps": 2, "kl_threshold": 1e-4}
FEW = {"epochs": 4, "steps": None, "lr": 0.05, "warmup_epochs": 1}
MORE = {"two_stage": {"epochs": 12}}  # each stage is recorded for itself


class Batches:
    """Three batches an epoch, the last of them short."""

    steps = 3

    def __init__(self, images: torch.Tensor) -> None:
        self.images = images

    def epoch(self, number: int):
        """Yield pairs of images and labels."""
        order = torch.randperm(len(LABELS), generator=torch.Generator().manual_seed(number))
        for rows in (order[:4], order[1:5], order[5:]):
            yield self.images[rows], LABELS[rows]


def _trained(name: str, clip, recorder=None, monkeypatch=None):
    base = {**RECIPES, "half": HALF, "group": RECIPES["coop"]}
    settings = {"extends": name} if name in ("half", "group") else _smaller(name)
    quantize = base[name].get("quantize") or {}
    if quantize:
        settings["quantize"] = QUANTIZE
    recipe = resolve_recipe(
        "mine", {**base, "mine": {**settings, "training": FEW | MORE.get(name, {})}}
    )
    learner = group(clip) if name == "group" else build_learner(recipe, clip, CLASSES, seed=1)
    images = _images(learner)
    batches = Batches(images)
    if name == "group":
        batches = Streams([batches, Batches(-images)])
    running = {}

    def optimizer(*arguments):
        running["optimizer"] = made = make_optimizer(*arguments, on_device=True)
        return made

    def changed():
        yield from learner.state_dict(keep_vars=True).values()
        for state in running["optimizer"].state.values():
            yield from (value for value in state.values() if isinstance(value, torch.Tensor))
        yield from (t for t in scaler_tensors(running["scaler"]))

    made = loop.computing

    def computing(*arguments):
        context = made(*arguments)

        class Seen:
            def __enter__(self):
                running["scaler"] = context.__enter__()
                return running["scaler"]

            def __exit__(self, *error):
                return context.__exit__(*error)

        return Seen()

    with monkeypatch.context() as patch:
        patch.setattr(loop, "make_optimizer", optimizer)
        patch.setattr(loop, "computing", computing)
        chosen = TapeRecorder(changed) if recorder == "tape" else recorder
        patch.setattr(loop, "recorder_for", lambda _: chosen)
        rows = train(learner, batches, recipe.training)
    return learner.state_dict(), rows, chosen


def group(clip) -> SideBySide:
    """Two seeds of each recipe of `GROUP`, as one learner."""
    recipes = [resolve_recipe(name, RECIPES) for name in GROUP]
    learners = [build_learner(each, clip, CLASSES, seed) for each in recipes for seed in (1, 2)]
    return SideBySide(learners, [0, 1] * len(recipes))


def scaler_tensors(scaler):
    """Give what a scaler of the loss changes in a step."""
    held = (getattr(scaler, name, None) for name in ("_scale", "_growth_tracker"))
    return [tensor for tensor in held if tensor is not None]


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.long] * (n in LONG)) for n in RECORDED]
)
def test_replayed_operations_train_as_the_steps_themselves(name, tiny_clip, monkeypatch):
    """No line of Python runs in a replay: draws, labels and rates come by tensors alone."""
    state, rows, _ = _trained(name, tiny_clip, None, monkeypatch)
    again, same, tape = _trained(name, tiny_clip, "tape", monkeypatch)
    assert tape.happened.count("replay") > WARM_UP
    assert same == rows
    for tensor, value in state.items():
        assert torch.equal(again[tensor], value), tensor


@pytest.mark.parametrize(
    "name",
    [
        "two_stage",
        "scaled",
        *(pytest.param(n, marks=pytest.mark.long) for n in ("qrlp", "stochastic", "mmrl")),
    ],
)
def test_what_a_recorded_step_reads_keeps_its_place(name, tiny_clip, monkeypatch):
    """A graph reads by address: what it read when it was recorded must not be freed."""
    recorder = WitnessRecorder()
    _trained(name, tiny_clip, recorder, monkeypatch)
    assert recorder.replays > 2


def test_steps_of_each_shape_are_warmed_up_and_recorded_once(tiny_clip, monkeypatch):
    """12 steps: 8 of four images and 4 of one, in the order long, long, short."""
    _, _, tape = _trained("coop", tiny_clip, "tape", monkeypatch)
    assert tape.happened.count("warm") == 2 * WARM_UP
    assert tape.happened.count("record") == 2
    assert tape.happened.count("replay") == 12 - 2 * WARM_UP


def test_each_stage_of_a_method_is_recorded_for_itself(tiny_clip, monkeypatch):
    _, _, tape = _trained("two_stage", tiny_clip, "tape", monkeypatch)
    assert tape.happened.count("warm") > 2 * WARM_UP


def test_the_eager_twin_trains_as_the_steps_themselves(tiny_clip, monkeypatch):
    state, rows, _ = _trained("qrlp", tiny_clip, None, monkeypatch)
    again, same, _ = _trained("qrlp", tiny_clip, EagerRecorder(), monkeypatch)
    assert same == rows
    assert all(torch.equal(again[name], value) for name, value in state.items())


class Refusing(EagerRecorder):
    """Refuses to record, as CUDA does where a step asks for a value."""

    def record(self, call):
        """Refuse."""
        raise RuntimeError("operation not permitted when stream is capturing\nand more")


def test_what_cannot_be_recorded_runs_as_it_stands_and_says_so(tiny_clip, monkeypatch, caplog):
    state, rows, _ = _trained("qrlp", tiny_clip, None, monkeypatch)
    with caplog.at_level(logging.WARNING, "vlprompt_pipeline.training.capture"):
        again, same, _ = _trained("qrlp", tiny_clip, Refusing(), monkeypatch)
    (message,) = caplog.messages
    assert message.startswith(
        "a step of CoOp cannot be recorded (operation not permitted when stream is capturing): "
    )
    assert same == rows
    assert all(torch.equal(again[name], value) for name, value in state.items())


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_rates_on_the_device_train_as_those_of_the_host(tiny_clip, monkeypatch, optimizer):
    training = {**FEW, "optimizer": optimizer}
    recipe = resolve_recipe("mine", {**RECIPES, "mine": {"extends": "coop", "training": training}})
    found = []
    for on_device in (False, True):
        learner = build_learner(recipe, tiny_clip, CLASSES, seed=1)
        start = learner.context.detach().clone()
        monkeypatch.setattr(loop, "make_optimizer", partial(make_optimizer, on_device=on_device))
        train(learner, Batches(_images(learner)), recipe.training)
        found.append(learner.context.detach())
    assert (found[0] - start).abs().max() > 1e-2
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=1e-6)
