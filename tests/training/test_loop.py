"""Training: equal to a plain loop, deterministic, and continued where it was killed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch.amp import GradScaler
from torch.nn import functional as F

from learners import CLASSES, coop, random_views
from training.cuts import require_same_bits_after_a_cut, require_same_tensors
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.methods import Recipe, build_learner
from vlprompt_pipeline.parametrizations import quantized_tensors
from vlprompt_pipeline.training import CachedViews, Checkpoint, learning_rate, train
from vlprompt_pipeline.training.checkpoint import Running


def _recipe(epochs: int = 6, bits: int | None = None, lr: float = 0.02) -> Recipe:
    return coop(training={"epochs": epochs, "lr": lr}, quantize=bits and {"bits": bits})


def _train(clip, recipe: Recipe, checkpoint: Checkpoint | None = None):
    learner = build_learner(recipe, clip, CLASSES, seed=1)
    rows = train(learner, random_views(clip), recipe.training, checkpoint)
    return learner, rows


@pytest.mark.parametrize("restart", [None, 0.5])
def test_equals_a_plain_loop(tiny_clip, restart):
    recipe = coop(training={"epochs": 6, "lr": 0.02, "restart": restart})
    learner, rows = _train(tiny_clip, recipe)

    plain = build_learner(recipe, tiny_clip, CLASSES, seed=1)
    velocity = torch.zeros_like(plain.context)
    for epoch in range(6):
        rate = learning_rate(epoch, recipe.training)
        if restart and epoch == 3:
            velocity = torch.zeros_like(velocity)
        losses = []
        for features, labels in random_views(tiny_clip).epoch(epoch):
            loss = F.cross_entropy(plain.logits(features), labels)
            (gradient,) = torch.autograd.grad(loss, plain.context)
            with torch.no_grad():
                velocity = 0.9 * velocity + gradient + 5e-4 * plain.context
                plain.context -= rate * velocity
            losses.append(loss.item())
        assert len(losses) == 2  # 11 images, batches of 4: the short one is dropped
        assert rows[epoch]["loss"] == pytest.approx(sum(losses) / 2, rel=1e-6)
        assert rows[epoch]["learning_rate"] == rate
    torch.testing.assert_close(learner.context, plain.context, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("bits", [None, 1])
def test_same_seed_same_bits(tiny_clip, bits):
    first, rows = _train(tiny_clip, _recipe(bits=bits))
    second, again = _train(tiny_clip, _recipe(bits=bits))
    assert rows == again
    require_same_tensors(second.state_dict(), first.state_dict())


def test_every_epoch_has_its_own_order_and_views(tiny_clip):
    batches = random_views(tiny_clip)
    epochs = [torch.cat([features for features, _ in batches.epoch(e)]) for e in (0, 1, 0)]
    assert torch.equal(epochs[0], epochs[2])
    assert not torch.equal(epochs[0], epochs[1])


def test_a_set_smaller_than_the_batch_is_one_batch(tiny_clip):
    batches = CachedViews(torch.ones(3, 1, 16), torch.arange(3), batch_size=32, seed=0)
    assert batches.steps == 1
    assert [len(labels) for _, labels in batches.epoch(0)] == [3]


@pytest.mark.parametrize(
    ("images", "drop_last", "steps"), [(11, True, 2), (11, False, 3), (8, True, 2), (8, False, 2)]
)
def test_a_short_batch_counts_where_there_is_one_and_it_is_kept(images, drop_last, steps):
    views, labels = torch.ones(images, 1, 16), torch.arange(images)
    assert CachedViews(views, labels, batch_size=4, seed=0, drop_last=drop_last).steps == steps


@pytest.mark.parametrize(("images", "sizes"), [(9, [4, 4]), (3, [4])])
def test_views_apart_are_as_many_full_batches_as_there_are_of_images(images, sizes):
    """CLAP draws from all views, a view once an epoch; also where one batch holds all images."""
    features = torch.cartesian_prod(torch.arange(images), torch.arange(5)).view(images, 5, 2)
    batches = CachedViews(features, torch.arange(images), batch_size=4, seed=0, apart=True)
    assert batches.steps == len(sizes)
    for epoch in range(20):
        drawn = list(batches.epoch(epoch))
        assert [len(labels) for _, labels in drawn] == sizes
        assert all(torch.equal(pairs[:, 0], labels) for pairs, labels in drawn)
        assert len(torch.cat([pairs for pairs, _ in drawn]).unique(dim=0)) == sum(sizes)
    seen = torch.cat([pairs for epoch in range(50) for pairs, _ in batches.epoch(epoch)])
    assert len(seen.unique(dim=0)) == 5 * images


def test_a_kept_short_batch_is_trained_on(tiny_clip):
    """11 images in batches of 4: two batches, or three with the short one."""
    seen = {}
    for drop_last in (True, False):
        batches = replace(random_views(tiny_clip), drop_last=drop_last)
        learner, given = build_learner(_recipe(), tiny_clip, CLASSES, seed=1), []
        losses = learner.losses

        def record(images, labels, losses=losses, given=given):
            given.append(len(labels))
            return losses(images, labels)

        learner.losses = record
        rows = train(learner, batches, _recipe(epochs=2).training)
        assert given == 2 * ([4, 4] if drop_last else [4, 4, 3])
        assert [row["epoch"] for row in rows] == [0, 1]
        seen[drop_last] = learner.context.detach()
    assert not torch.equal(seen[True], seen[False])
    labels = torch.cat([labels for _, labels in batches.epoch(0)])
    assert sorted(labels.tolist()) == sorted(batches.labels.tolist())


@pytest.mark.parametrize(
    ("quantize", "steps"),
    [
        ({}, [0, 2, 4]),  # the interval is an epoch
        ({"min_interval_steps": 1}, [0, 1, 2, 3, 4]),
        ({"min_interval_steps": 3}, [0, 3]),
        ({"post_training": True}, [4]),
    ],
)
def test_codebooks_are_made_after_the_steps_done(
    tiny_clip, quantize: dict[str, Any], steps: list[int]
):
    """2 epochs of 2 steps; without a threshold any drift counts."""
    config = {"bits": 8, "kl_threshold": 0, **quantize}
    training = {"epochs": 2, "lr": 0.5, "warmup_lr": 0.5}
    _, rows = _train(tiny_clip, coop(training=training, quantize=config))
    assert [made["step"] for row in rows for made in row["clusterings"]] == steps


@pytest.mark.parametrize(("steps", "epochs"), [(1, 1), (4, 2), (5, 3), (6, 3)])
def test_steps_are_taken_in_whole_epochs_with_their_schedule(tiny_clip, steps, epochs):
    recipe = _recipe(epochs=epochs)
    counted = recipe.training.model_copy(update={"epochs": None, "steps": steps})
    assert random_views(tiny_clip).steps == 2
    learner, rows = _train(tiny_clip, recipe.model_copy(update={"training": counted}))
    expected, expected_rows = _train(tiny_clip, recipe)
    assert rows == expected_rows
    assert torch.equal(learner.state_dict()["context"], expected.state_dict()["context"])


def test_the_codebook_stands_in_the_history(tiny_clip):
    _, rows = _train(tiny_clip, _recipe(bits=2))
    assert rows[0]["context.reclustered"] >= 1
    assert all(row["context.squared_error"] > 0 for row in rows if "context.squared_error" in row)


def test_a_row_tells_the_largest_drift_and_the_last_error_of_its_epoch(tiny_clip):
    recipe = coop(
        training={"epochs": 2, "lr": 0.5, "warmup_lr": 0.5},
        quantize={"bits": 8, "min_interval_steps": 1, "kl_threshold": 0},
    )
    learner = build_learner(recipe, tiny_clip, CLASSES, seed=1)
    (link,), seen = [each.quantizer for each in quantized_tensors(learner)], []
    popped = link.pop_history
    link.pop_history = lambda: seen.append(popped()) or seen[-1]
    rows = train(learner, random_views(tiny_clip), recipe.training)
    for row, checks in zip(rows, seen, strict=True):
        assert len({check.kl for check in checks}) > 1
        assert row["context.drift"] == max(check.kl for check in checks)
        assert row["context.squared_error"] == checks[-1].mean_squared_error
        assert row["context.reclustered"] == sum(check.reclustered for check in checks)


def test_a_look_at_a_spectrum_makes_no_codebook_of_training(tiny_clip):
    """Factors that are quantized afterwards have their only codebooks from the last step."""
    recipe = coop(low_rank={"rank": 1, "dropout": 0.0}, quantize={"bits": 1, "post_training": True})
    _, rows = _train(tiny_clip, recipe)
    made = [
        (row["epoch"], each["tensor"], each["step"]) for row in rows for each in row["clusterings"]
    ]
    assert made == [(2, "context.a", 6), (2, "context.b", 6)]


def test_no_epochs_change_nothing(tiny_clip):
    learner, rows = _train(tiny_clip, _recipe(epochs=0, bits=1))
    assert rows == []
    assert not learner.training
    start = build_learner(_recipe(bits=1), tiny_clip, CLASSES, seed=1)
    require_same_tensors(learner.prompt_tensors(), start.eval().prompt_tensors())


def test_a_step_that_went_wrong_is_named_and_not_what_it_led_to(tiny_clip):
    learner = build_learner(_recipe(), tiny_clip, CLASSES, seed=1)
    plain, taken = learner.losses, []

    def losses(images, labels):
        taken.append(len(labels))
        if len(taken) > 1:
            raise ArithmeticError
        return {name: torch.nan * value for name, value in plain(images, labels).items()}

    learner.losses = losses
    with pytest.raises(UserError, match="the loss is nan in epoch 0, step 0"):
        train(learner, random_views(tiny_clip), _recipe().training)


def test_a_loss_that_is_not_finite_ends_the_run(tiny_clip):
    with pytest.raises(UserError, match=r"the loss is nan in epoch \d, step \d, at learning rate"):
        _train(tiny_clip, _recipe(lr=1e38))


@pytest.mark.parametrize(
    ("features", "labels"),
    [
        (torch.ones(4, 16), torch.arange(4)),
        (torch.ones(4, 1, 16), torch.arange(5)),
        (torch.ones(4, 1, 16), torch.ones(4)),
        (torch.ones(0, 1, 16), torch.arange(0)),
    ],
)
def test_tensors_that_do_not_fit_each_other_are_refused(features, labels):
    with pytest.raises(UserError, match=r"^features are \[.*\] with \d labels of torch"):
        CachedViews(features, labels, 2, seed=1)


class TestCheckpoint:
    @pytest.mark.parametrize("bits", [None, 1])
    @pytest.mark.parametrize("after", [0, 1, 4])
    def test_a_run_cut_after_any_epoch_ends_with_the_same_bits(
        self, tiny_clip, tmp_path, bits, after
    ):
        trained = partial(_train, tiny_clip, _recipe(bits=bits))
        require_same_bits_after_a_cut(trained, tmp_path / "c.safetensors", after + 1)

    def test_an_optimizer_without_momentum_keeps_nothing(self, tiny_clip, tmp_path):
        trained = partial(_train, tiny_clip, coop(training={"momentum": 0}))
        require_same_bits_after_a_cut(trained, tmp_path / "c.safetensors", 1)

    def test_the_scale_of_half_precision_is_kept(self, tiny_clip, tmp_path):
        learner = build_learner(_recipe(), tiny_clip, CLASSES, seed=1)
        one, other = (
            Running(
                learner, torch.optim.SGD([learner.context]), GradScaler("cpu", init_scale=scale)
            )
            for scale in (8.0, 1024.0)
        )
        checkpoint = Checkpoint(tmp_path / "c.safetensors", "this")
        checkpoint.save(one, [{"epoch": 0}], 1)
        assert checkpoint.restore(other) == (1, [{"epoch": 0}])
        assert other.scaler.get_scale() == 8

    def test_of_another_run_is_not_used_and_no_reason_to_warn(self, tiny_clip, tmp_path, caplog):
        path = tmp_path / "c.safetensors"
        _train(tiny_clip, _recipe(epochs=2, lr=0.5), Checkpoint(path, "other"))
        alone, _ = _train(tiny_clip, _recipe())
        beside, _ = _train(tiny_clip, _recipe(), Checkpoint(path, "this"))
        assert torch.equal(alone.context, beside.context)
        assert not caplog.messages

    def test_a_broken_file_starts_anew(self, tiny_clip, tmp_path):
        path = tmp_path / "c.safetensors"
        path.write_bytes(b"half a file")
        _, rows = _train(tiny_clip, _recipe(), Checkpoint(path, "this"))
        assert len(rows) == 6
