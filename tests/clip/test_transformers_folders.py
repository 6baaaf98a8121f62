"""Folders of transformers: features from JPEG file to logits are those of its own models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from clip.test_hub import load_repository
from vlprompt_pipeline.clip import EvaluationView, load_clip
from vlprompt_pipeline.clip.copying import copy_clip
from vlprompt_pipeline.clip.forms import read_folder
from vlprompt_pipeline.clip.lazy_libraries import torchvision
from vlprompt_pipeline.clip.small import write_small_tokenizer
from vlprompt_pipeline.clip.transformers_models import model_config
from vlprompt_pipeline.clip.transformers_processors import preprocess_config
from vlprompt_pipeline.errors import WeightsError

assert torchvision.__version__  # imported first, as this project does
transformers = pytest.importorskip("transformers")
TEXTS = ["a photo of a cat.", "Dog", "the picture of a dog, a cat"]


@pytest.fixture
def photo(tmp_path) -> Path:
    """A JPEG that becomes 51 x 32: a crop's offset of 9.5 shows how it is rounded."""
    pixels = np.random.default_rng(0).integers(0, 256, (75, 118, 3), np.uint8)
    Image.fromarray(pixels).resize((121, 75)).save(tmp_path / "photo.jpg", quality=95)
    return tmp_path / "photo.jpg"


def _randomise(model: torch.nn.Module) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        if "logit" in name:
            continue
        scale = parameter.shape[-1] ** -0.5 if parameter.ndim > 1 else 0.2
        noise = scale * torch.randn(parameter.shape, generator=generator)
        parameter.data = parameter.data + noise if parameter.ndim <= 1 else noise
    return model.eval()


def _clip_folder(folder: Path, **options) -> torch.nn.Module:
    """A small CLIPModel with a small tokenizer, saved as transformers saves it."""
    act = options.get("act", "quick_gelu")
    text = {"hidden_size": 32, "intermediate_size": 88, "num_hidden_layers": 2}
    text |= {"num_attention_heads": 2, "vocab_size": 53, "max_position_embeddings": 24}
    text |= {"eos_token_id": options.get("eos", 52), "hidden_act": act}
    vision = {"hidden_size": 48, "intermediate_size": 100, "num_hidden_layers": 2}
    vision |= {"num_attention_heads": 4, "image_size": 32, "patch_size": 8, "hidden_act": act}
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
    model = _randomise(transformers.CLIPModel(config))
    model.save_pretrained(folder, max_shard_size=options.get("shard", "5GB"))
    write_small_tokenizer("clip", folder)
    processor = _processor("clip")(size={"shortest_edge": 32}, crop_size=32)
    processor.save_pretrained(folder)
    return model


def _siglip_folder(folder: Path, **options) -> torch.nn.Module:
    text = {"hidden_size": 32, "intermediate_size": 88, "num_hidden_layers": 2}
    text |= {"num_attention_heads": 2, "vocab_size": 60, "max_position_embeddings": 24}
    text |= {"projection_size": 48}
    vision = {"hidden_size": 48, "intermediate_size": 100, "num_hidden_layers": 2}
    vision |= {"num_attention_heads": 4, "image_size": 32, "patch_size": 9}
    config = transformers.SiglipConfig(text_config=text, vision_config=vision)
    model = _randomise(transformers.SiglipModel(config))
    model.logit_bias.data.fill_(-10)
    model.save_pretrained(folder, max_shard_size=options.get("shard", "5GB"))
    write_small_tokenizer("siglip", folder)
    processor = _processor("siglip")(size={"height": 32, "width": 32}, resample=2)
    processor.save_pretrained(folder)
    return model


