"""`kedro run` from pictures to a report: what it leaves, and that it adds up."""

from __future__ import annotations

import json
import re
from fractions import Fraction

import pandas as pd
import pytest
import torch

from pipelines.project import CELL, CLASSES, DATASET, PER_CLASS, ROOT, Project
from pipelines.watched import watch_epochs
from vlprompt_pipeline.clip import EvaluationView, FrozenClip, load_clip
from vlprompt_pipeline.export import load_learner
from vlprompt_pipeline.filesystem.manifests import find_fault, has_manifest, layer_path
from vlprompt_pipeline.methods import ClassTexts
from vlprompt_pipeline.methods.trained import TrainedPrompt

METHODS = ("zero_shot", "coop", "qcoop")
HALF = CLASSES // 2
PER_METHOD = {
    "06_models": (
        "prompt.safetensors",
        "history.csv",
        "clusterings.parquet",
        "prompt.vlp",
        "classifier_weights.safetensors",
        "sizes.json",
    ),
    "07_model_output": (
        "predictions.parquet",
        "metrics.json",
        "per_class.parquet",
        "confusion.parquet",
    ),
}


def test_every_file_of_the_cell_is_there(finished):
    data, found = finished.data, set(finished.files())
    expected = {
        f"{layer}/{CELL}/{method}/{name}"
        for layer, names in PER_METHOD.items()
        for method in METHODS
        for name in names
    }
    expected |= {f"08_reporting/records/{CELL}/{method}.json" for method in METHODS}
    expected |= {f"08_reporting/completion/{CELL}/{method}.json" for method in METHODS}
    expected |= {f"08_reporting/classes/{CELL}/classes.html"}
    expected |= {f"06_models/{CELL}/checkpoints/{method}.safetensors" for method in METHODS[1:]}
    expected |= {
        f"02_intermediate/{DATASET}/raw_index.parquet",
        f"02_intermediate/{DATASET}/dataset_card.json",
        f"02_intermediate/image_checks/{DATASET}.parquet",
        f"03_primary/{DATASET}/image_index.parquet",
        f"03_primary/{DATASET}/image_check.json",
        f"04_feature/demo/{DATASET}/test_features.json",
        f"04_feature/demo/{DATASET}/shots4/seed1/training_features.json",
        f"04_feature/demo/{DATASET}/shots4/seed1/validation_features.json",
        f"05_model_input/{DATASET}/base_to_new/class_subsets.json",
        f"05_model_input/{DATASET}/shots4/seed1/few_shot_set.json",
        "08_reporting/report.csv",
        "08_reporting/report.html",
        "08_reporting/report.txt",
        "08_reporting/headline.png",
    }
    assert expected <= found
    rest = {path.split("/")[1] for path in found - expected}
    assert rest == {"store", "figures"}, "a file nobody expects"
    assert not [path for path in data.rglob(".*") if path.is_file()]


def test_every_file_has_a_manifest_that_fits(finished):
    described = list(map(finished.data.joinpath, finished.files()))
    keys = {path.name for path in (finished.data / "04_feature/store").iterdir()}
    for path in described:
        if path.parent.name in keys:
            assert find_fault(path, path.parent.name) == ""
        elif path.parent.name not in {"checkpoints", "image_checks"}:  # known by longer keys
            assert find_fault(path, layer_path(path)) == ""
        assert has_manifest(path)


def test_the_few_shot_set_and_the_halves_are_of_the_dataset(finished):
    few_shot = finished.json("05_model_input", "few_shot_set.json", f"{DATASET}/shots4/seed1")
    per_label = pd.Series([label for _, label in few_shot["train"]]).value_counts()
    assert per_label.to_dict() == dict.fromkeys(range(CLASSES), 4)
    halves = finished.json("05_model_input", "class_subsets.json", f"{DATASET}/base_to_new")
    card = finished.json("02_intermediate", "dataset_card.json", DATASET)
    assert halves["base"]["class_names"] + halves["new"]["class_names"] == card["class_names"]
    assert halves["base"]["labels"] == [0, 1, 2]
    assert halves["new"]["labels"] == [3, 4, 5]


