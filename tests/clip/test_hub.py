"""`open_clip:<model>:<tag>` against a stand-in for the hub on this machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from huggingface_hub.errors import EntryNotFoundError, HTTPError
from huggingface_hub.utils import validate_repo_id

from conftest import TINY_CLIP
from fresh_python import printed
from servers import Files, serving
from vlprompt_pipeline.clip.hub import fetch_repository
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.clip.small import write_small
from vlprompt_pipeline.errors import WeightsError
from vlprompt_pipeline.filesystem.files import sha256_file

WEIGHTS = "open_clip_model.safetensors"
LOAD = """
import json, sys
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.clip import load_clip
from vlprompt_pipeline.errors import WeightsError
open_clip.add_model_config(sys.argv[1])
entry = {"hf_hub": "someone/tiny/", "quick_gelu": True, "mean": (0.5,) * 3, "std": (0.25,) * 3}
open_clip.pretrained._PRETRAINED["tiny"] = {"stub": entry}
try:
    clip = load_clip("open_clip:tiny:stub", "tiny", "cpu")
    print(json.dumps([clip.weights_sha256, clip.preprocessing.mean]))
except WeightsError as error:
    print(json.dumps(str(error)))
"""


class Hub(Files):
    """Serves a folder as the files of a repository."""

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix("/someone/tiny/resolve/main"))

    def end_headers(self) -> None:
        file = Path(self.translate_path(self.path))
        if file.is_file():
            self.send_header("ETag", f'"{hashlib.sha256(file.read_bytes()).hexdigest()}"')
            self.send_header("X-Repo-Commit", "0" * 40)
        super().end_headers()


@pytest.fixture
def hub(tiny_clip_folder) -> Iterator[str]:
    with serving(partial(Hub, directory=tiny_clip_folder)) as address:
        yield address


def load(endpoint: str, folder: Path, *, offline: bool = False) -> object:
    """What a fresh process prints that loads the tag; the endpoint is read at import."""
    config = folder / "tiny.json"
    config.write_text(json.dumps(TINY_CLIP))
    hub = {"HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "hub")}
    said = printed(LOAD, config, HF_HUB_OFFLINE=str(int(offline)), **hub)
    return json.loads(said.splitlines()[-1])


def test_a_tag_is_fetched_and_known_by_its_hash(hub, tiny_clip_folder, tmp_path):
    weights_sha256, mean = load(hub, tmp_path)
    assert weights_sha256 == sha256_file(tiny_clip_folder / WEIGHTS)
    assert mean == [0.5] * 3


def test_a_repository_without_safetensors_is_told_and_no_pickle_is_fetched(hub, tmp_path):
    message = load(f"{hub}/elsewhere", tmp_path)
    assert message.startswith(f"clip.source: cannot fetch {WEIGHTS} of tiny:stub from someone/tiny")
    assert message.endswith(f"local-dir:<folder with open_clip_config.json and {WEIGHTS}>")
    assert not [file for file in (tmp_path / "hub").rglob("*") if file.suffix in (".bin", ".pt")]


def test_what_to_do_without_a_network_is_said(tmp_path):
    message = load("http://127.0.0.1:9", tmp_path, offline=True)
    assert message.startswith(
        f"clip.source: cannot fetch {WEIGHTS} of tiny:stub from someone/tiny ("
    )
    assert message.endswith(f"local-dir:<folder with open_clip_config.json and {WEIGHTS}>")


REPOSITORY = """
import json, sys
from vlprompt_pipeline.clip import load_clip
from vlprompt_pipeline.errors import WeightsError
try:
    clip = load_clip("hf-hub:someone/tiny", "tiny", "cpu")
    print(json.dumps([clip.embed_dim, clip.tokenizer.end, clip.context_length]))
except WeightsError as error:
    print(json.dumps(str(error)))
"""


def load_repository(files: Path, cache: Path) -> tuple[object, list[str]]:
    """What a fresh process prints that loads a repository with these files, and what it asked."""
    asked: list[str] = []

    class Noting(Hub):
        def log_message(self, *args: object) -> None:
            asked.append(self.path.rpartition("/")[2])

    with serving(partial(Noting, directory=files)) as endpoint:
        said = printed(REPOSITORY, HF_ENDPOINT=endpoint, HF_HOME=str(cache))
    return json.loads(said.splitlines()[-1]), asked


def test_a_repository_is_fetched_with_its_tokenizer(tmp_path):
    write_small("ViT-B-16-SigLIP", tmp_path / "files")
    sizes, asked = load_repository(tmp_path / "files", tmp_path / "cache")
    assert sizes == [64, 1, 64]
    assert {WEIGHTS, "tokenizer.json", "tokenizer_config.json"} <= set(asked)


def test_a_repository_of_another_kind_is_refused_before_its_weights_are_asked_for(tmp_path):
    config = {"model_cfg": open_clip.get_model_config("coca_ViT-B-32"), "preprocess_cfg": {}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    message, asked = load_repository(tmp_path, tmp_path / "cache")
    assert message.startswith("clip.source: hf-hub:someone/tiny is CoCa, which has a text decoder")
    assert "open_clip_config.json" in asked
    assert not [name for name in asked if name.endswith((".safetensors", ".bin", ".index.json"))]


def test_a_tokenizer_that_is_named_by_a_path_of_another_machine_is_asked_for(tmp_path, monkeypatch):
    write_small("ViT-B-16-SigLIP", tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    config = json.loads((tmp_path / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "/there/tokenizer"
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))

    def download(repository: str, name: str) -> str:
        validate_repo_id(repository)
        if not (tmp_path / name).is_file():
            raise EntryNotFoundError(f"no {name}")
        return str(tmp_path / name)

    monkeypatch.setattr("vlprompt_pipeline.clip.hub.hf_hub_download", download)
    with pytest.raises(WeightsError, match="neither someone/tiny nor /there/tokenizer has a token"):
        fetch_repository("someone/tiny")


def test_a_proxy_that_refuses_is_told(monkeypatch):
    def refused(repository: str, name: str) -> str:
        raise HTTPError("403 Forbidden")  # an error of the HTTP library, which is no OSError

    monkeypatch.setattr("vlprompt_pipeline.clip.hub.hf_hub_download", refused)
    with pytest.raises(WeightsError, match=r"cannot fetch config\.json of .* \(403 Forbidden\)"):
        fetch_repository("someone/tiny")