def _processor(kind: str):
    """The processor that works with Pillow, whatever this version of transformers calls it."""
    from importlib import import_module

    name = {"clip": "CLIPImageProcessor", "siglip": "SiglipImageProcessor"}[kind]
    for module in (f"image_processing_pil_{kind}", f"image_processing_{kind}"):
        try:
            found = import_module(f"transformers.models.{kind}.{module}")
        except ImportError:
            continue
        return getattr(found, f"{name}Pil", None) or getattr(found, name)
    raise AssertionError(name)


def _close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


KINDS = {
    "clip": (_clip_folder, {}),
    "clip, as old files": (_clip_folder, {"eos": 2}),
    "clip, sharded": (_clip_folder, {"shard": "50KB"}),
    "clip, gelu": (_clip_folder, {"act": "gelu"}),
    "clip, tanh": (_clip_folder, {"act": "gelu_pytorch_tanh"}),
    "siglip": (_siglip_folder, {}),
    "siglip, sharded": (_siglip_folder, {"shard": "50KB"}),
}


def test_a_sharded_repository_of_the_hub_is_fetched_and_read_as_its_folder(tmp_path):
    _clip_folder(tmp_path / "files", shard="50KB")
    sizes, asked = load_repository(tmp_path / "files", tmp_path / "cache")
    clip = load_clip(f"local-dir:{tmp_path / 'files'}", "tiny", "cpu")
    assert sizes == [clip.embed_dim, clip.tokenizer.end, clip.context_length]
    shards = {path.name for path in (tmp_path / "files").glob("model-*.safetensors")}
    assert len(shards) > 1
    assert shards | {"model.safetensors.index.json", "tokenizer.json"} <= set(asked)


@pytest.mark.parametrize("kind", KINDS)
def test_from_file_to_logits(kind, tmp_path, photo):
    write, options = KINDS[kind]
    model = write(tmp_path / "model", **options)
    clip = load_clip(f"local-dir:{tmp_path / 'model'}", kind, "cpu")
    tokens = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")(
        TEXTS, padding="max_length", max_length=24, return_tensors="pt"
    )["input_ids"]
    processor = _processor(kind.partition(",")[0]).from_pretrained(tmp_path / "model")
    with Image.open(photo) as image:
        pixels = processor(images=image, return_tensors="pt")["pixel_values"]
    ours = EvaluationView(clip.preprocessing).of(photo)[None]
    assert torch.equal(ours, pixels)
    with torch.no_grad():
        theirs = model(input_ids=tokens, pixel_values=pixels)
        text, image_features = clip.encode_texts(TEXTS), clip.encode_images(ours)
    _close(text, theirs.text_embeds)
    _close(image_features, theirs.image_embeds)
    logits = clip.logit_scale * image_features @ text.T + clip.logit_bias
    _close(logits, theirs.logits_per_image)


def test_what_a_configuration_leaves_out_is_as_transformers_has_it():
    """A config.json that says nothing against one with all values of its class."""
    for kind, made in (("clip", transformers.CLIPConfig), ("siglip", transformers.SiglipConfig)):
        assert model_config({"model_type": kind}, "") == model_config(made().to_dict(), "")


def test_of_two_sections_of_an_old_file_the_second_holds():
    config = {"text_config": {"hidden_size": 16}, "text_config_dict": {"hidden_size": 32}}
    assert model_config({"model_type": "clip", **config}, "")["text_cfg"]["width"] == 32


@pytest.mark.parametrize("sizes", [(49, 99), (768, 3072), (1152, 4304)])
def test_the_hidden_layer_has_its_size_whatever_the_width(sizes):
    """open_clip rounds the product of width and ratio down."""
    section = dict(zip(("hidden_size", "intermediate_size"), sizes, strict=True))
    text = model_config({"model_type": "clip", "text_config": section}, "")["text_cfg"]
    assert int(text["width"] * text["mlp_ratio"]) == sizes[1]


