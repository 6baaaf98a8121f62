"""Weights files of a CLIP: read safely, fitted to their architecture, its activation checked."""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from vlprompt_pipeline.errors import WeightsError

_COMPACT = "token_embedding.rows"
_ADVICE = "download it again, or point clip.source at another folder"


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file.

    Raises:
        WeightsError: the file is absent, a pickle or TorchScript archive, or truncated.
    """
    if not path.is_file():
        raise WeightsError(f"no weights at {path}: {_ADVICE}")
    if path.suffix != ".safetensors":
        raise WeightsError(
            f"{path} is not a safetensors file; pickles and TorchScript archives (.pt, .bin) can "
            "run code when opened and are refused: use the open_clip_model.safetensors of the model"
        )
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path} is truncated or not safetensors ({error}): {_ADVICE}"
        ) from error


def read_config(path: Path) -> dict:
    """The content of an `open_clip_config.json`.

    Raises:
        WeightsError: absent, not JSON, or without `model_cfg`.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        return {"preprocess_cfg": {}, **config, "model_cfg": config["model_cfg"]}
    except FileNotFoundError:
        raise WeightsError(f"no open_clip_config.json at {path.parent}: {_ADVICE}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{path} is not an open_clip configuration ({error}): {_ADVICE}"
        ) from None


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


def load_into(model: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Fill `model` with `state`, in single precision.

    Raises:
        WeightsError: the names or shapes are those of another architecture.
    """
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
            f"{path} holds another architecture than its configuration describes: {wrong[0]}"
            f" ({len(wrong)} differences in all); pair each weights file with its own configuration"
        )
    model.load_state_dict({name: tensor.float() for name, tensor in state.items()})


def check_activation(config: dict, state: dict[str, Tensor], path: Path) -> None:
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
            f"{path} has the marks of OpenAI's weights (all matrices exact in half precision, "
            'logit scale 100), which need QuickGELU: write "quick_gelu": true into model_cfg of '
            'open_clip_config.json beside it, or "quick_gelu": false if they were trained with GELU'
        )


def _has_openai_marks(state: dict[str, Tensor]) -> bool:
    scale = state.get("logit_scale")
    if scale is None or not math.isclose(scale.float().exp().item(), 100.0, rel_tol=1e-3):
        return False
    matrices = [t for n, t in state.items() if n.startswith("transformer.") and t.ndim == 2]
    return all(torch.equal(matrix.half().to(matrix.dtype), matrix) for matrix in matrices)
