from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from image_datasets.broken_images import faults
from image_datasets.miniatures import read_split_rows, write_miniature, write_split
from vlprompt_pipeline.errors import FetchError
from vlprompt_pipeline.fetching import fetch_dataset
from vlprompt_pipeline.image_datasets import IMAGE_DATASETS, Survey, decoded_images, survey_dataset
from vlprompt_pipeline.image_datasets.few_shot import published_digest

SPLITS = [n for n, b in IMAGE_DATASETS.items() if b.split_sha256 is not None]


def survey(dataset, root: Path, shots: int = 4, seed: int = 1) -> Survey:
    return survey_dataset(dataset, root, shots, seed, root / "image_checks", workers=2)


def files_under(root: Path) -> set[str]:
    return {os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names}


@pytest.fixture
def miniature(miniature):
    """Under a name of its own, and the published few-shot sets are not expected of it."""
    small = replace(miniature.dataset, name="small")
    return miniature._replace(dataset=small)


def test_a_dataset_that_is_ready(miniature):
    found = survey(miniature.dataset, miniature.root)
    sizes = [file.stat().st_size for file in miniature.images.rglob("*.jpg")]
    assert (found.state, found.problems, found.faults, found.to_do) == ("ready", [], [], "")
    assert (found.classes, found.classes_expected) == (4, 4)
    assert found.images == found.images_expected == {"train": 24, "val": 20, "test": 12}
    assert found.split_check == "counts"
    assert found.few_shot_published is None
    assert found.bytes_on_disk == sum(sizes)


def test_a_dataset_that_is_not_there(tmp_path):
    found = survey(IMAGE_DATASETS["caltech101"], tmp_path)
    assert (found.state, found.classes, found.bytes_on_disk) == ("absent", None, None)
    assert found.to_do.endswith(
        f"=caltech101`, or get it from {IMAGE_DATASETS['caltech101'].source}"
    )
    assert list(tmp_path.iterdir()) == []


def test_what_no_program_can_fetch_is_not_offered_for_fetching(tmp_path):
    assert survey(IMAGE_DATASETS["dtd"], tmp_path).to_do.startswith("fetch it with `kedro run")
    steps = survey(IMAGE_DATASETS["imagenet"], tmp_path).to_do
    assert steps.startswith("print how a person gets it with `kedro run --pipelines=data_d")


def test_a_folder_that_may_not_be_read_is_told(plain_user_folder):
    dataset = write_miniature(plain_user_folder)
    folder = dataset.dataset_folder(plain_user_folder)
    folder.chmod(0)
    looked = survey(dataset, plain_user_folder)
    with pytest.raises(FetchError, match="nothing in it is touched: cannot list .*: Permission"):
        fetch_dataset(replace(dataset, make=None), plain_user_folder)
    folder.chmod(0o700)
    assert (looked.state, looked.to_do) == ("faulty", looked.problems[0])
    assert f"cannot list {folder}: Permission denied" in looked.to_do


def test_what_is_made_here_is_not_made_for_a_check(tmp_path):
    found = survey(IMAGE_DATASETS["demo_flags"], tmp_path)
    assert (found.state, found.to_do[:13]) == ("absent", "nothing to do")
    assert list(tmp_path.iterdir()) == []


def test_another_split_is_told_beside_the_images(miniature):
    """The official dataset is expected where a miniature lies, with a broken image."""
    (miniature.images / "Faces" / "image_0001.jpg").write_bytes(b"")
    found = survey(IMAGE_DATASETS["caltech101"], miniature.root)
    assert (found.state, found.split_check, found.few_shot_published) == (
        "faulty",
        "differs",
        False,
    )
    assert (found.missing, found.unreadable) == (0, 1)
    assert "it has 4 classes, expected is 100 classes" in found.problems[0]
    assert "published is" in found.problems[1]
    assert "0 images are missing and 1 unreadable, in 1 classes" in found.problems[2]
    assert found.to_do == found.problems[0]


@pytest.mark.parametrize("name", SPLITS)
def test_the_split_alone(name, shared, tmp_path):
    """Seven datasets of which only the official split file is there."""
    dataset = IMAGE_DATASETS[name]
    place = dataset.dataset_folder(tmp_path)
    place.mkdir()
    shutil.copy(shared / "reference" / "splits" / dataset.split.files[0], place)
    found = survey(replace(dataset, image_prefix="pictures"), tmp_path, shots=16)
    assert (found.state, found.split_check, found.bytes_on_disk) == ("faulty", "hash", None)
    assert found.few_shot_published is (None if name in ("stanford_cars", "ucf101") else True)
    assert (found.classes, found.images) == (dataset.classes, dataset.counts._asdict())
    assert "has no folder pictures" in found.to_do


def test_missing_images_and_class_folders(miniature):
    shutil.rmtree(miniature.images / "airplanes")
    gone = sorted((miniature.images / "Faces").iterdir())[0]
    gone.unlink()
    found = survey(miniature.dataset, miniature.root)
    missing = [(fault.class_name, len(fault.missing)) for fault in found.faults]
    assert missing == [("face", 1), ("airplane", 14)]
    assert found.faults[0].missing == ((f"Faces/{gone.name}", "no such file"),)
    assert (found.missing, found.unreadable) == (15, 0)
    assert "15 images are missing and 0 unreadable, in 2 classes; restore them" in found.to_do


