"""Every kind of model that open_clip has is computed as it computes it, or refused by its kind.

In CI one model of each kind of tower and tokenizer; `pytest -m long` takes all of them.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vlprompt_pipeline.clip import EvaluationView, FrozenClip, load_clip
from vlprompt_pipeline.clip.architecture import unsupported
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.clip.pretrained import activation_sibling, adaptable_tags
from vlprompt_pipeline.clip.small import small_config, write_small
from vlprompt_pipeline.clip.towers import takes_image_prompts
from vlprompt_pipeline.errors import WeightsError

ONE_OF_EACH = (
    "ViT-B-16-quickgelu",
    "ViT-M-16-alt",
    "ViT-B-16-SigLIP",
    "ViT-B-16-SigLIP2",
    "ViT-B-16-SigLIP-i18n-256",
    "ViT-SO400M-16-SigLIP-i18n-256",
    "ViT-H-14-CLIPA",
    "ViT-H-14-worldwide",
    "ViT-L-14-worldwide",
    "EVA01-g-14",
    "EVA02-B-16",
    "EVA02-E-14",
    "PE-Core-T-16-384",
    "MobileCLIP-B",
    "MobileCLIP-S1",
    "MobileCLIP2-L-14",
    "ViTamin-S",
    "RN50",
    "convnext_base",
    "swin_base_patch4_window7_224",
    "vit_relpos_medium_patch16_cls_224",
    "vit_medium_patch16_gap_256",
)
TEXTS = ["a photo of a cat.", "Dog", "the  picture, a 'dog'!"]


def _kinds() -> list:
    names = [name for name in open_clip.list_models() if not unsupported_of(name)]
    others = [name for name in names if name not in ONE_OF_EACH]
    return [*ONE_OF_EACH, *(pytest.param(name, marks=pytest.mark.long) for name in others)]


def unsupported_of(name: str) -> str | None:
    return unsupported(open_clip.get_model_config(name))


def small_clip(name: str, folder: Path) -> FrozenClip:
    return load_clip(f"local-dir:{write_small(name, folder)}", name, "cpu")


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


@pytest.mark.parametrize("name", _kinds())
def test_features_are_those_of_open_clip(name, tmp_path):
    clip = small_clip(name, tmp_path)
    tokens = open_clip.get_tokenizer(f"local-dir:{tmp_path}")(TEXTS)
    pixels = torch.randn(2, 3, *clip.preprocessing.height_width)
    with torch.no_grad():
        close(clip.encode_texts_raw(TEXTS), clip.model.encode_text(tokens))
        image = clip.model.encode_image(pixels)
        close(clip.encode_images(pixels), torch.nn.functional.normalize(image, dim=-1))
        if takes_image_prompts(clip.model.visual):
            close(clip.image(pixels), image)
            if clip.image.has_attention_weights:
                weights = clip.image.attention_weights()
                close(clip.image.with_attention(weights)(pixels), image)
    if clip.text.has_attention_weights:
        again = clip.text.with_attention(clip.text.attention_weights())
        close(again(clip.prompts(TEXTS))[0].detach(), clip.model.encode_text(tokens).detach())


OPTIONS = (
    {"qk_norm": True},
    {"scale_heads": True},
    {"scale_attn": True},
    {"scale_fc": True},
    {"scale_attn_inner": True},
    {"no_causal_mask": True},
    {"no_causal_mask": True, "pool_type": "eos", "eos_id": 49407, "qk_norm": True},
    {"pool_type": "first"},
    {"pool_type": "last"},
    {"proj_bias": True},
    {"ls_init_value": 0.5},
    {"mlp_ratio": 2.0},
    {"act_kwargs": {"approximate": "tanh"}},
    {"norm_kwargs": {"eps": 0.1}},
    {"context_length": 20},
    {"block_type": "custom"},
)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_no_option_of_a_text_tower_is_ignored(options, tmp_path, monkeypatch):
    config = small_config("ViT-B-16")
    config["text_cfg"] |= options
    monkeypatch.setattr("vlprompt_pipeline.clip.small.small_config", lambda name: config)
    clip = small_clip("ViT-B-16", tmp_path)
    tokens = open_clip.SimpleTokenizer()(TEXTS, clip.context_length)
    with torch.no_grad():
        close(clip.encode_texts_raw(TEXTS), clip.model.encode_text(tokens))


@pytest.mark.parametrize("name", ["ViT-B-16-SigLIP", "MobileCLIP-S1", "ViT-H-14-CLIPA"])
def test_a_whole_text_tower_gives_the_gradients_of_open_clip(name, tmp_path):
    """A context in front of each name, against open_clip's tower fed with the same embeddings."""
    clip = small_clip(name, tmp_path)
    context = (0.1 * torch.randn(2, 32)).requires_grad_()
    prompts = clip.prompts(TEXTS)
    start = len(clip.tokenizer.start)
    prompts = type(prompts)(
        torch.cat([prompts.prefix[0], context])[None], prompts.suffix, prompts.lengths
    )
    text, tokenizer = getattr(clip.model, "text", clip.model), clip.tokenizer
    ids = [[*tokenizer.start, 0, 0, *tokenizer.encode(each), tokenizer.end] for each in TEXTS]
    padded = [row + [tokenizer.pad] * (clip.context_length - len(row)) for row in ids]
    embeddings = text.token_embedding(torch.tensor(padded))
    x = torch.cat(
        [embeddings[:, :start], context.expand(3, -1, -1), embeddings[:, start + 2 :]], dim=1
    )
    x = text.ln_final(text.transformer(x + text.positional_embedding, attn_mask=None))
    place = [-1] * 3 if name != "MobileCLIP-S1" else [len(row) - 1 for row in ids]
    x = x[range(3), place]
    theirs = text.text_projection(x) if callable(text.text_projection) else x @ text.text_projection
    ours = clip.text(prompts)[0]
    close(ours.detach(), theirs.detach())
    weights = torch.randn_like(ours)
    gradients = [torch.autograd.grad((f * weights).sum(), context)[0] for f in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5 * gradients[1].abs().max().item())


