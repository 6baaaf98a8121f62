"""The commands that put a prompt to use, from their arguments to what they print and leave."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
from click.testing import CliRunner
from PIL import Image

from conftest import ROOT
from publishing.publications import publication_of
from registry.drafts import draft, open_registry
from servers import free_port, wait_until_it_answers
from vlprompt_pipeline import registry
from vlprompt_pipeline.apps import main
from vlprompt_pipeline.publishing import Licences, write_publication
from vlprompt_pipeline.rejection import Calibration, Rejection

LICENCES = Licences("MIT", "CC BY 4.0")
RIGHT = {"base": [True] * 8, "new": [True] * 8}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A published prompt that answers "none" below a score."""
    calibration = Calibration(
        images=40, wanted=0.9, accepted=1.0, accuracy=0.95, accuracy_of_all=0.95
    )
    rejection = Rejection(
        kind="max_softmax", threshold=0.01, temperature=1.0, calibration=calibration
    )
    folder = tmp_path_factory.mktemp("model") / "prompt"
    publication = publication_of("coop")
    publication.classifier.rejection = rejection
    write_publication(publication, folder, LICENCES)
    return folder


@pytest.fixture
def photos(tmp_path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for colour in ("red", "green"):
        Image.new("RGB", (40, 30), colour).save(folder / f"{colour}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("no picture either")
    return folder


def run(*arguments: object, stdin: str | bytes = "") -> tuple[int, str, str]:
    done = CliRunner().invoke(main, [str(each) for each in arguments], input=stdin)
    return done.exit_code, done.stdout, done.stderr


def test_predict_prints_a_row_a_photo(model, photos):
    code, table, said = run("predict", photos, "--model", model, "--workers", 1)
    assert code == 0
    header, *rows = table.splitlines()
    assert header.split(",")[0] == "path"
    assert len(rows) == 3
    assert "broken.png" in table
    assert "1 other files are left out (.txt 1)" in said


def test_predict_takes_paths_line_by_line(model, photos):
    code, table, _ = run(
        "predict", "-", "--model", model, "--workers", 1, stdin=f"{photos / 'red.png'}\n"
    )
    assert code == 0
    assert len(table.splitlines()) == 2


def test_names_that_are_no_utf_8_and_text_that_is_a_picture(model, photos):
    names = [os.fsdecode(b"\xff.png"), "plain.ppm"]
    (photos / "red.png").rename(photos / names[0])
    (photos / names[1]).write_text("P3 2 2 255" + " 255 0 0" * 4)
    lines = b"".join(os.fsencode(photos / name) + b"\n" for name in names)
    code, table, _ = run("predict", "-", "--model", model, "--workers", 1, stdin=lines)
    rows = list(csv.DictReader(io.StringIO(table)))
    assert code == 0
    assert [Path(row["path"]).name for row in rows] == ["\\xff.png", "plain.ppm"]
    assert [row["problem"] for row in rows] == ["", ""]
    assert run("embed", photos, "--out", photos / "features.parquet")[0] == 0


def test_predict_writes_a_table_and_a_page(model, photos, tmp_path):
    out = tmp_path / "labels.csv"
    command = ("predict", photos, "--model", model, "--out", out, "--workers", 1)
    code, table, said = run(*command, "--page", "--classes", "cat, dog", "--top", 2)
    assert code == 0
    assert "red.png" not in table
    assert "labels.csv: 3 photos, 1 without a label (see problem)" in said
    assert "labels.html: open it in a browser" in said
    assert "dog" in out.read_text()
    assert out.with_suffix(".html").is_file()
    code, _, said = run(*command)
    assert code == 1
    assert "--overwrite" in said


def test_predict_says_what_does_not_go_together(photos, model):
    for arguments, said in [
        ((photos, "--page"), "--page goes beside a table: give --out, too"),
        (("-", photos), "- stands alone"),
        ((photos, "--model", model, "--accuracy", 0.99), "0.99"),
    ]:
        code, _, message = run("predict", *arguments)
        assert code in (1, 2)
        assert said in message


def test_classes_without_a_name_are_refused(photos, model):
    code, _, said = run("predict", photos, "--model", model, "--classes", "")
    assert code == 1
    assert "class_names[0] is '': give a name in words" in said


def test_export_measures_the_graphs_on_a_folder(photos, tmp_path, monkeypatch, caplog):
    pytest.importorskip("onnxscript")
    version = SimpleNamespace(name="demo.coop", number="3")
    found = {"open_existing": None, "find_version": version}
    found["load_classifier"] = publication_of("coop").classifier
    for name, what in found.items():
        monkeypatch.setattr(registry, name, lambda *_, what=what: what)
    command = ("export", "demo.coop", tmp_path / "shipped")
    (tmp_path / "empty").mkdir()
    code, _, said = run(*command, "--images", tmp_path / "empty")
    assert code == 1
    assert "no image files in" in said
    assert not (tmp_path / "shipped").exists()
    code, printed, _ = run(*command, "--images", photos)
    assert code == 0
    graphs = [line.split(":")[0] for line in printed.splitlines() if line.startswith("onnx/")]
    assert graphs == [f"onnx/vision_model{each}.onnx" for each in ("", "_fp16", "_int8", "_q4")]
    assert printed.splitlines()[-1].startswith(f"{tmp_path / 'shipped'}: ")
    assert "1 image left out: " in caplog.text
    described = json.loads((tmp_path / "shipped/model.json").read_text())
    assert (described["name"], described["version"]) == ("demo.coop", "3")
    assert "Over 2 images of photos" in (tmp_path / "shipped/README.md").read_text()


def test_models_lists_versions(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    at = ("--tracking-uri", f"sqlite:///{tmp_path / 'mlflow.db'}")
    registry = open_registry(tmp_path / "mlflow.db")
    code, _, said = run("models", *at)
    assert code == 0
    assert "no model is registered" in said
    name = registry.publish(draft(tmp_path / "draft", "coop", RIGHT, H="81.25")).name
    code, table, _ = run("models", *at)
    assert code == 0
    assert name in table
    assert "H 81.2 %" in table
    code, listed, _ = run("models", name, "--json", *at)
    (row,) = json.loads(listed)
    assert (row["model"], row["tags"]["H"]) == (name, "81.25")
    code, _, said = run("models", "dogs.coop", *at)
    assert code == 1
    assert "no model dogs.coop: vlprompt models lists what there is" in said
    registry.client.create_registered_model("theirs")
    registry.client.create_model_version("theirs", str(tmp_path), tags={"accuracy": "92 of 100"})
    code, table, _ = run("models", "theirs", *at)
    assert code == 0
    assert table.splitlines()[1].split()[:2] == ["theirs", "1"]


def test_serve_answers_until_it_is_stopped(model, photos):
    port = free_port()
    code = "from vlprompt_pipeline.apps import main; main()"
    command = [sys.executable, "-c", code, "serve", model, "--port", port, "--accuracy", 0.9]
    server = subprocess.Popen(
        list(map(str, command)),
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        stderr=subprocess.PIPE,
        text=True,
    )
    address = f"http://127.0.0.1:{port}"
    wait_until_it_answers(server, f"{address}/health")
    try:
        code, _, said = run("serve", model, "--port", port)
        assert code == 1
        assert f"cannot listen at 127.0.0.1:{port}" in said
        with (photos / "red.png").open("rb") as photo:
            answer = requests.post(f"{address}/predict", files={"images": photo}, timeout=20)
        assert answer.status_code == 200
    finally:
        server.send_signal(signal.SIGTERM)
        _, said = server.communicate(timeout=20)
    assert f"at {address}, explained at /docs; Ctrl-C stops it" in said


def test_what_cannot_be_served_is_said(tmp_path):
    code, _, said = run("serve", tmp_path)
    assert code == 1
    assert str(tmp_path) in said
    code, _, said = run("serve", tmp_path, "--max-delay-ms", "inf")
    assert code == 2
    assert "inf is not in the range 0<=x<=60000" in said