def test_no_image_at_all(miniature):
    shutil.rmtree(miniature.images)
    miniature.images.mkdir()
    found = survey(miniature.dataset, miniature.root)
    assert (found.missing, found.bytes_on_disk) == (56, 0)


def test_a_second_look_decodes_nothing(miniature, monkeypatch):
    first = survey(miniature.dataset, miniature.root)

    def refuse(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(decoded_images, "decode_image", refuse)
    assert survey(miniature.dataset, miniature.root) == first


def test_a_cache_that_is_none_is_told_and_made_again(miniature, caplog):
    whole = survey(miniature.dataset, miniature.root)
    cache = miniature.root / "image_checks/small.parquet"
    content = cache.read_bytes()
    cache.write_text("not a table")
    assert survey(miniature.dataset, miniature.root) == whole
    assert str(cache) in caplog.text
    assert cache.read_bytes() == content


@pytest.fixture
def broken(miniature):
    """Caltech-101 with a hundred more training images, all of them broken."""
    rows, expected = read_split_rows(miniature.dataset, miniature.root), faults()
    folder = miniature.images / "Faces"
    for fault in expected:
        fault.put(folder / fault.name)
        rows["train"].append([f"Faces/{fault.name}", 0, "face"])
    write_split(miniature.split, rows)
    counts = miniature.dataset.counts._replace(train=24 + len(expected))
    return miniature._replace(dataset=replace(miniature.dataset, counts=counts))


def test_a_hundred_broken_images_are_all_named(broken):
    before = files_under(broken.root)
    found = survey(broken.dataset, broken.root)
    (fault,) = found.faults
    named = {f"Faces/{expected.name}": expected.kind for expected in faults()}
    assert {path: "missing" for path, _ in fault.missing} | {
        path: "unreadable" for path, _ in fault.unreadable
    } == named
    assert all(reason for _, reason in (*fault.missing, *fault.unreadable))
    assert Counter(named.values()) == {"unreadable": 93, "missing": 7}
    assert (fault.class_name, fault.images, found.classes) == ("face", 114, 4)
    cache = broken.root / "image_checks"
    written = (cache / "small.parquet", cache / ".manifests/small.parquet.manifest")
    assert files_under(broken.root) - before == set(map(str, written))
    assert set(json.loads(json.dumps(found.to_dict()))["faults"][0]) >= {"missing", "unreadable"}
    reasons = dict((*fault.missing, *fault.unreadable))
    assert reasons["Faces/folder.jpg"] == "no such file"
    assert reasons["Faces/link_to_itself.jpg"] == "a link that leads to no file"
    assert reasons["Faces/empty.jpg"] == "an empty file"
    assert "more than any picture here has" in reasons["Faces/sparse.jpg"]


def test_names_that_are_no_text(tmp_path):
    """Class folders are listed from disk, whose names are bytes."""
    dataset = write_miniature(tmp_path, "imagenet")
    folder = dataset.image_folder(tmp_path) / "val" / "n01443537"
    (Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.JPEG"))).write_bytes(b"")
    found = survey(dataset, tmp_path)
    assert found.state == "faulty"
    assert r"are no UTF-8 ('val/n01443537/caf\udce9.JPEG'); rename" in found.to_do
    json.dumps(found.to_dict()).encode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "is not JSON"),
        ('{"train": [["a\\ud800.jpg", 0, "a"]], "val": [], "test": []}', r"'a\ud800.jpg'); rename"),
        ('{"train": [["a.jpg", 1000000000, "a"]], "val": [], "test": []}', "no image of label 0;"),
        ('{"train": [["a\\u0000.jpg", 0, "a"]], "val": [], "test": []}', r"('a\x00.jpg'); rename"),
        ('{"train": [["a.jpg", 1e30, "a"]], "val": [], "test": []}', "a row is [path, label"),
        (
            f'{{"train": [["a.jpg", {10**30}, "a"]], "val": [], "test": []}}',
            "a row is [path, label number",
        ),
        ('{"train": [["../a.jpg", 0, "a"]], "val": [], "test": []}', "without '..'"),
        ('{"train": [["/etc/passwd", 0, "a"]], "val": [], "test": []}', "'/etc/passwd'; paths are"),
    ],
    ids=["nested", "surrogate", "gaps", "zero", "float", "huge", "climbing", "absolute"],
)
def test_hostile_split_files(miniature, text, message):
    miniature.split.write_text(text)
    found = survey(miniature.dataset, miniature.root)
    assert found.state == "faulty"
    assert message in found.to_do


def test_hostile_names_in_a_split(miniature):
    """Longer than any file system allows."""
    rows = read_split_rows(miniature.dataset, miniature.root)
    rows["test"].append(["y" * 5000 + "/z.jpg", 0, "face"])
    write_split(miniature.split, rows)
    found = survey(miniature.dataset, miniature.root)
    assert [reason for _, reason in found.faults[0].missing] == ["no such file"]


def test_published_digests_are_those_of_the_reference(shared):
    rows = json.loads((shared / "reference" / "golden_fewshot.json").read_text())
    for row in rows:
        digest = published_digest(row["dataset"], row["shots"], row["seed"])
        assert digest == {"train": row["sha_train"], "val": row["sha_val"]}
    assert published_digest("caltech101", 16, 3) is None
