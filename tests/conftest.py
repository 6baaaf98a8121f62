"""Fixtures used by more than one folder of tests."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from object_store import bucket, machine, s3_server  # noqa: F401  (fixtures)

ROOT = Path(__file__).resolve().parents[1]

NOBODY = 65534

TINY_CLIP = {
    "embed_dim": 16,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference material beside the checkout; tests that need it skip without it."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"reference material is not at {folder.name}/ beside the checkout")
    return folder


@pytest.fixture(scope="session")
def tiny_clip_folder(tmp_path_factory) -> Path:
    """A `local-dir:` folder with a tiny CLIP of random weights; its tokenizer is CLIP's own."""
    import torch
    from safetensors.torch import save_file

    from vlprompt_pipeline.clip.lazy_libraries import open_clip

    folder = tmp_path_factory.mktemp("tiny_clip")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = open_clip.CLIP(**TINY_CLIP)
        for name, parameter in model.named_parameters():  # zero biases would hide mistakes
            if name.endswith("bias"):
                torch.nn.init.normal_(parameter, std=0.1)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    config = {"model_cfg": TINY_CLIP, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="session")
def tiny_clip(tiny_clip_folder):
    """The tiny CLIP, loaded."""
    from vlprompt_pipeline.clip import load_clip

    return load_clip(f"local-dir:{tiny_clip_folder}", "tiny", "cpu")


@pytest.fixture
def plain_user_folder(tmp_path) -> Iterator[Path]:
    """A folder of the user that the test runs as; the superuser, who may do anything, is another.

    It is not below `tmp_path`, whose folders above let nobody else in.
    """
    if os.geteuid():
        yield tmp_path
        return
    with TemporaryDirectory() as name:
        os.chown(name, NOBODY, NOBODY)
        os.seteuid(NOBODY)
        try:
            yield Path(name)
        finally:
            os.seteuid(0)
