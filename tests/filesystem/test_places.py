"""Local copies of files in a place: the same on every machine, and told if torn."""

from __future__ import annotations

import errno
from pathlib import Path
from unittest.mock import AsyncMock, Mock

import pytest

from fresh_python import printed
from vlprompt_pipeline.datasets import JSONDataset, PartitionedDataset, RecordDataset
from vlprompt_pipeline.errors import PlaceError, UserError
from vlprompt_pipeline.filesystem import objects, places
from vlprompt_pipeline.filesystem.data_folder import DataFolder
from vlprompt_pipeline.filesystem.manifests import (
    ChangedFileError,
    described_as,
    find_fault,
    remove_described,
)
from vlprompt_pipeline.filesystem.objects import require_place
from vlprompt_pipeline.image_datasets import DatasetCard

FILE = "06_models/demo/sizes.json"


def test_a_path_tells_which_file_of_a_place_it_is_the_copy_of(machine, tmp_path):
    copy = places.local("s3://bucket/paper/06_models/a.json")
    assert copy.is_relative_to(tmp_path) and copy.name == "a.json"
    assert places.url_of(copy) == "s3://bucket/paper/06_models/a.json"
    assert places.local("data/06_models") == Path("data/06_models")
    assert places.url_of(tmp_path / "data") == places.url_of(Path("data")) == ""
    folder = DataFolder.of("s3://bucket/paper", tmp_path)
    assert folder.name(copy) == "data/06_models/a.json"
    assert folder.path("data/06_models/a.json") == copy
    here = DataFolder.of("data", tmp_path)
    assert here.path("data/06_models/a.json") == tmp_path / "data/06_models/a.json"
    assert here.path(here.name(tmp_path / "conf/a.yml")) == tmp_path / "conf/a.yml"


@pytest.mark.parametrize("one_put", [places._ONE_PUT, 0])
def test_what_one_machine_saves_another_one_loads(bucket, machine, monkeypatch, one_put):
    monkeypatch.setattr(places, "_ONE_PUT", one_put)
    where = f"{bucket}/paper/{FILE}"
    JSONDataset(filepath=where).save({"bits": 1})
    machine("second")
    second = JSONDataset(filepath=where)
    assert second.load() == {"bits": 1}
    machine("first")
    JSONDataset(filepath=where).save({"bits": 2})
    machine("second")
    assert second.load() == {"bits": 2}
    machine("first")
    remove_described(JSONDataset(filepath=where).filepath)
    assert objects.listed(f"{bucket}/paper") == {}
    machine("second")
    assert not second.exists()
    assert not second.filepath.exists()
    with pytest.raises(Exception, match=r"no .*sizes\.json: run the pipeline"):
        second.load()


def test_a_copy_that_is_current_is_not_transferred_again(bucket, machine, monkeypatch):
    dataset = JSONDataset(filepath=f"{bucket}/paper/{FILE}")
    dataset.save({"bits": 1})
    machine("second")
    dataset = JSONDataset(filepath=f"{bucket}/paper/{FILE}")
    dataset.load()
    transferred = []
    download = places.download
    monkeypatch.setattr(
        places,
        "download",
        lambda f, wanted, found: transferred.extend(wanted) or download(f, wanted, found),
    )
    dataset.load()
    places.bring(dataset.filepath.parent)
    assert transferred == []
    dataset.filepath.write_text("{}")  # somebody works in the cache
    assert dataset.load() == {"bits": 1}
    assert transferred == [f"{bucket}/paper/{FILE}"]


@pytest.mark.parametrize("as_folder", [True, False])
def test_under_locks_a_current_copy_is_asked_for_once(bucket, machine, monkeypatch, as_folder):
    first = JSONDataset(filepath=f"{bucket}/paper/{FILE}")
    first.save({"bits": 1})
    machine("second")
    second = JSONDataset(filepath=f"{bucket}/paper/{FILE}")
    places.trust()
    try:
        if as_folder:
            places.bring(second.filepath.parent)
        else:
            assert second.load() == {"bits": 1}
        with monkeypatch.context() as patch:
            patch.setattr(places, "file_system", lambda url: pytest.fail(f"{url} is asked for"))
            assert second.load() == {"bits": 1}
        second.filepath.unlink()  # somebody empties the cache
        assert second.load() == {"bits": 1}
    finally:
        places.distrust()
    machine("first")
    first.save({"bits": 2})
    machine("second")
    assert second.load() == {"bits": 2}


