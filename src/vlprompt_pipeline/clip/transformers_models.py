"""Translate the configuration of a model of Hugging Face transformers into open_clip's.

`config.json` says what a CLIP or SigLIP is; in open_clip's modules the same model has the features
of transformers' `CLIPModel` and `SiglipModel`. Only JSON is read; transformers is not needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlprompt_pipeline.errors import WeightsError

_BASE = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
}
_BOTH_DEFAULTS = {
    "clip": {**_BASE, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5},
    "siglip": {**_BASE, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6},
}
_TEXT_DEFAULTS = {
    "clip": {
        "hidden_size": 512,
        "intermediate_size": 2048,
        "num_attention_heads": 8,
        "vocab_size": 49408,
        "max_position_embeddings": 77,
        "eos_token_id": 49407,
    },
    "siglip": {"vocab_size": 32000, "max_position_embeddings": 64},
}
_IMAGE_DEFAULTS = {
    "clip": {"num_channels": 3, "image_size": 224, "patch_size": 32},
    "siglip": {"num_channels": 3, "image_size": 224, "patch_size": 16, "vision_use_head": True},
}
_ACTIVATIONS = {  # transformers' name: what its GELU approximates with, as torch names it
    "gelu": "none",
    "gelu_pytorch_tanh": "tanh",
    "gelu_new": "tanh",
    "gelu_fast": "tanh",
}


def model_config(config: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the `model_cfg` of open_clip that a `config.json` of transformers describes.

    Raises:
        WeightsError: it is no CLIP or SigLIP, or one that open_clip's modules do not compute.
    """
    kind = config.get("model_type")
    if kind == "siglip2":
        raise WeightsError(
            f"{where}: Siglip2Model (NaFlex, images of any shape) cannot be adapted; use a SigLIP "
            "2 of fixed size, such as google/siglip2-base-patch16-224"
        )
    if kind not in _TEXT_DEFAULTS:
        raise WeightsError(
            f"{where}: a model of the type {kind!r} of transformers cannot be adapted; CLIPModel "
            "(clip) and SiglipModel (siglip) can"
        )
    both = _BOTH_DEFAULTS[kind]
    text = _section(config, "text_config", {**both, **_TEXT_DEFAULTS[kind]})
    image = _section(config, "vision_config", {**both, **_IMAGE_DEFAULTS[kind]})
    if image["num_channels"] != 3:
        raise WeightsError(f"{where}: images of {image['num_channels']} channels, not 3")
    return (_clip if kind == "clip" else _siglip)(config, text, image, where)


def _clip(config: Mapping, text: dict, image: dict, where: str) -> dict[str, Any]:
    quick = {tower["hidden_act"] == "quick_gelu" for tower in (text, image)}
    if len(quick) == 2:
        raise WeightsError(f"{where}: QuickGELU in one tower and another activation in the other")
    eos = text["eos_token_id"]  # as transformers reads old files, 2 stands for the highest id
    return {
        "embed_dim": config.get("projection_dim", 512),
        "quick_gelu": quick == {True},
        "vision_cfg": {
            "image_size": image["image_size"],
            "patch_size": image["patch_size"],
            "layers": image["num_hidden_layers"],
            "width": image["hidden_size"],
            "head_width": image["hidden_size"] // image["num_attention_heads"],
            "mlp_ratio": _ratio(image),
            "norm_kwargs": {"eps": image["layer_norm_eps"]},
            "act_kwargs": _activation(image, where),
        },
        "text_cfg": {
            **_text_sizes(text, where),
            **({"pool_type": "argmax"} if eos == 2 else {"pool_type": "eos", "eos_id": eos}),
        },
    }


def _siglip(config: Mapping, text: dict, image: dict, where: str) -> dict[str, Any]:
    if not image["vision_use_head"]:
        raise WeightsError(f"{where}: a SigLIP image tower without its pooling head")
    if image["hidden_act"] not in _ACTIVATIONS:
        raise WeightsError(f"{where}: the activation {image['hidden_act']!r} is not known")
    tanh = _ACTIVATIONS[image["hidden_act"]] == "tanh"
    return {
        "embed_dim": text.get("projection_size") or text["hidden_size"],
        "custom_text": True,
        "init_logit_bias": 0.0,
        "vision_cfg": {
            "image_size": image["image_size"],
            "timm_model_name": "vit_base_patch16_siglip_224",  # its kind; the sizes are these
            "timm_pool": "map",
            "timm_proj": "none",
            "timm_options": {
                "img_size": image["image_size"],
                "patch_size": image["patch_size"],
                "embed_dim": image["hidden_size"],
                "depth": image["num_hidden_layers"],
                "num_heads": image["num_attention_heads"],
                "mlp_ratio": _ratio(image),
                "act_layer": "gelu_tanh" if tanh else "gelu",
                "norm_eps": image["layer_norm_eps"],
            },
        },
        "text_cfg": {
            **_text_sizes(text, where),
            "no_causal_mask": True,
            "pool_type": "last",
            "proj_bias": True,
        },
    }


def _text_sizes(text: dict, where: str) -> dict[str, Any]:
    return {
        "context_length": text["max_position_embeddings"],
        "vocab_size": text["vocab_size"],
        "width": text["hidden_size"],
        "heads": text["num_attention_heads"],
        "layers": text["num_hidden_layers"],
        "mlp_ratio": _ratio(text),
        "norm_kwargs": {"eps": text["layer_norm_eps"]},
        "act_kwargs": _activation(text, where),
        "hf_tokenizer_name": "of the folder",
    }


def _section(config: Mapping[str, Any], key: str, defaults: dict[str, Any]) -> dict[str, Any]:
    """Return a tower's section; where an old file has a second one, that is the one that holds."""
    given = config.get(f"{key}_dict") or config.get(key) or {}
    return {**defaults, **{name: value for name, value in given.items() if value is not None}}


def _activation(tower: dict, where: str) -> dict[str, str] | None:
    name = tower["hidden_act"]
    if name == "quick_gelu":
        return None
    if name not in _ACTIVATIONS:
        raise WeightsError(f"{where}: the activation {name!r} is not known")
    return {"approximate": _ACTIVATIONS[name]}


def _ratio(tower: dict) -> float:
    """Find a factor whose product with the width, rounded down, is the hidden layer's size."""
    return (tower["intermediate_size"] + 0.5) / tower["hidden_size"]
