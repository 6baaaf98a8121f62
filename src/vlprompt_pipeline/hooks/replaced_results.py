"""Tell which stored results a run replaces, as it has other settings than they were made with."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

logger = logging.getLogger(__name__)


def replaced_results(
    outputs: set[str], catalog: Any, parameters: Mapping[str, Any], cell: str
) -> Iterator[str]:
    """Yield a sentence for each method whose stored result in a cell has other settings.

    Trials of `kedro tune` are there to be replaced.
    """
    from vlprompt_pipeline.config import TRIAL
    from vlprompt_pipeline.methods.recipe import resolve_recipe
    from vlprompt_pipeline.reproducibility.record import as_run, result_parameters

    if parameters["clip"]["name"].endswith(TRIAL):
        return
    for name in sorted(outputs):
        method, _, output = name.partition(".")
        if output != "prompt" or not catalog.exists(record := f"{method}.reproducibility"):
            continue
        try:
            stored = catalog.load(name).resolved_recipe().deciding
            stored_parameters = as_run(catalog.load(record)["runs"][-1]["parameters"])
        except Exception as error:  # the node that uses a broken file reports it better
            logger.debug("what is stored of %s cannot be read: %s", method, error)
            continue
        recipe = resolve_recipe(method, parameters["recipes"]).deciding
        changed = _named_differences(
            {**stored, "parameters": stored_parameters},
            {**recipe, "parameters": as_run(result_parameters(parameters))},
        )
        if changed:
            kept = "; MLflow keeps both" if parameters["tracking"]["enabled"] else ""
            yield (
                f"{method} in {cell} is stored with {changed}: this run replaces it on disk{kept}"
            )


def _named_differences(stored: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Write the differences, for instance "training.epochs=7 (now 41)"."""
    from vlprompt_pipeline.reproducibility.differences import differences
    from vlprompt_pipeline.reproducibility.record import HOW_IMAGES_ARE_READ

    unremarkable = {f"parameters.features.{name}" for name in HOW_IMAGES_ARE_READ}
    return ", ".join(
        f"{key.removeprefix('parameters.')}={then} (now {here})"
        for key, (then, here) in differences(stored, now).items()
        if key not in unremarkable
    )
