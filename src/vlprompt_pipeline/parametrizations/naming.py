"""What a tensor is called in files and histories: without what torch adds for parametrizations."""

from __future__ import annotations

FACTORS = {"original0": "a", "original1": "b"}
"""Of a low-rank context, as torch numbers them and as we call them."""


def tensor_name(parameter: str) -> str:
    """Name of a trained parameter: `context`, or `context.a` and `context.b` for factors."""
    kept = [part for part in parameter.split(".") if part not in ("parametrizations", "original")]
    return ".".join(FACTORS.get(part, part) for part in kept)


def shown_name(parameter: str) -> str:
    """Name of the tensor that a parameter is a part of, as the model sees it: `context`."""
    before, _, after = parameter.partition("parametrizations.")
    return before + after.partition(".")[0]
