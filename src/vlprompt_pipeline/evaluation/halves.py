"""Which classes are trained on and which are held out, by protocol."""

from __future__ import annotations

from collections.abc import Sequence

from vlprompt_pipeline.benchmarks import PUBLISHED_BASE_SHARE, ClassHalf, split_classes


def protocol_halves(
    protocol: str, class_names: Sequence[str], base_share: float
) -> dict[str, ClassHalf]:
    """Halves by name: `base` and `new`, or in every other protocol all classes as `base`.

    Prompts are trained on the base half. Each half is scored among its own classes only.

    Raises:
        DataError: too few classes for two halves.
    """
    if protocol != "base_to_new":
        return {"base": ClassHalf(tuple(range(len(class_names))), tuple(class_names))}
    split = split_classes(class_names, base_share)
    return {"base": split.base, "new": split.new}


def protocol_name(protocol: str, base_share: float) -> str:
    """The protocol's name in paths and results: other halves than the published are another one.

    So nothing is overwritten, reused, averaged or set beside published figures by mistake.
    """
    if protocol != "base_to_new" or base_share == PUBLISHED_BASE_SHARE:
        return protocol
    return f"{protocol}_share_{base_share}"
