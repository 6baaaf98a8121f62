"""`mlflow models serve` as a process of its own, with a registered version that may say none."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import pytest
import requests
from PIL import Image

from registry.drafts import open_registry
from registry.packages import contents_of
from servers import free_port, wait_until_it_answers
from serving.models import png_of
from shipping.models import rejection, with_points
from vlprompt_pipeline.registry.classifier import Classifier
from vlprompt_pipeline.registry.package import save_package
from vlprompt_pipeline.registry.store import Draft

pytestmark = pytest.mark.long

NAME = "demo.coop"
LIMITS = {"VLPROMPT_MAX_ROWS": "16", "VLPROMPT_MAX_BYTES": "2000000"}


class Served(NamedTuple):
    """A server with the images it is asked for, and the classifier that it must agree with."""

    process: psutil.Process
    address: str
    images: list[bytes]
    classifier: Classifier


def noise() -> list[bytes]:
    """Six pictures that the untrained prompt is of different minds about."""
    draw, files = np.random.default_rng(0), []
    for number in range(6):
        values = draw.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        stream = io.BytesIO()
        Image.fromarray(values // (number + 1)).save(stream, "PNG")
        files.append(stream.getvalue())
    return files


@pytest.fixture(scope="module")
def served(fresh_store, tmp_path_factory) -> Iterator[Served]:
    """A registered version whose threshold refuses three of the six pictures, behind MLflow."""
    folder, images = tmp_path_factory.mktemp("served"), noise()
    contents = contents_of("coop")
    classifier = contents.classifier
    scores = np.sort(classifier.classify(images)["score"])
    middle, low = float(scores[2:4].mean()), float(scores[:2].mean())
    classifier.rejection = with_points(rejection(middle), (0.8, low), (0.9, middle))
    database = folder / "mlflow.db"
    database.write_bytes(fresh_store.read_bytes())
    described = save_package(contents, folder / "package")
    version = open_registry(database).publish(
        Draft(NAME, folder / "package", described, {"method": "coop"}, {}, "", str, None)
    )
    port = free_port()
    command = ["models", "serve", "-m", f"models:/{version.address}", "--env-manager", "local"]
    environment = {
        **os.environ,
        **LIMITS,
        "MLFLOW_TRACKING_URI": f"sqlite:///{database}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src"),
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", *command, "-p", str(port)], env=environment
    )
    process, address = psutil.Process(server.pid), f"http://127.0.0.1:{port}"
    try:
        # libraries take minutes to load on a busy machine
        wait_until_it_answers(server, f"{address}/ping", seconds=600)
        yield Served(process, address, images, classifier)
    finally:
        if server.poll() is None:
            for child in process.children(recursive=True):
                child.terminate()
            server.terminate()
        server.wait(60)


def ask(served: Served, images: list[Any], **params: Any) -> requests.Response:
    body = {"dataframe_records": [{"image": image} for image in images], "params": params}
    return requests.post(f"{served.address}/invocations", json=body, timeout=120)


def encoded(image: bytes) -> str:
    return base64.b64encode(image).decode()


def test_base64_and_data_urls_have_the_answers_of_the_classifier(served):
    given = [encoded(image) for image in served.images]
    given[1] = f"data:image/png;base64,{given[1]}"
    rows = ask(served, given, top_k=2).json()["predictions"]
    expected = served.classifier.classify(served.images, top=2)
    assert [row["label"] for row in rows] == expected["label"].tolist()
    assert [row["label"] for row in rows].count("none") == 3
    assert [row["top_labels"] for row in rows] == expected["top_labels"].tolist()
    np.testing.assert_allclose([row["score"] for row in rows], expected["score"], atol=1e-5)
    lenient = ask(served, given, accuracy=0.8).json()["predictions"]
    assert [row["label"] for row in lenient].count("none") == 1


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_command_of_the_docs_labels_a_photo(served, tmp_path):
    """JSON holds no bytes: curl sends base64 of them, as docs/registry.md says."""
    (tmp_path / "photo.png").write_bytes(served.images[0])
    records = '{\\"dataframe_records\\": [{\\"image\\": \\"$(base64 -w0 photo.png)\\"}]}'
    command = (
        f'curl -s {served.address}/invocations -H "Content-Type: application/json" -d "{records}"'
    )
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, check=True)
    (row,) = json.loads(done.stdout)["predictions"]
    assert row["label"] == served.classifier.classify(served.images[:1])["label"][0]


def test_bad_rows_answer_for_themselves_and_others_are_labelled(served):
    good = encoded(served.images[0])
    bad = {
        "photos/cat.jpg": "this looks like a path",
        "/etc/passwd": "this looks like a path",
        "file:///etc/passwd": "this is an address",
        "http://127.0.0.1:1/x.png": "this is an address",
        encoded(served.images[1][:-40]): "these bytes cannot be read as an image",
        encoded(png_of(30_000, 30_000)): "the image has more than 178,956,970 pixels",
        encoded(png_of(9_000, 9_000)): "the image has 81,000,000 pixels, 50,000,000 are allowed",
    }
    rows = ask(served, [good, *bad, None, 7, {"a": 1}, good]).json()["predictions"]
    assert rows[0] == rows[-1]
    assert rows[0]["label"] and rows[0]["problem"] is None
    for row, said in zip(rows[1:8], bad.values(), strict=True):
        assert (row["label"], row["score"]) == (None, None)
        assert row["problem"].startswith(said)
    assert all(row["problem"].startswith("this is ") for row in rows[8:11])


@pytest.mark.parametrize(
    ("images", "params", "said"),
    [
        (["x"] * 10_000, {}, "the request holds 10,000 images, 16 are allowed"),
        (["x" * 2_000_001], {}, "the request holds more than 2.0 MB"),
        (["x"], {"topk": 1}, "unknown parameter 'topk'; known: class_names, top_k, accuracy"),
        (["x"], {"class_names": ["a"] * 1001}, "class_names holds 1,001 names"),
        (["x"], {"accuracy": 0.95}, "no threshold gives 0.95 right answers"),
    ],
    ids=["rows", "bytes", "misspelt", "classes", "accuracy"],
)
def test_hostile_requests_are_refused_whole_with_a_reason(served, images, params, said):
    answer = ask(served, images, **params)
    assert answer.status_code == 400
    assert said in answer.json()["message"]


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"inputs": 3}', b'{"rows": []}'])
def test_what_is_no_request_is_refused(served, body):
    kind = {"Content-Type": "application/json"}
    answer = requests.post(f"{served.address}/invocations", data=body, headers=kind, timeout=60)
    assert 400 <= answer.status_code < 500


def test_hostile_requests_leave_it_alive_and_small(served):
    def memory() -> int:
        processes = [served.process, *served.process.children(recursive=True)]
        return sum(process.memory_info().rss for process in processes)

    good, bomb = encoded(served.images[0]), encoded(png_of(12_000, 12_000))
    ask(served, [good])
    before, peak = memory(), 0
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(ask, served, [bomb] * 8 + [good]) for _ in range(8)]
        while not all(answer.done() for answer in answers):
            peak = max(peak, memory())
            time.sleep(0.05)
    for answer in answers:
        *bombs, labelled = answer.result().json()["predictions"]
        assert all("144,000,000 pixels" in row["problem"] for row in bombs)
        assert labelled["problem"] is None
    assert peak - before < 150e6  # decoding one of them takes 432 MB
    assert requests.get(f"{served.address}/ping", timeout=20).status_code == 200
