"""The folder that ships, used as a stranger would who has no torch."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from fresh_python import printed
from publishing.stub_hub import Hub, serving_hub
from serving.models import png_of
from shipping.models import rejection, shipped, with_points, write_pictures
from vlprompt_pipeline.clip import load_clip
from vlprompt_pipeline.errors import ConfigError, DataError, UserError
from vlprompt_pipeline.filesystem.files import write_hashes
from vlprompt_pipeline.inference import open_model
from vlprompt_pipeline.inference.exported import ExportedModel
from vlprompt_pipeline.rejection import Rejection
from vlprompt_pipeline.shipping import ImageSamples, ShippedModel, export_folder, measurements
from vlprompt_pipeline.shipping.folder import is_export, write_description
from vlprompt_pipeline.shipping.onnx_files import require_onnx

OPEN = """
import json, sys
from pathlib import Path
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.inference import open_model
try:
    model = open_model(sys.argv[1])
    print(json.dumps(model.scores(model.pixels(Path(sys.argv[2]).read_bytes())[None]).tolist()))
except UserError as error:
    print(json.dumps(str(error)))
"""
WITHOUT_TORCH = """
import runpy, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchvision", "open_clip", "vlprompt_pipeline"}:
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def model() -> ShippedModel:
    made = shipped("coop", load_clip("embedded", "demo", "cpu"), decoding="as_seen")
    return replace(made, name="demo.coop", version="3")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> list[Path]:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def pixels(model, pictures) -> np.ndarray:
    return torch.stack([model.view.of(path) for path in pictures]).numpy()


