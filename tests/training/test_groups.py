"""Groups of prompts that train side by side: who belongs to one, and the file that it leaves."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from learners import COOP
from vlprompt_pipeline.config import SideBySideParameters
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.training.groups import (
    Member,
    group_file,
    load_member,
    members,
    save_group,
)
from vlprompt_pipeline.training.task import train_with_others

RECIPES = {
    "coop": COOP,
    "qcoop": {"extends": "coop", "quantize": {"bits": 1}},
    "longer": {"extends": "coop", "prompt": {"length": 3}},
    "zero_shot": {"method": "zero_shot", "title": "Zero", "prompt": {"templates": "benchmark"}},
}
TOGETHER = SideBySideParameters(seeds=(1, 2), methods=("qcoop", "longer", "coop", "zero_shot"))


@pytest.mark.parametrize(
    ("method", "side_by_side", "expected"),
    [
        ("coop", TOGETHER, ["qcoop 1", "qcoop 2", "coop 1", "coop 2"]),
        ("qcoop", TOGETHER, ["qcoop 1", "qcoop 2", "coop 1", "coop 2"]),
        ("longer", TOGETHER, ["longer 1", "longer 2"]),
        ("zero_shot", TOGETHER, ["zero_shot 2"]),
        ("coop", SideBySideParameters(), ["coop 2"]),
        ("coop", SideBySideParameters(seeds=(1, 2)), ["coop 1", "coop 2"]),
        ("coop", SideBySideParameters(methods=("coop", "qcoop")), ["coop 2", "qcoop 2"]),
        ("coop", SideBySideParameters(seeds=(1, 2), methods=("qcoop",)), ["coop 1", "coop 2"]),
    ],
)
def test_a_group_is_the_recipes_of_one_layout_with_all_seeds(method, side_by_side, expected):
    group = members(method, 2, side_by_side, RECIPES)
    assert [f"{each.method} {each.seed}" for each in group] == expected


def test_another_group_has_another_file(tmp_path):
    groups = [[Member("coop", 1)], [Member("coop", 1), Member("coop", 2)], [Member("coop", 12)]]
    assert len({group_file(tmp_path, group) for group in groups}) == 3
    assert group_file(tmp_path, groups[0]) == group_file(tmp_path, [Member("coop", 1)])


def test_each_member_finds_what_it_became(tmp_path):
    file = tmp_path / "group.safetensors"
    trained = [
        ({"context": torch.full((2,), float(number))}, [{"epoch": 0, "loss": number / 7}])
        for number in range(12)
    ]
    save_group(file, "key", trained)
    for number in (0, 1, 10, 11):  # 1. is not the beginning of 10.
        state, rows = load_member(file, "key", number)
        assert list(state) == ["context"]
        assert state["context"].tolist() == [number] * 2
        assert rows == trained[number][1]


def test_the_file_of_another_training_or_a_changed_one_is_not_used(tmp_path):
    file = tmp_path / "group.safetensors"
    assert load_member(file, "key", 0) is None
    save_group(file, "key", [({"context": torch.ones(2)}, [])])
    assert load_member(file, "other key", 0) is None
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))
    assert load_member(file, "key", 0) is None


def test_a_folder_of_checkpoints_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "checkpoints").write_text("in the way")
    tasks, file = [SimpleNamespace(fingerprint="key")], tmp_path / "group.safetensors"
    with pytest.raises(UserError, match=r"^cannot write .*\.safetensors: Not a directory; make"):
        train_with_others(tasks, 0, file, tmp_path / "checkpoints" / "groups")