def test_activations_are_those_of_transformers():
    x = torch.linspace(-4, 4, 101)
    for name in ("gelu", "gelu_pytorch_tanh", "gelu_new", "gelu_fast"):
        sections = {f"{tower}_config": {"hidden_act": name} for tower in ("text", "vision")}
        options = model_config({"model_type": "clip", **sections}, "")["text_cfg"]["act_kwargs"]
        ours, theirs = F.gelu(x, **options), transformers.activations.ACT2FN[name](x)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-6)
    with pytest.raises(WeightsError, match="QuickGELU in one tower and another activation"):
        model_config({"model_type": "clip", "text_config": {"hidden_act": "gelu"}}, "")


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_what_a_processor_leaves_out_is_as_transformers_has_it(kind):
    processor = _processor(kind)()
    name = {"image_processor_type": type(processor).__name__}
    assert preprocess_config(name, 224, "") == preprocess_config(processor.to_dict(), 224, "")


def test_a_processor_is_found_in_the_file_of_newer_versions(tmp_path):
    _clip_folder(tmp_path)
    older = tmp_path / "preprocessor_config.json"
    config = {"image_processor": json.loads(older.read_text()), "processor_class": "CLIPProcessor"}
    older.unlink()
    (tmp_path / "processor_config.json").write_text(json.dumps(config))
    assert read_folder(tmp_path).preprocess_cfg["mean"] == [0.48145466, 0.4578275, 0.40821073]


@pytest.mark.parametrize("write", [_clip_folder, _siglip_folder])
def test_a_copy_is_a_folder_of_open_clip_with_the_same_features(write, tmp_path, photo):
    write(tmp_path / "model")
    first = load_clip(f"local-dir:{tmp_path / 'model'}", "first", "cpu")
    copy_clip(f"local-dir:{tmp_path / 'model'}", tmp_path / "copy")
    rights = {file.stat().st_mode for file in (tmp_path / "copy").iterdir()}
    assert len(rights) == 1, "safetensors gives a file to its owner alone"
    again = load_clip(f"local-dir:{tmp_path / 'copy'}", "again", "cpu")
    assert first.preprocessing == again.preprocessing
    assert torch.equal(first.encode_texts(TEXTS), again.encode_texts(TEXTS))
    pixels = EvaluationView(first.preprocessing).of(photo)[None]
    assert torch.equal(first.encode_images(pixels), again.encode_images(pixels))


def _edit(file: Path, **changes) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model_type": "siglip2"}, r"Siglip2Model \(NaFlex, .* use a SigLIP 2 of fixed size"),
        ({"model_type": "blip"}, "a model of the type 'blip' of transformers cannot be adapted"),
    ],
)
def test_other_models_of_transformers_are_refused_by_type(changes, sentence, tmp_path):
    _clip_folder(tmp_path)
    _edit(tmp_path / "config.json", **changes)
    with pytest.raises(WeightsError, match=sentence):
        load_clip(f"local-dir:{tmp_path}")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"crop_size": 24}, "but the tower reads squares of 32 pixels"),
        ({"do_center_crop": False}, "are cropped to nothing, but the tower reads squares of 32"),
        ({"do_normalize": False}, "do_normalize is false"),
        ({"rescale_factor": 1.0}, "rescale_factor is 1.0, not 1/255"),
        ({"resample": 1}, "resample is 1, not 2 or 3"),
        ({"image_processor_type": "BlipImageProcessor"}, "processor BlipImageProcessor is not"),
    ],
)
def test_other_preprocessing_is_refused(changes, sentence, tmp_path):
    _clip_folder(tmp_path)
    _edit(tmp_path / "preprocessor_config.json", **changes)
    with pytest.raises(WeightsError, match=sentence):
        load_clip(f"local-dir:{tmp_path}")


def test_a_tokenizer_of_another_model_is_refused(tmp_path):
    _clip_folder(tmp_path, eos=7)
    with pytest.raises(WeightsError, match="at token 7, but the tokenizer ends texts with 52"):
        load_clip(f"local-dir:{tmp_path}")