@pytest.fixture(scope="module")
def exported(model, pixels, refused, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shipped") / "model"
    labels = np.zeros(len(pixels), int)
    samples = ImageSamples(pixels[:4], pixels, labels, "pictures")
    export_folder(replace(model, rejection=refused.rejection), folder, samples)
    return folder


@pytest.fixture(scope="module")
def scores(model, pixels) -> np.ndarray:
    with torch.no_grad():
        features = model.clip.encode_images(torch.from_numpy(pixels))
        return model.learner.logits(features).softmax(-1).numpy()


class Refused(NamedTuple):
    rejection: Rejection
    pictures: np.ndarray


@pytest.fixture(scope="module")
def refused(scores) -> Refused:
    """Three of the six pictures are none of the labels; of the others, sets of labels are told."""
    threshold = float(np.median(scores.max(-1)))
    return Refused(rejection(threshold, "conformal"), scores.max(-1) < threshold)


def run(folder: Path, name: str, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    import onnxruntime

    graph = folder / "onnx" / name
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@pytest.mark.parametrize("images", [1, 6])
def test_any_number_of_images_scores_as_evaluated(exported, pixels, scores, images):
    logits, _ = run(exported, "vision_model.onnx", {"pixel_values": pixels[:images]})
    np.testing.assert_allclose(softmax(logits), scores[:images], atol=1e-5)


@pytest.mark.parametrize(
    ("suffix", "most", "smaller"), [("_fp16", 0.01, 0.6), ("_int8", 0.25, 0.45), ("_q4", 0.3, 0.45)]
)
def test_smaller_graphs_are_smaller_and_near(exported, pixels, scores, suffix, most, smaller):
    path = exported / f"onnx/vision_model{suffix}.onnx"
    logits, _ = run(exported, path.name, {"pixel_values": pixels})
    difference = np.abs(softmax(logits) - scores).max()
    assert 0 < difference < most
    single = (exported / "onnx/vision_model.onnx").stat().st_size
    assert path.stat().st_size < smaller * single


def test_the_example_needs_no_torch_and_scores_from_the_file(exported, pictures, scores, refused):
    said = printed(WITHOUT_TORCH, exported / "classify.py", *pictures)
    labels = json.loads((exported / "labels.json").read_text())
    assert refused.pictures.sum() == 3
    for line, row, none in zip(said.splitlines(), scores, refused.pictures, strict=True):
        cells = line.split("\t")[1:]
        possible = [labels[place] for place in np.flatnonzero(row >= refused.rejection.threshold)]
        assert cells[0] == ("none of these" if none else f"may be {', '.join(possible)}")
        label, score = cells[1].rsplit(" ", 1)
        assert label == labels[row.argmax()]
        assert float(score) == pytest.approx(row.max(), abs=6e-4)


def test_the_example_goes_on_after_files_that_are_no_pictures(exported, pictures, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_text("no picture")
    large = tmp_path / "large.png"
    large.write_bytes(png_of(30_000, 30_000))
    paths = [tmp_path / "absent.jpg", pictures[0], broken, large, pictures[1]]
    command = [sys.executable, exported / "classify.py", *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    labelled = [line.split("\t")[0] for line in done.stdout.splitlines()]
    assert labelled == [str(path) for path in pictures[:2]]
    said = [line.split(": ")[0] for line in done.stderr.splitlines()]
    assert said == [str(paths[0]), str(broken), str(large)]


def test_the_example_scores_deep_grey_as_evaluated_and_refuses_the_same_files(exported, tmp_path):
    levels = np.random.default_rng(0).integers(0, 65_536, (60, 80), dtype=np.uint16)
    Image.fromarray(levels // 2).save(tmp_path / "dark.png")
    Image.fromarray(levels.astype(np.int32)).save(tmp_path / "wide.tif")
    levels[:30] = 40_000
    Image.fromarray(levels).save(tmp_path / "clear.png", transparency=40_000)
    refused = [tmp_path / name for name in ("deep.tif", "fractions.tif", "strip.png")]
    Image.fromarray(levels.astype(np.int32) << 8).save(refused[0])
    Image.fromarray(levels.astype(np.float32)).save(refused[1])
    Image.new("L", (1010, 10)).save(refused[2])
    readable = [tmp_path / name for name in ("dark.png", "wide.tif", "clear.png")]
    model = ExportedModel(exported)
    for path in refused:
        with pytest.raises(DataError, match="cannot be read"):
            model.pixels(path.read_bytes())
    command = [sys.executable, exported / "classify.py", *readable, *refused]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert [line.split(": ")[0] for line in done.stderr.splitlines()] == list(map(str, refused))
    for line, path in zip(done.stdout.splitlines(), readable, strict=True):
        label, score = line.split("\t")[2].rsplit(" ", 1)
        expected = model.scores(model.pixels(path.read_bytes())[None])[0]
        assert label == model.class_names[expected.argmax()]
        assert float(score) == pytest.approx(expected.max(), abs=6e-4)


def test_the_example_takes_an_accuracy(exported, model, pictures, scores, tmp_path):
    """Of the six pictures four score as much as the first point asks, two as the second does."""
    folder = shutil.copytree(exported, tmp_path / "copy")
    ranked = np.sort(scores.max(-1))
    low, high = float(ranked[1:3].mean()), float(ranked[3:5].mean())
    rejecting = with_points(rejection(high), (0.8, low), (0.95, high))
    write_description(replace(model, rejection=rejecting), folder, ImageSamples(), [], False)

    def labelled(*arguments: str) -> list[bool]:
        command = [sys.executable, folder / "classify.py", *arguments, *pictures]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ValueError(done.stderr)
        return ["none of these" not in line for line in done.stdout.splitlines()]

    best = scores.max(-1)
    assert labelled() == labelled("--accuracy", "0.9") == (best >= high).tolist()
    assert labelled("--accuracy", "0.8") == (best >= low).tolist()
    with pytest.raises(ValueError, match=r"at best 0\.95 are right among those accepted"):
        labelled("--accuracy", "0.96")
    assert "--accuracy 0.95" in (folder / "README.md").read_text()


def test_class_names_pass_the_tokenizer_and_the_text_graph(exported, model):
    tokenizers = pytest.importorskip("tokenizers")
    described = json.loads((exported / "model.json").read_text())["text"]
    tokenizer = tokenizers.Tokenizer.from_file(str(exported / "tokenizer.json"))
    names = ["red disc", "it's two o'clock, 1984!", "Crème brûlée", "日本 dog"]
    names += ["don’t", "“quoted”", "ﬁsh"]  # which open_clip reads as ASCII
    texts = [described["texts"][0].format(name) for name in names]
    ids = np.array([tokenizer.encode(text).ids for text in texts])
    for row, text in zip(ids, texts, strict=True):
        expected = [*model.clip.token_ids(text), described["end_token"]]
        assert row[: len(expected)].tolist() == expected
        assert not row[len(expected) :].any()
    (features,) = run(exported, "text_model.onnx", {"input_ids": ids})
    card = model.card.model_copy(update={"class_names": tuple(names)})
    with torch.no_grad():
        expected = ShippedModel(card, model.packed, model.clip).learner.class_features().numpy()
    np.testing.assert_allclose(features, expected, atol=1e-5)


def test_the_folder_labels_photos_as_evaluated_without_torch(
    exported, pictures, scores, refused, tmp_path
):
    out = tmp_path / "labels.csv"
    command = ["predict", *map(str, pictures), "--model", str(exported), "--top", "3"]
    code = (
        "import sys; from vlprompt_pipeline.apps import main\n"
        f"main({[*command, '--out', str(out)]!r}, standalone_mode=False)\n"
        "assert not {'torch', 'mlflow', 'kedro'} & set(sys.modules)"
    )
    printed(code)
    table = pd.read_csv(out)
    labels = json.loads((exported / "labels.json").read_text())
    assert table["path"].tolist() == list(map(str, pictures))
    assert (table["label"] == "none").tolist() == refused.pictures.tolist()
    for row, expected in zip(table.itertuples(), scores, strict=True):
        order = expected.argsort()[::-1]
        possible = [labels[i] for i in order if expected[i] >= refused.rejection.threshold]
        assert row.label_set == (" | ".join(possible) or pytest.approx(np.nan, nan_ok=True))
        assert [row.nearest, row.label_2, row.label_3] == [labels[place] for place in order]
        found = [row.score, row.score_2, row.score_3]
        np.testing.assert_allclose(found, expected[order], atol=1e-5)
    assert set(table["model"]) == {"demo.coop"}
    assert set(table["version"]) == {3}


def test_other_classes_score_as_the_prompt_does(exported, model, pictures, pixels):
    names = ("red_disc", "a house", "Crème brûlée")
    own = ExportedModel(exported)
    folder = own.with_classes(names)
    assert own.rejection is not None
    assert folder.rejection is None, "a threshold holds for the classes it was chosen for"
    assert own.class_names == model.card.class_names
    assert folder.class_names == names
    card = model.card.model_copy(update={"class_names": names})
    learner = ShippedModel(card, model.packed, model.clip).learner
    with torch.no_grad():
        expected = learner.logits(model.clip.encode_images(torch.from_numpy(pixels))).softmax(-1)
    found = folder.scores(np.stack([folder.pixels(path.read_bytes()) for path in pictures]))
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_a_class_that_would_be_cut_is_refused(exported):
    long = "a very " * 100 + "long name"
    with pytest.raises(ConfigError, match=r"a very .* longer than the \d+ tokens that demo.coop"):
        ExportedModel(exported).with_classes(("cat", long))


def test_other_classes_are_refused_without_a_path_of_this_machine(exported, tmp_path):
    """A server sends these sentences to strangers."""
    copy = shutil.copytree(exported, tmp_path / "copy")
    (copy / "tokenizer.json").unlink()
    with pytest.raises(
        ConfigError, match=r"^demo\.coop was exported without tokenizer.json, .*names$"
    ):
        ExportedModel(copy, ("cat", "sea"))
    described = json.loads((copy / "model.json").read_text())
    (copy / "model.json").write_text(json.dumps({**described, "text": None}))
    (copy / "SHA256SUMS").unlink()
    write_hashes(copy, "SHA256SUMS")
    with pytest.raises(ConfigError, match=r"^demo\.coop tells apart its own 3 labels only: .*any$"):
        ExportedModel(copy, ("cat", "sea"))


def test_a_text_of_a_stranger_is_no_program_of_formats(exported, tmp_path):
    copy = shutil.copytree(exported, tmp_path / "copy")
    described = json.loads((copy / "model.json").read_text())
    described["text"]["texts"] = ["{0:>99999999999} of {x}"]
    (copy / "model.json").write_text(json.dumps(described))
    (copy / "SHA256SUMS").unlink()
    write_hashes(copy, "SHA256SUMS")
    with pytest.raises(ConfigError, match="'cat' and 'sea' are the same text to demo.coop"):
        ExportedModel(copy, ("cat", "sea"))


def test_several_texts_of_a_class_are_averaged_and_a_model_of_no_registry_is_known_by_its_prompt(
    exported, pixels, tmp_path
):
    copy = shutil.copytree(exported, tmp_path / "copy")
    described = json.loads((copy / "model.json").read_text())
    described["text"]["texts"], described["version"] = ["a {}", "the {} of a house"], None
    (copy / "model.json").write_text(json.dumps(described))
    (copy / "SHA256SUMS").unlink()
    write_hashes(copy, "SHA256SUMS")
    model = ExportedModel(copy, ("cat", "sea"))
    _, tokenizer = model._text_side()
    means = []
    for name in model.class_names:
        ids = np.array(
            [tokenizer.encode(text).ids for text in (f"a {name}", f"the {name} of a house")]
        )
        (features,) = run(copy, "text_model.onnx", {"input_ids": ids})
        means.append((features[0] + features[1]) / np.linalg.norm(features[0] + features[1]))
    images = run(copy, "vision_model.onnx", {"pixel_values": pixels})[1]
    expected = described["logit_scale"] * images @ np.stack(means).T
    np.testing.assert_allclose(model.logits(pixels), expected, atol=1e-4)
    assert model.version == hashlib.sha256((copy / "prompt.vlp").read_bytes()).hexdigest()[:12]


def test_the_text_graph_is_opened_once_for_all_lists_of_classes(exported, monkeypatch):
    opened, really = [], ExportedModel._open

    def watched(model, name):
        opened.append(name)
        return really(model, name)

    monkeypatch.setattr(ExportedModel, "_open", watched)
    model = ExportedModel(exported)
    for names in (("cat", "dog"), ("sea", "land"), ("cat", "sea")):
        assert model.with_classes(names).class_names == names
    assert opened == ["onnx/vision_model.onnx", "onnx/text_model.onnx"]


def test_a_changed_folder_and_what_is_none_are_refused(exported, tmp_path):
    copy = shutil.copytree(exported, tmp_path / "copy")
    graph = copy / "onnx/vision_model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match="vision_model.onnx is not as it was exported"):
        open_model(str(copy))
    graph.unlink()
    with pytest.raises(UserError, match="vision_model.onnx is not there"):
        open_model(str(copy))
    with pytest.raises(UserError, match="is no exported model"):
        open_model(str(tmp_path))
    with pytest.raises(UserError, match="no folder misspelt/"):
        open_model("misspelt/")
    with pytest.raises(ConfigError, match="read the same"):
        ExportedModel(exported, ["cat", "cat"])
    with pytest.raises(ConfigError, match="a class has no name"):
        ExportedModel(exported, ["cat", " "])
    with pytest.raises(ConfigError, match="'Cat' and 'cat' are the same text to demo.coop"):
        ExportedModel(exported, ["Cat", "cat"])


@pytest.mark.parametrize("name", ["labels", "preprocessing", "model", "rejection", "tokenizer"])
def test_other_labels_or_another_preparation_are_refused(exported, tmp_path, name):
    copy = shutil.copytree(exported, tmp_path / "copy")
    file = copy / f"{name}.json"
    file.write_text(file.read_text() + " ")
    with pytest.raises(UserError, match=f"{name}.json is not as it was exported"):
        open_model(str(copy), ("cat", "sea") if name == "tokenizer" else ())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.json", "3"),
        ("labels.json", '["red disc"]'),
        ("preprocessing.json", "{}"),
        ("model.json", '{"format": "vlprompt_pipeline.onnx_folder.1"}'),
        ("onnx/vision_model.onnx", "no graph"),
    ],
)
def test_files_that_do_not_go_together_are_refused_in_a_sentence(exported, tmp_path, name, content):
    copy = shutil.copytree(exported, tmp_path / "copy")
    (copy / name).write_text(content)
    (copy / "SHA256SUMS").unlink()
    write_hashes(copy, "SHA256SUMS")
    with pytest.raises(UserError, match="files that do not go together"):
        open_model(str(copy))


def test_a_repository_of_the_hub_is_read_as_a_folder(exported, pictures, tmp_path):
    files = (path for path in exported.rglob("*") if path.is_file())
    contents = {path.relative_to(exported).as_posix(): path.read_bytes() for path in files}
    hub = Hub({"me/demo": contents})
    with serving_hub(hub) as address:
        at = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "cache")}
        found = json.loads(printed(OPEN, "hf-hub:me/demo@v2", pictures[0], **at))
    folder = ExportedModel(exported)
    expected = folder.scores(folder.pixels(pictures[0].read_bytes())[None])
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert any(asked.endswith("/revision/v2") for asked in hub.requests)

    away = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "empty")}
    said = json.loads(printed(OPEN, "hf-hub:me/demo", pictures[0], **away))
    assert said.startswith("cannot fetch me/demo from the hub (")


