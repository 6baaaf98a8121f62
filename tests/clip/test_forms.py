"""What lies in a folder is read, or answered by a sentence that says what to do."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vlprompt_pipeline.clip import load_clip
from vlprompt_pipeline.errors import ConfigError, WeightsError

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"


@pytest.fixture
def folder(tiny_clip_folder, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_clip_folder, tmp_path / "clip"))


def _same(folder: Path, tiny_clip) -> bool:
    clip = load_clip(f"local-dir:{folder}", folder.name, "cpu")
    return torch.equal(clip.encode_texts(["a cat"]), tiny_clip.encode_texts(["a cat"]))


def test_shards(folder, tiny_clip):
    state = load_file(folder / WEIGHTS)
    names = sorted(state)
    halves = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, part in halves.items():
        save_file({name: state[name] for name in part}, folder / file)
    index = {"weight_map": {name: file for file, part in halves.items() for name in part}}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    (folder / WEIGHTS).unlink()
    assert _same(folder, tiny_clip)
    digests = [hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in sorted(halves)]
    known_by = hashlib.sha256("".join(digests).encode()).hexdigest()
    assert load_clip(f"local-dir:{folder}", folder.name, "cpu").weights_sha256 == known_by
    index = (folder / f"{WEIGHTS}.index.json").rename(folder / "my_run.safetensors.index.json")
    assert load_clip(f"local-dir:{folder}", "named otherwise", "cpu").embed_dim == 16
    (folder / "b.safetensors").unlink()
    with pytest.raises(WeightsError, match="lacks b.safetensors, which .* names"):
        load_clip(f"local-dir:{folder}", "another", "cpu")
    index.write_text("{}")
    with pytest.raises(WeightsError, match="my_run.safetensors.index.json names no shards"):
        load_clip(f"local-dir:{folder}", "another", "cpu")


def test_any_file_name_that_is_alone(folder, tiny_clip):
    (folder / WEIGHTS).rename(folder / "my_run.safetensors")
    assert _same(folder, tiny_clip)
    shutil.copyfile(folder / "my_run.safetensors", folder / "other.safetensors")
    with pytest.raises(WeightsError, match="holds my_run.safetensors, other.safetensors: name the"):
        load_clip(f"local-dir:{folder}", "another", "cpu")


def test_a_configuration_that_is_a_list_is_told(folder):
    (folder / CONFIG).write_text("[]")
    with pytest.raises(WeightsError, match="open_clip_config.json is not a JSON object"):
        load_clip(f"local-dir:{folder}")


@pytest.mark.parametrize("noted", [True, False])
def test_a_folder_of_the_hubs_cache_stands_for_its_snapshot(noted, folder, tmp_path, tiny_clip):
    root = tmp_path / "cache" / "models--someone--tiny"
    (root / "snapshots").mkdir(parents=True)
    folder.rename(root / "snapshots" / "abc")
    if noted:
        (root / "snapshots" / "old").mkdir()
        (root / "refs").mkdir()
        (root / "refs" / "main").write_text("abc")
    assert _same(root, tiny_clip)
    if noted:
        (root / "snapshots" / "old").rmdir()
        (root / "refs" / "main").write_text("never fetched")
        assert load_clip(f"local-dir:{root}", "the only one", "cpu").embed_dim == 16
    with pytest.raises(WeightsError, match="a cache of the hub with several models: give one"):
        load_clip(f"local-dir:{root.parent}")


def test_two_snapshots_without_a_note(folder, tmp_path):
    root = tmp_path / "models--someone--tiny"
    for name in ("abc", "def"):
        (root / "snapshots" / name).mkdir(parents=True)
    with pytest.raises(WeightsError, match="has 2 snapshots and no refs/main"):
        load_clip(f"local-dir:{root}")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "run git lfs pull"),
        (b"PK\x03\x04 a zip archive", "not a safetensors file; pickles .* convert-clip"),
        (b"\x80\x04\x95 a pickle", "not a safetensors file; pickles .* convert-clip"),
    ],
)
def test_what_is_no_safetensors_file(content, sentence, folder):
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(WeightsError, match=sentence):
        load_clip(f"local-dir:{folder}")


def test_a_folder_with_a_pickle_only(folder):
    (folder / WEIGHTS).rename(folder / "open_clip_pytorch_model.bin")
    with pytest.raises(WeightsError, match="only open_clip_pytorch_model.bin: .* convert-clip"):
        load_clip(f"local-dir:{folder}")
    (folder / CONFIG).unlink()
    with pytest.raises(WeightsError, match=r"its architecture is not known.*--model=ViT-B-16"):
        load_clip(f"local-dir:{folder}")


def test_an_empty_folder(tmp_path):
    with pytest.raises(WeightsError, match=r"no open_clip_config.json .* and no config.json"):
        load_clip(f"local-dir:{tmp_path}")


def test_a_path_to_a_file(folder):
    with pytest.raises(WeightsError, match=rf"is a file; give its folder: local-dir:{folder}$"):
        load_clip(f"local-dir:{folder / WEIGHTS}")
    (folder / "ViT-B-16.pt").write_bytes(b"PK")
    with pytest.raises(WeightsError, match="is a file; .* convert-clip .*ViT-B-16.pt <new"):
        load_clip(f"local-dir:{folder / 'ViT-B-16.pt'}")


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        ("ViT-B/16", "open_clip:ViT-B-16-quickgelu:openai"),
        ("ViT-B-16", "open_clip:ViT-B-16-quickgelu:openai"),
        ("EVA02-B-16", "open_clip:EVA02-B-16:merged2b_s8b_b131k"),
        ("ViT-B-32:laion2b_s34b_b79k", "open_clip:ViT-B-32:laion2b_s34b_b79k"),
        ("openai/clip-vit-base-patch16", "hf-hub:openai/clip-vit-base-patch16"),
    ],
)
def test_names_that_people_know_are_answered_with_the_source(source, meant):
    with pytest.raises(ConfigError, match=rf"unknown source .*did you mean {meant}\?"):
        load_clip(source)


def test_a_folder_without_its_prefix(folder):
    with pytest.raises(ConfigError, match=rf"did you mean local-dir:{folder}\?"):
        load_clip(str(folder))


def test_a_tokenizer_that_is_missing_is_asked_for(tmp_path):
    from vlprompt_pipeline.clip.small import write_small

    write_small("ViT-B-16-SigLIP", tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(WeightsError, match="no tokenizer.json in .*AutoTokenizer.from_pretrained"):
        load_clip(f"local-dir:{tmp_path}")
