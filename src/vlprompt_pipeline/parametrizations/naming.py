"""What a tensor is called in files and histories: without what torch adds for parametrizations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from torch import nn

Link = TypeVar("Link", bound=nn.Module)

FACTORS = {"original0": "a", "original1": "b"}
"""Of a low-rank context, as torch numbers them and as we call them."""


def tensor_name(parameter: str) -> str:
    """Name of a trained parameter: `context`, or `context.a` and `context.b` for factors."""
    kept = [part for part in parameter.split(".") if part not in ("parametrizations", "original")]
    return ".".join(FACTORS.get(part, part) for part in kept)


def shown_name(parameter: str) -> str:
    """Name the tensor that a parameter is a part of, as the model sees it: `context`."""
    before, _, after = parameter.partition("parametrizations.")
    return before + after.partition(".")[0]


def links(module: nn.Module, kind: type[Link]) -> Iterator[tuple[str, Link]]:
    """Yield every parametrization of a kind under `module`, with the name of its tensor."""
    for path, link in module.named_modules():
        if isinstance(link, kind):
            yield shown_name(path), link
