"""Weights are loaded from where they are, and refused in one sentence where they are wrong."""

from __future__ import annotations

import errno
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.torch_version import TorchVersion

from simulated_gpu import MPS, simulated_gpu
from vlprompt_pipeline.clip import load_clip
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.clip.loading import check_clip, resolve_device
from vlprompt_pipeline.clip.pretrained import tag_config
from vlprompt_pipeline.clip.small import write_small
from vlprompt_pipeline.clip.weights import check_activation, check_weights
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
    assert not any(module.training for module in tiny_clip.model.modules())


def test_two_threads_that_ask_at_once_get_the_same(folder):
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(_load, [folder, folder])
    assert first is second


def test_what_does_not_fit_is_cut_as_open_clip_cuts_it(tiny_clip):
    texts = ["cat " * 75, "cat " * 76]  # 77 tokens and one too many
    tokens = open_clip.SimpleTokenizer()(texts)
    with torch.no_grad():
        theirs = tiny_clip.model.encode_text(tokens, normalize=True)
    torch.testing.assert_close(tiny_clip.encode_texts(texts, cut=True), theirs)
    torch.testing.assert_close(tiny_clip.encode_texts(texts[:1]), theirs[:1])
    with pytest.raises(DataError, match="has 78 tokens, but tiny reads at most 77"):
        tiny_clip.encode_texts(texts)


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


def test_a_logit_scale_has_a_dimension_or_none(folder, tiny_clip):
    state = load_file(folder / WEIGHTS)
    save_file({**state, "logit_scale": state["logit_scale"].reshape(1)}, folder / WEIGHTS)
    assert _load(folder).logit_scale == tiny_clip.logit_scale
    save_file({**state, "logit_scale": torch.zeros(2)}, folder / WEIGHTS)
    with pytest.raises(WeightsError, match=r"logit_scale is \[2\] instead of \[\]"):
        load_clip(f"local-dir:{folder}", "two scales", "cpu")


def test_a_logit_bias_that_is_missing_is_zero(tmp_path):
    folder = write_small("ViT-B-16-SigLIP", tmp_path)
    state = load_file(folder / WEIGHTS)
    assert state.pop("logit_bias") != 0
    save_file(state, folder / WEIGHTS)
    assert _load(folder).logit_bias == 0


def test_a_missing_tensor_is_named(folder):
    state = load_file(folder / WEIGHTS)
    del state["ln_final.weight"]
    save_file(state, folder / WEIGHTS)
    with pytest.raises(WeightsError, match="ln_final.weight is missing"):
        _load(folder)


def test_a_pickle_is_refused_unopened(folder):
    archive = folder / "ViT-B-16.pt"
    archive.write_bytes(b"PK\x03\x04 anything")
    with pytest.raises(WeightsError, match="pickles and TorchScript archives"):
        check_weights(archive)


def test_a_header_whose_length_begins_as_a_pickle_does_is_read(tmp_path):
    header = b'{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(0x280)
    file = tmp_path / "w.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    assert file.read_bytes().startswith(b"\x80\x02")
    check_weights(file)


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
        ({"mode": "L"}, "preprocess_cfg.mode is 'L'; RGB alone works"),
        ({"mean": [0.5, 0.4]}, r"preprocess_cfg.mean is \[0.5, 0.4\]; give three numbers or one"),
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


@pytest.mark.parametrize("name", ["clip", "/clip", "owner/", "my models/clip", "-owner/clip"])
def test_a_name_that_the_hub_cannot_have_is_told_before_a_run(name):
    with pytest.raises(ConfigError, match=f"unknown source 'hf-hub:{name}'"):
        check_clip(f"hf-hub:{name}", "cpu")


