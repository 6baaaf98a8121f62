"""A registered method whose learner tells when it has trained an epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from vlprompt_pipeline.methods import METHODS, PromptLearner, get_method


def watch_epochs(
    monkeypatch: pytest.MonkeyPatch,
    told: Callable[[PromptLearner, int], object],
    method: str = "coop",
) -> None:
    """Call `told(learner, epoch)` behind the steps of each epoch, before its checkpoint is stored.

    What it raises ends the run there. All recipes of the method have such a learner, and results
    are known by the code of the method's own module as ever.
    """
    registered = get_method(method)
    learner = registered.learner

    def epoch_done(self: PromptLearner, epoch: int, epochs: int) -> None:
        learner.epoch_done(self, epoch, epochs)
        told(self, epoch)

    own = {"epoch_done": epoch_done, "__module__": learner.__module__}
    watched = type(learner.__name__, (learner,), own)
    monkeypatch.setitem(METHODS, method, replace(registered, learner=watched))