def test_texts_that_fill_the_context_are_those_of_open_clip(tmp_path):
    clip = small_clip("ViT-B-16-SigLIP", tmp_path)
    texts = [" ".join(["cat"] * words) for words in (62, 63)]  # an end token, and a place or none
    tokens = open_clip.get_tokenizer(f"local-dir:{tmp_path}")(texts)
    assert (tokens == clip.tokenizer.end).int().argmax(-1).tolist() == [62, 63]
    with torch.no_grad():
        theirs = clip.model.encode_text(tokens)
        for row, text in enumerate(texts):
            close(clip.encode_texts_raw([text]), theirs[row])


@pytest.mark.parametrize("memory", [0, 1 << 40])
def test_groups_and_deep_prompts_of_a_whole_text_tower(memory, tmp_path):
    """Groups are computed as if each were alone, and memory changes nothing."""
    clip = small_clip("ViT-B-16-SigLIP", tmp_path)
    own, torch_generator = clip.prompts(TEXTS), torch.Generator().manual_seed(0)
    contexts = torch.randn(2, 4, 32, generator=torch_generator).requires_grad_()
    deep = torch.randn(2, 3, 32, generator=torch_generator)
    tower = clip.computing(torch.float32, memory).text
    both = tower(type(own)(contexts, own.suffix, own.lengths, [deep]))
    for number in range(2):
        alone = type(own)(contexts[number][None], own.suffix, own.lengths, [deep[number][None]])
        torch.testing.assert_close(clip.text(alone)[0], both[number], rtol=1e-5, atol=1e-6)
    without = tower(type(own)(contexts, own.suffix, own.lengths))
    assert (without - both).abs().max() > 1e-3
    assert torch.autograd.grad(both.sum(), contexts)[0].abs().max() > 0


