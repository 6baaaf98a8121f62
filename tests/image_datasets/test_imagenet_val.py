"""ImageNet's validation images, flat as the archive unpacks them, are sorted into class folders."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from command_line import vlprompt
from image_datasets.miniatures import write_miniature
from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.image_datasets import build_index
from vlprompt_pipeline.image_datasets.imagenet_val import (
    read_validation_labels,
    sort_validation_images,
)

FOX, CAT, DOG = "n02119789", "n02100735", "n02110185"  # numbers 1 to 3 of the development kit
CLASSES = [CAT, FOX, CAT, DOG]  # of images 1 to 4


def name(number: int) -> str:
    return f"ILSVRC2012_val_{number:08d}.JPEG"


FORMS = {
    "ground_truth.txt": "2\n1\n2\n3\n",
    "synset_labels.txt": "".join(f"{key}\n" for key in CLASSES),
    "LOC_val_solution.csv": "ImageId,PredictionString\n"
    + "".join(
        f"{name(n)[:-5]},{key} 85 1 499 272 {key} 1 2 3 4\n"
        for n, key in reversed([*enumerate(CLASSES, 1)])
    ),
    "valprep.sh": f"mkdir -p {CAT}\n"
    + "".join(f"mv {name(n)} {key}/\n" for n, key in enumerate(CLASSES, 1)),
}


@pytest.fixture
def flat(tmp_path) -> Path:
    folder = tmp_path / "val"
    folder.mkdir()
    for number in range(1, 5):
        (folder / name(number)).write_text(str(number))
    return folder


def sorted_files(folder: Path) -> dict[str, str]:
    return {path.name: path.parent.name for path in folder.rglob("*") if path.is_file()}


EXPECTED = {name(number): key for number, key in enumerate(CLASSES, 1)}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_labels_sorts_alike(form, flat, tmp_path):
    labels, meta = tmp_path / form, tmp_path / "synsets.txt"
    labels.write_text(FORMS[form])
    meta.write_text(f"{FOX}\n{CAT}\n{DOG}\n")
    words = ("sort-imagenet-val", flat, labels, f"--meta={meta}")
    assert vlprompt(*words) == f"4 images moved into 3 class folders of {flat}\n"
    assert sorted_files(flat) == EXPECTED
    assert vlprompt(*words).startswith("0 images moved")
    assert sorted_files(flat) == EXPECTED


def test_the_kits_own_file_of_classes(flat, tmp_path):
    """As MATLAB writes it: inner nodes of the tree, which are no classes, behind the leaves."""
    scipy_io = pytest.importorskip("scipy.io", reason="scipy reads MATLAB files")
    fields = [("ILSVRC2012_ID", object), ("WNID", object), ("num_children", object)]
    rows = [(1, FOX, 0), (2, CAT, 0), (3, DOG, 0), (4, "n00000001", 3)]
    meta, labels = tmp_path / "meta.mat", tmp_path / "truth.txt"
    scipy_io.savemat(meta, {"synsets": np.array(rows, dtype=fields)})
    labels.write_text(FORMS["ground_truth.txt"])
    sort_validation_images(flat, labels, meta)
    assert sorted_files(flat) == EXPECTED
    labels.write_text("4\n")
    with pytest.raises(DataError, match="does not say which class the number 4"):
        read_validation_labels(labels, meta)
    whole = meta.read_bytes()
    scipy_io.savemat(meta, {"synsets": np.arange(4)})
    for content in (meta.read_bytes(), b"", whole[:20], whole[:127], whole[:200], b"no matrix\n"):
        meta.write_bytes(content)
        with pytest.raises(DataError, match=r"meta\.mat cannot be read as the development kit's"):
            read_validation_labels(labels, meta)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("cat\ndog\n", "is no list of validation labels: give ILSVRC2012_validation_ground_truth"),
        ("", "is no list of validation labels"),
        ("1\n2\n", "holds numbers; give what they mean, too: --meta="),
        (f"{CAT}\n{FOX}\n{DOG}\n", f"has no label for {name(4)}"),
    ],
)
def test_what_cannot_be_sorted_is_refused_and_nothing_is_moved(content, sentence, flat, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text(content)
    assert sentence in vlprompt("sort-imagenet-val", flat, labels, status=1)
    assert len(list(flat.glob("*.JPEG"))) == 4


def test_a_file_in_the_place_of_a_class_folder_is_told(flat, tmp_path):
    (tmp_path / "labels.txt").write_text(FORMS["synset_labels.txt"])
    (flat / DOG).write_bytes(b"")
    with pytest.raises(DataError, match=f"cannot move images of .* into .*{DOG}: File exists; "):
        sort_validation_images(flat, tmp_path / "labels.txt")
    assert (flat / name(1)).is_file()


def test_the_check_of_a_flat_folder_names_the_command(tmp_path):
    imagenet = write_miniature(tmp_path, "imagenet")
    val = imagenet.image_folder(tmp_path) / "val"
    for number, path in enumerate(sorted(val.rglob("*.JPEG")), 1):
        path.rename(val / name(number))
    sentence = (
        r"val holds 12 images outside of class folders \(.*vlprompt sort-imagenet-val .*val <"
    )
    with pytest.raises(DataError, match=sentence):
        build_index(imagenet, tmp_path)


def test_an_image_too_many_is_named(tmp_path):
    imagenet = write_miniature(tmp_path, "imagenet")
    folder = sorted((imagenet.image_folder(tmp_path) / "val").iterdir())[0]
    image = next(folder.iterdir())
    (folder / f"{image.stem} (copy).JPEG").write_bytes(image.read_bytes())
    odd = re.escape(f"val/{folder.name}/{image.stem} (copy).JPEG")
    with pytest.raises(DataError, match=rf"test 13 \({odd} is named unlike the others\), expected"):
        build_index(imagenet, tmp_path)


def test_an_image_is_not_blamed_where_names_differ_anyway(tmp_path):
    renditions = write_miniature(tmp_path, "imagenet_r")  # art_1.jpg and toy_1.jpg, three of each
    folder = renditions.image_folder(tmp_path) / "n03773504"
    (folder / "art_99.jpg").write_bytes(next(folder.iterdir()).read_bytes())
    with pytest.raises(DataError, match="has train 0, val 0, test 7, expected"):
        build_index(renditions, tmp_path)


def test_windows_thumbnails_are_no_images(tmp_path, caplog):
    imagenet = write_miniature(tmp_path, "imagenet")
    before = build_index(imagenet, tmp_path)
    folder = sorted((imagenet.image_folder(tmp_path) / "val").iterdir())[0]
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf")
    after = build_index(imagenet, tmp_path)
    assert after.card.split_sha256 == before.card.split_sha256
    assert f"{folder} holds files that are no images: Thumbs.db" in caplog.text
