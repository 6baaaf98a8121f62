"""Classes that a CLIP cannot tell apart by their names, since their texts have equal features."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from vlprompt_pipeline.clip.backbone import FrozenClip

SAME = 1 - 1e-5
"""Cosine from which two texts are the same: single precision, not likeness (our choice)."""
_ROWS = 1024  # classes that are compared with all others at once: all of 10,000 would take a GB


@torch.no_grad()
def same_texts(
    clip: FrozenClip, class_names: Sequence[str], template: str
) -> list[tuple[str, ...]]:
    """Group the classes whose texts have the same features, in the order of their names.

    The embedded CLIP knows few words, and has one embedding for all others.

    Args:
        clip: the frozen CLIP.
        class_names: in label order.
        template: of the dataset, `{}` the class name.

    Returns:
        Groups of two or more.
    """
    features = clip.encode_texts([template.format(name) for name in class_names], cut=True)
    alike = (rows @ features.T > SAME for rows in features.split(_ROWS))
    first = torch.cat([each.int().argmax(-1) for each in alike])  # class with the same text
    groups: dict[int, list[str]] = {}
    for group, name in zip(first.tolist(), class_names, strict=True):
        groups.setdefault(group, []).append(name)
    return [tuple(names) for names in groups.values() if len(names) > 1]