def test_hashes_are_those_of_all_files(exported):
    lines = (exported / "SHA256SUMS").read_text().splitlines()
    listed = {line[66:]: line[:64] for line in lines}
    files = {p.relative_to(exported).as_posix() for p in exported.rglob("*") if p.is_file()}
    assert set(listed) == files - {"SHA256SUMS"}
    for name, digest in listed.items():
        assert hashlib.sha256((exported / name).read_bytes()).hexdigest() == digest


def test_the_readme_says_what_each_graph_costs(exported):
    described = json.loads((exported / "model.json").read_text())
    assert [row["file"] for row in described["graphs"]] == [
        f"onnx/vision_model{suffix}.onnx" for suffix in ("", "_fp16", "_int8", "_q4")
    ]
    readme = (exported / "README.md").read_text()
    for row in described["graphs"]:
        assert f"| `{row['file']}` | {row['megabytes']:.2f} |" in readme
        assert row["accuracy"] is not None


def test_the_readme_names_no_tokenizer_that_is_not_there(exported, model, tmp_path):
    """Only CLIP's own is written; others lie beside the weights."""
    assert "tokenizer.json" in (exported / "README.md").read_text()
    folder = shutil.copytree(exported, tmp_path / "copy")
    (folder / "tokenizer.json").unlink()
    write_description(model, folder, ImageSamples(), [], False)
    readme = (folder / "README.md").read_text()
    assert "text_model.onnx" in readme and "tokenizer.json" not in readme


