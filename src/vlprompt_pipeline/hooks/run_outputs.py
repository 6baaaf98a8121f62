"""Which outputs of a run go to MLflow, by the catalog's `metadata.mlflow`, and tags read from them.

An output with a namespace, such as `coop.metrics`, is a method's; the others are the cell's.
"""

from __future__ import annotations

import hashlib
from typing import Any


def logged_outputs(pipeline: Any, catalog: Any) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """List the outputs to log and how: shared ones, and those of each method.

    The reproducibility record, which a hook has written, goes with the method's.
    """
    shared: dict[str, str] = {}
    by_method: dict[str, dict[str, str]] = {}
    for name in sorted(pipeline.all_outputs()):
        kind = (getattr(catalog.get(name), "metadata", None) or {}).get("mlflow")
        method, namespaced, _ = name.partition(".")
        if kind is not None:
            (by_method.setdefault(method, {}) if namespaced else shared)[name] = kind
    for method, outputs in by_method.items():
        if catalog.exists(record := f"{method}.reproducibility"):
            outputs[record] = "artifact"
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


def prompt_hash(catalog: Any, method: str, outputs: dict[str, str]) -> dict[str, str]:
    """Return the hash by which a registered model finds the run of its prompt."""
    name = f"{method}.packed_prompt"
    if name not in outputs:
        return {}
    return {"prompt_sha256": hashlib.sha256(catalog.load(name)).hexdigest()}