def test_a_copy_that_another_run_replaced_with_an_older_object_is_not_current(
    bucket, machine, monkeypatch
):
    url = f"{bucket}/photos/cat.png"
    objects.put(url, b"new")
    copy, replace = places.local(url), Path.replace

    def replaced_by_two(path: Path, target: Path) -> Path:
        done = replace(path, target)
        if target == copy:
            copy.write_bytes(b"old, and brought by who had asked earlier")
        return done

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replaced_by_two)
        assert places.is_there(copy)
    assert places.is_there(copy)
    assert copy.read_bytes() == b"new"


def test_a_torn_or_changed_object_is_told(bucket, machine):
    where = f"{bucket}/paper/{FILE}"
    dataset = JSONDataset(filepath=where)
    dataset.save({"bits": 1, "bytes": 70})
    whole = objects.read(where)
    machine("second")
    dataset = JSONDataset(filepath=where)
    objects.put(where, whole[:-3])
    with pytest.raises(Exception, match="has not the .* bytes that were written") as caught:
        dataset.load()
    assert isinstance(caught.value.__cause__ or caught.value, ChangedFileError)
    objects.put(where, whole.replace(b"70", b"71"))
    with pytest.raises(Exception, match="has been changed since it was written"):
        dataset.load()
    objects.put(where, whole)
    assert dataset.load()["bytes"] == 70


def test_a_writer_killed_before_its_upload_leaves_what_was_there(bucket, machine, monkeypatch):
    """The manifest goes first, and says of both what they are."""
    where = f"{bucket}/paper/{FILE}"
    JSONDataset(filepath=where).save({"bits": 1})

    def publish(path: Path) -> None:
        if path.name == "sizes.json":
            raise KeyboardInterrupt
        places.publish(path)

    monkeypatch.setattr("vlprompt_pipeline.filesystem.manifests.publish", publish)
    with pytest.raises(KeyboardInterrupt):
        JSONDataset(filepath=where).save({"bits": 2})
    assert len(described_as(places.local(where))) == 2
    machine("second")
    assert JSONDataset(filepath=where).load() == {"bits": 1}
    machine("first")
    assert JSONDataset(filepath=where).load() == {"bits": 1}


