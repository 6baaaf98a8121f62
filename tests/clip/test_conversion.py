"""Pickles become safe folders once and explicitly, and nothing in them is run."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from command_line import vlprompt
from conftest import TINY_CLIP
from vlprompt_pipeline.clip import load_clip
from vlprompt_pipeline.clip.conversion import convert_clip
from vlprompt_pipeline.clip.copying import write_clip
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.clip.openai_archives import PUBLISHED, is_torchscript, read_torchscript
from vlprompt_pipeline.clip.small import write_small
from vlprompt_pipeline.errors import ConfigError, UserError, WeightsError
from vlprompt_pipeline.filesystem.files import sha256_file

WEIGHTS = "open_clip_model.safetensors"


@pytest.fixture
def state(tiny_clip_folder) -> dict[str, torch.Tensor]:
    return load_file(tiny_clip_folder / WEIGHTS)


@pytest.fixture
def described(tmp_path, tiny_clip_folder) -> Path:
    """A folder with the tiny CLIP's configuration, and room for a pickle."""
    folder = tmp_path / "pickled"
    folder.mkdir()
    (folder / "open_clip_config.json").write_bytes(
        (tiny_clip_folder / "open_clip_config.json").read_bytes()
    )
    return folder


@pytest.mark.parametrize("form", ["plain", "training", "parallel", "half"])
def test_a_checkpoint_of_open_clip(form, state, described, tiny_clip, tmp_path):
    content = {
        "plain": state,
        "training": {"epoch": 3, "name": "run", "state_dict": state, "optimizer": {"lr": 0.1}},
        "parallel": {"state_dict": {f"module.{name}": each for name, each in state.items()}},
        "half": {name: each.half() for name, each in state.items()},
    }[form]
    torch.save(content, described / "open_clip_pytorch_model.bin")
    done = convert_clip(described, tmp_path / "new")
    assert done.tensors == len(state)
    clip = load_clip(f"local-dir:{tmp_path / 'new'}", "converted", "cpu")
    ours, theirs = clip.encode_texts(["a cat"]), tiny_clip.encode_texts(["a cat"])
    torch.testing.assert_close(ours, theirs, atol=1e-2 if form == "half" else 0, rtol=0)
    assert clip.preprocessing == tiny_clip.preprocessing


def test_a_name_of_open_clip_says_the_activation_whatever_lies_beside(
    state, described, tmp_path, monkeypatch
):
    silent = {key: value for key, value in TINY_CLIP.items() if key != "quick_gelu"}
    monkeypatch.setattr(open_clip, "get_model_config", lambda name: silent)
    torch.save(state, described / "model.pt")
    convert_clip(described, tmp_path / "new", "tiny")
    config = json.loads((tmp_path / "new/open_clip_config.json").read_text())
    assert config["model_cfg"] == {**silent, "quick_gelu": False}


def test_a_tokenizer_beside_a_checkpoint_goes_with_it(tmp_path):
    folder = write_small("ViT-B-16-SigLIP", tmp_path / "files")
    own = load_clip(f"local-dir:{folder}", "own", "cpu")
    torch.save(load_file(folder / WEIGHTS), folder / "model.pt")
    convert_clip(folder / "model.pt", tmp_path / "new")
    converted = load_clip(f"local-dir:{tmp_path / 'new'}", "converted", "cpu")
    assert converted.identity.tokenizer == own.identity.tokenizer


def test_a_tokenizer_that_lies_there_already_stays(tmp_path):
    folder = write_small("ViT-B-16-SigLIP", tmp_path / "files")
    own = load_clip(f"local-dir:{folder}", "own", "cpu")
    config = json.loads((folder / "open_clip_config.json").read_text())
    write_clip(config, load_file(folder / WEIGHTS), folder, folder)
    again = load_clip(f"local-dir:{folder}", "again", "cpu")
    assert again.identity.tokenizer == own.identity.tokenizer


class _Runs:
    def __reduce__(self):
        return os.mkdir, ("was_run",)


