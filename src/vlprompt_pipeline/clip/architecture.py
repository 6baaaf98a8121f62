"""What a model configuration of open_clip describes: which towers, and whether they are supported.

A configuration is judged before any weights are fetched. Accepted are all towers whose features
this package computes as open_clip does; everything else is refused by the name of its kind.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

from torch import nn

from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.errors import WeightsError

_BUILDING = threading.Lock()  # one model at a time: see `_timm_options`


def unsupported(model_cfg: Mapping[str, Any]) -> str | None:
    """Return the kind of a model that cannot be adapted, as a noun phrase; None if it can be."""
    text, vision = model_cfg.get("text_cfg"), model_cfg.get("vision_cfg")
    if not isinstance(text, Mapping) or not isinstance(vision, Mapping):
        return "a configuration without text_cfg and vision_cfg"
    hugging_face = str(text.get("hf_model_name") or "").rpartition("/")[2]
    reasons = {
        "CoCa, which has a text decoder beside its towers": "multimodal_cfg" in model_cfg,
        f"a {hugging_face} text tower of Hugging Face": bool(hugging_face),
        "a text tower with a class token of its own (embed_cls)": text.get("embed_cls"),
        f"a tokenizer in mode {text.get('tokenizer_mode')}": text.get("tokenizer_mode"),
        "a text tower that is not pooled (pool_type none)": text.get("pool_type") == "none",
        "towers that give all tokens (output_tokens)": _any(model_cfg, "output_tokens"),
        "scaled cosine attention, which open_clip cannot run": _any(
            model_cfg, "scaled_cosine_attn"
        ),
    }
    return next((kind for kind, applies in reasons.items() if applies), None)


def _any(model_cfg: Mapping[str, Any], option: str) -> bool:
    return any(model_cfg[tower].get(option) for tower in ("text_cfg", "vision_cfg"))


def describe_text_tower(model_cfg: Mapping[str, Any]) -> str:
    """Return the text tower in a few words, such as `bidirectional, read at the last token`."""
    text = model_cfg["text_cfg"]
    pool_type = text.get("pool_type", "argmax")
    pooled = "end" if pool_type in ("argmax", "eos") else pool_type
    sight = "bidirectional" if text.get("no_causal_mask") else "causal"
    return f"{sight}, read at the {pooled} token"


def build(model_cfg: Mapping[str, Any], where: str) -> nn.Module:
    """Return an open_clip `CLIP` or `CustomTextCLIP` with random weights.

    Args:
        model_cfg: of open_clip. One key beside open_clip's own, `vision_cfg.timm_options`, has
            arguments of the timm model for sizes that no name of timm stands for.
        where: the configuration stands, for messages.

    Raises:
        WeightsError: the kind is not supported, or open_clip cannot build it.
    """
    kind = unsupported(model_cfg)
    if kind:
        raise WeightsError(f"{where}: {kind}; such a model cannot be adapted")
    config = copy.deepcopy({k: v for k, v in model_cfg.items() if k != "custom_text"})
    options = config["vision_cfg"].pop("timm_options", {})
    if config["vision_cfg"].get("timm_model_name"):
        config["vision_cfg"]["timm_model_pretrained"] = False  # weights come from one file alone
    model_class = open_clip.CustomTextCLIP if model_cfg.get("custom_text") else open_clip.CLIP
    try:
        with _timm_options(options):
            return model_class(**config)
    except (TypeError, ValueError, KeyError, RuntimeError, AssertionError) as error:
        raise WeightsError(
            f"{where}: open_clip cannot build this configuration ({error})"
        ) from error


@contextmanager
def _timm_options(options: Mapping[str, Any]) -> Iterator[None]:
    """Give arguments to the timm model that open_clip makes, to which it gives a name alone.

    Meanwhile a stand-in of timm is in open_clip's module, where other threads find it too.
    """
    with _BUILDING:
        module = open_clip.timm_model
        timm, options = module.timm, dict(options)
        if "norm_eps" in options:
            options["norm_layer"] = partial(timm.layers.LayerNorm, eps=options.pop("norm_eps"))
        if options:
            create_model = partial(timm.create_model, **options)
            module.timm = SimpleNamespace(**{**vars(timm), "create_model": create_model})
        try:
            yield
        finally:
            module.timm = timm
