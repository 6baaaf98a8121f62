"""CLIP and SigLIP as Hugging Face transformers stores them, in open_clip's terms.

A folder of transformers says in `config.json` what its model is, in `preprocessor_config.json` how
images are prepared, and names its tensors otherwise. Both are translated here, by reading JSON and
renaming tensors; transformers itself is not needed. The features equal those of its `CLIPModel`
and `SiglipModel`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vlprompt_pipeline.clip._open_clip import open_clip
from vlprompt_pipeline.errors import WeightsError

_TEXT_DEFAULTS = {
    "clip": {
        "hidden_size": 512,
        "intermediate_size": 2048,
        "num_hidden_layers": 12,
        "num_attention_heads": 8,
        "vocab_size": 49408,
        "max_position_embeddings": 77,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
        "eos_token_id": 49407,
    },
    "siglip": {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "vocab_size": 32000,
        "max_position_embeddings": 64,
        "hidden_act": "gelu_pytorch_tanh",
        "layer_norm_eps": 1e-6,
    },
}
_IMAGE_DEFAULTS = {
    "clip": {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "num_channels": 3,
        "image_size": 224,
        "patch_size": 32,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
    },
    "siglip": {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "num_channels": 3,
        "image_size": 224,
        "patch_size": 16,
        "hidden_act": "gelu_pytorch_tanh",
        "layer_norm_eps": 1e-6,
        "vision_use_head": True,
    },
}
_ACTIVATIONS = {  # transformers' name: what its GELU approximates with, as torch names it
    "gelu": "none",
    "gelu_pytorch_tanh": "tanh",
    "gelu_new": "tanh",
    "gelu_fast": "tanh",
}
_PROCESSORS = {  # image processors with their defaults
    "CLIP": {
        "size": {"shortest_edge": 224},
        "do_center_crop": True,
        "crop_size": 224,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "image_mean": open_clip.OPENAI_DATASET_MEAN,
        "image_std": open_clip.OPENAI_DATASET_STD,
    },
    "Siglip": {
        "size": {"height": 224, "width": 224},
        "do_center_crop": False,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "image_mean": (0.5, 0.5, 0.5),
        "image_std": (0.5, 0.5, 0.5),
    },
}
_PILLOW_FILTERS = {2: "bilinear", 3: "bicubic"}


def model_config(config: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The `model_cfg` of open_clip that a `config.json` of transformers describes.

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
    text = _section(config, "text_config", _TEXT_DEFAULTS[kind])
    image = _section(config, "vision_config", _IMAGE_DEFAULTS[kind])
    if image["num_channels"] != 3:
        raise WeightsError(f"{where}: images of {image['num_channels']} channels, not 3")
    return (_clip if kind == "clip" else _siglip)(config, text, image, where)


def preprocess_config(config: Mapping[str, Any], image_size: int, where: str) -> dict[str, Any]:
    """The `preprocess_cfg` that a `preprocessor_config.json` describes, for images of this size.

    Raises:
        WeightsError: it does what the image processors of CLIP and SigLIP do not.
    """
    processor = str(config.get("image_processor_type") or config.get("feature_extractor_type"))
    kind = next((kind for kind in _PROCESSORS if processor.startswith(kind)), None)
    if kind is None:
        raise WeightsError(f"{where}: the image processor {processor} is not known")
    config = {**_PROCESSORS[kind], **{k: v for k, v in config.items() if v is not None}}
    for step in ("do_resize", "do_rescale", "do_normalize"):
        if not config.get(step, True):
            raise WeightsError(f"{where}: {step} is false, so images do not fit the tower")
    if abs(config["rescale_factor"] * 255 - 1) > 1e-6:
        raise WeightsError(f"{where}: rescale_factor is {config['rescale_factor']}, not 1/255")
    if config["resample"] not in _PILLOW_FILTERS:
        raise WeightsError(f"{where}: resample is {config['resample']}, not 2 or 3")
    resize, crop = (_sides(config.get(key)) for key in ("size", "crop_size"))
    squash = "height" in resize
    final = crop if config["do_center_crop"] else resize
    if set(resize.values()) | set(final.values()) != {image_size} or not (squash or crop):
        raise WeightsError(
            f"{where}: images become {resize} and are cropped to {crop or 'nothing'}, but the "
            f"tower reads squares of {image_size} pixels"
        )
    return {
        "mean": config["image_mean"],
        "std": config["image_std"],
        "interpolation": _PILLOW_FILTERS[config["resample"]],
        "resize_mode": "squash" if squash else "shortest",
        "library": "transformers",
    }


def tensors(state: Mapping[str, Tensor], model_cfg: Mapping[str, Any]) -> dict[str, Tensor]:
    """Tensors of transformers by the names of open_clip.

    Raises:
        KeyError: one is missing.
    """
    siglip = "timm_options" in model_cfg["vision_cfg"]
    layers = model_cfg["text_cfg"]["layers"]
    text = {
        "token_embedding.weight": state["text_model.embeddings.token_embedding.weight"],
        "positional_embedding": state["text_model.embeddings.position_embedding.weight"],
        **_renamed(state, "text_model.final_layer_norm", "ln_final"),
        **_blocks(state, "text_model", "transformer.resblocks", layers, _OPEN_CLIP_BLOCK),
    }
    if not siglip:
        text["text_projection"] = state["text_projection.weight"].T.contiguous()
        image = _clip_image(state, model_cfg["vision_cfg"]["layers"])
        return {**text, **image, "logit_scale": state["logit_scale"]}
    text |= _renamed(state, "text_model.head", "text_projection")
    return {
        **{f"text.{name}": tensor for name, tensor in text.items()},
        **_siglip_image(state, model_cfg["vision_cfg"]["timm_options"]["depth"]),
        "logit_scale": state["logit_scale"],
        "logit_bias": state["logit_bias"],
    }


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
    """A tower's section; where an old file has a second one, that is the one that holds."""
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
    """A factor whose product with the width, rounded down, is the size of the hidden layer."""
    return (tower["intermediate_size"] + 0.5) / tower["hidden_size"]


