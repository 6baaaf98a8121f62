"""Which outputs of a run go to MLflow, by the catalog's `metadata.mlflow`, and tags read from them.

An output with a namespace, such as `coop.metrics`, is a method's; the others are the cell's.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from vlprompt_pipeline.datasets import datasets_of


class LoggedOutput(NamedTuple):
    """An output, and how it is logged: `artifact`, `metrics` or `history`."""

    dataset: Any
    kind: str


def logged_outputs(
    pipeline: Any, catalog: Any
) -> tuple[dict[str, LoggedOutput], dict[str, dict[str, LoggedOutput]]]:
    """List the outputs to log by name: shared ones, and those of each method.

    The reproducibility record, which a hook has written, goes with the method's.
    """
    shared: dict[str, LoggedOutput] = {}
    by_method: dict[str, dict[str, LoggedOutput]] = {}
    for name, dataset in datasets_of(catalog, pipeline.all_outputs()):
        kind = (getattr(dataset, "metadata", None) or {}).get("mlflow")
        method, namespaced, _ = name.partition(".")
        if kind is not None:
            outputs = by_method.setdefault(method, {}) if namespaced else shared
            outputs[name] = LoggedOutput(dataset, kind)
    for method, outputs in by_method.items():
        if catalog.exists(record := f"{method}.reproducibility"):
            outputs[record] = LoggedOutput(catalog.get(record), "artifact")
    return shared, by_method


def data_tags(pipeline: Any, catalog: Any) -> dict[str, str]:
    """Return a tag for runs on another split than the official one."""
    if "dataset_card" not in pipeline.datasets():
        return {}
    mark = catalog.load("dataset_card").random_split
    return {"split": mark} if mark else {}


def made_with(catalog: Any, method: str) -> dict[str, str]:
    """Return tags of the environment that made the method's files, to search runs by."""
    record = f"{method}.reproducibility"
    if not catalog.exists(record):
        return {}
    made = catalog.load(record)["runs"][-1]["environment"]
    return {
        "made.commit": str(made["code"]["commit"]),
        "made.dirty": str(made["code"]["dirty"]),
        "made.torch": made["versions"]["torch"],
        "made.cpu": made["hardware"]["cpu"],
    }


def prompt_hash(method: str, outputs: dict[str, LoggedOutput]) -> dict[str, str]:
    """Return the hash by which a registered model finds the run of its prompt."""
    if (packed := outputs.get(f"{method}.packed_prompt")) is None:
        return {}
    return {"prompt_sha256": hashlib.sha256(packed.dataset.load()).hexdigest()}
