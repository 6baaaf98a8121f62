"""Weights in a pickle, turned once and explicitly into a folder that is read safely.

A checkpoint of open_clip (`.bin`, `.pt`, also of a training run) is read by
`torch.load(weights_only=True)`, which makes tensors and plain values only. An archive of OpenAI is
read as `openai_archives` says, if its SHA-256 is the one that OpenAI publishes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vlprompt_pipeline.clip.architecture import build
from vlprompt_pipeline.clip.copying import write_clip
from vlprompt_pipeline.clip.forms import (
    OPEN_CLIP_CONFIG,
    OPEN_CLIP_WEIGHTS,
    PICKLES,
    TRANSFORMERS_CONFIG,
    read_open_clip_config,
    snapshot,
)
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.clip.openai_archives import PUBLISHED, is_torchscript, read_torchscript
from vlprompt_pipeline.clip.pretrained import model_config, refuse_unsupported
from vlprompt_pipeline.clip.weights import load_into, renamed_for
from vlprompt_pipeline.errors import ConfigError, UserError, WeightsError
from vlprompt_pipeline.filesystem.files import sha256_file


@dataclass(frozen=True)
class Conversion:
    """What was found and written.

    Attributes:
        form: the form of the file, in words.
        model: name of open_clip, or what the configuration beside the file said.
        tensors, parameters: how many.
        folder: the new folder, a `local-dir:` source.
    """

    form: str
    model: str
    tensors: int
    parameters: int
    folder: Path


def convert_clip(source: Path, target: Path, model: str | None = None) -> Conversion:
    """Write the weights of a pickle as safetensors, with a configuration beside them.

    Args:
        source: the file, or a folder with one such file.
        target: folder to write; must not hold a CLIP.
        model: name of open_clip, where no open_clip_config.json lies beside the file. Give the
            name with the activation of the weights, such as `ViT-B-16-quickgelu`.

    Raises:
        ConfigError: the architecture is not known, or open_clip has no such model.
        WeightsError: the file holds no weights, more than weights, or those of another model.
        UserError: the target holds a CLIP already, or cannot be written.
    """
    if any((target / name).exists() for name in (OPEN_CLIP_CONFIG, OPEN_CLIP_WEIGHTS)):
        raise UserError(f"{target} holds a CLIP already: give a new folder")
    file = _pickle_file(source)
    if is_torchscript(file):
        published = PUBLISHED.get(sha256_file(file))
        if published is None:
            raise WeightsError(
                f"{file} is a TorchScript archive, but none that OpenAI publishes (its SHA-256 is "
                "not in the table): use the model's safetensors, or download the archive again"
            )
        form, state = f"OpenAI's archive of {published}", read_torchscript(file)
        name, config = f"{published}-quickgelu", {}
    else:
        form, state = "a checkpoint of tensors", _read_checkpoint(file)
        name, config = _description(file, model)
    if model and name != model:
        raise ConfigError(f"{file} is {name}, not {model}: leave --model out")
    model_cfg = config.get("model_cfg") or {"quick_gelu": False, **model_config(name)}
    config = {"model_cfg": model_cfg, "preprocess_cfg": config.get("preprocess_cfg", {})}
    state = _as_open_clip_stores(state, model_cfg, str(file))
    write_clip(config, state, file.parent, target)
    parameters = sum(tensor.numel() for tensor in state.values())
    return Conversion(form, name, len(state), parameters, target)


def _as_open_clip_stores(
    state: dict[str, Tensor], model_cfg: dict[str, Any], where: str
) -> dict[str, Tensor]:
    """Return the tensors by the names of the model, which they must fill."""
    refuse_unsupported(model_cfg, where)
    model = build(model_cfg, where)
    state = renamed_for(model, open_clip.convert.convert_state_dict(model, state))
    load_into(model, state, where)
    return {name: tensor.detach().contiguous().clone() for name, tensor in state.items()}


def _pickle_file(source: Path) -> Path:
    if source.is_dir():
        folder = snapshot(source)
        files = sorted(file for file in folder.iterdir() if file.suffix in PICKLES)
        if len(files) == 1:
            return files[0]
        if (folder / TRANSFORMERS_CONFIG).is_file() and not (folder / OPEN_CLIP_CONFIG).is_file():
            raise WeightsError(
                f"{folder} is a folder of transformers without safetensors: write them with "
                "AutoModel.from_pretrained(folder).save_pretrained(new folder)"
            )
        names = ", ".join(file.name for file in files) or "none"
        raise WeightsError(f"{folder} holds {names} of {', '.join(PICKLES)}: give one file")
    if not source.is_file():
        raise WeightsError(f"no file {source}")
    if source.suffix == ".safetensors":
        raise WeightsError(f"{source} is safe already: use local-dir:{source.parent}")
    return source


def _read_checkpoint(file: Path) -> dict[str, Tensor]:
    """Return the model's tensors in a checkpoint, without what training adds around them."""
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # of damaged bytes any kind
        # around its reason PyTorch advises to run what is in the file
        told = [line.rpartition("WeightsUnpickler error:")[2] for line in str(error).splitlines()]
        advice = ("Weights only load failed", "Check the documentation")
        reasons = [line.strip() for line in told if line.strip() and not line.startswith(advice)]
        reason = reasons[0] if reasons else type(error).__name__
        raise WeightsError(
            f"{file} holds more than tensors, or is damaged, and is not read ({reason})"
        ) from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{file} holds no named tensors")
    named = {str(name).removeprefix("module."): value for name, value in content.items()}
    others = [name for name, value in named.items() if not isinstance(value, Tensor)]
    if others:
        raise WeightsError(f"{file} holds {others[0]}, which is no tensor of a model")
    return named


def _description(file: Path, model: str | None) -> tuple[str, dict[str, Any]]:
    """Return the model's name and, where it lies beside the file, its configuration."""
    beside = file.parent / OPEN_CLIP_CONFIG
    if model is None and beside.is_file():
        return f"what {beside.name} says", read_open_clip_config(beside)
    if model is None:
        raise ConfigError(
            f"{file} does not say which architecture it holds: put its {OPEN_CLIP_CONFIG} beside "
            "it, or give the model's name in open_clip with --model, such as ViT-B-16"
        )
    return model, {}