TIMM = ("EVA02-B-16", "EVA01-g-14", "EVA02-E-14", "PE-Core-T-16-384", "ViT-B-16-SigLIP")


@pytest.mark.parametrize("name", TIMM)
def test_prompts_in_towers_of_timm(name, tmp_path):
    """They are seen and have gradients; where attention's values are all zero they change nothing.

    The last holds only if prompts are neither pooled nor stand where a patch or class token does.
    """
    clip = small_clip(name, tmp_path)
    pixels = torch.randn(2, 3, *clip.preprocessing.height_width)
    prompts = [torch.randn(3, clip.image.width).requires_grad_() for _ in range(2)]
    features = clip.image(pixels, prompts)
    assert (features - clip.image(pixels)).abs().max() > 1e-3
    for gradient in torch.autograd.grad(features.sum(), prompts):
        assert gradient.abs().max() > 0
    silent = [weight.clone() for weight in clip.image.attention_weights()]
    for weight in silent:
        weight[2 * len(weight) // 3 :] = 0
    for parameter_name, parameter in clip.image.named_parameters():
        if parameter_name.endswith(("v_bias", "v_proj.bias", "qkv.bias")):
            parameter.data.zero_()
    tower = clip.image.with_attention(silent)
    torch.testing.assert_close(tower(pixels, prompts), tower(pixels), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["EVA02-B-16", "PE-Core-T-16-384"])
def test_prompts_have_no_rotary_position(name, tmp_path):
    """Tokens without position are a set: their order among themselves changes nothing."""
    clip = small_clip(name, tmp_path)
    pixels = torch.randn(2, 3, *clip.preprocessing.height_width)
    prompts = [torch.randn(3, clip.image.width) for _ in range(2)]
    turned = [prompt.flip(0) for prompt in prompts]
    ours, others = clip.image(pixels, prompts), clip.image(pixels, turned)
    torch.testing.assert_close(ours, others, rtol=1e-4, atol=1e-5)


def _tag_groups() -> dict[str, tuple[str, str]]:
    """One tag of each image size and preprocessing."""
    groups = {}
    for model, tag in open_clip.list_pretrained():
        entry = open_clip.get_pretrained_cfg(model, tag)
        size = open_clip.get_model_config(model)["vision_cfg"]["image_size"]
        keys = ("mean", "std", "interpolation", "resize_mode")
        groups[str((size, *(entry.get(key) for key in keys)))] = (model, tag)
    return groups


@pytest.mark.parametrize(("model", "tag"), _tag_groups().values())
def test_pixels_are_those_of_open_clip_to_the_bit(model, tag, tmp_path):
    entry = open_clip.get_pretrained_cfg(model, tag)
    size = open_clip.get_model_config(model)["vision_cfg"]["image_size"]
    _assert_same_pixels(entry, size, tmp_path)


@pytest.mark.parametrize("size", [64, (48, 80), (80, 48)])
@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "random"])
def test_pixels_of_any_configuration(size, mode, interpolation, tmp_path):
    config = {"mean": 0.4, "std": [0.2, 0.3, 0.4], "resize_mode": mode, "fill_color": 100}
    _assert_same_pixels({**config, "interpolation": interpolation}, size, tmp_path)


def _assert_same_pixels(config: dict, size, folder: Path) -> None:
    from vlprompt_pipeline.clip import Preprocessing

    keys = ("mean", "std", "interpolation", "resize_mode", "fill_color")
    arguments = {key: config[key] for key in keys if key in config}
    transform = open_clip.image_transform(size, is_train=False, **arguments)
    view = EvaluationView(Preprocessing.of_open_clip(config, size, "test"))
    for height, width in ((97, 131), (140, 60), (40, 41)):
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "photo.png")
        with Image.open(folder / "photo.png") as image:
            assert torch.equal(view.of(folder / "photo.png"), transform(image))


