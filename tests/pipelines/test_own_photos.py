"""Own photos, from a folder or table to the report, without code; and splits drawn by name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from click.testing import CliRunner
from kedro.framework.cli.utils import _split_params

from image_datasets.miniatures import annotation_file, write_miniature
from image_datasets.own_data.photos import write_classes
from pipelines.project import ROOT, Project, merged
from pipelines.sweeps import sweep
from vlprompt_pipeline.apps.export import export
from vlprompt_pipeline.image_datasets import IMAGE_DATASETS, read_split

MARK = "own random split, seed 1"
CLASSES = ("square", "blue_star", "Circle", "red_square")  # words that the embedded CLIP knows
OWN = {"dataset": "My.Photos", "shots": 3, "methods": ["zero_shot", "coop"]}
CELL = "demo/My.Photos/base_to_new/shots3/seed1"


@pytest.fixture
def photos(project: Project):
    """Class folders below the project's dataset root."""
    folder = project.data / "01_raw/My.Photos"
    write_classes(folder, **dict.fromkeys(CLASSES, 8))
    return folder


def intermediate(project: Project, name: str = "My.Photos"):
    return project.data / "02_intermediate" / name


def card(project: Project, name: str = "My.Photos") -> dict[str, Any]:
    return json.loads((intermediate(project, name) / "dataset_card.json").read_text())


def assert_marked(project: Project, name: str, cell: str, mark: str = MARK) -> None:
    """The mark is in the card, the check, each record, the table, the text and the page."""
    assert card(project, name)["random_split"] == mark
    check = json.loads((project.data / "03_primary" / name / "image_check.json").read_text())
    assert check["random_split"] == mark
    records = list(project.path("08_reporting/records", cell=cell).glob("*.json"))
    assert records
    for record in records:
        assert json.loads(record.read_text())["cell"]["random_split"] == mark
    assert set(project.report()["random_split"]) == {mark}
    reporting = project.data / "08_reporting"
    assert f"{name} ({mark})" in (reporting / "report.txt").read_text()
    assert f"<h2>{name} ({mark})," in (reporting / "report.html").read_text()


def test_own_photos_are_averaged_with_those_alone_of_the_same_sweep(project, photos):
    for name in ("Other", "Third"):
        write_classes(photos.parent / name, **dict.fromkeys(CLASSES, 8))
    project.bootstrap()
    sweep(project, {"shots": 3}, dataset=["My.Photos", "Other"])
    told = (project.data / "08_reporting/report.txt").read_text()
    assert "Average" in told
    sweep(project, {"shots": 3}, dataset=["Third"])
    told = (project.data / "08_reporting/report.txt").read_text()
    assert f"Third ({MARK})" in told
    assert not re.search("verage|Photos|Other", told)


def test_from_a_folder_to_a_marked_report(project, photos):
    project.run(OWN, report=True)
    assert card(project)["class_names"] == ["Circle", "blue star", "red square", "square"]
    halves = project.json("05_model_input", "class_subsets.json", "My.Photos/base_to_new")
    assert halves["base"]["class_names"] == ["Circle", "blue star"]
    assert_marked(project, "My.Photos", CELL)
    (split,) = intermediate(project).glob("split_*.json")
    published = read_split(split)
    assert published.sha256 == card(project)["split_sha256"]
    assert published.sha256.startswith(split.stem.removeprefix("split_"))
    assert published.counts == (16, 8, 8)
    report = project.report()
    assert set(report.index) == {"zero_shot", "coop"}
    assert report["h"].notna().all()


