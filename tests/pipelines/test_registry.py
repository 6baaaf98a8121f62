"""From a finished cell to a registered model, in a fresh process, and to a table of labels."""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import mlflow
import pandas as pd
import pytest
from kedro.framework.session import KedroSession
from mlflow import MlflowClient

from command_line import vlprompt
from fresh_python import printed
from pipelines.project import CELL, QUICK, Project, merged
from vlprompt_pipeline.filesystem.manifests import described_write, layer_path
from vlprompt_pipeline.registry import find_version, load_classifier, open_existing

METHODS = ["zero_shot", "coop", "qcoop"]
ON = {"tracking": {"enabled": True}, "methods": METHODS}
FRESH = """
import json, sys
from pathlib import Path
import mlflow, pandas as pd

model = mlflow.pyfunc.load_model(sys.argv[1])
asked = json.load(sys.stdin)
said = {
    half: model.predict(
        pd.DataFrame({"image": [Path(path).read_bytes() for path in paths]}),
        params={"class_names": names, "top_k": 1},
    )["label"].tolist()
    for half, (paths, names) in asked.items()
}
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def registered(finished, tmp_path_factory) -> Iterator[Project]:
    """A project whose three methods are registered; only to be looked at and added to."""
    root = tmp_path_factory.mktemp("registered") / "project"
    shutil.copytree(finished.root, root)
    project = Project(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        project.run({**ON, "registry": {"check_images": 1000}}, stages=("register",))
        yield project
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


@pytest.fixture
def client(registered) -> MlflowClient:
    uri = f"sqlite:///{registered.root / 'mlflow.db'}"
    return MlflowClient(uri, uri)


def test_a_version_says_all_about_itself(registered, client):
    assert {model.name for model in client.search_registered_models()} == {
        f"demo_counts.{method}" for method in METHODS
    }
    version = client.get_model_version_by_alias("demo_counts.qcoop", "candidate")
    metrics = registered.json("07_model_output", "qcoop/metrics.json")
    sizes = registered.json("06_models", "qcoop/sizes.json")
    cell = registered.json("08_reporting/records", "qcoop.json")["cell"]
    assert version.tags["H"] == f"{metrics['harmonic_mean']:.2f}"
    assert version.tags["base"] == f"{metrics['base']['accuracy']:.2f}"
    assert version.tags["bytes"] == str(sizes["file_bytes"])
    for key in ("weights_sha256", "split_sha256", "few_shot_sha256", "protocol"):
        assert version.tags[key] == cell[key]
    assert (version.tags["shots"], version.tags["seed"]) == ("4", "1")
    assert "QCoOp, 1 bit for demo_counts: base to new, 4 shots" in version.description
    for method in METHODS:
        title = registered.json("08_reporting/records", f"{method}.json")["methods"][0]["title"]
        assert title in version.description
    assert '"models:/demo_counts.qcoop/1"' in version.description
    assert len(version.description) < 5000
    with pytest.raises(mlflow.exceptions.MlflowException):
        client.get_model_version_by_alias("demo_counts.qcoop", "champion")


def files_of(client: MlflowClient, method: str, version: str) -> Path:
    """The folder of a version."""
    row = client.get_model_version(f"demo_counts.{method}", version)
    model = client.get_logged_model(row.source.removeprefix("models:/"))
    return Path(model.artifact_location.removeprefix("file://"))


def test_nothing_in_it_is_a_pickle_and_requirements_are_exact(registered, client):
    folder = files_of(client, "coop", "1")
    files = {path.name for path in folder.rglob("*") if path.is_file()}
    assert files == {
        *("MLmodel", "model.py", "conda.yaml", "python_env.yaml", "requirements.txt"),
        *("input_example.json", "serving_input_example.json"),
        *("card.json", "prompt.vlp", "classifier_weights.safetensors", "evidence.parquet"),
    }
    needed = (folder / "requirements.txt").read_text()
    assert {"torch", "open_clip_torch", "vlprompt_pipeline"} <= {
        line.partition("==")[0] for line in needed.split() if "==" in line
    }
    assert "+" not in needed


def test_a_fresh_process_elsewhere_labels_every_test_image_as_evaluated(registered, tmp_path):
    """Base images among base classes, new ones among new ones, with pickles forbidden."""
    halves = json.loads(
        (registered.data / "05_model_input/demo_counts/base_to_new/class_subsets.json").read_text()
    )
    predictions = pd.read_parquet(registered.path("07_model_output", "qcoop/predictions.parquet"))
    folder = registered.data / "01_raw/demo_counts"
    asked, expected = {}, {}
    for half in halves:
        names, rows = halves[half]["class_names"], predictions[predictions["half"] == half]
        asked[half] = ([str(folder / path) for path in rows["path"]], names)
        expected[half] = [names[index] for index in rows["prediction"]]
    said = printed(
        FRESH,
        "models:/demo_counts.qcoop@candidate",
        given=json.dumps(asked),
        cwd=tmp_path,
        MLFLOW_TRACKING_URI=f"sqlite:///{registered.root / 'mlflow.db'}",
        MLFLOW_ALLOW_PICKLE_DESERIALIZATION="false",
    )
    assert json.loads(said.splitlines()[-1]) == expected
    assert sum(map(len, expected.values())) == 24


def test_what_is_registered_already_is_found_again(registered, client):
    registered.run({**ON, "methods": ["coop"]}, stages=("register",))
    assert len(client.search_model_versions("name = 'demo_counts.coop'")) == 1
    assert registered.json("06_models", "coop/registration.json")["new"] is False


@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_version_whose_files_are_not_whole_is_made_again(registered, client, tmp_path, how):
    project = Project(tmp_path / "project")
    shutil.copytree(registered.root, project.root)
    models = open_existing("sqlite:///mlflow.db", project.root)
    first = find_version(models, "demo_counts.coop")
    folder = files_of(models.client, "coop", first.number)
    if how == "changed":
        (folder / "artifacts/evidence.parquet").write_bytes(b"")
    else:
        shutil.rmtree(folder)
    said = project.refusal({**ON, "methods": ["coop"]}, stages=("promote",))
    assert "register the model again" in said
    project.run({**ON, "methods": ["coop"]}, stages=("register",))
    assert find_version(models, "demo_counts.coop@candidate").number == f"{int(first.number) + 1}"
    assert "not promoted" in project.refusal({**ON, "methods": ["coop"]}, stages=("promote",))


def test_a_package_that_says_something_else_is_not_registered(registered, client, tmp_path):
    project = Project(tmp_path / "project")
    shutil.copytree(registered.root, project.root)
    path = project.path("07_model_output", "coop/predictions.parquet")
    table = pd.read_parquet(path)
    table["prediction"] = (table["prediction"] + 1) % 3
    packed = project.path("06_models", "coop/prompt.vlp")
    with described_write(path, layer_path(path), packed) as temporary:
        table.to_parquet(temporary)
    said = project.refusal({**ON, "methods": ["coop"]}, stages=("register",))
    assert (
        "the packaged model labels 12 of 12 base test images otherwise than the evaluation" in said
    )
    assert "evaluate the prompt again" in said
    uri = f"sqlite:///{project.root / 'mlflow.db'}"
    assert len(MlflowClient(uri, uri).search_model_versions("name = 'demo_counts.coop'")) == 1


def test_a_version_can_hold_its_clip(registered, client):
    inside = {**ON, "methods": ["zero_shot"], "registry": {"include_clip": True}}
    registered.run(inside, stages=("register",))
    folder = files_of(client, "zero_shot", "2") / "artifacts/clip"
    assert {path.name for path in folder.iterdir()} == {
        "open_clip_config.json",
        "open_clip_model.safetensors",
    }
    models = open_existing("sqlite:///mlflow.db", registered.root)
    classifier = load_classifier(models, find_version(models, "demo_counts.zero_shot@candidate"))
    assert classifier.clip.source == f"local-dir:{folder}"
    first = find_version(models, "demo_counts.zero_shot/1")
    assert load_classifier(models, first).clip.source == "embedded"
    assert (
        load_classifier(models, first, f"local-dir:{folder}").clip.source == f"local-dir:{folder}"
    )


def test_a_download_lasts_as_long_as_its_classifier(registered, client, tmp_path, monkeypatch):
    models = open_existing(f"sqlite:///{registered.root / 'mlflow.db'}", registered.root)
    version = find_version(models, "demo_counts.coop/1")
    stored, copy = files_of(client, "coop", "1"), tmp_path / "download"
    shutil.copytree(stored, copy)
    with monkeypatch.context() as patch:
        away = "mlflow-artifacts:/1/models/m-1/artifacts"
        patch.setattr(models.client, "get_model_version_download_uri", lambda *version: away)
        patch.setattr("mlflow.artifacts.download_artifacts", lambda uri: copy)
        classifier = load_classifier(models, version)
    gc.collect()
    assert copy.is_dir()
    del classifier
    for _ in range(2):  # MLflow holds the last one that was loaded
        load_classifier(models, version)
        gc.collect()
    assert not copy.exists()
    assert stored.is_dir(), "what lies on this machine is not copied and not removed"


def test_promotion_is_refused_or_forced_with_a_reason(registered, client):
    coop = {**ON, "methods": ["coop"]}
    said = registered.refusal(coop, stages=("promote",))
    assert said.startswith("not promoted: demo_counts.coop version 1 (")
    assert "than demo_counts.zero_shot version 1" in said or "from demo_counts.zero_shot" in said
    forced = {"registry": {"promote": {"force": True, "reason": "to be shown"}}}
    registered.run({**coop, **forced}, stages=("promote",))
    champion = client.get_model_version_by_alias("demo_counts.coop", "champion")
    assert champion.tags["promotion"] == "forced: to be shown"
    (kept,) = json.loads((registered.data / "08_reporting/promotions/demo_counts.json").read_text())
    assert kept["model"] == "demo_counts.coop"


def test_promotion_of_methods_that_nobody_named_leaves_out_what_has_nothing(registered, caplog):
    registered.bootstrap()
    params = {name: value for name, value in merged(QUICK, ON).items() if name != "methods"}
    params["registry"] = {"promote": {"level": 1e-9}}
    with (
        KedroSession.create(registered.root, runtime_params=params) as session,
        caplog.at_level("INFO", "vlprompt_pipeline"),
        pytest.raises(click.ClickException, match=r"not promoted: .*demo_counts\.qcoop version 1"),
    ):
        session.run(pipeline_names=["promote"])
    assert "left out: demo_counts.zero_shot has no champion to beat" in caplog.text


def test_a_folder_is_labelled_and_what_is_no_image_is_named(registered, tmp_path, capsys):
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    found = sorted((registered.data / "01_raw/demo_counts").rglob("*.png"))[:3]
    for number, path in enumerate(found):
        shutil.copy(path, folder / f"{number}.png")
    (folder / "more/cut.png").write_bytes(found[0].read_bytes()[:200])
    (folder / "notes.txt").write_text("no image")
    asked = {"images": str(folder), "model": "demo_counts.qcoop@candidate", "top_k": 2}
    registered.run({**ON, "prediction": asked}, stages=("prediction",))
    assert "labels.csv (1 without a label, the column problem says why)" in capsys.readouterr().out
    table = pd.read_csv(registered.data / "07_model_output/prediction/labels.csv")
    columns = ["path", "label", "score", "label_2", "score_2", "problem", "model", "version"]
    assert list(table) == columns
    assert set(table["model"]) == {"demo_counts.qcoop"}
    assert table["path"].tolist() == ["0.png", "1.png", "2.png", "more/cut.png"]
    assert table["label"].isna().tolist() == [False, False, False, True]
    assert "cannot be read as an image" in table["problem"][3]
    written = tmp_path / "labels.csv"
    arguments = ["predict", str(folder), "--model", asked["model"], "--top", "2", "--out", written]
    uri = f"sqlite:///{registered.root / 'mlflow.db'}"
    assert "4 photos, 1 without a label" in vlprompt(*arguments, "--tracking-uri", uri)
    pd.testing.assert_frame_equal(pd.read_csv(written), table, rtol=1e-6)
    listed = vlprompt("models", "demo_counts.qcoop", "--tracking-uri", uri)
    assert [line.split()[:3] for line in listed.splitlines()] == [
        ["model", "version", "alias"],
        ["demo_counts.qcoop", "1", "candidate"],
    ]
    own = {**asked, "class_names": "one red circle+two blue squares"}
    registered.run({**ON, "prediction": own}, stages=("prediction",))
    table = pd.read_csv(registered.data / "07_model_output/prediction/labels.csv")
    assert set(table["label"].dropna()) <= {"one red circle", "two blue squares"}


@pytest.mark.parametrize(
    ("params", "stage", "said"),
    [
        ({"tracking": {"enabled": False}}, "register", "tracking.enabled is false"),
        ({"seed": 2}, "register", f"{CELL.replace('seed1', 'seed2')}/coop.json"),
        ({"methods": ["maple"]}, "promote", "demo_counts.maple has no candidate"),
        ({"registry": {"promote": {"force": True}}}, "promote", "force needs a reason"),
        ({"prediction": {"model": "a/1"}}, "prediction", "prediction.images is not set"),
        ({"prediction": {"images": "."}}, "prediction", "prediction.model is not set"),
        (
            {"prediction": {"images": "data/01_raw", "model": "gone@champion"}},
            "prediction",
            "no model gone@champion in MLflow",
        ),
        (
            {"prediction": {"images": "nowhere", "model": "gone@champion"}},
            "prediction",
            "name a photo, or a folder that holds some",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(params, stage, said, registered):
    message = registered.refusal({**ON, "methods": ["coop"], **params}, stages=(stage,))
    assert said in message


def test_a_version_is_published_dry_and_labels_from_its_folder(registered, tmp_path):
    uri = f"sqlite:///{registered.root / 'mlflow.db'}"
    folder, table = tmp_path / "hub", tmp_path / "labels.csv"
    command = ["publish", "demo_counts.qcoop@candidate", folder, "--tracking-uri", uri]
    said = vlprompt(*command, "--repo", "me/counts", "--dry-run")
    assert "is what would be uploaded to me/counts; nothing was sent" in said
    readme = (folder / "README.md").read_text()
    result = registered.json("07_model_output", "qcoop/metrics.json")
    assert f"| harmonic mean of base and new, % | {result['harmonic_mean']:.2f} |" in readme
    assert "| training images | MIT |" in readme
    images = str(registered.data / "01_raw/demo_counts/images")
    for model in (str(folder), "demo_counts.qcoop@candidate"):
        arguments = ["predict", images, "--model", model, "--out", table, "--overwrite"]
        vlprompt(*arguments, "--tracking-uri", uri)
        rows = pd.read_csv(table)
        assert set(rows["model"]) == {"demo_counts.qcoop"}
        if model == str(folder):
            published = rows
    pd.testing.assert_frame_equal(published, rows)
    refused = vlprompt(*command, "--repo", "counts", status=1)
    assert "'counts' is no repository of the hub: write <owner>/<name>" in refused


def test_http_scores_as_the_evaluation(registered):
    from starlette.testclient import TestClient

    from vlprompt_pipeline.inference import open_model
    from vlprompt_pipeline.serving import ServingSettings, create_app

    uri = f"sqlite:///{registered.root / 'mlflow.db'}"
    halves = json.loads(
        (registered.data / "05_model_input/demo_counts/base_to_new/class_subsets.json").read_text()
    )
    predictions = pd.read_parquet(registered.path("07_model_output", "qcoop/predictions.parquet"))
    predictions = predictions[predictions["half"].isin(halves)]  # not those among all classes
    model = open_model("demo_counts.qcoop@candidate", registry_uri=uri)
    folder = registered.data / "01_raw/demo_counts"
    with TestClient(create_app(model, ServingSettings())) as client:
        for half, part in predictions.groupby("half"):
            names = halves[half]["class_names"]
            files = [("images", (Path(p).name, (folder / p).read_bytes())) for p in part["path"]]
            answer = client.post("/predict", files=files, data={"class_names": names}).json()
            rows = answer["predictions"]
            assert [row["label"] for row in rows] == [names[i] for i in part["prediction"]]
            assert [row["score"] for row in rows] == pytest.approx(
                part["probability"].tolist(), abs=1e-4
            )
    assert (answer["model"], answer["version"]) == ("demo_counts.qcoop", model.version)
