"""Figures printed in the papers, each with its source, to set beside our own.

`published_results.csv` holds other people's figures for the official recipes, mostly copied from
paper to paper: a column to look at, not a test to pass.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

from vlprompt_pipeline.protocols import PROTOCOLS

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
    "gda": "GDA-CLIP",
    "prolip": "ProLIP",
    "two_stage": "2SFS",
    "mma": "MMA",
    "mma_plus_plus": "MMA++",
    "mmrl": "MMRL",
    "promptkd": "PromptKD",
    "rpo": "RPO",
    "skip_tuning": "SkipTuning",
}
"""Names of recipes, ours and what others may call theirs, and of the methods in the CSV.

No figure of CLAP or MMRL++ is in the CSV: what their papers print has not been seen in a source
that may be quoted.
"""


_CLIP, _WEIGHTS = "vit_b16", "openai"


def doubt_of_weights(clip: str, source: str) -> str:
    """Say that published figures may be of other weights than a source's; empty if they are not.

    A CLIP goes by the name that the user gives it, and weights are known as OpenAI's by the name of
    their source alone.
    """
    if clip != _CLIP or _WEIGHTS in source.lower():
        return ""
    return (
        f"Published figures beside those of {clip} are of OpenAI's weights: if {source} holds "
        "others, give them another clip.name."
    )


def published_protocol(protocol: str, clip: str, dataset: str, shots: int) -> str | None:
    """Name in the CSV of a protocol of ours; None where nothing comparable was printed."""
    registered = PROTOCOLS.get(protocol)
    if clip != _CLIP or registered is None:
        return None
    return registered.published_table(dataset, shots)


def published(protocol: str, method: str, dataset: str) -> dict[str, tuple[float, str]]:
    """Return published figures as {metric: (percent, source)}; empty where there are none.

    Args:
        protocol: name in the CSV, see `published_protocol`.
        method: our name of the method (`zero_shot`, `coop` …).
        dataset: our name of the dataset, or `average` (over `Protocol.published_average`).

    The metrics are `base`, `new` and `H`, or `acc` in a protocol on all classes.
    """
    return _table().get((protocol, published_name(method), dataset), {})


def published_name(method: str) -> str:
    """Return the CSV's name of a method, empty if it has none."""
    return _METHODS.get(method, "")


@cache
def _table() -> dict[tuple[str, str, str], dict[str, tuple[float, str]]]:
    table: dict[tuple[str, str, str], dict[str, tuple[float, str]]] = {}
    for row in rows_of("published_results.csv"):
        key = (row["protocol"], row["method"], row["dataset"])
        table.setdefault(key, {})[row["metric"]] = (float(row["value"]), row["source"])
    return table


@cache
def rows_of(name: str) -> tuple[dict[str, str], ...]:
    """Return the rows of a CSV file of this package."""
    text = files("vlprompt_pipeline.results").joinpath(name).read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))
