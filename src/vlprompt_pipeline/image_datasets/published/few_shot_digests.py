"""Digests of the few-shot sets that were published, to hold those drawn here against.

Each is the `FewShotSet.digest` of an index list of linzhiqiu/cross_modal_adaptation: eight
datasets, 1 to 16 shots, seeds 1 and 2. ImageNet has none that fits: see `class_folders`.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files


def published_digest(dataset: str, shots: int, seed: int) -> dict[str, str] | None:
    """Digest of the published set by part (`train`, `val`); None where none is known."""
    return _digests().get(dataset, {}).get(f"{shots} shots, seed {seed}")


@cache
def _digests() -> dict[str, dict[str, dict[str, str]]]:
    file = files(__package__) / "few_shot_digests.json"
    return json.loads(file.read_text(encoding="utf-8"))
