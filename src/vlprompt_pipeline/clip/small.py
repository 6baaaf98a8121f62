"""Any model of open_clip in small: its structure kept, widths, depths and vocabulary cut.

With random weights, so that every kind can be run on a laptop and without a download: the table of
backbones is made from these, and so are the tests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torch import nn

from vlprompt_pipeline.clip.architecture import build
from vlprompt_pipeline.clip.forms import (
    OPEN_CLIP_CONFIG,
    OPEN_CLIP_WEIGHTS,
    TOKENIZER_CONFIG,
    TOKENIZER_FILE,
)
from vlprompt_pipeline.clip.lazy_libraries import open_clip

WIDTH, DEPTH = 32, 2
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,'!?-"
_WORDS = ("a", "photo", "of", "the", "cat", "dog", "picture", "an")


def small_config(model: str) -> dict[str, Any]:
    """Cut the configuration of a model of open_clip to a few thousand weights and words."""
    config = open_clip.get_model_config(model)
    text, vision = config["text_cfg"], config["vision_cfg"]
    text |= {"width": WIDTH, "heads": 2, "layers": DEPTH}
    if text.get("hf_tokenizer_name"):
        text["vocab_size"] = len(_vocabulary(text["hf_tokenizer_name"]))
    config["embed_dim"] = 16
    if vision.get("timm_model_name"):
        vision["timm_options"] = _timm_options(vision)
        if "img_size" in vision["timm_options"]:
            vision["image_size"] = vision["timm_options"]["img_size"]
        if vision.get("timm_proj") == "none":  # the trunk's width is that of the features
            config["embed_dim"] = vision["timm_options"]["embed_dim"]
    elif isinstance(vision["layers"], list):
        vision |= {"layers": [1, 1, 1, 1], "width": 8, "image_size": 64, "head_width": 64}
    else:
        vision |= {"layers": DEPTH, "width": WIDTH, "head_width": 16}
        vision["image_size"] = 3 * vision["patch_size"]
    if text.get("proj_type") == "none":
        text["width"] = config["embed_dim"]
    return config


def write_small(model: str, folder: Path) -> Path:
    """Write a small model with random weights as a `local-dir:` folder; gives the folder back."""
    config = small_config(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        built = build(config, model)
        _make_all_count(built)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: tensor.contiguous() for name, tensor in built.state_dict().items()},
        folder / OPEN_CLIP_WEIGHTS,
    )
    (folder / OPEN_CLIP_CONFIG).write_text(json.dumps({"model_cfg": config}), encoding="utf-8")
    if config["text_cfg"].get("hf_tokenizer_name"):
        write_small_tokenizer(config["text_cfg"]["hf_tokenizer_name"], folder)
    return folder


def write_small_tokenizer(name: str, folder: Path) -> None:
    """Write a tokenizer of the kind that `name` is of, with letters and a few words."""
    tokenizer, special = _tokenizer(name)
    tokenizer.save(str(folder / TOKENIZER_FILE))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **special}
    (folder / TOKENIZER_CONFIG).write_text(json.dumps(config), encoding="utf-8")


def _make_all_count(model: nn.Module) -> None:
    """Give every parameter a value that shows: zeros, ones and small numbers hide mistakes."""
    for name, parameter in model.named_parameters():
        if parameter.ndim <= 1 and not name.startswith("logit"):
            noise = 0.1 * torch.randn_like(parameter)
            parameter.data = parameter.data + noise
        elif parameter.ndim == 2 and "embed" not in name:
            nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
        elif not parameter.any():
            nn.init.normal_(parameter, std=0.02)
    for _, buffer in model.named_buffers():
        if buffer.dtype.is_floating_point and buffer.ndim == 1:
            buffer.copy_(0.5 + torch.rand_like(buffer))


def _timm_options(vision: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments that make a model of timm small."""
    name = vision["timm_model_name"]
    if name.startswith("convnext"):
        return {"depths": (1, 1, 1, 1), "dims": (8, 16, 24, 32)}
    if name.startswith("swin"):
        return {"embed_dim": 8, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 1, 1)}
    if name.startswith("fastvit"):
        stages = 5 if name.endswith(("mci3", "mci4")) else 4
        return {"layers": (1,) * stages, "embed_dims": (16, 16, 32, 32, 32)[:stages]}
    if name.startswith("vitamin"):
        return {"depth": 1, "img_size": 64}
    if name.startswith("vit_base_mci"):
        return {"depth": DEPTH, "img_size": 64}
    patch = next(int(part[5:]) for part in name.split("_") if part.startswith("patch"))
    # rotary positions of EVA-02 turn groups of four; PE pools with eight heads
    return {"embed_dim": 64, "depth": DEPTH, "num_heads": 2, "img_size": 3 * patch}


_SPECIAL = {  # ids of the special tokens, by the tokenizer's kind
    "bert": ("[PAD]", "[UNK]", "[CLS]", "[SEP]"),
    "xlm": ("<s>", "<pad>", "</s>", "<unk>"),
    "mt5": ("<pad>", "</s>", "<unk>"),
    "siglip2": ("<pad>", "<eos>", "<bos>", "<unk>"),
    "siglip": ("<unk>", "</s>"),
    "clip": ("<|startoftext|>", "<|endoftext|>"),  # the highest ids, as in CLIP
}


def _kind(name: str) -> str:
    lowered = name.lower()
    return next(kind for kind in _SPECIAL if kind in lowered)


def _vocabulary(name: str) -> list[str]:
    special = list(_SPECIAL[_kind(name)])
    if _kind(name) == "bert":
        return [*special, *_LETTERS, *(f"##{each}" for each in _LETTERS), *_WORDS[1:-1]]
    if _kind(name) == "clip":
        return ["▁", *_LETTERS, *(f"▁{word}" for word in _WORDS), *special]
    return [*special, "▁", *_LETTERS, *(f"▁{word}" for word in _WORDS)]


def _tokenizer(name: str) -> tuple[Tokenizer, dict[str, str]]:
    """Return a tokenizer and its special tokens, with what its kind puts around a text."""
    kind, pieces = _kind(name), _vocabulary(name)
    numbers = {piece: number for number, piece in enumerate(pieces)}
    if kind == "bert":
        tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        around, pad = ("[CLS]", "[SEP]"), "[PAD]"
        special = {"sep_token": "[SEP]", "cls_token": "[CLS]"}
    else:
        unknown = numbers.get("<unk>", len(pieces) - 1)
        scored = [(piece, -1.0 - (len(piece) < 2) * 9) for piece in pieces]
        tokenizer = Tokenizer(models.Unigram(scored, unknown))
        spaces = normalizers.Replace(Regex(" {2,}"), " ")
        lower = [normalizers.Lowercase()] if kind == "clip" else []
        tokenizer.normalizer = normalizers.Sequence([*lower, spaces])
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
        end = {"siglip2": "<eos>", "clip": "<|endoftext|>"}.get(kind, "</s>")
        around = ({"xlm": "<s>", "clip": "<|startoftext|>"}.get(kind), end)
        pad = end if kind in ("siglip", "clip") else "<pad>"
        special = {"eos_token": end, "unk_token": pieces[unknown]}
    start, end = around
    tokenizer.add_special_tokens(list(_SPECIAL[kind]))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}" if start else f"$A {end}",
        special_tokens=[(token, numbers[token]) for token in around if token],
    )
    return tokenizer, {**special, "pad_token": pad}
