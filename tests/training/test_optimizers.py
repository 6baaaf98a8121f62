"""Optimizers, precisions and memory: equal to a plain loop, near single precision, same bits."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from learners import CLASSES, TRAINING, coop, random_views
from vlprompt_pipeline.config import TrainingParameters
from vlprompt_pipeline.errors import ConfigError, UserError
from vlprompt_pipeline.methods import PromptLearner, build_learner, resolve_recipe
from vlprompt_pipeline.training import learning_rate, train
from vlprompt_pipeline.training.precision import computing

DECAY = 0.1


def _training(**changes) -> TrainingParameters:
    return TrainingParameters(**{**TRAINING, "weight_decay": DECAY, **changes})


def _learner(clip) -> PromptLearner:
    return build_learner(coop(), clip, CLASSES, seed=1)


@pytest.mark.parametrize("decoupled", [False, True])
def test_adam_equals_its_formula(tiny_clip, decoupled):
    """Kingma & Ba, algorithm 1; decay added to the gradient, or taken off before (AdamW)."""
    training = _training(optimizer="adamw" if decoupled else "adam", epsilon=1e-3)
    learner, plain = _learner(tiny_clip), _learner(tiny_clip)
    train(learner, random_views(tiny_clip, 8), training)

    mean, square, step = torch.zeros(1), torch.zeros(1), 0
    for epoch in range(training.epochs):
        rate = learning_rate(epoch, training)
        for features, labels in random_views(tiny_clip, 8).epoch(epoch):
            loss = F.cross_entropy(plain.logits(features), labels)
            (gradient,) = torch.autograd.grad(loss, plain.context)
            step += 1
            with torch.no_grad():
                if decoupled:
                    plain.context *= 1 - rate * DECAY
                else:
                    gradient = gradient + DECAY * plain.context
                mean = 0.9 * mean + 0.1 * gradient
                square = 0.999 * square + 0.001 * gradient.square()
                root = (square / (1 - 0.999**step)).sqrt()
                plain.context -= rate * mean / (1 - 0.9**step) / (root + 1e-3)
    torch.testing.assert_close(learner.context, plain.context, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("lower_precision", "tolerance"), [("bf16", 0.1), ("fp16-amp", 0.02)])
def test_lower_precision_learns_nearly_the_same(tiny_clip, lower_precision, tolerance):
    single, lower = _learner(tiny_clip), _learner(tiny_clip)
    start = single.context.detach().clone()
    train(single, random_views(tiny_clip, 8), _training())
    clip = lower.clip
    train(lower, random_views(tiny_clip, 8), _training(precision=lower_precision))
    learned = single.context - start
    difference = (lower.context - single.context).norm() / learned.norm()
    assert 0 < difference <= tolerance
    assert lower.context.dtype == torch.float32
    assert lower.clip is clip
    assert clip.text.dtype == torch.float32


def test_memory_never_changes_a_bit(tiny_clip):
    ample, none = _learner(tiny_clip), _learner(tiny_clip)
    rows = train(ample, random_views(tiny_clip, 8), _training(memory_gb=1))
    again = train(none, random_views(tiny_clip, 8), _training(memory_gb=0))
    assert rows == again
    assert torch.equal(ample.context, none.context)


def test_gigabytes_of_a_recipe_are_what_a_pass_may_keep(tiny_clip):
    learner = _learner(tiny_clip)
    for given, memory in ((2, 2_000_000_000), (0.5, 500_000_000), (0, 0)):
        with computing(learner, _training(memory_gb=given)):
            assert learner.clip.text.memory == memory


def test_training_computes_in_the_precision_of_the_run_unless_told_otherwise(tiny_clip):
    learner = _learner(tiny_clip.on("cpu", "bf16"))
    for precision, dtype in (("auto", torch.bfloat16), ("fp32", torch.float32)):
        with computing(learner, _training(precision=precision)):
            assert learner.clip.text.dtype == dtype


def test_a_gradient_that_is_not_finite_ends_the_run(tiny_clip):
    """A finite loss with an infinite gradient, as a square root at zero has it."""
    learner = build_learner(coop(noise={"std": 0.01}), tiny_clip, CLASSES, seed=1)
    plain = learner.losses

    def losses(images, labels):
        return {**plain(images, labels), "root": (0 * learner.context.sum()).abs().sqrt()}

    learner.losses = losses
    with pytest.raises(
        UserError,
        match=r"the gradient of context is not finite in epoch 0, step 0, at learning rate 1e-05: "
        r"lower training.lr, or set training.precision to fp32",
    ):
        train(learner, random_views(tiny_clip, 8), _training())


def test_a_gradient_that_is_large_and_finite_is_taken(tiny_clip):
    learner = _learner(tiny_clip)
    learner.losses = lambda images, labels: {"steep": 1e30 * learner.context.sum()}
    train(learner, random_views(tiny_clip, 8), _training(epochs=1, lr=1e-32, warmup_lr=1e-32))
    assert learner.context.isfinite().all()


def test_a_scale_too_large_for_half_precision_skips_the_step(tiny_clip):
    """The scaled gradient overflows: the first step changes nothing, and the run goes on."""
    seen: list[torch.Tensor] = []
    learner = _learner(tiny_clip)
    plain = learner.losses

    def losses(images, labels):
        seen.append(learner.context.detach().clone())
        return {term: 2**8 * value for term, value in plain(images, labels).items()}

    learner.losses = losses
    train(learner, random_views(tiny_clip, 8), _training(precision="fp16-amp", epochs=12))
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[-1])
    assert learner.context.isfinite().all()


def test_what_trains_nothing_is_refused_in_a_sentence(tiny_clip):
    values = {"method": "zero_shot", "title": "", "prompt": {"templates": "benchmark"}}
    recipe = resolve_recipe("zero_shot", {"zero_shot": values})
    learner = build_learner(recipe, tiny_clip, CLASSES, seed=1)
    with pytest.raises(ConfigError, match="^training: ZeroShot has nothing to train; leave"):
        train(learner, random_views(tiny_clip, 8), _training())
