"""Files are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import stat
import tempfile
import threading
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from forks import exit_code, forked
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.filesystem.files import (
    atomic_folder,
    atomic_write,
    remove_unfinished,
    sha256_file,
    unfinished_prefix,
)
from vlprompt_pipeline.processes import Process


def test_a_file_appears_with_its_folders_and_its_content(tmp_path):
    target = tmp_path / "a" / "b" / "result.txt"
    with atomic_write(target) as temporary:
        assert temporary.parent == target.parent  # a rename within one folder is atomic
        temporary.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


def test_a_crash_in_the_middle_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "result.txt"
    target.write_text("old")

    def crash() -> None:
        with atomic_write(target) as temporary:
            temporary.write_text("hal")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crash()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_crash_before_anything_is_written_leaves_no_file(tmp_path):
    def crash() -> None:
        with atomic_write(tmp_path / "result.txt"):
            raise ValueError("the writer's own")

    with pytest.raises(ValueError, match="the writer's own"):
        crash()
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_replaces_the_temporary_file_is_served_too(tmp_path):
    """As libraries do that write beside and rename for themselves."""
    target = tmp_path / "result.txt"
    with atomic_write(target) as temporary:
        other = tmp_path / "other"
        other.write_text("renamed")
        other.replace(temporary)
    assert target.read_text() == "renamed"


def test_a_file_where_a_folder_must_be(tmp_path):
    (tmp_path / "data").write_text("in the way")
    target = tmp_path / "data" / "result.txt"
    with pytest.raises(UserError) as caught, atomic_write(target):
        raise AssertionError("nothing may be computed for a file that cannot be")
    assert str(caught.value) == (
        f"cannot write {target}: File exists; make its folder writable or run from a project "
        "folder on a disk with room"
    )


def test_a_folder_without_the_right_to_write(plain_user_folder):
    plain_user_folder.chmod(0o500)
    refusal = pytest.raises(UserError, match=r"result\.txt: Permission denied; make its folder")
    with refusal, atomic_write(plain_user_folder / "result.txt"):
        raise AssertionError("nothing may be computed for a file that cannot be")


def test_a_folder_where_the_file_must_be(tmp_path):
    target = tmp_path / "result.txt"
    target.mkdir()
    refusal = pytest.raises(UserError, match=r"^cannot write .*result\.txt: Is a directory;")
    with refusal, atomic_write(target) as temporary:
        temporary.write_text("whole")
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk(tmp_path):
    target = tmp_path / "result.txt"
    target.write_text("old")
    refusal = pytest.raises(UserError, match="No space left on device; make its folder writable or")
    with refusal, atomic_write(target), Path("/dev/full").open("w") as full:
        full.write("x")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_file_is_readable_for_others_as_the_user_allows(tmp_path):
    """A temporary file is for its owner alone; a result is not."""
    plain, ours = tmp_path / "plain", tmp_path / "ours"
    plain.touch()
    with atomic_write(ours) as temporary:
        temporary.touch()
    assert stat.S_IMODE(ours.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_threads_leave_the_process_its_mask(tmp_path):
    """The mask can only be read by changing it, which no thread may do to another."""

    def write(number: int) -> None:
        for repetition in range(50):
            with atomic_write(tmp_path / f"{number}-{repetition}") as temporary:
                temporary.touch()

    before = os.umask(0o027)
    try:
        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_the_hash_is_that_of_all_bytes(tmp_path, size):
    content = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "file").write_bytes(content[:size])
    assert sha256_file(tmp_path / "file") == hashlib.sha256(content[:size]).hexdigest()


def test_what_a_killed_process_was_writing_is_removed_and_nothing_else(tmp_path):
    folder = tmp_path / "features"

    def work() -> None:
        with atomic_write(folder / "00000.safetensors") as temporary:
            temporary.write_text("hal")
            Path(tempfile.mkdtemp(prefix=unfinished_prefix("demo"), dir=folder), "a").touch()
            time.sleep(60)

    process = forked(work)
    deadline = time.monotonic() + 20
    while len(list(folder.rglob("*"))) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (folder / ".gitkeep").touch()
    (folder / ".mine.1234-5.txt").touch()
    assert remove_unfinished(folder.rglob(".*")) == [], "its writer is alive"
    os.kill(process, signal.SIGKILL)
    exit_code(process)
    with atomic_write(folder / "of this process") as writing:
        assert len(remove_unfinished(list(folder.rglob(".*")))) == 2
        assert sorted(folder.rglob("*")) == sorted(
            [folder / ".gitkeep", folder / ".mine.1234-5.txt", writing]
        )


def test_what_another_machine_writes_is_left_for_a_day(tmp_path):
    writer = Process("another", 1, 0)
    unfinished = tmp_path / f"{unfinished_prefix('a.csv', writer)}x1y2"
    unfinished.touch()
    assert remove_unfinished([unfinished]) == []
    before = time.time() - 25 * 3600
    os.utime(unfinished, (before, before))
    assert remove_unfinished([unfinished]) == [unfinished]


def test_what_another_run_removes_at_the_same_time_is_no_error(tmp_path, monkeypatch):
    gone = Process("another", 1, 0)
    folder, file = (tmp_path / f"{unfinished_prefix(name, gone)}x1y2" for name in ("demo", "a.csv"))
    folder.mkdir()
    for path in (file, folder):
        path.touch()
        os.utime(path, (0, 0))
    monkeypatch.setattr(shutil, "rmtree", Mock(side_effect=FileNotFoundError))
    assert remove_unfinished([folder, file]) == [file]


def put_folder(path: Path, content: str) -> None:
    with atomic_folder(path, lambda folder: (folder / "ours").exists(), "ours") as new:
        (new / "ours").write_text(content)


def test_a_folder_is_replaced_as_a_whole_where_a_link_leads_to(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "ours")
    for content in ("first", "second"):
        put_folder(tmp_path / "link", content)
        assert (tmp_path / "link").is_symlink()
        assert [path.name for path in (tmp_path / "disk").iterdir()] == ["ours"]
        assert (tmp_path / "disk" / "ours" / "ours").read_text() == content


@pytest.mark.parametrize("named", [".", "..", "../disk"])
def test_a_folder_that_cannot_be_replaced_is_told_before_anything_is_made(
    tmp_path, monkeypatch, named
):
    there = [tmp_path / "disk", tmp_path / "here", tmp_path / "ours"]
    for path in there[:2]:
        path.mkdir()
    there[2].touch()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(Path, "is_mount", lambda path: path.name == "disk")
    with pytest.raises(UserError, match="cannot be replaced as a whole, since .* below it$"):
        put_folder(Path(named), "new")
    assert sorted(tmp_path.rglob("*")) == there


def test_a_clone_of_git_is_not_replaced(tmp_path):
    """As of a repository of the hub, with commits that were not pushed."""
    put_folder(tmp_path / "clone", "first")
    (tmp_path / "clone" / ".git").mkdir()
    with pytest.raises(UserError, match="or it is a clone of git: name a folder below it$"):
        put_folder(tmp_path / "clone", "second")
    assert (tmp_path / "clone" / ".git").is_dir()