@pytest.mark.parametrize("method", METHODS)
def test_metrics_follow_from_the_predictions(finished, method):
    metrics = finished.json("07_model_output", f"{method}/metrics.json")
    table = pd.read_parquet(finished.path("07_model_output", f"{method}/predictions.parquet"))
    index = pd.read_parquet(finished.data / f"03_primary/{DATASET}/image_index.parquet")
    labels = index[index["part"] == "test"].set_index("path")["label"]
    new = labels.index[labels >= HALF]
    assert sorted(table["path"]) == sorted([*labels.index, *labels.index, *new])
    outsiders = table[table["half"] == "outsiders"]  # new images among the base classes
    assert outsiders["path"].tolist() == new.tolist()
    assert set(outsiders["label"]) == {-1}
    known = table.loc[table["half"] == "base", "probability"]
    pairs = [(a > b) + (a == b) / 2 for a in known for b in outsiders["probability"]]
    assert metrics["base"]["auroc"] == pytest.approx(100 * sum(pairs) / len(pairs))
    right = {}
    for half, first in (("base", 0), ("new", HALF)):
        rows = table[table["half"] == half]
        assert len(rows) == HALF * PER_CLASS.test
        assert (rows["label"] + first).tolist() == labels[rows["path"]].tolist()
        assert rows["prediction"].between(0, HALF - 1).all()
        assert rows["top"].map(lambda top: top[0]).tolist() == rows["prediction"].tolist()
        assert rows["top_probability"].map(sum).to_numpy() == pytest.approx(1, abs=1e-5)
        right[half] = sum(rows["prediction"] == rows["label"])
        assert (metrics[half]["correct"], metrics[half]["total"]) == (right[half], len(rows))
        assert metrics[half]["accuracy"] == pytest.approx(100 * right[half] / len(rows))
    base, new = (Fraction(100 * right[half], HALF * PER_CLASS.test) for half in ("base", "new"))
    assert metrics["harmonic_mean"] == pytest.approx(float(2 / (1 / base + 1 / new)))


@pytest.mark.parametrize("method", METHODS)
def test_both_halves_among_all_classes(finished, method):
    """From the file that ships, for all class names at once."""
    clip = load_clip("embedded", "demo", "cpu")
    card = finished.json("02_intermediate", "dataset_card.json", DATASET)
    table = pd.read_parquet(finished.path("07_model_output", f"{method}/predictions.parquet"))
    packed = finished.path("06_models", f"{method}/prompt.vlp").read_bytes()
    recipe = TrainedPrompt.load(
        finished.path("06_models", f"{method}/prompt.safetensors")
    ).resolved_recipe()
    classes = ClassTexts(tuple(card["class_names"]), card["template"])
    learner = load_learner(packed, recipe, clip, classes)
    view = EvaluationView(clip.preprocessing)
    metrics = finished.json("07_model_output", f"{method}/metrics.json")["generalised"]
    index = pd.read_parquet(finished.data / f"03_primary/{DATASET}/image_index.parquet")
    labels, scores = index.set_index("path")["label"], []
    for half, own in (("base", range(HALF)), ("new", range(HALF, CLASSES))):
        rows = table[table["half"] == f"generalised_{half}"]
        assert set(rows["label"]) == set(own)
        assert rows["label"].tolist() == labels[rows["path"]].tolist()
        pixels = [view.pixels(finished.data / "01_raw" / DATASET / path, "") for path in rows.path]
        answers = learner.logits(clip.encode_images(torch.cat(pixels))).argmax(-1)
        assert answers.tolist() == rows["prediction"].tolist()
        correct = sum(rows["prediction"] == rows["label"])
        assert (metrics[half]["correct"], metrics[half]["total"]) == (correct, len(rows))
        scores.append(100 * correct / len(rows))
    assert metrics["harmonic_mean"] == pytest.approx(2 * scores[0] * scores[1] / sum(scores))


def test_class_by_class_and_which_for_which(finished):
    """Both small tables follow from the predictions."""
    predictions, classes, confusion = (
        pd.read_parquet(finished.path("07_model_output", f"coop/{name}.parquet"))
        for name in ("predictions", "per_class", "confusion")
    )
    metrics = finished.json("07_model_output", "coop/metrics.json")
    halves = ["base", "new", "generalised_base", "generalised_new"]
    assert list(classes["half"].unique()) == list(confusion["half"].unique()) == halves
    names = finished.json("02_intermediate", "dataset_card.json", DATASET)["class_names"]
    assert classes["class_name"].tolist() == names + names
    predictions = predictions[predictions["half"] != "outsiders"]
    right = predictions[predictions["prediction"] == predictions["label"]]
    for (half, label), rows in predictions.groupby(["half", "label"]):
        own = classes[(classes["half"] == half) & (classes["label"] == label)].iloc[0]
        hits = len(right[(right["half"] == half) & (right["label"] == label)])
        assert (own["images"], own["correct"]) == (len(rows), hits)
        assert own["accuracy"] == pytest.approx(100 * hits / len(rows))
    counted = predictions.groupby(["half", "label", "prediction"]).size()
    found = confusion.set_index(["half", "label", "prediction"])["count"]
    assert found.sort_index().to_dict() == counted.to_dict()
    base = classes[classes["half"] == "base"]
    assert metrics["base"]["macro_f1"] == pytest.approx(base["f1"].mean())