def test_of_all_tags_these_are_accepted():
    """All but CoCa and text towers of Hugging Face; some under their sibling's name alone."""
    tags = open_clip.list_pretrained()
    refused = [f"{m}:{t}" for m, t in tags if unsupported_of(m)]
    siblings = [f"{m}:{t}" for m, t in tags if not unsupported_of(m) and activation_sibling(m, t)]
    accepted = adaptable_tags()
    assert len(accepted) + len(siblings) + len(refused) == len(tags)
    assert all(
        "coca" in tag or "xlm" in tag or "nllb" in tag or "roberta" in tag for tag in refused
    )
    for tag in siblings:
        assert activation_sibling(*tag.split(":")) in accepted
    if open_clip.__version__.startswith("3.3"):
        assert (len(accepted), len(siblings), len(refused)) == (156, 27, 13)


@pytest.mark.parametrize(
    ("source", "kind", "nearest"),
    [
        ("coca_ViT-L-14:laion2b_s13b_b90k", "CoCa, which has a text decoder", "ViT-L-14:laion2b"),
        ("xlm-roberta-base-ViT-B-32:laion5b_s13b_b90k", "xlm-roberta-base text tower", "ViT-B-32"),
        ("nllb-clip-base-siglip:v1", "nllb-200-distilled-600M text tower", "ViT-B-16-SigLIP"),
    ],
)
def test_a_refusal_names_the_kind_and_the_nearest_tag_before_any_download(
    source, kind, nearest, monkeypatch
):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    message = rf"open_clip:{source} is .*{kind}.* the nearest that can is open_clip:{nearest}"
    with pytest.raises(WeightsError, match=message):
        load_clip(f"open_clip:{source}")


@pytest.mark.parametrize(
    ("tower", "option", "kind"),
    [
        ("text_cfg", {"embed_cls": True}, "a text tower with a class token of its own"),
        ("text_cfg", {"tokenizer_mode": "clips"}, "a tokenizer in mode clips"),
        ("text_cfg", {"pool_type": "none"}, "a text tower that is not pooled"),
        ("text_cfg", {"output_tokens": True}, "towers that give all tokens"),
        ("vision_cfg", {"output_tokens": True}, "towers that give all tokens"),
        ("vision_cfg", {"scaled_cosine_attn": True}, "scaled cosine attention"),
    ],
)
def test_options_that_no_tower_of_ours_has_are_refused_by_name(tower, option, kind):
    config = open_clip.get_model_config("ViT-B-16")
    assert unsupported(config) is None
    config[tower] |= option
    assert unsupported(config).startswith(kind)


@pytest.mark.parametrize("change", ["tokenizer", "preprocessing", "model"])
def test_a_clip_is_known_by_its_tower_tokenizer_and_preprocessing(change, tmp_path):
    """So that what was made with it refuses another (`ClipIdentity`)."""
    own = small_clip("ViT-B-16-SigLIP", tmp_path / "own").identity
    other = write_small("ViT-B-16-SigLIP", tmp_path / "other")
    if change == "tokenizer":
        content = (other / "tokenizer.json").read_text()
        (other / "tokenizer.json").write_text(content.replace('"▁cat"', '"▁cow"'))
    else:
        config = json.loads((other / "open_clip_config.json").read_text())
        if change == "preprocessing":
            config["preprocess_cfg"] = {"resize_mode": "squash"}
        else:
            config["model_cfg"]["text_cfg"]["no_causal_mask"] = False
        (other / "open_clip_config.json").write_text(json.dumps(config))
    changed = load_clip(f"local-dir:{other}", "other", "cpu").identity
    assert changed.weights == own.weights
    names = {"model": "model configuration"}
    assert own.difference(changed).startswith(f"the {names.get(change, change)} ")
