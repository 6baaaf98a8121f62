"""2SFS passes to its second stage when its share of the epochs is over."""

from __future__ import annotations

import pytest

from learners import untrained


@pytest.mark.parametrize(
    ("share", "epochs", "first_stage"),
    [(0.6, 20, 12), (0.6, 3, 2), (0.01, 10, 1), (0.99, 10, 9), (0.5, 2, 1)],
)
def test_the_second_stage_begins_after_its_share_of_the_epochs(
    tiny_clip, share, epochs, first_stage
):
    learner = untrained(tiny_clip, "two_stage", template="a photo of a {}.", share=share)
    phases = []
    for epoch in range(epochs):
        phases.append(learner.phase)
        learner.epoch_done(epoch, epochs)
    assert phases == ["norms"] * first_stage + ["classifier"] * (epochs - first_stage)