def test_a_folder_is_brought_with_what_it_lost_and_own_files_stay(bucket, machine):
    for name in ("a", "b"):
        objects.put(f"{bucket}/photos/cat/{name}.png", name.encode())
    folder = places.local(f"{bucket}/photos/cat")
    places.bring(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["a.png", "b.png"]
    (folder / "own.png").write_bytes(b"made here")
    objects.remove(f"{bucket}/photos/cat/a.png")
    objects.put(f"{bucket}/photos/cat/b.png", b"another")
    places.bring(folder, "b.png")
    assert (folder / "a.png").exists(), "of other files nothing is known"
    places.bring(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["b.png", "own.png"]
    assert (folder / "b.png").read_bytes() == b"another"


def test_what_consoles_put_for_folders_is_no_file(bucket, machine):
    for key in ("photos[1]/", "photos[1]/cat/", "photos[1]/cat/a.png", "photos[1]/dog/"):
        objects.put(f"{bucket}/{key}", b"")
    folder = places.local(f"{bucket}/photos[1]")
    places.bring(folder)
    assert [path for path in folder.rglob("*") if path.is_file()] == [folder / "cat/a.png"]
    objects.remove(f"{bucket}/photos[1]/cat/a.png")
    places.bring(folder)
    assert not (folder / "cat/a.png").exists()


def test_no_object_is_copied_to_outside_of_the_cache(bucket, machine, tmp_path):
    objects.put(f"{bucket}/photos/{'../' * 6}stray.png", b"not where it should be")
    with pytest.raises(PlaceError, match=r"stray\.png has the part '\.\.'"):
        places.bring(places.local(f"{bucket}/photos"))
    assert list(tmp_path.rglob("*.png")) == []


def test_partitions_are_listed_in_the_place_and_replaced_there(bucket, machine):
    described = {"type": "vlprompt_pipeline.datasets.JSONDataset"}
    given = {"path": f"{bucket}/paper/08_reporting/figures", "filename_suffix": ".json"}
    PartitionedDataset(**given, dataset=described).save({"one": 1, "sub/two": 2})
    machine("second")
    second = PartitionedDataset(**given, dataset=described, overwrite=True)
    assert {name: load() for name, load in second.load().items()} == {"one": 1, "sub/two": 2}
    second.save({"three": 3})
    machine("first")
    first = PartitionedDataset(**given, dataset=described)
    assert {name: load() for name, load in first.load().items()} == {"three": 3}
    assert all("three" in url for url in objects.listed(given["path"]))


def test_the_folder_of_a_record_leads_to_the_place_on_every_machine(bucket, machine, tmp_path):
    given = {
        "filepath": f"{bucket}/paper/02_intermediate/pets/dataset_card.json",
        "record": "vlprompt_pipeline.image_datasets.DatasetCard",
        "path": str(tmp_path),
    }
    card = DatasetCard(
        name="pets",
        folder=places.local(f"{bucket}/photos/pets/images"),
        class_names=("cat", "dog"),
        template="a {}.",
        split_sha256="0" * 64,
    )
    RecordDataset(**given).save(card)
    assert f'"{bucket}/photos/pets/images"' in objects.read(given["filepath"]).decode()
    machine("second")
    assert RecordDataset(**given).load().folder == places.local(f"{bucket}/photos/pets/images")


def test_a_place_that_does_not_answer_is_told_in_a_sentence(bucket, machine, monkeypatch):
    with pytest.raises(PlaceError, match=r"^there is no bucket s3://nothing-here: make it"):
        require_place("s3://nothing-here/paper")
    s3fs = pytest.importorskip("s3fs")
    refused = AsyncMock(side_effect=PermissionError("Forbidden"))
    with monkeypatch.context() as patch:
        patch.setattr(s3fs.S3FileSystem, "_call_s3", refused)
        with pytest.raises(PlaceError, match=r"does not answer as it should \(Forbidden\)"):
            require_place(f"{bucket}/paper")
    with pytest.raises(PlaceError, match="needs a library that is not installed: pip install"):
        require_place("abfs://container/paper")
    with pytest.raises(PlaceError, match="Protocol not known: nowhere"):
        require_place("nowhere://bucket")
    copy = places.local(f"{bucket}x/paper/{FILE}")
    copy.parent.mkdir(parents=True)
    copy.write_text("{}")
    with pytest.raises(PlaceError, match="does not answer as it should"):
        places.publish(copy)


def test_a_cache_that_cannot_be_written_is_not_laid_on_the_place(bucket, machine, monkeypatch):
    objects.put(f"{bucket}/photos/cat.png", b"content")
    folder = places.local(f"{bucket}/photos")
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where the folder must be")
    with pytest.raises(
        UserError, match=r"cannot keep copies .* \(File exists\): make room"
    ) as told:
        places.bring(folder)
    assert not isinstance(told.value, PlaceError), "a sweep would wait for the place"
    folder.unlink()
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(Path, "replace", Mock(side_effect=full))
    with pytest.raises(UserError, match=r"\(No space left on device\): make room there"):
        places.bring(folder)
    assert list(folder.iterdir()) == []


def test_a_file_of_this_machine_is_asked_of_nobody(tmp_path, monkeypatch):
    def refuse(url: str) -> None:
        raise AssertionError(url)

    monkeypatch.setattr(objects, "file_system", refuse)
    monkeypatch.setattr(places, "file_system", refuse)
    dataset = JSONDataset(filepath=str(tmp_path / FILE))
    dataset.save([1])
    assert dataset.load() == [1]
    assert find_fault(dataset.filepath, FILE) == ""
    places.bring(tmp_path)
    remove_described(dataset.filepath)
    assert not dataset.exists()


def test_without_a_place_fsspec_is_not_imported():
    code = "import sys, vlprompt_pipeline.filesystem.locks; print('fsspec' in sys.modules)"
    assert printed(code).strip() == "False"