def test_the_commands_of_the_documentation(project, tmp_path, monkeypatch):
    root = tmp_path / "Pictures"
    write_classes(root / "my_photos", **dict.fromkeys(("n02111889", "sea_gull", "owl"), 8))
    monkeypatch.setitem(IMAGE_DATASETS, "caltech101", write_miniature(root))
    page = (ROOT / "docs/own-photos.md").read_text() + (ROOT / "README.md").read_text()
    (names,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    (root / "names.json").write_text(names)
    commands = sorted(
        set(re.findall(r"kedro run(?: --env=photos)? --params=(\S*/home/me/\S*)", page))
    )
    assert len(commands) == 4
    for command in commands:
        given = _split_params(None, None, command.replace("/home/me/Pictures", str(root)))
        project.run(merged({"shots": 3, "methods": ["linear_probe"]}, given), report=True)
    data = project.report().reset_index()[["dataset", "random_split"]]
    assert set(data.itertuples(index=False, name=None)) == {
        ("caltech101", MARK),
        ("my_photos", "own random split, seed 2"),
    }


def test_every_run_in_mlflow_is_marked_and_of_one_content(project, photos, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = f"sqlite:///{project.root / 'mlflow.db'}"
    tracked = merged(OWN, {"tracking": {"enabled": True, "uri": store}})
    project.run(tracked)
    client = mlflow.MlflowClient(store)
    experiments = [each.experiment_id for each in client.search_experiments()]
    runs = client.search_runs(experiments)
    assert len(runs) == 3
    assert {run.data.tags["split"] for run in runs} == {MARK}
    table = pd.read_parquet(project.data / "03_primary/My.Photos/image_index.parquet")
    first, *_, last = table[table["part"] == "test"]["path"]
    (photos / first).write_bytes((photos / last).read_bytes())
    project.run(tracked)
    methods = [
        run.data.tags["method"] for run in client.search_runs(experiments, "tags.method != ''")
    ]
    assert sorted(methods) == ["coop", "coop", "zero_shot", "zero_shot"], "a photo was replaced"
    mlflow.set_tracking_uri(None)


def test_photos_with_a_test_part_are_not_marked(project):
    for part in ("train", "test"):
        write_classes(project.data / "01_raw/zoo" / part, **dict.fromkeys(CLASSES, 3))
    project.run({**OWN, "dataset": "zoo", "protocol": "few_shot"}, report=True)
    assert card(project, "zoo")["random_split"] == ""
    assert list(intermediate(project, "zoo").glob("split_*")) == []
    assert project.report()["random_split"].isna().all()
    assert "random" not in (project.data / "08_reporting/report.txt").read_text()


def test_a_table_elsewhere_with_names_and_template_of_its_own(project, tmp_path):
    root = tmp_path / "pictures"
    write_classes(root / "pics", **dict.fromkeys(CLASSES, 8))
    rows = [
        {"path": str(path.relative_to(root)), "label": path.parent.name}
        for path in sorted(root.rglob("*.png"))
    ]
    pd.DataFrame(rows).to_parquet(root / "table.parquet")
    (root / "names.yml").write_text("red_square: a triangle\n")
    own = {"template": "a drawing of {}.", "class_names": "names.yml", "split": {"seed": 5}}
    project.run(
        {**OWN, "dataset": "table", "dataset_root": str(root), "own_data": own}, report=True
    )
    stored = card(project, "table")
    assert stored["class_names"] == ["Circle", "blue star", "a triangle", "square"]
    assert stored["template"] == "a drawing of {}."
    assert_marked(project, "table", CELL.replace("My.Photos", "table"), "own random split, seed 5")


def test_another_draw_of_the_split_stands_in_the_report(project, photos):
    project.run(OWN)
    project.run({**OWN, "own_data": {"split": {"seed": 2}}}, report=True)
    report = pd.read_csv(project.data / "08_reporting/report.csv")
    assert set(report["random_split"]) == {"own random split, seed 2"}
    assert "My.Photos (own random split, seed 2)" in (
        project.data / "08_reporting/report.html"
    ).read_text(encoding="utf-8")


def test_what_was_made_of_another_split_is_refused_by_what_would_use_it(project, photos):
    own = {**OWN, "methods": ["zero_shot"]}
    project.run(own)
    write_classes(photos, Blue_square=8)  # the first name: the labels of all others are shifted
    project.run(own, stages=("data_preparation",))
    for stage in ("feature_extraction", "prompt_training", "evaluation"):
        assert project.refusal(own, stages=(stage,)).startswith(
            "the few-shot set of My.Photos, 3 shots, seed 1, was drawn from another split than "
        )
    project.run(own, stages=("few_shot_sampling",))
    assert project.refusal(own, stages=("prompt_training",)).startswith(
        "the few-shot features of My.Photos, seed 1, were made with other images, settings or code "
    )
    project.run(own)


def test_a_published_dataset_without_its_split_file(project, monkeypatch):
    root = project.data / "01_raw"
    benchmark = write_miniature(root, "dtd")
    monkeypatch.setitem(IMAGE_DATASETS, "dtd", benchmark)
    annotation_file(benchmark, root).unlink()
    assert "nothing is made up in place of it" in project.refusal({**OWN, "dataset": "dtd"})
    project.run({**OWN, "dataset": "dtd", "split": "random"}, report=True)
    assert_marked(project, "dtd", CELL.replace("My.Photos", "dtd"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"dataset": "my photos"},
            "parameters.dataset is 'my photos': a dataset's name stands in paths; rename the "
            "folder or table to up to 100 letters, digits, '.', '_' and '-', with a letter or "
            "digit first",
        ),
        (
            {"dataset": "Demo_aerial"},
            "dataset 'Demo_aerial' is unknown; did you mean 'demo_aerial'",
        ),
        ({"dataset": "my_photos"}, "dataset 'my_photos' is unknown; known are caltech101, "),
        (
            {"dataset": "demo_counts", "split": "random"},
            "split is 'random', but the paths of demo_cou",
        ),
        (
            {"own_data": {"split": {"train": 0.9}}},
            "parameters.own_data.split is {'train': 0.9, 'val': 0.2, 'test': 0.3, 'seed': 1}: the "
            "shares train, val and test make 1.4, not 1",
        ),
        ({"own_data": {"class_names": "none.json"}}, "cannot read own_data.class_names "),
        (
            {"shots": 5},
            "4 of the 4 classes of My.Photos have fewer training images than the 5 shots",
        ),
    ],
)
def test_what_is_wrong_is_told_before_long_work(project, photos, change, sentence):
    message = project.refusal(merged(OWN, change))
    assert message.startswith(sentence)
    assert not (project.data / "04_feature").exists()


