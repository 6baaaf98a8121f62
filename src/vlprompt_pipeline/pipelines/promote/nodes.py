"""From candidates to champions."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from vlprompt_pipeline import registry
from vlprompt_pipeline.config import TrackingParameters
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.registry.config import RegistryParameters

logger = logging.getLogger(__name__)


def promote_candidates(
    prefix: str,
    dataset: str,
    how: RegistryParameters,
    tracking: TrackingParameters,
    project: Path,
    given: dict[str, Any],
    methods: tuple[str, ...],
) -> list[dict[str, Any]]:
    """Promote the candidates that are better; return which were promoted, and why.

    Methods with nothing to promote are left out, unless the command line, whose parameters are
    `given`, names methods.

    Raises:
        UserError: a candidate was not shown to be better, with the figures.
    """
    models = registry.ModelRegistry.open(tracking, project)
    named = "methods" in given
    decisions = registry.promote(models, f"{prefix}{dataset}", methods, how.promote, named=named)
    for decision in decisions:
        if decision.promoted:
            logger.info("%s is the champion (%s)", decision.candidate, decision.why)
    if sentence := registry.refusal(decisions):
        raise UserError(sentence)
    return [
        {"model": d.candidate.name, "version": d.candidate.number, "why": d.why} for d in decisions
    ]