def test_a_source_of_no_kind_is_answered_by_the_one_that_was_meant(tiny_clip_folder, tmp_path):
    (pickle := tmp_path / "w.pt").touch()
    converted = f"local-dir:<new folder> after vlprompt convert-clip {pickle} <new folder>"
    meant = {
        str(tiny_clip_folder): f"local-dir:{tiny_clip_folder}",
        str(tiny_clip_folder / WEIGHTS): f"local-dir:{tiny_clip_folder}",
        str(pickle): converted,
        "ViT-B/16": "open_clip:ViT-B-16-quickgelu:openai",
        "ViT-B-16:laion400m_e31": "open_clip:ViT-B-16:laion400m_e31",
        "someone/clip": "hf-hub:someone/clip",
    }
    for source, hint in meant.items():
        with pytest.raises(ConfigError) as told:
            check_clip(source, "cpu")
        assert str(told.value).endswith(f"; did you mean {hint}?")


def test_auto_is_the_first_device_that_is_there():
    assert resolve_device("auto") in ("cpu", "mps", "cuda")
    with simulated_gpu():
        assert resolve_device("auto") == "cuda"
    with simulated_gpu(MPS):
        assert resolve_device("auto") == "mps"


def test_a_pytorch_that_is_wrong_on_mps_computes_on_the_cpu(monkeypatch):
    monkeypatch.setattr(torch, "__version__", TorchVersion("2.12.1"))
    with simulated_gpu(MPS):
        assert resolve_device("auto") == "cpu"
        with pytest.raises(ConfigError, match="PyTorch 2.12.1 computes some attention wrongly"):
            resolve_device("mps")


def test_a_kind_that_cannot_be_adapted_is_told_before_it_is_loaded(folder):
    _edit_config(folder, multimodal_cfg={})
    with pytest.raises(WeightsError, match="is CoCa, which has a text decoder"):
        check_clip(f"local-dir:{folder}", "cpu")


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

    @pytest.mark.parametrize("marked", [True, False])
    def test_other_weights_are_not_suspected(self, folder, marked):
        if marked:
            self._give_openai_marks(folder)
            state = load_file(folder / WEIGHTS)
            state["transformer.resblocks.1.mlp.c_fc.weight"][0, 0] = 0.1  # no half precision
            save_file(state, folder / WEIGHTS)
        _edit_config(folder, quick_gelu=None)
        assert _load(folder).name == "tiny"

    def test_weights_without_such_matrices_are_not_suspected(self):
        check_activation({}, {"logit_scale": torch.tensor(100.0).log()}, "SigLIP")

    @pytest.mark.parametrize("ask", [load_clip, lambda source: check_clip(source, "cpu")])
    def test_a_tag_trained_with_quickgelu_needs_such_a_model(self, ask):
        with pytest.raises(WeightsError, match="use open_clip:ViT-B-16-quickgelu:openai"):
            ask("open_clip:ViT-B-16:openai")

    def test_of_a_tag_it_is_always_said(self):
        assert tag_config("ViT-B-16", "laion400m_e31")[0]["quick_gelu"] is False
        assert tag_config("ViT-B-16-quickgelu", "openai")[0]["quick_gelu"] is True

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
    seen = frozenset([269, 320, 1125, 49406, 49407])
    assert clip.words.seen_tokens == clip.on("cpu", "bf16").words.seen_tokens == seen


def test_unseen_words_are_warned_of_once_by_name(compact, tiny_clip, caplog):
    words = _load(compact).words
    with caplog.at_level("WARNING"):
        words.warn_unseen(["A photo, of a Cat!"])
        words.warn_unseen(["a cat of a photo"])
        words.warn_unseen(["one two three four five six seven eight nine ten red blue green"])
    first, second = caplog.messages
    assert first.endswith("never saw these words and cannot tell them apart: of, cat")
    assert second.endswith(
        "apart: one, two, three, four, five, six, seven, eight, nine, ten, red, blue and 1 more"
    )
    assert tiny_clip.words.unseen(["all are known"]) == []


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
        assert (there.device.type, here.device.type) == ("cuda", "cpu")
        assert (there.device.type, there.arithmetic.precision) == ("cuda", "bf16")
        assert torch.equal(here.encode_images(pixels), expected)
        assert torch.equal(here.encode_texts(["a cat"]), tiny_clip.encode_texts(["a cat"]))