def test_classes_that_real_weights_cannot_tell_apart(project, photos, tiny_clip_folder):
    write_classes(photos, circle=8)
    own = OWN | {"clip": {"name": "tiny", "source": f"local-dir:{tiny_clip_folder}"}}
    message = project.refusal(own)
    assert message.startswith(
        "Texts that coincide: 2 of the 5 classes of My.Photos have the same text as another one to "
        "CLIP tiny (Circle = circle): methods that tell classes by their names (zero_shot, coop) "
        "cannot be scored. Give these classes different names (own_data.class_names), or "
    )
    assert not (project.data / "02_intermediate").exists()
    names = project.data / "01_raw/names.json"
    names.write_text('{"circle": "ring"}')
    project.run(own | {"own_data": {"class_names": "names.json"}}, stages=("data_preparation",))


def test_a_name_that_is_not_there_says_where_it_was_looked_for(project):
    root = project.data / "01_raw"
    root.mkdir()
    message = project.refusal(OWN)
    assert message.endswith(f", and there is no folder or table of that name in {root}")


def test_unreadable_photos_are_all_named(project, photos):
    (photos / "blue_star/000.png").write_bytes(b"")
    (photos / "Circle/003.png").write_text("none")
    message = project.refusal(OWN)
    assert message.startswith(f"2 of the 32 images of My.Photos under {photos} cannot be read: ")
    for name in (
        "blue_star/000.png (an empty file)",
        "Circle/003.png (not an image of a known format)",
    ):
        assert name in message
    assert message.endswith("own_data.broken=leave_out, and run again")
    assert not (project.data / "04_feature").exists()
    (photos / "blue_star/000.png").unlink()
    (photos / "Circle/003.png").unlink()
    project.run(OWN, stages=("data_preparation",))
    assert card(project, "My.Photos")["random_split"] == "own random split, seed 1"


ANIMALS = {"cat": 30, "dog": 30, "owl": 30, "wolf": 6}
ANY = {
    "dataset": "animals",
    "protocol": "few_shot",
    "shots": 8,
    "short_classes": "take_all",
    "methods": ["zero_shot", "linear_probe", "tip_adapter_f"],
    "own_data": {"broken": "leave_out", "split": {"val": 0.4, "train": 0.4, "test": 0.2}},
    "recipes": {"tip_adapter_f": {"training": {"epochs": 2}}},
}


