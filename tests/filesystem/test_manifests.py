"""What is stored is described beside it, and read only as it was written."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from itertools import count

import pytest

from forks import exit_code, forked
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.filesystem.manifests import (
    ChangedFileError,
    described_write,
    find_fault,
    layer_path,
    manifest_path,
    remove_described,
    require_described,
)


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "coop.json"
    write(path, b"0123456789")
    return path


def write(path, content, made_from="seed 1"):
    with described_write(path, made_from) as temporary:
        temporary.write_bytes(content)


def test_what_was_written_is_good(stored):
    assert find_fault(stored, "seed 1") == ""
    require_described(stored, "seed 1", "run again")


def test_a_manifest_that_cannot_be_written_leaves_nothing_behind(stored):
    manifest_path(stored).unlink()
    manifest_path(stored).mkdir()
    with pytest.raises(UserError, match="cannot write .*: Is a directory"):
        write(stored, b"0123456789")
    assert list(manifest_path(stored).parent.iterdir()) == [manifest_path(stored)]


def test_what_others_may_read_has_a_manifest_that_they_may_read(stored, tmp_path):
    (tmp_path / "plain").touch()
    expected = (tmp_path / "plain").stat().st_mode
    assert [stored.stat().st_mode, manifest_path(stored).stat().st_mode] == [expected] * 2


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"0123456788", "has been changed since it was written"),
        (b"01234\0\0\0\0\0", "has been changed since it was written"),
        (b"01234", "has not the 10 bytes that were written"),
        (b"", "has not the 10 bytes that were written"),
    ],
)
def test_another_content_is_told(stored, content, fault):
    stored.write_bytes(content)
    assert find_fault(stored, "seed 1") == fault
    with pytest.raises(ChangedFileError, match=f"coop.json {fault}; run again"):
        require_described(stored, "seed 1", "run again")


def test_the_file_of_another_run_is_told_even_with_its_manifest(stored, tmp_path):
    other = tmp_path / "other" / "coop.json"
    write(other, b"abcdefghij", "seed 2")
    shutil.copy(other, stored)
    shutil.copy(manifest_path(other), manifest_path(stored))
    assert "was made from something else" in find_fault(stored, "seed 1")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"latest": 3}', '{"latest": {"size": 10}}'])
def test_a_broken_manifest_is_told(stored, content):
    manifest_path(stored).write_text(content)
    assert find_fault(stored, "seed 1") == "has a broken manifest"


@pytest.mark.parametrize("shared", [False, True])
def test_a_file_of_before_manifests_is_read_with_a_warning(stored, caplog, shared):
    manifest_path(stored).unlink()
    if not shared:
        manifest_path(stored).parent.rmdir()
    assert find_fault(stored, "seed 1") == "has no manifest"
    with caplog.at_level(logging.WARNING):
        require_described(stored, "seed 1", "run again", shared=shared)
    assert "coop.json has no manifest" in caplog.text


def test_many_files_of_before_are_not_named_one_by_one(tmp_path, caplog):
    for number in range(20):
        record = tmp_path / f"08_reporting_of_before/seed{number}/coop.json"
        write(record, b"1")
        manifest_path(record).unlink()
        require_described(record, "seed 1", "run again", shared=True)
    assert len(caplog.messages) == 4
    assert caplog.messages[-1].startswith("more files of 08_reporting_of_before have no manifest")


def test_a_removed_manifest_is_told_where_the_folder_has_others(stored):
    write(stored.with_name("qcoop.json"), b"9")
    manifest_path(stored).unlink()
    with pytest.raises(ChangedFileError, match=r"coop.json has no manifest; run again"):
        require_described(stored, "seed 1", "run again")


def test_what_was_made_from_another_source_is_told(stored):
    packed = stored.with_name("prompt.vlp")
    with described_write(packed, "seed 1", stored) as temporary:
        temporary.write_bytes(b"packed")
    assert find_fault(packed, "seed 1", stored) == ""
    write(stored, b"trained again")
    fault = "was made from another coop.json than there is now"
    assert find_fault(packed, "seed 1", stored) == fault
    assert find_fault(packed, "seed 1") == ""
    with pytest.raises(ChangedFileError, match=f"prompt.vlp {fault}; run again"):
        require_described(packed, "seed 1", "run again", stored)
    stored.unlink()
    assert find_fault(packed, "seed 1", stored) == fault


def killed_at_renaming(number: int, work: Callable[[], None]) -> None:
    """Do work in a process that is killed where it is to rename its n-th file, counted from 1."""
    renamed = count(1)

    def watch(event: str, arguments: tuple) -> None:
        if event == "os.rename" and next(renamed) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def watched() -> None:
        sys.addaudithook(watch)
        work()

    assert exit_code(forked(watched)) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("renaming", "expected"),
    [
        pytest.param(1, b"0123456789", id="before the manifest knows both"),
        pytest.param(2, b"0123456789", id="before the file is renamed"),
        pytest.param(3, b"new content", id="before the manifest is cleaned"),
    ],
)
def test_killed_between_two_steps_the_file_is_good(stored, renaming, expected):
    """Whichever content is there, the manifest knows it."""
    killed_at_renaming(renaming, lambda: write(stored, b"new content"))
    assert stored.read_bytes() == expected
    assert find_fault(stored, "seed 1") == ""
    write(stored, b"third")
    assert find_fault(stored, "seed 1") == ""
    stored.write_bytes(b"0123456789")
    assert find_fault(stored, "seed 1") != "", "what was replaced is not good any more"


def test_killed_twice_before_the_file_is_renamed_it_is_still_good(stored):
    for content in (b"second", b"third"):
        killed_at_renaming(2, partial(write, stored, content))
    assert stored.read_bytes() == b"0123456789"
    assert find_fault(stored, "seed 1") == ""


def test_the_same_content_has_the_same_manifest(stored):
    before = manifest_path(stored).read_bytes()
    write(stored, b"0123456789")
    assert manifest_path(stored).read_bytes() == before


def test_a_file_and_its_manifest_go_together(stored):
    remove_described(stored)
    assert not stored.exists() and not manifest_path(stored).exists()


def test_the_place_is_the_same_in_a_copied_project(tmp_path):
    for project in ("one", "02_other"):
        path = tmp_path / project / "data/06_models/demo/seed1/coop/prompt.vlp"
        assert layer_path(path) == "06_models/demo/seed1/coop/prompt.vlp"
