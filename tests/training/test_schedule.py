"""Learning rates are those the official training printed."""

from __future__ import annotations

import json

import pytest

from parity import DATA
from vlprompt_pipeline.config import TrainingParameters
from vlprompt_pipeline.training import learning_rate

SCHEDULES = json.loads((DATA / "learning_rate_schedules.json").read_text())["schedules"]


def _training(**changes) -> TrainingParameters:
    fixed = {"batch_size": 1, "momentum": 0.9, "weight_decay": 0.0}
    return TrainingParameters(**{**fixed, **changes})


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
