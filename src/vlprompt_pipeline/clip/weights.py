"""Weights files of a CLIP: read safely, fitted to their architecture, its activation checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from vlprompt_pipeline.clip.forms import ADVICE, ClipFiles
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.clip.transformers_tensors import tensors
from vlprompt_pipeline.errors import WeightsError
from vlprompt_pipeline.filesystem.files import sha256_file

_COMPACT = "token_embedding.rows"
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x04")  # of zip archives and of pickles


def read_state(files: ClipFiles) -> dict[str, Tensor]:
    """Return all tensors of a CLIP, by the names that open_clip gives them.

    Raises:
        WeightsError: a file is absent, truncated, a pickle or a Git LFS pointer, or tensors of a
            transformers model are missing.
    """
    state: dict[str, Tensor] = {}
    for file in files.weights:
        check_weights(file)
        state |= load_file(file)
    if not files.transformers:
        return state
    try:
        return tensors(state, files.model_cfg)
    except KeyError as error:
        raise WeightsError(
            f"{files.where} holds another architecture than its configuration describes: {error} "
            "is missing; pair each weights file with its own configuration"
        ) from None


def check_weights(path: Path) -> None:
    """Read the header of a safetensors file, which tells how long the file is.

    Raises:
        WeightsError: the file is absent, a pickle or TorchScript archive, a Git LFS pointer, or
            truncated.
    """
    if not path.is_file():
        raise WeightsError(f"no weights at {path}: {ADVICE}")
    with path.open("rb") as stream:
        start = stream.read(len(_LFS_POINTER))
    is_header = start[8:9] == b"{"  # behind a length whose bytes may be a pickle's
    if path.suffix != ".safetensors" or (start.startswith(_PICKLE_STARTS) and not is_header):
        raise WeightsError(
            f"{path} is not a safetensors file; pickles and TorchScript archives (.pt, .bin) can "
            "run code when opened and are refused: use the open_clip_model.safetensors of the "
            f"model, or convert it once with vlprompt convert-clip {path} <new folder>"
        )
    if start == _LFS_POINTER:
        raise WeightsError(
            f"{path} is a Git LFS pointer, not the weights: run git lfs pull in its repository"
        )
    try:
        with safe_open(path, "pt"):
            pass
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is truncated or not safetensors ({error}): {ADVICE}") from error


def files_sha256(files: Sequence[Path]) -> str:
    """Return SHA-256 of a weights file, or of those of all shards in turn."""
    digests = [sha256_file(file) for file in files]
    return digests[0] if len(digests) == 1 else sha256("".join(digests).encode()).hexdigest()


def expand_token_rows(state: dict[str, Tensor], vocabulary: int) -> frozenset[int] | None:
    """Replace a compact token table, in place, by all rows; returns the ids that have their own.

    A compact file keeps only rows training met, their ids, and one row that serves all others.
    Returns None for an ordinary file.
    """
    if _COMPACT not in state:
        return None
    ids = state.pop("token_embedding.row_ids")
    table = state.pop("token_embedding.unseen").repeat(vocabulary, 1)
    table[ids] = state.pop(_COMPACT)
    state["token_embedding.weight"] = table
    return frozenset(ids.tolist())


def load_into(model: nn.Module, state: dict[str, Tensor], where: str) -> None:
    """Fill `model` with `state`, in single precision.

    As open_clip does, tensors of a text tower are taken with or without the prefix `text.`, a
    logit scale with or without a dimension, and a logit bias that is missing is 0.

    Raises:
        WeightsError: the names or shapes are those of another architecture.
    """
    state = renamed_for(model, state)
    expected = {name: tensor.shape for name, tensor in model.state_dict().items()}
    wrong = [f"{name} is missing" for name in expected if name not in state]
    wrong += [f"{name} is unknown" for name in state if name not in expected]
    wrong += [
        f"{name} is {list(state[name].shape)} instead of {list(shape)}"
        for name, shape in expected.items()
        if name in state and state[name].shape != shape
    ]
    if wrong:
        raise WeightsError(
            f"{where} holds another architecture than its configuration describes: {wrong[0]}"
            f" ({len(wrong)} differences in all); pair each weights file with its own configuration"
        )
    model.load_state_dict(state)


def check_activation(config: dict, state: dict[str, Tensor], where: str) -> None:
    """Refuse weights with OpenAI's signature under a configuration that leaves the activation open.

    OpenAI trained with QuickGELU and released half-precision weights, so that every matrix of the
    text transformer is exactly representable in half precision, with the logit scale clipped at
    100. Read with GELU they give slightly wrong features and no error. Weights that show both
    marks need a configuration that says `quick_gelu`.

    Raises:
        WeightsError: the marks are there and the configuration has no `quick_gelu` key.
    """
    if "quick_gelu" not in config and _has_openai_marks(state):
        raise WeightsError(
            f"{where} has the marks of OpenAI's weights (all matrices exact in half precision, "
            'logit scale 100), which need QuickGELU: write "quick_gelu": true into model_cfg of '
            'open_clip_config.json beside it, or "quick_gelu": false if they were trained with GELU'
        )


def _has_openai_marks(state: dict[str, Tensor]) -> bool:
    scale = state.get("logit_scale")
    if scale is None or not math.isclose(scale.float().exp().item(), 100.0, rel_tol=1e-3):
        return False
    matrices = [t for n, t in state.items() if n.startswith("transformer.") and t.ndim == 2]
    return bool(matrices) and all(
        torch.equal(matrix.half().to(matrix.dtype), matrix) for matrix in matrices
    )


def renamed_for(model: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors by the names and with the shapes that a model of open_clip gives them."""
    has_text = hasattr(model, "text")
    if has_text and "text_projection" in state:
        state = open_clip.model.convert_to_custom_text_state_dict(state)
    elif not has_text:
        state = {name.removeprefix("text."): tensor for name, tensor in state.items()}
    state = dict(state)
    for name in ("logit_scale", "logit_bias"):
        expected = getattr(model, name)
        if expected is not None and name in state and state[name].numel() == 1:
            state[name] = state[name].reshape(expected.shape)
    if model.logit_bias is not None and "logit_bias" not in state and "logit_scale" in state:
        state["logit_bias"] = torch.zeros_like(state["logit_scale"])
    return state
