"""What `mlflow models serve` takes and refuses: its own server over a package, in this process."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator

import mlflow
import pytest
from PIL import Image
from starlette.testclient import TestClient

from registry.packages import write_package


def encoded(size: tuple[int, int] = (40, 30), kind: str = "PNG") -> str:
    stream = io.BytesIO()
    Image.new("RGB", size, "red").save(stream, kind)
    return base64.b64encode(stream.getvalue()).decode()


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[TestClient]:
    from mlflow.pyfunc import scoring_server

    folder = tmp_path_factory.mktemp("package") / "model"
    with pytest.MonkeyPatch.context() as patch:
        write_package("coop", folder)
        patch.setenv("VLPROMPT_MAX_ROWS", "8")
        patch.setenv("VLPROMPT_MAX_PIXELS", "1000000")
        patch.setenv("VLPROMPT_MAX_BYTES", "100000")
        patch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "true")  # set by init, too
        model = mlflow.pyfunc.load_model(str(folder), model_config={"device": "cpu"})
        yield TestClient(scoring_server.init(model))


def ask(server: TestClient, images: list, **params: object) -> dict:
    records = [{"image": image} for image in images]
    answer = server.post("/invocations", json={"dataframe_records": records, "params": params})
    return answer.json()


def test_each_row_answers_for_itself(server):
    good = encoded()
    given = [
        good,
        f"data:image/png;base64,{good}",
        None,
        7,
        {"a": 1},
        "photo.jpg",
        "http://x/y.png",
    ]
    rows = ask(server, given)["predictions"]
    assert rows[0]["label"] == rows[1]["label"] is not None
    assert [row["label"] for row in rows[2:]] == [None] * 5
    starts = ["this is empty", "this is a number", "this is an object", "this looks like a path"]
    for row, start in zip(rows[2:], [*starts, "this is an address"], strict=True):
        assert row["problem"].startswith(start)


def test_columns_may_come_as_lists_and_answers_are_json(server):
    images = [encoded(), "photo.jpg"]
    split = {"columns": ["image"], "data": [[image] for image in images]}
    for body in ({"inputs": {"image": images}}, {"dataframe_split": split}):
        answer = server.post("/invocations", json=body)
        good, bad = answer.json()["predictions"]
        assert (good["problem"], bad["label"], bad["score"]) == (None, None, None)
        assert "NaN" not in answer.text


def test_other_classes_are_told_apart(server):
    (row,) = ask(server, [encoded()], class_names=["a red circle", "a house"], top_k=1)[
        "predictions"
    ]
    assert row["top_labels"] == [row["label"]]
    assert row["label"] in ("a red circle", "a house")


def test_too_many_pixels_are_refused_by_the_header(server):
    large, good = ask(server, [encoded((1001, 1000)), encoded()])["predictions"]
    assert large["problem"].startswith("the image has 1,001,000 pixels, 1,000,000 are allowed")
    assert good["label"]


@pytest.mark.parametrize(
    ("images", "params", "said"),
    [
        ([""] * 9, {}, "the request holds 9 images, 8 are allowed"),
        (["a" * 100_001], {}, "the request holds more than 100 kB"),
        ([encoded()], {"topk": 1}, "unknown parameter 'topk'; known: class_names, top_k, accuracy"),
        ([encoded()], {"class_names": ["a"] * 1001}, "class_names holds 1,001 names"),
        ([encoded()], {"class_names": ["a" * 201]}, "a name has more than 200 characters"),
        ([encoded()], {"top_k": 0}, "top_k is 0"),
        ([encoded()], {"accuracy": 0.9}, "the model names a class for every photo"),
        ([encoded()], {"accuracy": 2}, "accuracy is 2: give a share"),
    ],
    ids=["rows", "bytes", "misspelt", "classes", "long name", "top_k", "no rejection", "accuracy"],
)
def test_a_request_that_cannot_be_is_refused_whole(server, images, params, said):
    answer = ask(server, images, **params)
    assert answer["error_code"] == "INVALID_PARAMETER_VALUE"
    assert said in answer["message"]


def test_a_misspelt_column_is_named(server):
    body = {"dataframe_records": [{"image": encoded(), "imgae": ""}]}
    answer = server.post("/invocations", json=body).json()
    assert "unknown column 'imgae'; known: image" in answer["message"]


def test_a_program_is_not_limited(tmp_path, monkeypatch):
    """Whoever loads a model to evaluate it gives as many images as there are."""
    monkeypatch.delenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", raising=False)
    monkeypatch.setenv("VLPROMPT_MAX_ROWS", "1")
    write_package("zero_shot", tmp_path / "model")
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"), model_config={"device": "cpu"})
    said = model.predict([{"image": base64.b64decode(encoded())}] * 2, params={"topk": 1})
    assert said["label"].notna().all()


def test_a_limit_that_is_no_number_is_refused(tmp_path, monkeypatch):
    from vlprompt_pipeline.errors import ConfigError
    from vlprompt_pipeline.registry.limits import RequestLimits

    monkeypatch.setenv("VLPROMPT_MAX_BYTES", "5 MB")
    with pytest.raises(ConfigError, match="VLPROMPT_MAX_BYTES is '5 MB': give a whole number"):
        RequestLimits.from_environment()
