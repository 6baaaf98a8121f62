"""Typed records and bundles: what is stored comes back as it was, and what is none is told."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from kedro.io import DatasetError

from vlprompt_pipeline.clip.feature_records import SeedFeatures, TrainingFeatures
from vlprompt_pipeline.datasets import BundleDataset, ExportDataset, RecordDataset
from vlprompt_pipeline.filesystem.manifests import manifest_path
from vlprompt_pipeline.image_datasets import ClassSubset, DatasetCard, FewShotSet

CARD = DatasetCard(
    name="pets",
    folder=Path("/photos/pets"),
    class_names=("cat", "dog"),
    template="a photo of a {}.",
    split_sha256="ab" * 32,
)
SUBSETS = {"base": ClassSubset((0,), ("cat",)), "new": ClassSubset((1,), ("dog",))}
FEW_SHOT = FewShotSet("pets", 1, 3, "ab" * 32, (("cat/1.jpg", 0), ("dog/7.jpg", 1)), ())
FEATURES = TrainingFeatures("online", "cd" * 32, "as_seen", None, ("f1", "f2"))
RECORDS = {
    "image_datasets.DatasetCard": CARD,
    "image_datasets.ClassSubsets": SUBSETS,
    "image_datasets.FewShotSet": FEW_SHOT,
    "clip.feature_records.TrainingFeatures": replace(
        FEATURES, beside=(SeedFeatures(4, FEW_SHOT, FEATURES),)
    ),
}


def stored(folder: Path, kind: str) -> RecordDataset:
    return RecordDataset(filepath=str(folder / "record.json"), record=f"vlprompt_pipeline.{kind}")


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_comes_back_as_it_was(tmp_path, kind):
    dataset = stored(tmp_path, kind)
    dataset.save(RECORDS[kind])
    assert dataset.load() == RECORDS[kind]


def test_the_json_on_disk_is_plain(tmp_path):
    stored(tmp_path, "image_datasets.ClassSubsets").save(SUBSETS)
    assert json.loads((tmp_path / "record.json").read_text()) == {
        "base": {"labels": [0], "class_names": ["cat"]},
        "new": {"labels": [1], "class_names": ["dog"]},
    }
    stored(tmp_path, "clip.feature_records.TrainingFeatures").save(FEATURES)
    assert json.loads((tmp_path / "record.json").read_text()) == {
        "mode": "online",
        "weights_sha256": "cd" * 32,
        "decoding": "as_seen",
        "key": None,
        "fingerprints": ["f1", "f2"],
        "beside": [],
    }


@pytest.mark.parametrize(
    ("kind", "values", "sentence"),
    [
        (
            "image_datasets.ClassSubsets",
            {"base": {"labels": [0]}},
            r"no ClassSubsets \(base.class_",
        ),
        (
            "image_datasets.ClassSubsets",
            {"base": {"labels": "x"}},
            r"no ClassSubsets \(base.labels",
        ),
        ("clip.feature_records.TrainingFeatures", {"mode": "all"}, r"no TrainingFeatures \(mode"),
        ("image_datasets.DatasetCard", {"name": "pets"}, r"no DatasetCard \(folder: field req"),
        ("image_datasets.FewShotSet", {"dataset": "pets"}, "few-shot set is incomplete"),
    ],
)
def test_what_is_no_such_record_is_told(tmp_path, kind, values, sentence):
    (tmp_path / "record.json").write_text(json.dumps(values))
    with pytest.raises(DatasetError, match=sentence):
        stored(tmp_path, kind).load()


@pytest.mark.parametrize(
    ("manifest", "sentence"),
    [(True, "record.json has been changed"), (False, "few-shot set of pets was altered")],
)
def test_a_few_shot_set_that_was_altered_is_refused(tmp_path, manifest, sentence):
    """Those of before manifests by their own digest."""
    dataset = stored(tmp_path, "image_datasets.FewShotSet")
    dataset.save(FEW_SHOT)
    path = tmp_path / "record.json"
    path.write_text(path.read_text().replace("cat/1.jpg", "cat/2.jpg"))
    if not manifest:
        shutil.rmtree(manifest_path(path).parent)
    with pytest.raises(DatasetError, match=sentence):
        dataset.load()


def test_a_folder_in_a_project_that_was_moved_is_found(tmp_path):
    def card(project: str) -> RecordDataset:
        filepath, kind = f"{tmp_path}/{project}/card.json", "image_datasets.DatasetCard"
        path = f"{tmp_path}/{project}"
        return RecordDataset(filepath=filepath, record=f"vlprompt_pipeline.{kind}", path=path)

    card("before").save(replace(CARD, folder=tmp_path / "before/photos"))
    (tmp_path / "before").rename(tmp_path / "after")
    assert card("after").load().folder == tmp_path / "after/photos"
    card("after").save(CARD)
    assert card("after").load() == CARD


def test_a_part_of_a_bundle_that_is_none_leaves_its_file_and_an_empty_one_does_not(tmp_path):
    kind = "vlprompt_pipeline.datasets.TextDataset"
    parts = {name: {"type": kind, "filepath": f"{tmp_path}/{name}"} for name in ("text", "page")}
    bundle = BundleDataset(record="types.SimpleNamespace", parts=parts)
    bundle.save(SimpleNamespace(text="a", page="b"))
    bundle.save(SimpleNamespace(text="", page=None))
    assert bundle.load() == SimpleNamespace(text="", page="b")


def test_an_export_that_not_every_prompt_has_is_no_bytes_where_it_is_absent(tmp_path):
    assert ExportDataset(str(tmp_path / "a"), optional=True).load() == b""
    with pytest.raises(DatasetError, match="is not there: run quantization_export first"):
        ExportDataset(str(tmp_path / "a")).load()


def test_no_file_is_told(tmp_path):
    with pytest.raises(DatasetError, match="run the pipeline that writes it"):
        stored(tmp_path, "image_datasets.DatasetCard").load()
