"""A dataset, a protocol, a quantizer, a metric and an export format, from this file alone."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from fetching.broken_archives import make_zip
from fetching.stub import File, serving_files
from vlprompt_pipeline.evaluation.metrics import METRICS, Metric
from vlprompt_pipeline.evaluation.metrics import register as register_metric
from vlprompt_pipeline.export import EXPORT_FORMATS, ClassifierWeights, ExportFormat
from vlprompt_pipeline.export import register as register_format
from vlprompt_pipeline.fetching import fetch_dataset
from vlprompt_pipeline.image_datasets import (
    IMAGE_DATASETS,
    ClassSubset,
    DownloadFile,
    DownloadRecipe,
    DownloadSource,
    ImageDataset,
    MiniatureForm,
    PartCounts,
    SplitFile,
    build_index,
    get_image_dataset,
    register_dataset,
    same_pattern,
    split_file_writer,
    survey_dataset,
)
from vlprompt_pipeline.image_datasets.miniatures.writer import write_miniature_files
from vlprompt_pipeline.parametrizations import QUANTIZERS, QuantizerKind
from vlprompt_pipeline.parametrizations import register as register_quantizer
from vlprompt_pipeline.protocols import PROTOCOLS, Protocol
from vlprompt_pipeline.protocols import register as register_protocol

FORM = MiniatureForm(
    split_file_writer("split.json"), same_pattern("*/{number}.jpg", "ash", "elm", "fir", "oak")
)
LEAVES = ImageDataset(
    name="leaves",
    title="Leaves",
    folder="leaves",
    image_prefix="images",
    split=SplitFile("split.json"),
    template="a leaf of {}.",
    classes=4,
    counts=PartCounts(train=24, val=20, test=12),
    licence="MIT",
    citation="nobody",
    source="https://example.org/leaves",
    miniature=FORM,
)


class OddClasses(Protocol):
    """Hold every second class out."""

    name = "odd_classes"
    title = "odd classes"
    holds_classes_out = True

    def class_subsets(self, class_names, section):
        labels = range(len(class_names))
        pick = {"base": labels[::2], "new": labels[1::2]}
        return {
            part: ClassSubset(tuple(chosen), tuple(class_names[label] for label in chosen))
            for part, chosen in pick.items()
        }


def class_features(context) -> bytes | None:
    """Class features for a reader with numpy alone; none where they depend on the image."""
    weights = ClassifierWeights.of(context.shipped, context.recipe.title)
    if weights is None:
        return None
    file = io.BytesIO()
    np.save(file, weights.features.numpy())
    return file.getvalue()


ENTRY = """
"{method}.class_features":
  type: vlprompt_pipeline.datasets.ExportDataset
  filepath: data/06_models/${_cell}/{method}/class_features.npy
  optional: true
  metadata: {mlflow: artifact}
"""


@pytest.fixture
def added():
    """Everything registered for the time of a test."""
    tables = (IMAGE_DATASETS, PROTOCOLS, QUANTIZERS, METRICS, EXPORT_FORMATS)
    before = [dict(table) for table in tables]
    register_dataset(LEAVES)
    register_protocol(OddClasses())
    register_quantizer(QuantizerKind("middle", "middle", lambda v, n, _: np.full(n, v.mean())))
    register_format(ExportFormat("class_features", "class_features_bytes", class_features))
    register_metric(Metric("wrong", "wrong", lambda predicted, classes: 1.0))
    yield
    for table, entries in zip(tables, before, strict=True):
        table.clear()
        table.update(entries)


def test_a_dataset_is_downloaded_and_checked(added, tmp_path):
    folder = write_miniature_files(LEAVES, tmp_path / "leaves")
    files = [(f"leaves/{p.relative_to(folder)}", p.read_bytes()) for p in folder.rglob("*.*")]
    with serving_files({"/l.zip": File(make_zip(*files))}) as server:
        source = DownloadSource(title="here", files=(DownloadFile(url=f"{server}/l.zip"),))
        dataset = replace(LEAVES, download=DownloadRecipe(sources=(source,)))
        assert fetch_dataset(dataset, tmp_path / "root").images == 56
    assert survey_dataset(LEAVES, tmp_path / "root", 4, 1, tmp_path, 1).state == "ready"
    assert len(build_index("miniature_leaves", tmp_path / "small").table) == 56
    assert get_image_dataset("leaves") is LEAVES


def test_a_format_that_would_be_lost_is_refused(added, project):
    section = {"odd_classes": {"dataset": "leaves", "shots": 4}}
    assert project.refusal(section).startswith(
        "export format class_features has no entry in the catalog: say where it goes under "
        '"{method}.class_features" in conf/base/catalog_prompts.yml'
    )
    assert project.files() == {}


def test_all_of_them_run(added, project):
    with (project.root / "conf/base/catalog_prompts.yml").open("a") as catalog:
        catalog.write(ENTRY)
    project.run(
        {
            "dataset": "leaves",
            "dataset_prefix": "miniature_",
            "protocol": "odd_classes",
            "odd_classes": {"dataset": "leaves", "shots": 4},
            "metrics": ["wrong"],
            "methods": ["coop", "halved", "cocoop"],
            "recipes": {
                "cocoop": {"training": {"epochs": 1}},
                "halved": {"extends": "coop", "quantize": {"quantizer": "middle", "bits": 1}},
            },
        }
    )
    cell = "demo/miniature_leaves/odd_classes/shots4/seed1"
    for method in ("coop", "halved"):
        metrics = project.json("07_model_output", f"{method}/metrics.json", cell)
        assert metrics["base"]["total"] == metrics["new"]["total"] == 6
        assert metrics["new"]["wrong"] == 1.0
        file = project.path("06_models", f"{method}/class_features.npy", cell)
        assert np.load(file).shape[0] == 4
        sizes = project.json("06_models", f"{method}/sizes.json", cell)
        assert sizes["class_features_bytes"] == file.stat().st_size
    assert not project.path("06_models", "cocoop/class_features.npy", cell).exists()
    assert project.json("06_models", "cocoop/sizes.json", cell)["class_features_bytes"] == 0
    record = project.json("08_reporting/records", "coop.json", cell)
    assert record["classes"] == {"base": ["ash", "fir"], "new": ["elm", "oak"]}
