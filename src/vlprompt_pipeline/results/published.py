"""Figures printed in the papers, each with its source, to set beside our own.

`published_results.csv` holds other people's figures for the official recipes, mostly copied from
paper to paper: a column to look at, not a test to pass.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

_METHODS = {
    "zero_shot": "CLIP",
    "coop": "CoOp",
    "cocoop": "CoCoOp",
    "kgcoop": "KgCoOp",
    "prograd": "ProGrad",
    "maple": "MaPLe",
    "promptsrc": "PromptSRC",
    "tcp": "TCP",
    "qcoop": "QCoOp",
    "qmaple": "QMaPLe",
    "ivlp": "IVLP (2+2 ctx, 5 epochs)",
    "deep_language": "Deep language prompting",
    "deep_vision": "Deep vision prompting",
    "coprompt": "CoPrompt",
    "mmrl": "MMRL",
    "promptkd": "PromptKD",
    "rpo": "RPO",
    "skip_tuning": "SkipTuning",
}
"""Names of recipes, ours and what others may call theirs, and of the methods in the CSV."""
DATASETS = frozenset(
    {
        "caltech101",
        "dtd",
        "eurosat",
        "fgvc_aircraft",
        "food101",
        "imagenet",
        "oxford_flowers",
        "oxford_pets",
        "stanford_cars",
        "sun397",
        "ucf101",
    }
)
"""The 11 datasets over which the published base-to-new averages are taken (row "average")."""


TARGETS = DATASETS - {"imagenet"}
"""The 10 targets over which the published cross-dataset averages are taken."""
SHIFTED = frozenset({"imagenet_v2", "imagenet_sketch", "imagenet_a", "imagenet_r"})
"""The 4 targets over which the published averages of domain generalisation are taken."""
_TRANSFER = {
    "cross_dataset": "cross_dataset_16shot_imagenet_vitb16",
    "domain_generalisation": "domain_generalization_16shot_imagenet_vitb16",
}


def published_protocol(protocol: str, clip: str, dataset: str, shots: int) -> str | None:
    """Name in the CSV of a protocol of ours; None where nothing comparable was printed.

    Base-to-new figures are of 16 shots; those of transfer, too, trained on ImageNet. On all
    classes only zero-shot was printed for ViT-B/16, and that does not depend on the shots.
    """
    if clip != "vit_b16":
        return None
    if protocol == "few_shot":
        return "zero_shot_all_classes_vitb16"
    if protocol in _TRANSFER:
        return _TRANSFER[protocol] if (dataset, shots) == ("imagenet", 16) else None
    return "base_to_new_16shot_vitb16" if protocol == "base_to_new" and shots == 16 else None


def published(protocol: str, method: str, dataset: str) -> dict[str, tuple[float, str]]:
    """Published figures as {metric: (percent, source)}; empty where there are none.

    Args:
        protocol: name in the CSV, see `published_protocol`.
        method: our name of the method (`zero_shot`, `coop` …).
        dataset: our name of the dataset, or `average` for the mean over the 11.

    The metrics are `base`, `new` and `H`, or `acc` in a protocol on all classes.
    """
    return _table().get((protocol, published_name(method), dataset), {})


def published_name(method: str) -> str:
    """The CSV's name of our method, empty if it knows none."""
    return _METHODS.get(method, "")


@cache
def _table() -> dict[tuple[str, str, str], dict[str, tuple[float, str]]]:
    table: dict[tuple[str, str, str], dict[str, tuple[float, str]]] = {}
    text = files("vlprompt_pipeline.results").joinpath("published_results.csv")
    with text.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            key = (row["protocol"], row["method"], row["dataset"])
            table.setdefault(key, {})[row["metric"]] = (float(row["value"]), row["source"])
    return table
