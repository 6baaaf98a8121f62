"""A download against servers that cut, lie, change and fail."""

from __future__ import annotations

import hashlib
import random
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

from fetching.stub import Answer, File, serving_files
from vlprompt_pipeline.errors import FetchError
from vlprompt_pipeline.fetching import transfer
from vlprompt_pipeline.fetching.partial_file import Origin, PartialFile
from vlprompt_pipeline.fetching.transfer import Remote, download
from vlprompt_pipeline.image_datasets import Checksum

CONTENT = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(300_000)
CHUNK = 1 << 16  # the end of a cut connection that is lost is smaller
MD5 = Checksum("md5", hashlib.md5(CONTENT).hexdigest())
SHA256 = Checksum("sha256", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    hurry(monkeypatch, attempts=3)


def hurry(monkeypatch: pytest.MonkeyPatch, attempts: int) -> None:
    monkeypatch.setattr(transfer, "_ATTEMPTS", attempts)
    monkeypatch.setattr(transfer, "_TIMEOUT", 0.4)
    monkeypatch.setattr(transfer, "_FIRST_PAUSE", 0.01)


def fetch(file: File, folder: Path, checksum: Checksum | None = MD5, **how) -> bytes:
    """What is under the target's name in the end; nothing else may be left."""
    with serving_files({"/a.zip": file}) as server:
        digests = download(
            Remote(f"{server}/a.zip", checksum, how.pop("size", None)),
            folder / "a.zip",
            **how,
        )
    content = (folder / "a.zip").read_bytes()
    assert digests == (
        len(content),
        hashlib.sha256(content).hexdigest(),
        hashlib.md5(content).hexdigest(),
    )
    assert [path.name for path in folder.iterdir()] == ["a.zip"]
    return content


def refusal(file: File, folder: Path, checksum: Checksum | None = MD5, **how) -> str:
    with pytest.raises(FetchError) as caught:
        fetch(file, folder, checksum, **how)
    assert not (folder / "a.zip").exists()
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("checksum", [MD5, SHA256, None])
def test_a_file_arrives_in_one_piece(tmp_path, checksum):
    file = File(CONTENT)
    assert fetch(file, tmp_path, checksum) == CONTENT
    assert "range" not in file.asked[0]


@pytest.mark.parametrize("cuts", [[0], [1], [100_000], [299_999], [100_000, 50_000], [CHUNK] * 4])
def test_a_cut_connection_is_continued_where_it_broke(tmp_path, monkeypatch, cuts):
    """As often as it breaks, as long as each try brings enough."""
    monkeypatch.setattr(transfer, "_MEGABYTE", CHUNK)
    file = File(CONTENT, answers=[*(Answer(cut=cut) for cut in cuts), Answer()])
    assert fetch(file, tmp_path) == CONTENT
    got = 0
    for cut, asked in zip(cuts, file.asked[1:], strict=True):
        got += cut // CHUNK * CHUNK
        assert asked.get("range") == (f"bytes={got}-" if got else None)
        assert asked.get("if-range") == ('"one"' if got else None)


def test_a_kill_where_the_file_changed_leaves_no_beginning_of_the_other(tmp_path, monkeypatch):
    hurry(monkeypatch, attempts=1)
    file = File(CONTENT, answers=[Answer(cut=200_000)])
    with serving_files({"/a.zip": file}) as server:
        remote = Remote(f"{server}/a.zip")
        with pytest.raises(FetchError):
            download(remote, tmp_path / "a.zip")
        file.content, file.etag, file.answers = OTHER, '"two"', [Answer()]
        write_note = PartialFile.note_origin

        def killed(partial: PartialFile, origin: Origin) -> None:
            write_note(partial, origin)
            raise KeyboardInterrupt

        monkeypatch.setattr(PartialFile, "note_origin", killed)
        with pytest.raises(KeyboardInterrupt):
            download(remote, tmp_path / "a.zip")
        monkeypatch.undo()
        download(remote, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == OTHER


def test_another_run_continues_what_the_first_left(tmp_path, monkeypatch):
    hurry(monkeypatch, attempts=1)
    with serving_files(
        {"/a.zip": (file := File(CONTENT, answers=[Answer(cut=200_000)]))}
    ) as server:
        remote = Remote(f"{server}/a.zip", MD5)
        with pytest.raises(FetchError, match=r"arrive in 1 tries .* 196,608 bytes are kept"):
            download(remote, tmp_path / "a.zip")
        file.answers = [Answer()]
        download(remote, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert [asked.get("range") for asked in file.asked] == [None, "bytes=196608-"]


def test_a_server_that_ignores_ranges_sends_all_again(tmp_path):
    file = File(CONTENT, answers=[Answer(cut=100_000), Answer(ranges=False)])
    assert fetch(file, tmp_path) == CONTENT


@pytest.mark.parametrize(
    ("before", "after"), [('"one"', '"two"'), ('W/"like"', 'W/"like"'), ("", ""), ('"one"', "")]
)
def test_a_file_that_changes_meanwhile_is_not_glued_together(tmp_path, before, after):
    """A weak tag, or none, does not tell whether it is still the same."""
    first = Answer(cut=100_000, headers={"ETag": before})
    second = Answer(content=OTHER, headers={"ETag": after})
    assert fetch(File(CONTENT, answers=[first, second]), tmp_path, None) == OTHER


def test_a_change_that_the_tag_hides_is_found_by_the_checksum(tmp_path):
    mixed = bytes(300_000)
    file = File(mixed, answers=[Answer(cut=100_000), Answer(content=CONTENT)])
    message = refusal(file, tmp_path)
    assert f"published is md5 {MD5.digits}: it broke on its way or changed" in message
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_beginning_of_an_earlier_run_is_fetched_anew(tmp_path, monkeypatch):
    hurry(monkeypatch, attempts=1)
    with serving_files(
        {"/a.zip": (file := File(CONTENT, answers=[Answer(cut=100_000)]))}
    ) as server:
        remote = Remote(f"{server}/a.zip", MD5)
        with pytest.raises(FetchError):
            download(remote, tmp_path / "a.zip")
        with (tmp_path / "a.zip.partial").open("r+b") as partial:
            partial.write(b"spoilt")
        file.answers = [Answer()]
        download(remote, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_the_wrong_hash_is_told_and_nothing_stays(tmp_path):
    message = refusal(File(OTHER), tmp_path)
    assert f"has md5 {hashlib.md5(OTHER).hexdigest()}, published is md5 {MD5.digits}" in message
    assert list(tmp_path.iterdir()) == []


def test_a_length_that_is_too_long_is_a_cut(tmp_path):
    message = refusal(File(CONTENT, answers=[Answer(length=400_000)]), tmp_path)
    assert "did not arrive in 3 tries" in message


@pytest.mark.parametrize(("checksum", "size"), [(MD5, None), (None, 300_000)])
def test_a_length_that_is_too_short_is_found(tmp_path, checksum, size):
    message = refusal(File(CONTENT, answers=[Answer(length=1000)]), tmp_path, checksum, size=size)
    if size:
        assert "announces 1,000 bytes, but the file has 300,000" in message
    else:
        assert "published is" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [None, 300_000])
def test_a_body_without_a_length_ends_with_its_connection(tmp_path, size):
    assert fetch(File(CONTENT, answers=[Answer(length=None)]), tmp_path, size=size) == CONTENT


def test_a_cut_body_without_a_length_is_found_by_the_size(tmp_path):
    file = File(CONTENT, answers=[Answer(length=None, cut=100_000), Answer()])
    assert fetch(file, tmp_path, None, size=300_000) == CONTENT


def test_a_body_that_does_not_end_where_it_should_is_stopped(tmp_path):
    message = refusal(File(CONTENT, answers=[Answer(length=None)]), tmp_path, size=200_000)
    assert "more than the announced 200,000 bytes came" in message


@pytest.mark.parametrize(
    "other",
    [
        Answer(span="bytes 0-299999/300000"),
        Answer(span="bytes 65536-299999/400000"),
        Answer(span="what"),
        Answer(start=200_000),
    ],
)
def test_another_range_than_asked_for_is_not_used(tmp_path, other):
    file = File(CONTENT, answers=[Answer(cut=100_000), other, Answer()])
    assert fetch(file, tmp_path) == CONTENT


def test_a_server_that_is_cut_and_then_sends_another_range_is_left_in_the_end(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("vlprompt_pipeline.fetching.transfer._MEGABYTE", 50_000)
    again = [Answer(cut=100_000), Answer(span="bytes 65536-299999/*")]
    message = refusal(File(CONTENT, answers=[*again * 5, Answer()]), tmp_path)
    assert "did not arrive in 3 tries (" in message


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_trouble_is_tried_again(tmp_path, status):
    busy = Answer(status=status, headers={"Retry-After": "0"})
    assert fetch(File(CONTENT, answers=[busy, busy, Answer()]), tmp_path) == CONTENT


def test_trouble_that_does_not_pass_ends(tmp_path):
    file = File(CONTENT, answers=[Answer(status=500)])
    assert "did not arrive in 3 tries (HTTP 500)" in refusal(file, tmp_path)
    assert len(file.asked) == 3


@pytest.mark.parametrize(
    ("status", "hint"),
    [(404, "Not Found"), (410, "Gone"), (403, "login or a licence"), (401, "login or a licence")],
)
def test_a_refusal_of_the_server_is_final(tmp_path, status, hint):
    file = File(CONTENT, answers=[Answer(status=status)])
    message = refusal(file, tmp_path)
    assert f"answers HTTP {status}" in message
    assert hint in message
    assert len(file.asked) == 1


def test_a_web_page_is_no_archive(tmp_path):
    page = Answer(headers={"Content-Type": "text/html; charset=utf-8"})
    assert "a web page in place of a file" in refusal(File(CONTENT, answers=[page]), tmp_path)


def test_a_silent_server_is_left(tmp_path):
    silent = Answer(wait=0.6)
    assert fetch(File(CONTENT, answers=[silent, Answer()]), tmp_path) == CONTENT


def test_a_server_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FetchError, match=r"tries \(HTTPConnection\(.* refused\); check"):
        download(Remote("http://127.0.0.1:9/a.zip"), tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("note", [b"", b"[]", b"{", b'{"url": 1}', b"\xff"])
def test_a_partial_file_without_a_good_note_is_not_trusted(tmp_path, note):
    (tmp_path / "a.zip.partial").write_bytes(b"what is this")
    (tmp_path / "a.zip.partial.json").write_bytes(note)
    file = File(CONTENT)
    assert fetch(file, tmp_path, None) == CONTENT
    assert "range" not in file.asked[0]


def test_room_is_asked_for_before_the_body(tmp_path):
    disk = shutil.disk_usage(tmp_path).free / len(CONTENT)
    assert fetch(File(CONTENT), tmp_path, room_factor=disk / 2) == CONTENT
    (tmp_path / "a.zip").unlink()
    message = refusal(File(CONTENT), tmp_path, room_factor=2 * disk)
    assert "make room or set dataset_root to another disk" in message
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_megabytes_also_of_what_was_there(tmp_path):
    shown: list[tuple[str, int, int]] = []

    @contextmanager
    def progress(title, total):
        steps: list[int] = []
        yield steps.append
        shown.append((title, total, sum(steps)))

    content = random.Random(2).randbytes(5_300_000)
    file = File(content, answers=[Answer(cut=3_200_000), Answer()])
    assert fetch(file, tmp_path, None, progress=progress) == content
    assert shown[-1] == ("a.zip (MB)", 5, 5)
