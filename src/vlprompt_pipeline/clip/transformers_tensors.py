"""Rename the tensors of a model of transformers to the names of open_clip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

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


def tensors(state: Mapping[str, Tensor], model_cfg: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return tensors of transformers by the names of open_clip.

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