def test_a_pickle_with_code_is_refused_and_not_run(state, described, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": state, "more": _Runs()}, described / "evil.pt")
    with pytest.raises(
        WeightsError, match="evil.pt holds more than tensors, or is damaged"
    ) as told:
        convert_clip(described / "evil.pt", tmp_path / "new")
    assert "mkdir" in str(told.value)
    assert "Re-running" not in str(told.value), "PyTorch's advice to run what is in it"
    assert not (tmp_path / "was_run").exists()
    assert not (tmp_path / "new").exists()


@pytest.fixture
def archive(tmp_path, monkeypatch) -> tuple[Path, torch.nn.Module]:
    """A TorchScript archive as OpenAI's, in half precision, its SHA-256 in the table."""
    torch.manual_seed(0)
    model = open_clip.CLIP(**TINY_CLIP).eval()
    pixels, tokens = torch.zeros(1, 3, 32, 32), torch.zeros(1, 77, dtype=torch.int64)
    traced = torch.jit.trace(model, (pixels, tokens), check_trace=False)
    file = tmp_path / "ViT-Tiny.pt"
    traced.half().save(str(file))
    monkeypatch.setitem(PUBLISHED, sha256_file(file), "tiny")
    own = open_clip.get_model_config
    monkeypatch.setattr(
        open_clip,
        "get_model_config",
        lambda n: dict(TINY_CLIP) if n == "tiny-quickgelu" else own(n),
    )
    return file, model.half().float()


def test_an_archive_of_openai_is_read_without_running_it(archive, tmp_path, monkeypatch):
    file, model = archive
    monkeypatch.setattr(torch.jit, "load", None)
    done = convert_clip(file, tmp_path / "new")
    assert done.form == "OpenAI's archive of tiny"
    clip = load_clip(f"local-dir:{tmp_path / 'new'}", "archive", "cpu")
    for name, tensor in model.state_dict().items():
        assert torch.equal(clip.model.state_dict()[name], tensor), name
    with pytest.raises(ConfigError, match="is tiny-quickgelu, not ViT-B-32: leave --model out"):
        convert_clip(file, tmp_path / "other", "ViT-B-32")


class Parts(torch.nn.Module):
    """Two tensors of one storage, an empty one, and a number that OpenAI keeps among weights."""

    def __init__(self) -> None:
        super().__init__()
        whole = torch.arange(6.0)
        self.register_buffer("first", whole[:2])
        self.register_buffer("rest", whole[2:].view(2, 2).T)
        self.register_buffer("empty", torch.zeros(0))
        self.register_buffer("context_length", torch.tensor(77))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.first.sum() + self.rest.sum() + self.empty.sum() + self.context_length


def test_tensors_of_an_archive_have_their_own_part_of_a_storage(tmp_path):
    torch.jit.script(Parts()).save(str(tmp_path / "parts.pt"))
    read = read_torchscript(tmp_path / "parts.pt")
    assert {name: tensor.tolist() for name, tensor in read.items()} == {
        "first": [0, 1],
        "rest": [[2, 4], [3, 5]],
        "empty": [],
    }
    with zipfile.ZipFile(tmp_path / "parts.pt") as whole:
        contents = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(tmp_path / "short.pt", "w") as short:
        for name, content in contents.items():
            short.writestr(name, content[:8] if "/data/" in name else content)
    with pytest.raises(WeightsError, match="2 values stand where 6 should"):
        read_torchscript(tmp_path / "short.pt")


def test_only_archives_with_a_published_checksum_are_read(archive, tmp_path):
    file, _ = archive
    with file.open("ab") as stream:
        stream.write(b"one byte more")
    with pytest.raises(WeightsError, match="TorchScript archive, but none that OpenAI publishes"):
        convert_clip(file, tmp_path / "new")


def test_an_archive_that_asks_for_more_than_tensors_is_refused(tmp_path, monkeypatch):
    import pickletools

    monkeypatch.chdir(tmp_path)
    evil = b"cos\nmkdir\n(S'was_run'\ntR."
    assert "GLOBAL" in "".join(opcode.name for opcode, *_ in pickletools.genops(evil))
    with zipfile.ZipFile(tmp_path / "evil.pt", "w") as file:
        file.writestr("evil/data.pkl", evil)
        file.writestr("evil/constants.pkl", b"")
    assert is_torchscript(tmp_path / "evil.pt")
    with pytest.raises(WeightsError, match="holds more than tensors.*it asks for os.mkdir"):
        read_torchscript(tmp_path / "evil.pt")
    assert not (tmp_path / "was_run").exists()


def test_the_table_is_that_of_open_clip():
    """open_clip keeps the addresses of openai/CLIP, which have the checksums in them."""
    urls = {
        open_clip.get_pretrained_cfg(model, tag)["url"]
        for model, tag in open_clip.list_pretrained()
        if "openaipublic" in open_clip.get_pretrained_cfg(model, tag)["url"]
    }
    assert {url.split("/")[-2] for url in urls} == set(PUBLISHED)
    for name in PUBLISHED.values():
        assert open_clip.get_model_config(f"{name}-quickgelu")["quick_gelu"]


def test_what_cannot_be_converted_is_told(state, tmp_path, described, tiny_clip_folder):
    torch.save(state, tmp_path / "bare.pt")
    with pytest.raises(ConfigError, match="does not say which architecture .* --model"):
        convert_clip(tmp_path / "bare.pt", tmp_path / "new")
    with pytest.raises(WeightsError, match="holds another architecture"):
        convert_clip(tmp_path / "bare.pt", tmp_path / "new", "ViT-B-32")
    with pytest.raises(ConfigError, match="no model 'ViT-Z'"):
        convert_clip(tmp_path / "bare.pt", tmp_path / "new", "ViT-Z")
    with pytest.raises(WeightsError, match="is safe already: use local-dir:"):
        convert_clip(tiny_clip_folder / WEIGHTS, tmp_path / "new")
    with pytest.raises(WeightsError, match="holds none of .pt, .pth, .bin"):
        convert_clip(tiny_clip_folder, tmp_path / "new")
    torch.save([1, 2], described / "list.pt")
    with pytest.raises(WeightsError, match="holds no named tensors"):
        convert_clip(described, tmp_path / "new")
    with pytest.raises(UserError, match="holds a CLIP already"):
        convert_clip(described, tiny_clip_folder)
    with pytest.raises(UserError, match="holds a CLIP already"):
        convert_clip(tmp_path / "bare.pt", described)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_damaged_checkpoint_is_told_whichever_byte_is_wrong(zipped, tmp_path):
    file = tmp_path / "w.pt"
    content = {"weight": torch.zeros(3), "epoch": 3}  # refused where no damage shows
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    whole = file.read_bytes()
    for place in range(0, len(whole), 7):
        file.write_bytes(whole[:place] + b"\xff" + whole[place + 1 :])
        with pytest.raises(WeightsError, match="is damaged|no tensor of a model"):
            convert_clip(file, tmp_path / "new")


def test_the_command_says_what_it_found(state, described, tmp_path):
    torch.save(state, described / "model.bin")
    said = vlprompt("convert-clip", described, tmp_path / "new")
    form = f"is a checkpoint of tensors: what open_clip_config.json says, {len(state)} tensors"
    assert form in said
    again = vlprompt("convert-clip", described, tmp_path / "new", status=1)
    assert again.startswith("Error: ")
