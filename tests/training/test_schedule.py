"""Learning rates are those the official training printed."""

from __future__ import annotations

import json
import math

import pytest

from parity import DATA
from vlprompt_pipeline.config import TrainingParameters
from vlprompt_pipeline.training import learning_rate

SCHEDULES = json.loads((DATA / "learning_rate_schedules.json").read_text())["schedules"]


def _training(**changes) -> TrainingParameters:
    fixed = {"batch_size": 1, "momentum": 0.9, "weight_decay": 0.0}
    return TrainingParameters(**{**fixed, **changes})


def test_both_stages_of_a_restart_have_a_cosine_of_their_own():
    """2SFS: 4 and 6 epochs of 10, each from the rate itself."""
    training = _training(epochs=10, lr=0.2, warmup_epochs=0, warmup_lr=0.0, restart=0.4)
    expected = [0.1 * (1 + math.cos(math.pi * e / n)) for n in (4, 6) for e in range(n)]
    assert [learning_rate(epoch, training) for epoch in range(10)] == pytest.approx(expected)


@pytest.mark.parametrize(
    "schedule", SCHEDULES, ids=lambda s: f"{s['base_learning_rate']}-{s['epochs']}"
)
def test_equals_dassl(schedule):
    training = _training(
        epochs=schedule["epochs"],
        lr=schedule["base_learning_rate"],
        warmup_epochs=schedule["warmup_epochs"],
        warmup_lr=schedule["warmup_learning_rate"],
    )
    ours = [learning_rate(epoch, training) for epoch in range(training.epochs)]
    assert ours == pytest.approx(schedule["learning_rate_per_epoch"], rel=1e-12)
