"""The same test images through everything that a trained prompt can be asked by.

Run in a project: python tests/speed/surfaces.py CELL MODEL EXPORT [--images 500]

CELL is the path of a method's predictions below data/07_model_output, MODEL its registered
version, and EXPORT the folder of the same version, exported with --web. Compared are the
evaluation, the packed file, the registered model, HTTP, the ONNX graph in Python and the page in
Chromium, on PNG; then the page on JPEG, which the browser decodes itself.
"""

from __future__ import annotations

import argparse
import base64
import io
import shutil
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from servers import Files, serving
from vlprompt_pipeline.export import load_learner
from vlprompt_pipeline.inference import ImageModel, open_model
from vlprompt_pipeline.methods import ClassTexts

CLOSE = 1e-4  # scores that may change places
AT_ONCE = 25  # images that the page is asked for in one call
ASK = """async (paths) => {
    const { conclude, logitsOf, ready } = await import('/web/classify.js');
    const { model } = await ready, rows = [];
    for (const path of paths) {
        const logits = await logitsOf(await (await fetch(path)).blob());
        rows.push(conclude(logits, model.rejection).scores);
    }
    return rows;
}"""


def page_scores(folder: Path, names: list[str]) -> np.ndarray:
    """Scores of files below the folder, in Chromium."""
    from playwright.sync_api import sync_playwright

    rows: list[list[float]] = []
    files = partial(Files, directory=str(folder))
    with serving(files) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page()
        page.set_default_timeout(300_000)
        page.goto(f"{address}/index.html")
        for start in range(0, len(names), AT_ONCE):
            rows += page.evaluate(ASK, names[start : start + AT_ONCE])
        browser.close()
    return np.array(rows)


def http_scores(model: ImageModel, contents: list[bytes]) -> np.ndarray:
    """Scores by the server's own interface, without a socket."""
    from starlette.testclient import TestClient

    from vlprompt_pipeline.serving import ServingSettings, create_app

    names = list(model.class_names)
    rows = []
    with TestClient(create_app(model, ServingSettings())) as client:
        for content in contents:
            images = [base64.b64encode(content).decode()]
            answer = client.post("/predict", json={"images": images, "top_k": len(names)})
            (row,) = answer.json()["predictions"]
            by_name = dict(zip(row["top_labels"], row["top_scores"], strict=True))
            rows.append([by_name[name] for name in names])
    return np.array(rows)


def compare(title: str, scores: np.ndarray, reference: np.ndarray) -> None:
    """Print the largest difference, and how many best labels differ."""
    best, expected = scores.argmax(-1), reference.argmax(-1)
    other = best != expected
    rows = np.flatnonzero(other)
    close = np.abs(reference[rows, best[rows]] - reference[rows, expected[rows]]) < CLOSE
    print(
        f"{title}: largest difference of a score {np.abs(scores - reference).max():.1e}, "
        f"{other.sum()} other labels, {close.sum()} of them where two scores are within {CLOSE}",
        flush=True,
    )


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cell")
    parser.add_argument("model")
    parser.add_argument("export", type=Path)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the paths")
    given = parser.parse_args()
    predictions = pd.read_parquet(Path("data/07_model_output", given.cell, "predictions.parquet"))
    rows = np.linspace(0, len(predictions) - 1, given.images).round().astype(int)
    predictions = predictions.iloc[rows]
    files = [given.data / path for path in predictions["path"]]
    contents = [file.read_bytes() for file in files]
    registered, exported = open_model(given.model), open_model(str(given.export))
    classifier = registered.classifier
    pixels = np.stack([registered.pixels(content) for content in contents])
    reference = registered.scores(pixels)
    print(
        f"{len(files)} images, {registered.name} {registered.version}; beside the registered model"
    )

    probability = predictions["probability"].to_numpy()
    print(
        f"evaluation: largest difference of the best score "
        f"{np.abs(reference.max(-1) - probability).max():.1e}, "
        f"{(reference.argmax(-1) != predictions['prediction'].to_numpy()).sum()} other labels"
    )
    card = classifier.card
    texts = ClassTexts(card.class_names, card.template)
    packed = (given.export / "prompt.vlp").read_bytes()
    learner = load_learner(packed, card.resolved_recipe(), classifier.clip, texts)
    with torch.no_grad():
        features = learner.image_side().encode_images(torch.from_numpy(pixels))
        compare("packed file", learner.logits(features).softmax(-1).numpy(), reference)
    graph = np.stack([exported.pixels(content) for content in contents])
    compare("ONNX in Python", exported.scores(graph), reference)
    try:
        compare("HTTP", http_scores(registered, contents), reference)
    except ImportError as error:
        print(f"HTTP: not asked ({error})")
    compare_page(given.export, contents, exported, reference)


def compare_page(
    export: Path, contents: list[bytes], exported: ImageModel, reference: np.ndarray
) -> None:
    """Compare the page on PNG with `reference`, and on JPEG with Pillow's decoder."""
    jpeg = [as_jpeg(content) for content in contents]
    with TemporaryDirectory() as temporary:
        site = Path(temporary, "site")
        shutil.copytree(export, site)
        (site / "photos").mkdir()
        for number, pair in enumerate(zip(contents, jpeg, strict=True)):
            for ending, content in zip(("png", "jpg"), pair, strict=True):
                (site / f"photos/{number}.{ending}").write_bytes(content)
        numbers = range(len(contents))
        names = [f"/photos/{number}.png" for number in numbers]
        compare("page, PNG", page_scores(site, names), reference)
        found = page_scores(site, [f"/photos/{number}.jpg" for number in numbers])
    expected = exported.scores(np.stack([exported.pixels(content) for content in jpeg]))
    compare("page, JPEG, beside Pillow's decoder", found, expected)
    print(f"page, JPEG: {(found.argmax(-1) == expected.argmax(-1)).mean():.1%} the same label")


def as_jpeg(content: bytes) -> bytes:
    """The same picture as a JPEG of quality 90."""
    stream = io.BytesIO()
    Image.open(io.BytesIO(content)).convert("RGB").save(stream, "JPEG", quality=90)
    return stream.getvalue()


if __name__ == "__main__":
    main()
