"""Weights are loaded from where they are, and refused in one sentence where they are wrong."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from simulated_gpu import simulated_gpu
from vlprompt_pipeline.clip import load_clip
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.clip.loading import check_clip
from vlprompt_pipeline.errors import ConfigError, DataError, WeightsError
from vlprompt_pipeline.filesystem.files import sha256_file

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"


@pytest.fixture
def folder(tiny_clip_folder, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_clip_folder, tmp_path / "clip"))


def _edit_config(folder: Path, **changes) -> None:
    config = json.loads((folder / CONFIG).read_text())
    for key, value in changes.items():
        if value is None:
            del config["model_cfg"][key]
        else:
            config["model_cfg"][key] = value
    (folder / CONFIG).write_text(json.dumps(config))


def _load(folder: Path):
    return load_clip(f"local-dir:{folder}", "tiny", "cpu")


def test_features_equal_open_clips_own(tiny_clip, tiny_clip_folder):
    config = json.loads((tiny_clip_folder / CONFIG).read_text())
    model = open_clip.CLIP(**config["model_cfg"]).eval()
    model.load_state_dict(load_file(tiny_clip_folder / WEIGHTS))
    texts = ["a photo of a cat.", "a much longer photo of two dogs!"]
    pixels = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        text = model.encode_text(open_clip.SimpleTokenizer()(texts), normalize=True)
        image = model.encode_image(pixels, normalize=True)
    torch.testing.assert_close(tiny_clip.encode_texts(texts), text, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(tiny_clip.encode_images(pixels), image, rtol=1e-5, atol=1e-6)


def test_knows_its_weights_and_sizes(tiny_clip, tiny_clip_folder):
    assert tiny_clip.weights_sha256 == sha256_file(tiny_clip_folder / WEIGHTS)
    assert (tiny_clip.embed_dim, tiny_clip.text_width, tiny_clip.context_length) == (16, 32, 77)
    assert not any(p.requires_grad for p in tiny_clip.model.parameters())


def test_a_text_longer_than_the_context_is_refused(tiny_clip):
    with pytest.raises(DataError, match="has 82 tokens, but tiny reads at most 77"):
        tiny_clip.encode_texts(["cat " * 80])


def test_truncated_weights(folder):
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match="is truncated or not safetensors"):
        _load(folder)


def test_weights_of_another_architecture(folder):
    state = load_file(folder / WEIGHTS)
    state["text_projection"] = torch.zeros(32, 8)
    save_file(state, folder / WEIGHTS)
    with pytest.raises(WeightsError, match=r"text_projection is \[32, 8\] instead of \[32, 16\]"):
        _load(folder)


def test_a_missing_tensor_is_named(folder):
    state = load_file(folder / WEIGHTS)
    del state["ln_final.weight"]
    save_file(state, folder / WEIGHTS)
    with pytest.raises(WeightsError, match="ln_final.weight is missing"):
        _load(folder)


def test_a_pickle_is_refused_unopened(folder):
    from vlprompt_pipeline.clip.weights import check_weights

    archive = folder / "ViT-B-16.pt"
    archive.write_bytes(b"PK\x03\x04 anything")
    with pytest.raises(WeightsError, match="pickles and TorchScript archives"):
        check_weights(archive)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(WeightsError, match=name.split(".")[0]):
        _load(folder)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_file_that_may_not_be_read_is_told(folder, name, monkeypatch):
    def refuse(path: Path, *args: object, **options: object) -> object:
        if path.name == name:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *args, **options)

    opened = Path.open
    monkeypatch.setattr(Path, "open", refuse)
    for refused in (lambda: _load(folder), lambda: check_clip(f"local-dir:{folder}", "cpu")):
        with pytest.raises(WeightsError, match=f"cannot read {folder / name} .Permission denied"):
            refused()


@pytest.mark.parametrize(
    ("preprocessing", "sentence"),
    [
        ([0.5], r"is not an open_clip configuration \(no preprocess_cfg\)"),
        ({"mean": "grey"}, "preprocess_cfg.mean is 'grey'; give three numbers or one"),
        ({"std": [0.2, 0.2, 0]}, r"preprocess_cfg.std is \[0.2, 0.2, 0\]; give numbers above 0"),
    ],
)
def test_preprocessing_that_cannot_be_is_told(folder, preprocessing, sentence):
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**config, "preprocess_cfg": preprocessing}))
    with pytest.raises(WeightsError, match=sentence):
        _load(folder)


def test_missing_folder():
    with pytest.raises(WeightsError, match="no folder nowhere"):
        load_clip("local-dir:nowhere")


@pytest.mark.parametrize("source", ["embeded", "local-dir:", "ViT-B-16", "open_clip:ViT-B-16"])
def test_unknown_source(source):
    with pytest.raises(ConfigError, match="unknown source .* allowed: embedded, local-dir"):
        load_clip(source)


@pytest.mark.parametrize("source", ["", "~nobody-of-this-name/clip", "x" * 300])
def test_what_cannot_be_a_path_is_no_folder_either(source):
    with pytest.raises(ConfigError, match="hf-hub:<owner>/<name>$"):
        check_clip(source, "cpu")
    with pytest.raises((ConfigError, WeightsError), match="no (home )?folder|unknown source"):
        check_clip(f"local-dir:{source}", "cpu")


@pytest.mark.parametrize("name", ["/clip", "owner/", "my models/clip", "-owner/clip"])
def test_a_name_that_the_hub_cannot_have_is_told_before_a_run(name):
    with pytest.raises(ConfigError, match=f"unknown source 'hf-hub:{name}'"):
        check_clip(f"hf-hub:{name}", "cpu")


def test_unknown_device():
    with pytest.raises(ConfigError, match="device: no tpu on this machine"):
        load_clip("embedded", device="tpu")


def test_unknown_precision():
    with pytest.raises(
        ConfigError, match="precision: unknown 'bf17'; allowed: auto, fp32, tf32, bf"
    ):
        load_clip("embedded", precision="bf17")


class TestActivation:
    """OpenAI's weights need QuickGELU; their marks are looked for where a config is silent."""

    def _give_openai_marks(self, folder: Path) -> None:
        state = {
            name: tensor.half().float() for name, tensor in load_file(folder / WEIGHTS).items()
        }
        state["logit_scale"] = torch.tensor(100.0).log()
        save_file(state, folder / WEIGHTS)

    def test_refused_where_the_config_is_silent(self, folder):
        self._give_openai_marks(folder)
        _edit_config(folder, quick_gelu=None)
        with pytest.raises(WeightsError, match='marks of OpenAI.*write "quick_gelu": true'):
            _load(folder)

    @pytest.mark.parametrize("stated", [True, False])
    def test_accepted_where_the_config_says(self, folder, stated):
        self._give_openai_marks(folder)
        _edit_config(folder, quick_gelu=stated)
        activation = type(_load(folder).model.transformer.resblocks[0].mlp.gelu).__name__
        assert activation == ("QuickGELU" if stated else "GELU")

    def test_other_weights_are_not_suspected(self, folder):
        _edit_config(folder, quick_gelu=None)
        assert _load(folder).name == "tiny"

    def test_a_tag_trained_with_quickgelu_needs_such_a_model(self):
        with pytest.raises(WeightsError, match="use open_clip:ViT-B-16-quickgelu:openai"):
            load_clip("open_clip:ViT-B-16:openai")

    def test_a_tag_trained_with_gelu_needs_such_a_model(self):
        with pytest.raises(ConfigError, match="has no pretrained tag 'laion2b_s34b_b88k'"):
            load_clip("open_clip:ViT-B-16-quickgelu:laion2b_s34b_b88k")