def test_classes_that_the_embedded_clip_has_no_words_for(project, capsys, monkeypatch):
    """Methods that go by names are left out; the others are registered, and may say none."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = project.data / "01_raw/animals"
    write_classes(folder, **ANIMALS)
    (folder / "cat/000.png").write_bytes(b"")
    said = project.refusal({**ANY, "methods": ["zero_shot", "coop"]})
    assert "(cat = dog = owl and 1 more)" in said
    assert "zero_shot, coop) cannot be scored. Take real weights, those of --env=photos or " in said
    project.run({**ANY, "methods": ["zero_shot", "coop"]}, stages=("data_check",))
    shown = capsys.readouterr().out
    assert "animals: photos of your own have no official split to be held against; --pip" in shown
    project.run({**ANY, "methods": ["zero_shot", "coop"]}, stages=("data_preparation",))
    store = f"sqlite:///{project.root / 'mlflow.db'}"
    on = merged(ANY, {"tracking": {"enabled": True, "uri": store}})
    project.run(on, report=True)
    shown = capsys.readouterr().out
    page = (project.data / "08_reporting/report.html").read_text(encoding="utf-8")
    for text in (shown, page):
        assert "4 of the 4 classes of animals have the same text as another one" in text
        assert "zero_shot tell classes by their names and are not scored" in text
        assert "Up to 8 shots: 1 of 4 classes had fewer training images (wolf 3)." in text
    assert card(project, "animals")["findings"]["left_out"] == [["cat/000.png", "an empty file"]]
    (best,) = re.findall(r"take: (.*), by (\d+) right answers on 14 validation images", shown)
    assert best[0] in ("Linear probe", "Tip-Adapter-F")
    assert "--pipelines=register" in shown and "--env=photos" in shown
    client = mlflow.MlflowClient(store)
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
    assert {run.data.tags.get("method") for run in runs} == {None, "linear_probe", "tip_adapter_f"}
    assert all(run.data.tags["warning"].startswith("Texts that coincide:") for run in runs)
    assert all("validation.accuracy" in run.data.metrics for run in runs if run.data.metrics)
    asked = {"kind": "conformal", "coverage": 0.8}
    registry = {"methods": ["tip_adapter_f"], "registry": {"rejection": asked, "check_images": 4}}
    project.run(merged(on, registry), stages=("register",))
    assert "predict FOLDER --model animals.tip_adapter_f@candidate" in capsys.readouterr().out
    done = project.json("06_models", "tip_adapter_f/registration.json", ANIMAL_CELL)
    assert done["rejection"]["kind"] == "conformal"
    assert done["rejection"]["calibration"]["images"] == 24
    version = client.get_model_version_by_alias("animals.tip_adapter_f", "candidate")
    assert version.tags["rejection"] == "conformal"
    assert version.tags["warning"].startswith("Texts that coincide:")
    assert '; says "none" to images like none of them (by conformal sets' in version.description
    mlflow.set_tracking_uri(store)
    model = mlflow.pyfunc.load_model("models:/animals.tip_adapter_f@candidate")
    photo = (folder / "dog/001.png").read_bytes()
    (row,) = model.predict(pd.DataFrame({"image": [photo]})).to_dict("records")
    assert set(row["label_set"]) <= set(ANIMALS)
    assert row["label"] == (row["label_set"][0] if row["label_set"] else "none")
    project.run(merged(on, registry), stages=("onnx",))
    require_shipped_as_exported(project, folder / "dog", store)
    mlflow.set_tracking_uri(None)


def require_shipped_as_exported(project: Project, images: Path, store: str) -> None:
    """`vlprompt export` writes what `kedro run --pipelines=onnx` wrote."""
    pipelined = project.path("06_models", "tip_adapter_f/onnx", ANIMAL_CELL)
    exported, photos = project.root / "exported", str(images)
    arguments = ["animals.tip_adapter_f@candidate", str(exported), "--images", photos]
    done = CliRunner().invoke(export, [*arguments, "--tracking-uri", store])
    assert done.exit_code == 0, done.output
    require_same_folders(pipelined, exported)
    graphs = project.json("06_models", "tip_adapter_f/onnx_graphs.json", ANIMAL_CELL)
    assert [row["file"] for row in graphs] == [
        f"onnx/vision_model{suffix}.onnx" for suffix in ("", "_fp16", "_int8", "_q4")
    ]
    assert all((pipelined / row["file"]).is_file() for row in graphs)
    assert all(0 < row["accuracy"] <= 100 for row in graphs)


def require_same_folders(pipelined: Path, exported: Path) -> None:
    """They differ in the version's name, and in what images other than those of the cell do."""
    hashes = [
        dict(line.split("  ")[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
        for folder in (pipelined, exported)
    ]
    assert hashes[0].keys() == hashes[1].keys()
    other = {"README.md", "model.json", "onnx/vision_model_int8.onnx"}
    assert {name for name in hashes[0] if hashes[0][name] != hashes[1][name]} <= other
    assert {"rejection.json", "onnx/vision_model.onnx", "classify.py", "prompt.vlp"} <= {*hashes[0]}
    models = [json.loads((folder / "model.json").read_text()) for folder in (pipelined, exported)]
    versions = [model.pop("version") for model in models]
    assert versions == [None, "1"]
    for model in models:
        assert len(model.pop("graphs")) == 4
    assert models[0] == models[1]
    assert models[0]["name"] == "animals.tip_adapter_f"


ANIMAL_CELL = "demo/animals/few_shot/shots8/seed1"
