"""What makes a figure less comparable with others than it looks, ours or the published one.

`flags.csv` has one row a method (and protocol, where it is not all of them): the short name of the
flag and where it is known from. What a flag says stands in `MEANINGS`. `TUNED` is told by records.
"""

from __future__ import annotations

from typing import Literal

from vlprompt_pipeline.results.published import rows_of

TUNED = "tuned per dataset"
MEANINGS = {
    "transductive": "trained on unlabelled images of the new classes too",
    "larger teacher": "distilled from a larger CLIP",
    "test-selected": "the best of several models on the test images",
    "validation-selected": "settings or the last step chosen on validation images",
    "per-dataset λ": "a loss weight for each dataset",
    "per-dataset epochs": "a number of epochs or samples for each dataset",
    "per-dataset aggregation": "weights of averaged epochs for each dataset",
    "per-dataset rate": "a learning rate for each dataset",
    "per-dataset batch": "a batch size for each dataset",
    "per-target β": "a mixing share for each target dataset, chosen with it in sight",
    "test-time": "looks at each test image in many views, at their cost",
    TUNED: "the recipe has settings for single datasets",
}
"""Short names and what they say of a method's figure."""


def flags_of(whose: Literal["ours", "published"], method: str, protocol: str) -> tuple[str, ...]:
    """Return flags of a method's figure in a protocol of ours, in the order of the file."""
    return tuple(
        row["flag"]
        for row in rows_of("flags.csv")
        if (row["whose"], row["method"]) == (whose, method) and row["protocol"] in ("", protocol)
    )
