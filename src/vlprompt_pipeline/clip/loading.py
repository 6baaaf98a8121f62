"""From a source string to a frozen CLIP."""

from __future__ import annotations

import json
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError
from torch import nn

from vlprompt_pipeline.clip._open_clip import open_clip
from vlprompt_pipeline.clip.backbone import FrozenClip, Preprocessing
from vlprompt_pipeline.clip.identity import ClipIdentity, describe_bpe_tokenizer
from vlprompt_pipeline.clip.weights import (
    check_activation,
    expand_token_rows,
    load_into,
    read_config,
    read_weights,
)
from vlprompt_pipeline.errors import ConfigError, WeightsError
from vlprompt_pipeline.files import sha256_file

EMBEDDED = Path(__file__).parent / "embedded"
_WEIGHTS, _CONFIG = "open_clip_model.safetensors", "open_clip_config.json"
_OPENAI_MEAN, _OPENAI_STD = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD


def load_clip(source: str, name: str = "clip", device: str = "auto") -> FrozenClip:
    """Load a frozen CLIP, once per process and device.

    Args:
        source: `embedded`; `local-dir:<folder>` with open_clip_config.json beside
            open_clip_model.safetensors; or `open_clip:<model>:<tag>`, which asks the hub.
        name: what paths and tables call it.
        device: `auto` (cuda, mps or cpu, the first there is) or one of them.

    Raises:
        ConfigError: the source or the device does not exist.
        WeightsError: the weights are absent, broken, unsafe or not those of the configuration.
    """
    return _load(source, name, resolve_device(device))


def copy_clip(source: str, folder: Path) -> None:
    """Write what `source` names into `folder`, which is then its own `local-dir:` source.

    Raises:
        ConfigError, WeightsError: as `load_clip`.
    """
    config, weights = _locate(source)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _CONFIG).write_text(json.dumps(config, indent=1), encoding="utf-8")
    shutil.copyfile(weights, folder / _WEIGHTS)


def resolve_device(device: str) -> str:
    """The device that `auto` means here, or the one asked for.

    Raises:
        ConfigError: the device asked for is not on this machine.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next((kind for kind, here in present.items() if here), "cpu")
    if not present.get(device, device == "cpu"):
        raise ConfigError(f"device: no {device} on this machine; use auto or cpu")
    return device


@lru_cache(maxsize=2)
def _load(source: str, name: str, device: str) -> FrozenClip:
    config, weights = _locate(source)
    model_cfg = config["model_cfg"]
    state = read_weights(weights)
    check_activation(model_cfg, state, weights)
    seen = expand_token_rows(state, model_cfg["text_cfg"].get("vocab_size", 49408))
    model = _build(model_cfg, weights)
    load_into(model, state, weights)
    preprocessing = _preprocessing(config["preprocess_cfg"], model)
    identity = ClipIdentity.of(
        sha256_file(weights), model_cfg, preprocessing, describe_bpe_tokenizer()
    )
    tokenizer = open_clip.SimpleTokenizer()
    clip = FrozenClip(model, tokenizer, preprocessing, name, identity, seen, source)
    return clip.to(device)


def _locate(source: str) -> tuple[dict[str, Any], Path]:
    kind, _, rest = source.partition(":")
    if source == "embedded":
        folder = EMBEDDED
    elif kind == "local-dir" and rest:
        folder = Path(rest).expanduser()
    elif kind == "open_clip" and rest.count(":") == 1:
        return _from_hub(*rest.split(":"))
    else:
        raise ConfigError(
            f"clip.source: unknown source {source!r}; allowed: embedded, local-dir:<folder>, "
            "open_clip:<model>:<tag>"
        )
    if not folder.is_dir():
        raise WeightsError(
            f"clip.source: no folder {folder}; it should hold {_CONFIG} and {_WEIGHTS}"
        )
    return read_config(folder / _CONFIG), folder / _WEIGHTS


def _from_hub(model: str, tag: str) -> tuple[dict[str, Any], Path]:
    model_cfg = open_clip.get_model_config(model)
    if model_cfg is None:
        raise ConfigError(
            f"clip.source: open_clip has no model {model!r}; see open_clip.list_models()"
        )
    entry = open_clip.get_pretrained_cfg(model, tag)
    if not entry:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(model)) or "none"
        raise ConfigError(f"clip.source: {model} has no pretrained tag {tag!r}; it has: {tags}")
    # the table of tags says which weights were trained with QuickGELU
    if bool(entry.get("quick_gelu")) != bool(model_cfg.get("quick_gelu")):
        other = (
            model.removesuffix("-quickgelu")
            if model_cfg.get("quick_gelu")
            else f"{model}-quickgelu"
        )
        raise WeightsError(
            f"clip.source: the weights {tag!r} were trained with another activation than {model} "
            f"computes; use open_clip:{other}:{tag}"
        )
    weights = _fetch(entry["hf_hub"].rpartition("/")[0], f"{model}:{tag}")
    keys = ("mean", "std", "interpolation")
    preprocess = {key: entry[key] for key in keys if key in entry}
    return {"model_cfg": {"quick_gelu": False, **model_cfg}, "preprocess_cfg": preprocess}, weights


def _fetch(repository: str, asked: str) -> Path:
    """The safetensors of a repository; open_clip would fetch a pickle where there are none."""
    try:
        return Path(hf_hub_download(repository, _WEIGHTS))
    except (OSError, EntryNotFoundError) as error:
        raise WeightsError(
            f"clip.source: cannot fetch {_WEIGHTS} of {asked} from {repository} "
            f"({str(error).splitlines()[0]}); with the files at hand use "
            f"local-dir:<folder with {_CONFIG} and {_WEIGHTS}>"
        ) from error


def _build(config: dict[str, Any], weights: Path) -> nn.Module:
    text = config["text_cfg"]
    if config.get("custom_text") or "hf_model_name" in text or text.get("embed_cls"):
        raise WeightsError(f"{weights}: only CLIP's own text transformer can be fed with prompts")
    try:
        model = open_clip.CLIP(**config)
    except (TypeError, ValueError, KeyError) as error:
        raise WeightsError(
            f"{weights}: open_clip cannot build this configuration ({error})"
        ) from error
    if model.text_pool_type != "argmax" or not isinstance(model.text_projection, nn.Parameter):
        raise WeightsError(f"{weights}: the text tower must be read at its end token and projected")
    return model


def _preprocessing(config: dict[str, Any], model: nn.Module) -> Preprocessing:
    size = model.visual.image_size
    return Preprocessing(
        size=size if isinstance(size, int) else size[0],
        mean=tuple(config.get("mean", _OPENAI_MEAN)),
        std=tuple(config.get("std", _OPENAI_STD)),
        interpolation=config.get("interpolation", "bicubic"),
    )
