"""The HTTP interface: what it answers, and what it refuses with which words."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator

import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from serving.models import ColourModel, base64_of, picture, png_of
from vlprompt_pipeline.registry.limits import RequestLimits
from vlprompt_pipeline.rejection import Calibration, OperatingPoint, Rejection
from vlprompt_pipeline.serving import ServingSettings, create_app
from vlprompt_pipeline.serving.requests import PredictRequest

JSON = {"Content-Type": "application/json"}
LIMITS = RequestLimits(pixels=1_000_000, rows=8, bytes=300_000, classes=5)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    settings = ServingSettings(LIMITS, waiting=12, decoders=2)
    with TestClient(create_app(ColourModel(), settings)) as client:
        yield client


def labels(answer) -> list[str | None]:
    assert answer.status_code == 200, answer.text
    return [row["label"] for row in answer.json()["predictions"]]


def test_json_takes_base64_and_data_urls(client):
    red, blue = base64_of(picture("red")), base64_of(picture("blue", kind="BMP"))
    images = [red, f"data:image/bmp;base64,{blue}"]
    answer = client.post("/predict", json={"images": images, "top_k": 2})
    assert labels(answer) == ["red", "blue"]
    body = answer.json()
    assert (body["model"], body["version"]) == ("colours.mean", "7")
    assert body["predictions"][0] == {
        "label": "red",
        "score": pytest.approx(1),
        "top_labels": ["red", "green"],
        "top_scores": pytest.approx([1, 0], abs=1e-6),
        "label_set": None,
        "problem": None,
    }


def test_a_form_takes_files(client):
    files = [("images", ("a.png", picture("lime"))), ("images", ("b.webp", picture("red")))]
    answer = client.post("/predict", files=files, data={"top_k": "1"})
    assert labels(answer) == ["green", "red"]
    assert len(answer.json()["predictions"][0]["top_labels"]) == 1
    names = {"class_names": ["ruby", "grass", "sky"]}
    assert labels(client.post("/predict", files=files, data=names)) == ["grass", "ruby"]


def test_a_body_may_be_one_image(client):
    kind = {"Content-Type": "image/png"}
    assert labels(client.post("/predict", content=picture("blue"), headers=kind)) == ["blue"]
    named = "/predict?class_names=ruby&class_names=grass&class_names=sky&top_k=1"
    answer = client.post(named, content=picture("blue"), headers=kind)
    assert answer.json()["predictions"][0]["top_labels"] == ["sky"]


def test_each_bad_image_answers_for_itself(client):
    good = picture("red")
    bad = {
        "/etc/passwd": "this looks like a path",
        "photos/cat.jpg": "this looks like a path",
        "https://example.org/cat.jpg": "this is an address",
        "file:///etc/passwd": "this is an address",
        "data:text/plain,hello": "this data-URL is not base64",
        base64_of(good[:-40]): "these bytes cannot be read as an image",
        base64_of(png_of(30_000, 30_000)): "the image has more than 178,956,970 pixels",
    }
    answer = client.post("/predict", json={"images": [base64_of(good), *bad]})
    assert labels(answer) == ["red", *[None] * len(bad)]
    rows = answer.json()["predictions"][1:]
    for row, (sent, said) in zip(rows, bad.items(), strict=True):
        assert row["problem"].startswith(said), sent
        assert (row["top_labels"], row["score"]) == ([], None)


@pytest.mark.parametrize(
    ("value", "called"),
    [
        (None, "empty"),
        (3, "a number"),
        (1.5, "a number"),
        (True, "a truth value"),
        ({"url": "x"}, "an object"),
        (["x"], "a list"),
    ],
)
def test_a_value_of_another_type_answers_for_itself(client, value, called):
    answer = client.post("/predict", json={"images": [value, base64_of(picture())]})
    assert labels(answer) == [None, "red"]
    assert answer.json()["predictions"][0]["problem"].startswith(f"this is {called}: ")


GOOD = base64_of(picture())
CALIBRATION = Calibration(images=9, wanted=0.9, accepted=0.5, accuracy=0.9, accuracy_of_all=0.8)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"images": [GOOD], "topk": 1}, 400, "unknown parameter 'topk': did you mean 'top_k'?"),
        ({"image": [GOOD]}, 400, "the parameter 'images' is missing"),
        ({"images": GOOD}, 400, "images: input should be a valid array"),
        ({"images": []}, 400, "images: list should have at least 1 item"),
        ({"images": [GOOD], "top_k": 0}, 400, "top_k: input should be greater than or equal to 1"),
        ({"images": [GOOD], "top_k": "2"}, 400, "top_k: input should be a valid integer"),
        ({"images": [GOOD], "class_names": ["a"]}, 400, "there are three colours"),
        ({"images": [GOOD], "class_names": ["a"] * 6}, 413, "class_names holds 6 names"),
        ({"images": [GOOD], "class_names": ["a" * 201]}, 413, "a name has more than 200"),
        ({"images": ["x"] * 10_000}, 413, "the request holds 10,000 images, 8 are allowed"),
        ({"images": ["x" * 300_000]}, 413, "the request holds more than 300 kB"),
        ([GOOD], 400, "input should be an object"),
    ],
)
def test_a_request_that_cannot_be_is_refused_in_a_sentence(client, body, status, said):
    answer = client.post("/predict", json=body)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert said in answer.json()["error"]


def test_a_million_wrong_values_are_described_once():
    """pydantic describes each in a kilobyte."""
    names = b'{"images": ["x"], "class_names": [%s]}' % b",".join([b"1"] * 1000)
    unknown = b'{"images": ["x"], %s}' % b",".join(b'"p%d": 1' % i for i in range(1000))
    for body, place in ((names, ("class_names", 0)), (unknown, ("p0",))):
        with pytest.raises(ValidationError) as caught:
            PredictRequest.model_validate_json(body)
        assert [error["loc"] for error in caught.value.errors()] == [place]


def test_values_that_take_more_memory_than_bytes_are_refused_before_they_are_parsed():
    with TestClient(create_app(ColourModel(), ServingSettings())) as client:
        content = b'{"images": [%s1]}' % (b"[]," * 400_000)
        answer = client.post("/predict", content=content, headers=JSON)
        assert answer.status_code == 413
        assert "holds 400,001 values, which no request of 64 images" in answer.json()["error"]


def test_a_name_of_thousands_of_letters_is_not_compared_and_sent_back(client):
    body = b'{"images": ["x"], "%s": 1}' % (b"topk" * 1000)
    answer = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert len(answer.content) < 500


def test_what_is_misspelt_in_a_form_or_an_address_is_named(client):
    files = [("images", ("a.png", picture()))]
    said = client.post("/predict", files=files, data={"topk": "1"}).json()["error"]
    assert said == "unknown parameter 'topk': did you mean 'top_k'?"
    said = client.post("/predict", files=[("files", ("a.png", picture()))]).json()["error"]
    assert "'images' is missing" in said
    kind = {"Content-Type": "image/png"}
    said = client.post("/predict?tpo_k=1", content=picture(), headers=kind).json()["error"]
    assert said == "unknown parameter 'tpo_k': did you mean 'top_k'?"
    said = client.post("/predict?top_k=1", json={"images": [GOOD]}).json()["error"]
    assert "parameters stand in the body" in said


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (b"{", "application/json", "invalid JSON"),
        (b"x", "text/html", "a body of the type text/html is not read"),
        (b"x", "", "a body of the type nothing is not read"),
        (b"x", "multipart/form-data", "this form cannot be read"),
        (b"x", "multipart/form-data; boundary=b", "Invalid multipart data"),
    ],
)
def test_bodies_of_other_kinds(client, content, kind, said):
    answer = client.post("/predict", content=content, headers={"Content-Type": kind})
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_too_many_files_of_a_form(client):
    files = [("images", (f"{i}.png", picture())) for i in range(9)]
    answer = client.post("/predict", files=files)
    assert answer.status_code == 400
    assert "Too many files" in answer.json()["error"]


def test_a_body_that_does_not_say_its_size_is_cut_off(client):
    sent = []

    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            sent.append(1)
            yield b"x" * 10_000

    answer = client.post("/predict", content=chunks(), headers=JSON)
    assert answer.status_code == 413
    assert "more than 300 kB" in answer.json()["error"]


def test_health_model_metrics_and_page(client):
    assert client.get("/health").json()["status"] == "ok"
    said = client.get("/model").json()
    assert said["class_names"] == ["red", "green", "blue"]
    assert said["limits"]["max_pixels"] == 1_000_000
    labels(client.post("/predict", json={"images": [GOOD, "x.png"]}))
    text = client.get("/metrics").text
    assert 'vlprompt_model_info{name="colours.mean",version="7"} 1.0' in text
    assert 'vlprompt_requests_total{status="200"}' in text
    for name in ('images_total{outcome="labelled"}', 'images_total{outcome="refused"}'):
        (line,) = [line for line in text.splitlines() if line.startswith(f"vlprompt_{name}")]
        assert float(line.split()[-1]) >= 1
    assert "vlprompt_waiting_images 0.0" in text
    assert "process_resident_memory_bytes" in text
    page = client.get("/openapi.json").json()["paths"]["/predict"]["post"]
    kinds = page["requestBody"]["content"]
    assert list(kinds) == ["application/json", "multipart/form-data", "image/*"]
    assert set(kinds["application/json"]["schema"]["properties"]) == {
        *("images", "class_names", "top_k", "accuracy")
    }


def test_metrics_count_the_images_that_are_under_way():
    class AskingModel(ColourModel):
        def pixels(self, source: bytes):
            seen.append(client.get("/metrics").text)
            return super().pixels(source)

    seen: list[str] = []
    with TestClient(create_app(AskingModel(), ServingSettings(LIMITS, waiting=12))) as client:
        labels(client.post("/predict", json={"images": [GOOD] * 2}))
    assert "vlprompt_waiting_images 2.0" in seen[0]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/predict", 405), ("POST", "/predicts", 404)]
)
def test_an_address_that_is_none_is_told_as_other_errors(client, method, path, status):
    answer = client.request(method, path)
    assert answer.status_code == status
    said = f"{method} {path} is none of this server's requests: /docs has them"
    assert answer.json() == {"error": said}
    assert answer.headers.get("allow") == ("POST" if status == 405 else None)


def test_the_page_needs_no_other_server(client):
    page = client.get("/docs").text
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert any(address.endswith("swagger-ui-bundle.js") for address in addresses)
    for address in addresses:
        assert address.startswith("http://testserver/")
        assert client.get(address).status_code == 200
    assert client.get("/", follow_redirects=False).headers["location"].endswith("/docs")


def test_class_names_are_made_once_and_a_failure_is_ours():
    made = []

    class Counting(ColourModel):
        def with_classes(self, class_names):
            made.append(class_names)
            if "broken" in class_names:
                raise RuntimeError("out of memory")
            return super().with_classes(class_names)

    app = create_app(Counting(), ServingSettings())
    with TestClient(app, raise_server_exceptions=False) as client:
        body = {"images": [GOOD], "class_names": ["ruby", "grass", "sky"]}
        for _ in range(3):
            assert labels(client.post("/predict", json=body)) == ["ruby"]
        assert made == [("ruby", "grass", "sky")]
        answer = client.post("/predict", json={"images": [GOOD], "class_names": ["broken"]})
        assert answer.status_code == 500
        assert answer.json() == {"error": "the server failed on this request: its log says why"}
        assert 'vlprompt_requests_total{status="500"} 1.0' in client.get("/metrics").text
        assert labels(client.post("/predict", json=body)) == ["ruby"]


def test_a_refused_request_leaves_no_image_to_decode():
    decoded = []

    class Slow(ColourModel):
        def pixels(self, source):
            decoded.append(1)
            time.sleep(0.02)
            return super().pixels(source)

    with TestClient(create_app(Slow(), ServingSettings(decoders=1, delay=0))) as client:
        body = {"images": 50 * [GOOD], "class_names": ["no", "colours"]}
        assert client.post("/predict", json=body).status_code == 400
    assert len(decoded) < 50


def test_who_leaves_before_the_end_of_a_request_is_no_failure():
    app = create_app(ColourModel(), ServingSettings())
    headers = [(b"content-type", b"image/png")]
    scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b""}
    sent = []

    async def ask() -> None:
        parts = iter([{"type": "http.request", "body": b"a", "more_body": True}])

        async def receive() -> dict:
            return next(parts, {"type": "http.disconnect"})

        async def send(message: dict) -> None:
            sent.append(message)

        await app({**scope, "headers": headers}, receive, send)

    asyncio.run(ask())
    assert sent == []


@pytest.mark.parametrize(
    ("kind", "threshold", "sets"),
    [("max_softmax", 0.5, [None, None]), ("conformal", 0.4, [["red"], []])],
)
def test_an_image_of_no_class_is_none(kind, threshold, sets):
    rejection = Rejection(kind=kind, threshold=threshold, temperature=1.0, calibration=CALIBRATION)
    with TestClient(create_app(ColourModel(rejection=rejection), ServingSettings())) as client:
        images = [GOOD, base64_of(picture("white"))]
        answer = client.post("/predict", json={"images": images})
        assert labels(answer) == ["red", "none"]
        rows = answer.json()["predictions"]
        assert [row["label_set"] for row in rows] == sets
        assert rows[1]["top_labels"] == ["red", "green", "blue"]
        assert rows[1]["score"] == pytest.approx(1 / 3)
        assert 'vlprompt_images_total{outcome="none"} 1.0' in client.get("/metrics").text


def test_a_request_may_ask_for_an_accuracy():
    """Red is sure, orange has 0.6 for red, and white a third for each."""
    points = [(0.7, 0.3), (0.9, 0.5), (0.95, 0.9)]
    rejection = Rejection(
        kind="max_softmax",
        threshold=0.9,
        temperature=1.0,
        calibration=CALIBRATION,
        operating_points=[
            OperatingPoint(accuracy=accuracy, threshold=threshold, accepted=0.5)
            for accuracy, threshold in points
        ],
    )
    colours = [picture("red"), picture((255, 165, 0)), picture("white")]
    files = [("images", ("a.png", content)) for content in colours]
    app = create_app(ColourModel(rejection=rejection), ServingSettings())
    with TestClient(app) as client:
        assert client.get("/model").json()["rejection"]["threshold"] == 0.9
        images = {"images": [base64_of(content) for content in colours]}
        expected = {
            None: ["red", "none", "none"],
            0.95: ["red", "none", "none"],
            0.9: ["red", "red", "none"],
            0.6: ["red", "red", "red"],
        }
        for accuracy, told in expected.items():
            asked = {**images, "accuracy": accuracy}
            assert labels(client.post("/predict", json=asked)) == told
            form = {} if accuracy is None else {"accuracy": str(accuracy)}
            assert labels(client.post("/predict", files=files, data=form)) == told
        own = {**images, "class_names": ["red", "green", "blue"], "accuracy": 0.9}
        assert labels(client.post("/predict", json=own)) == ["red", "red", "none"]
        address = "/predict?accuracy=0.6"
        white = client.post(address, content=colours[2], headers={"Content-Type": "image/png"})
        assert labels(white) == ["red"]
        others = {**images, "class_names": ["ruby", "grass", "sky"], "accuracy": 0.9}
        refused = {
            "at best 0.95 are right": {**images, "accuracy": 0.96},
            "colours.mean names a class for every photo": others,
            "accuracy: input should be greater than 0": {**images, "accuracy": 0},
            "accuracy: input should be a valid number": {**images, "accuracy": "0.9"},
        }
        for said, body in refused.items():
            answer = client.post("/predict", json=body)
            assert answer.status_code == 400
            assert said in answer.json()["error"]
        answer = client.post("/predict", files=files, data={"accuracy": "much"})
        assert "accuracy: input should be a valid number" in answer.json()["error"]