def test_a_tower_that_no_file_can_hold_is_told_at_once(model, tmp_path, monkeypatch):
    monkeypatch.setattr("vlprompt_pipeline.shipping.folder.MOST_BYTES", 1_000_000)
    with pytest.raises(UserError, match=r"of weights, and an ONNX file holds 1.0 MB: export"):
        export_folder(model, tmp_path / "model", ImageSamples())


def test_what_all_cores_compute_is_what_the_timed_thread_would(
    exported, pixels, scores, monkeypatch
):
    monkeypatch.setattr(measurements, "BATCH", 2)
    monkeypatch.setattr(measurements, "TIMED", 1)
    labels = np.array([0, 1, 2, 0, 1, 2])
    (row,) = measurements.measure_variants(exported, ["onnx/vision_model.onnx"], pixels, labels)
    assert row.accuracy == pytest.approx(100 * (scores.argmax(-1) == labels).mean())
    assert row.milliseconds > 0


def test_what_is_no_export_is_not_replaced(exported, model, tmp_path):
    assert is_export(exported)
    (tmp_path / "thesis.tex").write_text("years of work")
    for path in (tmp_path, tmp_path / "thesis.tex"):
        with pytest.raises(UserError, match="something else than an export: name a new folder"):
            export_folder(model, path, ImageSamples())
    with pytest.raises(UserError, match="cannot write"):
        export_folder(model, tmp_path / "thesis.tex/model", ImageSamples())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_failed_export_leaves_nothing(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(UserError, match=r"vlprompt_pipeline\[onnx\]"):
        export_folder(model, tmp_path / "model", ImageSamples())
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    require_onnx()