def test_zero_shot_is_clip_with_the_benchmarks_template(finished):
    """From the pictures alone: each encoded by itself, compared with each class's sentence."""
    clip = load_clip("embedded", "demo", "cpu")
    card = finished.json("02_intermediate", "dataset_card.json", DATASET)
    table = pd.read_parquet(finished.path("07_model_output", "zero_shot/predictions.parquet"))
    view = EvaluationView(clip.preprocessing)
    for half, names in (("base", card["class_names"][:HALF]), ("new", card["class_names"][HALF:])):
        texts = clip.encode_texts([f"a photo of {name}." for name in names])
        rows = table[table["half"] == half]
        pixels = [view.pixels(finished.data / "01_raw" / DATASET / path, "") for path in rows.path]
        logits = clip.logit_scale * clip.encode_images(torch.cat(pixels)) @ texts.T
        probabilities = logits.softmax(-1)
        assert probabilities.argmax(-1).tolist() == rows["prediction"].tolist()
        best = probabilities.max(-1).values
        assert best.tolist() == pytest.approx(rows["probability"].tolist(), abs=1e-4)


def test_sizes_are_those_of_the_files(finished):
    sizes = {method: finished.json("06_models", f"{method}/sizes.json") for method in METHODS}
    for method in METHODS:
        packed = finished.path("06_models", f"{method}/prompt.vlp").read_bytes()
        assert sizes[method]["file_bytes"] == len(packed)
    values = 4 * load_clip("embedded", "demo", "cpu").text_width  # four vectors
    assert [sizes[method]["trainable_parameters"] for method in METHODS] == [0, values, values]
    assert sizes["coop"]["payload_bytes"] == sizes["coop"]["fp16_bytes"] == 2 * values
    assert sizes["qcoop"]["payload_bytes"] == values // 8 + 2 * 2  # a bit a value, two entries


def test_records_say_what_they_come_from(finished):
    sha256 = load_clip("embedded", "demo", "cpu").weights_sha256
    for method in METHODS:
        record = finished.json("08_reporting/records", f"{method}.json")
        metrics = finished.json("07_model_output", f"{method}/metrics.json")
        assert record["cell"]["weights_sha256"] == sha256
        assert (record["cell"]["dataset"], record["cell"]["shots"]) == (DATASET, 4)
        (result,) = record["methods"]
        assert result["method"] == method
        for half in ("base", "new"):
            kept = ["correct", "total", "calibration_error", "top5_accuracy", "macro_f1"]
            outside = ["auroc", "fpr95", "energy_auroc", "energy_fpr95"]
            kept += outside if half == "base" else []
            assert result[half] == {key: metrics[half][key] for key in kept}
            together = metrics["generalised"][half]
            kept = [key for key in kept if key not in outside]
            assert result["generalised"][half] == {key: together[key] for key in kept}
        assert result["inference_cost"] == 1
        prompt = TrainedPrompt.load(finished.path("06_models", f"{method}/prompt.safetensors"))
        assert prompt.weights_sha256 == sha256
        assert len(prompt.classes.names) == HALF


def test_the_report_has_every_method(finished):
    table = finished.report()
    assert set(table.index) == set(METHODS)
    for method in METHODS:
        metrics = finished.json("07_model_output", f"{method}/metrics.json")
        assert table.loc[method, "h"] == pytest.approx(metrics["harmonic_mean"])
        assert table.loc[method, "base_mean"] == pytest.approx(metrics["base"]["accuracy"])
    page = (finished.data / "08_reporting/report.html").read_text()
    text = (finished.data / "08_reporting/report.txt").read_text()
    for title in ("Zero-shot CLIP", "CoOp", "QCoOp, 1 bit"):
        assert title in page
        assert title in text


def test_a_small_dataset_known_well_is_not_called_near_chance(finished):
    """Three classes have a chance of 33 %; 90 % is far from it."""
    metrics = finished.json("07_model_output", "zero_shot/metrics.json")
    assert metrics["base"]["accuracy"] > 80
    assert finished.json("08_reporting/records", "zero_shot.json")["notes"] == []


