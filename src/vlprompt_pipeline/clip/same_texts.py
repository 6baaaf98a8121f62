"""Classes that a CLIP cannot tell apart by their names, since their texts are one to it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import torch

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.clip.tokenizers import Tokenizer

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
    return _groups(first.tolist(), class_names)


def same_tokens(
    tokenizer: Tokenizer, class_names: Sequence[str], template: str
) -> list[tuple[str, ...]]:
    """Group the classes whose texts are the same tokens, such as "Dog" and "dog" for most CLIPs.

    Args:
        tokenizer: of the CLIP.
        class_names: in label order.
        template: of the dataset, `{}` the class name.

    Returns:
        Groups of two or more.
    """
    texts = (template.format(name) for name in class_names)
    return _groups((tuple(tokenizer.encode(text)) for text in texts), class_names)


def _groups(keys: Iterable[Hashable], class_names: Sequence[str]) -> list[tuple[str, ...]]:
    groups: dict[Hashable, list[str]] = {}
    for key, name in zip(keys, class_names, strict=True):
        groups.setdefault(key, []).append(name)
    return [tuple(names) for names in groups.values() if len(names) > 1]
