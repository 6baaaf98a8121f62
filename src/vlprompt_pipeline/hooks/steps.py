"""Log one line for each finished node of a run: its seconds and its name."""

from __future__ import annotations

import logging
from time import perf_counter
from typing import Any

from kedro.framework.hooks import hook_impl

logger = logging.getLogger(__name__)


class StepHook:
    """Log finished nodes; Kedro's own three lines a node are off in conf/logging.yml.

    Attributes:
        seconds: of the finished nodes of this run; Kedro tells of none with worker processes.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._started: dict[str, float] = {}

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Forget the nodes of the run before, as in a sweep."""
        self.seconds.clear()

    @hook_impl
    def before_node_run(self, node: Any) -> None:
        """Start the clock of this node; threads run several."""
        self._started[node.name] = perf_counter()

    @hook_impl
    def after_node_run(self, node: Any) -> None:
        """Log its name and seconds."""
        self.seconds[node.name] = perf_counter() - self._started.pop(node.name)
        logger.info("%7.2f s  %s", self.seconds[node.name], node.name)