def test_weights_under_the_name_of_published_ones_are_doubted(project):
    project.run({"methods": ["zero_shot"], "clip": {"name": "vit_b16"}})
    cell = CELL.replace("demo/", "vit_b16/")
    (note,) = project.json("08_reporting/records", "zero_shot.json", cell)["notes"]
    assert note.startswith("Published figures beside those of vit_b16 are of OpenAI's weights")


def test_training_has_a_row_an_epoch(finished):
    history = pd.read_csv(finished.path("06_models", "qcoop/history.csv"))
    assert history["epoch"].tolist() == [0, 1, 2]
    assert history["learning_rate"].tolist() == pytest.approx([1e-5, 0.02, 0.02 * 0.75])
    assert {"loss", "cross_entropy", "context.drift", "context.squared_error"} <= set(history)
    assert len(pd.read_csv(finished.path("06_models", "zero_shot/history.csv"))) == 0


def test_a_second_run_computes_nothing_again_and_changes_nothing(project, monkeypatch):
    epochs = []
    watch_epochs(monkeypatch, lambda learner, epoch: epochs.append(epoch))
    project.run(report=True)
    assert epochs == 2 * [0, 1, 2]
    before = project.files()
    shards = [path.stat().st_mtime_ns for path in project.data.rglob("shard-*")]

    def refuse(*args, **kwargs):
        raise AssertionError("computed again")

    monkeypatch.setattr(FrozenClip, "encode_images", refuse)
    project.run(report=True)
    assert epochs == 2 * [0, 1, 2]
    assert project.files() == before
    assert [path.stat().st_mtime_ns for path in project.data.rglob("shard-*")] == shards


def test_a_killed_training_goes_on_with_the_same_bits(finished, project, monkeypatch):
    epochs = []

    def kill_in_the_last(learner, epoch):
        epochs.append(epoch)
        if epochs == [0, 1, 2]:
            raise KeyboardInterrupt

    watch_epochs(monkeypatch, kill_in_the_last)
    with pytest.raises(KeyboardInterrupt):
        project.run()
    assert not project.path("06_models", "coop/prompt.safetensors").exists()
    project.run()
    assert epochs == [0, 1, 2, 2, 0, 1, 2]
    _assert_same_results(project, finished)


def test_a_session_may_be_started_anywhere(finished, project, monkeypatch):
    elsewhere = project.root / "conf"
    monkeypatch.chdir(elsewhere)
    before = set(elsewhere.iterdir())
    project.run()
    assert set(elsewhere.iterdir()) == before
    _assert_same_results(project, finished)


def _assert_same_results(one: Project, other: Project) -> None:
    for method in METHODS:
        for layer, names in PER_METHOD.items():
            for name in names:
                path = f"{method}/{name}"
                same = one.path(layer, path).read_bytes() == other.path(layer, path).read_bytes()
                assert same, path


def test_what_kedro_viz_previews_is_json(finished):
    """Tables with arrays are not, as pandas gives them, and a page that fails shows nothing."""
    with finished.session() as session:
        catalog = session.load_context().catalog
        shown = set()
        for name in [*catalog.filter(), "qcoop.predictions", "coop.history", "qcoop.sizes"]:
            dataset = catalog.get(name)
            if hasattr(dataset, "preview") and dataset.exists():
                assert json.dumps(dataset.preview())
                shown.add(name)
    assert {"image_index", "qcoop.predictions", "coop.history"} <= shown


def test_the_page_on_metrics_compares_what_a_run_left(finished, monkeypatch, capsys):
    monkeypatch.chdir(finished.root)
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(code, "metrics.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["base", "new"]
    for half, line in zip(("base", "new"), lines, strict=True):
        coop, qcoop = (
            finished.json("07_model_output", f"{method}/metrics.json")[half]["accuracy"]
            for method in ("coop", "qcoop")
        )
        assert f" {qcoop - coop:+.1f} against CoOp, " in line


def test_every_clustering_has_a_row(finished):
    made = pd.read_parquet(finished.path("06_models", "qcoop/clusterings.parquet"))
    assert list(made) == ["epoch", "step", "tensor", "kl", "mean_squared_error", "codebooks"]
    history = pd.read_csv(finished.path("06_models", "qcoop/history.csv"))
    assert len(made) == history["context.reclustered"].sum() >= 1
    assert "clusterings" not in history
    assert (made.loc[0, "step"], made.loc[0, "tensor"]) == (0, "context")
    assert [len(codebook) for codebook in made.loc[0, "codebooks"]] == [2]
    assert len(pd.read_parquet(finished.path("06_models", "coop/clusterings.parquet"))) == 0
