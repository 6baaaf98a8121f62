"""The oracle are digests of few-shot sets published with the protocol, not our own sampling."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import pandas as pd
import pytest

from image_datasets.miniatures import DATA, index_without_images
from learners import RECIPES
from vlprompt_pipeline.errors import ConfigError, DataError
from vlprompt_pipeline.image_datasets import (
    DatasetCard,
    FewShotSet,
    build_index,
    get_image_dataset,
    read_split,
    sample_few_shot,
    sample_from_split,
)
from vlprompt_pipeline.pipelines.few_shot_sampling.nodes import draw_few_shot_set

CALTECH101 = json.loads((DATA / "golden_fewshot_caltech101.json").read_text())
SHOTS = (1, 2, 4, 8, 16)
PUBLISHED = ("caltech101", "dtd", "eurosat", "oxford_flowers", "oxford_pets")
"""Datasets whose sets are published and whose split file is at hand."""


def assert_golden(few_shot: FewShotSet, golden: dict) -> None:
    assert few_shot.digest == {"train": golden["sha_train"], "val": golden["sha_val"]}
    assert (len(few_shot.train), len(few_shot.val)) == (golden["n_train"], golden["n_val"])


@pytest.mark.parametrize("golden", CALTECH101, ids=lambda row: f"{row['shots']}-{row['seed']}")
def test_caltech101_is_the_published_set(caltech101_split, golden):
    index = index_without_images(caltech101_split, "caltech101")
    assert_golden(sample_few_shot(index, golden["shots"], golden["seed"]), golden)


@pytest.fixture(scope="module")
def reference(shared) -> dict[tuple[str, int, int], dict]:
    rows = json.loads((shared / "reference" / "golden_fewshot.json").read_text())
    return {(row["dataset"], row["shots"], row["seed"]): row for row in rows}


@pytest.fixture(scope="module")
def split_of(shared):
    """Reads a split file, without any image on disk, once."""
    folder = shared / "reference" / "splits"
    return cache(lambda name: read_split(folder / get_image_dataset(name).split.files[0]))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("shots", SHOTS)
@pytest.mark.parametrize("dataset", PUBLISHED)
def test_the_published_set(reference, split_of, dataset, shots, seed):
    few_shot = sample_from_split(dataset, split_of(dataset), shots, seed)
    assert_golden(few_shot, reference[dataset, shots, seed])


def test_of_what_else_is_published_the_sizes_fit(reference):
    """Their splits are not at hand: SUN397, Food101 and FGVCAircraft."""
    others = {key: row for key, row in reference.items() if key[0] not in PUBLISHED}
    assert {key[0] for key in others} == {"sun397", "food101", "fgvc_aircraft"}
    assert len(others) == len(reference) - 10 * len(PUBLISHED) == 30
    for (dataset, shots, _), row in others.items():
        classes = get_image_dataset(dataset).classes
        assert (row["n_train"], row["n_val"]) == (classes * shots, classes * min(shots, 4))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("shots", SHOTS)
@pytest.mark.parametrize("dataset", [*PUBLISHED, "stanford_cars", "ucf101"])
def test_every_class_has_its_shots(split_of, dataset, shots, seed):
    few_shot = sample_from_split(dataset, split_of(dataset), shots, seed)
    labels = range(get_image_dataset(dataset).classes)
    assert Counter(label for _, label in few_shot.train) == dict.fromkeys(labels, shots)
    assert Counter(label for _, label in few_shot.val) == dict.fromkeys(labels, min(shots, 4))
    assert few_shot.split_sha256 == get_image_dataset(dataset).split_sha256


@pytest.fixture
def index(miniature):
    """4 classes of 6 train, 5 val and 3 test images."""
    return build_index(miniature.dataset, miniature.root)


@pytest.mark.parametrize(("shots", "val_shots"), [(1, 1), (4, 4), (6, 4)])
def test_images_come_from_their_part(index, shots, val_shots):
    few_shot = sample_few_shot(index, shots, seed=3)
    label_of = index.table.set_index("path")["label"]
    part_of = index.table.set_index("path")["part"]
    for part, drawn, number in (
        ("train", few_shot.train, shots),
        ("val", few_shot.val, val_shots),
    ):
        assert len(set(drawn)) == 4 * number
        assert {part_of[path] for path, _ in drawn} == {part}
        assert all(label_of[path] == label for path, label in drawn)
        assert set(Counter(label for _, label in drawn).values()) == {number}


def test_the_split_alone_gives_the_set_of_the_index(miniature, index):
    split = read_split(miniature.split)
    assert sample_from_split(index.card.name, split, 4, 3) == sample_few_shot(index, 4, 3)


def test_same_seed_same_set(index):
    assert sample_few_shot(index, 2, 1) == sample_few_shot(index, 2, 1)
    assert sample_few_shot(index, 2, 1).digest != sample_few_shot(index, 2, 2).digest


def test_classes_are_drawn_in_order_of_first_appearance(index):
    """As in the Flowers split, whose rows are not in label order."""
    backwards = index.table.sort_values("label", ascending=False, kind="stable")
    few_shot = sample_few_shot(replace(index, table=backwards), 2, 1)
    assert [label for _, label in few_shot.train] == [3, 3, 2, 2, 1, 1, 0, 0]
    assert [label for _, label in few_shot.val] == [3, 3, 2, 2, 1, 1, 0, 0]


def test_small_val_part_is_taken_whole_and_in_order(index):
    kept = index.table.drop(index.table.query("part == 'val' and label == 2").index[2:])
    few_shot = sample_few_shot(replace(index, table=kept.reset_index(drop=True)), 4, 1)
    val = [path for path, label in few_shot.val if label == 2]
    assert val == list(kept.query("part == 'val' and label == 2")["path"])


def test_dictionary_and_back(index):
    few_shot = sample_few_shot(index, 2, 1)
    stored = json.loads(json.dumps(few_shot.to_dict()))
    assert FewShotSet.from_dict(stored) == few_shot
    paths = "\n".join(path for path, _ in stored["train"])
    assert stored["digest"]["train"] == hashlib.sha256(paths.encode()).hexdigest()[:16]
    assert not any(path.startswith("/") for path, _ in stored["train"] + stored["val"])


def test_altered_or_incomplete_dictionary(index):
    stored = sample_few_shot(index, 2, 1).to_dict()
    (path, label), *others = stored["train"]
    for altered in ({"train": stored["train"][::-1]}, {"train": [(path, label + 1), *others]}):
        with pytest.raises(DataError, match="few-shot set of caltech101 was altered: its images,"):
            FewShotSet.from_dict(stored | altered)
    with pytest.raises(
        DataError, match=r"incomplete \(KeyError\('seed'\)\); run few_shot_sampling"
    ):
        FewShotSet.from_dict({key: value for key, value in stored.items() if key != "seed"})


def test_more_shots_than_images(index):
    few = index.table.drop(index.table.query("part == 'train' and label == 1").index[:2])
    with pytest.raises(
        DataError,
        match=r"1 of the 4 classes of caltech101 .* the 5 shots asked for \(leopard 4\); "
        "the largest number of shots that works is 4",
    ):
        sample_few_shot(replace(index, table=few), 5, 1)


def test_a_short_class_takes_what_it_has_where_that_is_asked_for(index):
    few = index.table.drop(index.table.query("part == 'train' and label == 1").index[:2])
    fewer = replace(index, table=few)
    drawn = sample_few_shot(fewer, 5, 1, "take_all")
    assert drawn.short_classes == {1: 4}
    assert Counter(label for _, label in drawn.train) == {0: 5, 1: 4, 2: 5, 3: 5}
    own = few.query("part == 'train' and label == 1")["path"].tolist()
    assert [path for path, label in drawn.train if label == 1] == own
    assert sample_few_shot(index, 5, 1, "take_all") == sample_few_shot(index, 5, 1)
    none = fewer.table.drop(few.query("part == 'train' and label == 3").index)
    with pytest.raises(DataError, match=r"1 of the 4 classes .*\(car side 0\); give every class"):
        sample_few_shot(replace(index, table=none), 5, 1, "take_all")


def test_class_without_a_training_image(index):
    none = index.table.drop(index.table.query("part == 'train' and label == 3").index)
    with pytest.raises(DataError, match=r"\(car side 0\); give every class at least one training"):
        sample_few_shot(replace(index, table=none), 1, 1)


def test_dataset_for_testing_only(index):
    test = index.table.query("part == 'test'")
    with pytest.raises(DataError, match="caltech101 has no training images, it is for testing on"):
        sample_few_shot(replace(index, table=test), 1, 1)


@pytest.mark.parametrize("shots", [0, -1])
def test_no_shots(index, shots):
    with pytest.raises(ConfigError, match=f"shots is {shots}; give a number of training images"):
        sample_few_shot(index, shots, 1)


PETS = ("cat", "dog")


@pytest.mark.parametrize("parts", [("train",), ("train", "val")])
def test_a_method_that_needs_validation_images_is_refused_without_any(parts):
    rows = [
        (f"{part}/{name}.jpg", label, name, part)
        for part in parts
        for label, name in enumerate(PETS)
    ]
    table = pd.DataFrame(rows, columns=["path", "label", "class_name", "part"])
    table = table.assign(fingerprint="sha256:0", source="imagenet")
    card = DatasetCard(
        name="imagenet",
        folder=Path("photos"),
        class_names=PETS,
        template="a photo of a {}.",
        split_sha256="0" * 64,
    )
    draw = partial(draw_few_shot_set, table, card, 1, 1, "refuse", RECIPES)
    assert len(draw(methods=("coop",)).train) == len(PETS)
    if "val" in parts:
        assert draw(methods=("linear_probe",)).val
    else:
        message = "linear_probe chooses .* imagenet has none; leave it"
        with pytest.raises(ConfigError, match=message):
            draw(methods=("coop", "linear_probe"))