def _sides(size: Any) -> Mapping[str, int]:
    if size is None:
        return {}
    return size if isinstance(size, Mapping) else {"shortest_edge": size}


_OPEN_CLIP_BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.in_proj_": "qkv",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_TIMM_BLOCK = {
    "norm1": "layer_norm1",
    "norm2": "layer_norm2",
    "attn.qkv.": "qkv",
    "attn.proj": "self_attn.out_proj",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}


def _blocks(
    state: Mapping[str, Tensor], tower: str, name: str, layers: int, names: Mapping[str, str]
) -> dict[str, Tensor]:
    renamed = {}
    for layer in range(layers):
        source = f"{tower}.encoder.layers.{layer}"
        for ours, theirs in names.items():
            if theirs != "qkv":
                renamed |= _renamed(state, f"{source}.{theirs}", f"{name}.{layer}.{ours}")
                continue
            for kind in ("weight", "bias"):
                parts = [state[f"{source}.self_attn.{part}_proj.{kind}"] for part in "qkv"]
                renamed[f"{name}.{layer}.{ours}{kind}"] = torch.cat(parts)
    return renamed


def _clip_image(state: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    return {
        "visual.class_embedding": state["vision_model.embeddings.class_embedding"],
        "visual.positional_embedding": state["vision_model.embeddings.position_embedding.weight"],
        "visual.conv1.weight": state["vision_model.embeddings.patch_embedding.weight"],
        **_renamed(state, "vision_model.pre_layrnorm", "visual.ln_pre"),
        **_renamed(state, "vision_model.post_layernorm", "visual.ln_post"),
        "visual.proj": state["visual_projection.weight"].T.contiguous(),
        **_blocks(state, "vision_model", "visual.transformer.resblocks", layers, _OPEN_CLIP_BLOCK),
    }


def _siglip_image(state: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    trunk, head = "visual.trunk", "vision_model.head"
    query_kv = {}
    for kind in ("weight", "bias"):
        joint = state[f"{head}.attention.in_proj_{kind}"]
        query_kv[f"{trunk}.attn_pool.q.{kind}"] = joint[: len(joint) // 3].clone()
        query_kv[f"{trunk}.attn_pool.kv.{kind}"] = joint[len(joint) // 3 :].clone()
    return {
        **_renamed(state, "vision_model.embeddings.patch_embedding", f"{trunk}.patch_embed.proj"),
        f"{trunk}.pos_embed": state["vision_model.embeddings.position_embedding.weight"][None],
        **_blocks(state, "vision_model", f"{trunk}.blocks", layers, _TIMM_BLOCK),
        **_renamed(state, "vision_model.post_layernorm", f"{trunk}.norm"),
        f"{trunk}.attn_pool.latent": state[f"{head}.probe"],
        **query_kv,
        **_renamed(state, f"{head}.attention.out_proj", f"{trunk}.attn_pool.proj"),
        **_renamed(state, f"{head}.layernorm", f"{trunk}.attn_pool.norm"),
        **_renamed(state, f"{head}.mlp.fc1", f"{trunk}.attn_pool.mlp.fc1"),
        **_renamed(state, f"{head}.mlp.fc2", f"{trunk}.attn_pool.mlp.fc2"),
    }


def _renamed(state: Mapping[str, Tensor], theirs: str, ours: str) -> dict[str, Tensor]:
    return {f"{ours}.{kind}": state[f"{theirs}.{kind}"] for kind in ("weight", "bias")}
