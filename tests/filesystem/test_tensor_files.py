"""Tensors with one header: what is written is read again, and anything else is told."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from vlprompt_pipeline.filesystem.tensor_files import (
    TensorFileError,
    load_tensors,
    save_tensors,
    tensors_to_bytes,
)

TENSORS = {"b": torch.arange(6).reshape(2, 3).T, "a": torch.tensor([0.5, float("inf")])}
HEADER = {"name": "ω", "rows": [{"epoch": 1, "loss": 0.25}]}


def test_tensors_and_header_come_back_as_they_were(tmp_path):
    path = tmp_path / "folder" / "file.safetensors"
    save_tensors(path, TENSORS, "kind", HEADER)
    tensors, header = load_tensors(path, "kind")
    assert header == HEADER
    assert set(tensors) == set(TENSORS)
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


def test_bytes_are_those_of_the_file_and_hold_the_header_as_json(tmp_path):
    path = tmp_path / "file.safetensors"
    save_tensors(path, TENSORS, "kind", HEADER)
    data = tensors_to_bytes(TENSORS, "kind", HEADER)
    assert path.read_bytes() == data
    size = int.from_bytes(data[:8], "little")
    assert json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["kind"]) == HEADER


def test_a_file_of_another_kind_has_no_header(tmp_path):
    path = tmp_path / "file.safetensors"
    save_tensors(path, TENSORS, "other", HEADER)
    assert load_tensors(path, "kind")[1] is None
    save_file({"a": TENSORS["a"]}, path)
    assert load_tensors(path, "kind")[1] is None


@pytest.mark.parametrize("size", [0, 4, 40, -1])
def test_what_is_cut_off_is_told(tmp_path, size):
    path = tmp_path / "file.safetensors"
    path.write_bytes(tensors_to_bytes(TENSORS, "kind", HEADER)[:size])
    with pytest.raises(TensorFileError, match=f"{path} is truncated or no file of tensors"):
        load_tensors(path, "kind")


def test_a_folder_is_told(tmp_path):
    with pytest.raises(TensorFileError, match=f"{tmp_path} cannot be read .Is a directory"):
        load_tensors(tmp_path, "kind")


def test_a_file_without_the_right_to_read_is_not_told_to_be_gone(plain_user_folder):
    path = plain_user_folder / "file.safetensors"
    save_tensors(path, TENSORS, "kind", HEADER)
    path.chmod(0)
    with pytest.raises(TensorFileError, match=f"{path} cannot be read .Permission denied"):
        load_tensors(path, "kind")


def test_a_header_that_is_no_json_is_told(tmp_path):
    path = tmp_path / "file.safetensors"
    save_file({"a": TENSORS["a"]}, path, {"kind": "{"})
    with pytest.raises(TensorFileError, match="no file of tensors"):
        load_tensors(path, "kind")


def test_an_absent_file_stays_absent(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_tensors(tmp_path / "nothing.safetensors", "kind")