def test_an_unknown_model_or_tag_is_named():
    with pytest.raises(ConfigError, match="no model 'ViT-Z'"):
        load_clip("open_clip:ViT-Z:openai")
    with pytest.raises(ConfigError, match="has no pretrained tag 'nope'; it has: .*openai"):
        load_clip("open_clip:ViT-B-16-quickgelu:nope")


@pytest.fixture
def compact(folder) -> Path:
    """The same CLIP with five rows in its token table and one row for all other tokens."""
    state = load_file(folder / WEIGHTS)
    full = state.pop("token_embedding.weight")
    ids = torch.tensor([269, 320, 1125, 49406, 49407])
    state |= {"token_embedding.rows": full[ids].clone(), "token_embedding.row_ids": ids}
    state["token_embedding.unseen"] = torch.full((32,), 0.5)
    save_file(state, folder / WEIGHTS)
    return folder


def test_a_compact_token_table_is_expanded(compact, tiny_clip):
    clip = _load(compact)
    assert torch.equal(clip.embed([1125]), tiny_clip.embed([1125]))
    assert torch.equal(clip.embed([2368]), torch.full((1, 32), 0.5))


def test_unseen_words_are_warned_of_by_name(compact, caplog):
    with caplog.at_level("WARNING"):
        _load(compact).words.warn_unseen(["a photo of a cat."])
    assert "never saw these words and cannot tell them apart: of, cat" in caplog.text


def test_a_clip_that_is_elsewhere_or_in_another_precision_is_copied(tiny_clip, tiny_clip_folder):
    source, pixels = f"local-dir:{tiny_clip_folder}", torch.randn(2, 3, 32, 32)
    expected = tiny_clip.encode_images(pixels)
    rounded = load_clip(source, "tiny", "cpu", precision="bf16")
    exact = rounded.on("cpu", "fp32")
    assert torch.equal(exact.encode_images(pixels), expected)
    assert not torch.equal(rounded.encode_images(pixels), expected)
    assert exact.on("cpu", "fp32") is exact
    with simulated_gpu():
        there = load_clip(source, "tiny", "cuda")
        here = there.on("cpu", "fp32")
        assert (there.device.type, there.arithmetic.precision) == ("cuda", "bf16")
        assert torch.equal(here.encode_images(pixels), expected)
        assert torch.equal(here.encode_texts(["a cat"]), tiny_clip.encode_texts(["a cat"]))
