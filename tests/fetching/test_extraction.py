"""Archives: good ones unpack, broken and hostile ones are refused and leave nothing."""

from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from fetching.broken_archives import (
    MAKERS,
    PHOTO,
    WHOLE,
    Broken,
    broken_archives,
    make_tar,
    make_tgz,
    make_zip,
)
from vlprompt_pipeline.errors import ArchiveError, FetchError
from vlprompt_pipeline.fetching import extraction, members
from vlprompt_pipeline.fetching.extraction import extract_archive

BROKEN = list(broken_archives())
LIMIT = 2_000_000


def everything_under(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def test_there_are_a_hundred_of_them():
    assert len(BROKEN) >= 100
    assert len({broken.name for broken in BROKEN}) == len(BROKEN)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name.replace(" ", "-"))
def test_a_broken_archive_is_refused_in_one_sentence_and_leaves_nothing(
    tmp_path, monkeypatch, broken: Broken
):
    monkeypatch.setattr(extraction, "_LEAST_LIMIT", LIMIT)
    monkeypatch.setattr(extraction, "_MOST_RATIO", 0)
    inner = tmp_path / "deep" / "root"
    inner.mkdir(parents=True)
    (inner / "own.txt").write_text("mine")
    archive = inner / broken.name
    archive.write_bytes(broken.content)
    before = everything_under(tmp_path)
    temporary = set(os.listdir("/tmp"))
    with pytest.raises(ArchiveError) as caught:
        extract_archive(archive, inner / "target")
    message = str(caught.value)
    assert message.startswith(f"archive {broken.name} is refused: ")
    assert message.endswith("; nothing of it was unpacked")
    assert broken.says in message
    assert message.isprintable()
    assert everything_under(tmp_path) == before
    assert not {name for name in set(os.listdir("/tmp")) - temporary if "evil" in name}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_whole_archive_is_unpacked(tmp_path, kind):
    archive = tmp_path / "misnamed.bin"
    archive.write_bytes(MAKERS[kind](*WHOLE))
    assert extract_archive(archive, tmp_path / "target") == 3
    found = everything_under(tmp_path / "target")
    assert {name: content for name, content in found.items() if content is not None} == dict(WHOLE)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_tar_writes_for_a_folder_is_unpacked(tmp_path, form):
    source = tmp_path / "source"
    long = "s" * 120
    (source / "images" / long).mkdir(parents=True)
    (source / "images" / long / "é.jpg").write_bytes(PHOTO)
    (source / "empty").mkdir()
    with tarfile.open(tmp_path / "a.tar", "w", format=form) as archive:
        archive.add(source, ".")
    extract_archive(tmp_path / "a.tar", tmp_path / "target")
    assert everything_under(tmp_path / "target") == everything_under(source)


def test_a_packed_zip_with_folders_and_accents_is_unpacked(tmp_path):
    members = [("dtd/", b""), ("dtd/images/", b""), ("dtd/images/é.jpg", PHOTO)]
    (tmp_path / "a.zip").write_bytes(make_zip(*members, packed=True))
    assert extract_archive(tmp_path / "a.zip", tmp_path / "target") == 1
    assert (tmp_path / "target/dtd/images/é.jpg").read_bytes() == PHOTO


def test_a_large_sized_member_is_stored_whole(tmp_path):
    content = PHOTO * 1000
    (tmp_path / "a.zip").write_bytes(make_zip(("a.jpg", content)))
    (tmp_path / "a.tgz").write_bytes(make_tgz(("a.jpg", content), ("b.jpg", content)))
    for name in ("a.zip", "a.tgz"):
        extract_archive(tmp_path / name, tmp_path / f"from {name}")
        assert (tmp_path / f"from {name}" / "a.jpg").read_bytes() == content


@pytest.mark.parametrize("kind", MAKERS)
def test_pickles_and_the_leavings_of_a_desktop_are_left_out(tmp_path, kind):
    more = ["dtd/split_fewshot/shot_1-seed_1.pkl", "dtd/.DS_Store", "__MACOSX/dtd/._a.jpg"]
    archive = tmp_path / "a"
    archive.write_bytes(MAKERS[kind](*WHOLE, *((name, PHOTO) for name in more)))
    assert extract_archive(archive, tmp_path / "target") == 3
    assert not [path for path in (tmp_path / "target").rglob("*") if path.name.endswith(".pkl")]


def test_modes_and_owners_of_an_archive_are_not_taken_over(tmp_path):
    info = tarfile.TarInfo("run.sh")
    info.mode, info.uid, info.uname = 0o6777, 12345, "somebody"
    (tmp_path / "a.tar").write_bytes(make_tar((info, PHOTO)))
    extract_archive(tmp_path / "a.tar", tmp_path / "target")
    found = (tmp_path / "target/run.sh").stat()
    assert found.st_mode & 0o7111 == 0
    assert found.st_uid == os.getuid()


def test_the_number_of_members_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(members, "_MOST_MEMBERS", len(WHOLE) - 1)
    (tmp_path / "a.zip").write_bytes(make_zip(*WHOLE))
    with pytest.raises(ArchiveError, match=f"is one of more than {len(WHOLE) - 1}"):
        extract_archive(tmp_path / "a.zip", tmp_path / "target")


def test_the_usual_limit_is_a_multiple_of_the_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", bytes(70 << 20))
    with pytest.raises(ArchiveError, match="unpack to more than 67,108,864 bytes"):
        extract_archive(tmp_path / "a.zip", tmp_path / "target")


def test_a_full_disk_is_told_before_unpacking(tmp_path):
    (tmp_path / "a.zip").write_bytes(make_zip(*WHOLE))
    os.truncate(tmp_path / "a.zip", shutil.disk_usage(tmp_path).free + (8 << 30))  # a hole
    with pytest.raises(FetchError, match="make room or set dataset_root to another disk"):
        extract_archive(tmp_path / "a.zip", tmp_path / "target")
    assert not (tmp_path / "target").exists()
