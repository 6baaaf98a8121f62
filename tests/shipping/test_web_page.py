"""The page on which one drops photos, in a real browser, from a plain file server."""

from __future__ import annotations

import io
import json
import os
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from servers import Files, serving
from shipping.models import rejection, shipped, with_points, write_pictures
from vlprompt_pipeline.clip import load_clip
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.rejection import energy
from vlprompt_pipeline.shipping import ImageSamples, export_folder, write_web_page
from vlprompt_pipeline.shipping.config import OnnxParameters

CHROMIUM = shutil.which("chromium")
BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
NPM = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


CLASSIFY = """async ([bytes, type]) => {
    const { conclude, logitsOf, ready } = await import('/web/classify.js');
    const { model } = await ready;
    const logits = await logitsOf(new Blob([new Uint8Array(bytes)], { type }));
    return conclude(logits, model.rejection).scores;
}"""


@pytest.fixture(scope="module")
def model():
    return shipped("coop", load_clip("embedded", "demo", "cpu"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def logits(model, pictures):
    pixels = torch.stack([model.view.of(path) for path in pictures])
    with torch.no_grad():
        return model.learner.logits(model.clip.encode_images(pixels)).numpy()


@pytest.fixture(scope="module")
def refusing(logits):
    """By energy, half of the pictures, with another temperature than one; two, and five."""
    ranked = np.sort(energy(logits))
    made = rejection(float(np.median(ranked)), "energy", temperature=1.7)
    low, high = float(ranked[:2].mean()), float(ranked[3:5].mean())
    return with_points(made, (0.82, low), (0.95, high))


@pytest.fixture(scope="module")
def address(model, refusing, tmp_path_factory):
    folder = tmp_path_factory.mktemp("web") / "model"
    export_folder(replace(model, rejection=refusing), folder, ImageSamples(), web=True)
    with serving(partial(Files, directory=str(folder))) as served:
        yield served


@pytest.fixture(scope="module")
def page(address):
    sync = pytest.importorskip("playwright.sync_api")
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--force-color-profile=srgb"]
        )
        page = browser.new_page()
        problems: list[str] = []
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        outside: list[str] = []
        page.on("request", lambda r: outside.append(r.url) if address not in r.url else None)
        page.goto(f"{address}/index.html")
        page.wait_for_selector("body[data-ready]", timeout=60_000)
        yield page
        assert problems == []
        assert [url for url in outside if not url.startswith(("blob:", "data:"))] == []
        browser.close()


@BROWSER
@NPM
def test_pictures_score_as_evaluated_and_none_of_the_labels_is_said(
    page, pictures, logits, refusing
):
    decided = [
        page.evaluate(
            """async (bytes) => {
                const { conclude, logitsOf, ready } = await import('/web/classify.js');
                const { model } = await ready;
                const blob = new Blob([new Uint8Array(bytes)], { type: 'image/png' });
                return conclude(await logitsOf(blob), model.rejection);
            }""",
            list(path.read_bytes()),
        )
        for path in pictures
    ]
    expected = refusing.decide(logits)
    assert expected.accepted.sum() == 3
    assert [each["accepted"] for each in decided] == expected.accepted.tolist()
    scores = [each["scores"] for each in decided]
    np.testing.assert_allclose(scores, expected.probabilities, atol=1e-4)


@BROWSER
@NPM
def test_labels_that_cannot_be_ruled_out_are_named(page, logits):
    conformal = rejection(0.01, "conformal", temperature=1.7)
    told = page.evaluate(
        """async ([rows, rejection]) => {
            const { conclude } = await import('/web/classify.js');
            return rows.map((row) => conclude(row, rejection).possible);
        }""",
        [logits.tolist(), json.loads(conformal.to_json())],
    )
    expected = conformal.decide(logits).sets
    assert told == expected.tolist()
    assert expected.sum(-1).max() > 1, "some set has several labels"


@BROWSER
@NPM
def test_a_jpeg_that_the_browser_decodes_scores_nearly_as_evaluated(page, pictures, model):
    contents = []
    for path in pictures:
        stream = io.BytesIO()
        Image.open(path).save(stream, "JPEG", quality=90)
        contents.append(stream.getvalue())
    pixels = torch.stack([model.view.of(io.BytesIO(content)) for content in contents])
    with torch.no_grad():
        expected = model.learner.logits(model.clip.encode_images(pixels)).numpy()
    found = np.log([page.evaluate(CLASSIFY, [list(c), "image/jpeg"]) for c in contents])
    difference = 1.7 * (found - found[:, :1]) - (expected - expected[:, :1])  # of logits
    assert np.abs(difference).max() < 0.05


@BROWSER
@NPM
@pytest.mark.parametrize(
    ("size", "new"),
    [((97, 61), (48, 30)), ((31, 50), (48, 77)), ((200, 7), (48, 48)), ((5, 5), (5, 9))],
)
@pytest.mark.parametrize("filter_", ["bicubic", "bilinear"])
def test_the_page_resizes_as_pillow_does(page, size, new, filter_):
    draw = np.random.default_rng(1)
    pixels = draw.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(pixels).resize(new, Image.Resampling[filter_.upper()]))
    resized = page.evaluate(
        """async ([pixels, ...how]) => {
            const { resize } = await import('/web/resize.js');
            return Array.from(resize(new Uint8Array(pixels), ...how));
        }""",
        [pixels.ravel().tolist(), *size, *new, filter_],
    )
    np.testing.assert_array_equal(np.array(resized).reshape(expected.shape), expected)


@BROWSER
@NPM
def test_a_person_sees_labels_and_what_cannot_be_read(
    page, model, pictures, logits, refusing, tmp_path
):
    accepted = refusing.decide(logits).accepted[0]
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    page.set_input_files("#drop", [str(pictures[0]), str(broken)])
    page.wait_for_selector("article >> text=cannot be read")
    article = page.locator("article").last
    assert article.locator("text=none of these").count() == int(not accepted)
    labels = article.locator("li b").all_inner_texts()
    assert sorted(labels) == sorted(model.card.class_names)
    page.screenshot(path=str(tmp_path / "page.png"), full_page=True)


@BROWSER
@NPM
def test_a_person_chooses_how_many_answers_are_right(page, pictures, logits, refusing):
    page.reload()
    page.wait_for_selector("body[data-ready]", timeout=60_000)
    offered = page.locator("#accuracy option").all_inner_texts()
    names = "names 50 % of photos of these labels"
    assert offered == [
        "as the model was calibrated",
        *(f"{share} %, which {names}" for share in (80, 90, 95)),  # 99 % no threshold has
    ]
    page.set_input_files("#drop", [str(path) for path in pictures])
    for choice, rejecting in (
        ("", refusing),
        ("0.8", refusing.for_accuracy(0.8)),
        ("0.9", refusing.for_accuracy(0.9)),
    ):
        page.select_option("#accuracy", choice)
        page.locator("article").nth(5).locator("li").first.wait_for()
        refused = [
            page.locator("article", has_text=path.name).locator("text=none of these").count()
            for path in pictures
        ]
        assert refused == [int(not accepted) for accepted in rejecting.decide(logits).accepted]


def test_another_archive_than_the_published_one_is_refused(tmp_path: Path):
    archive = tmp_path / "runtime.tgz"
    archive.write_bytes(b"something else")
    with pytest.raises(UserError, match="as it was published"):
        write_web_page(tmp_path / "folder", archive)
    with pytest.raises(UserError, match="No such file"):
        write_web_page(tmp_path / "folder", tmp_path / "absent.tgz")
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize(
    ("printed", "said"), [("npm error 404", r"npm error 404\)"), ("", "non-zero exit status 1")]
)
def test_a_failure_of_npm_is_told_in_a_sentence(tmp_path, monkeypatch, printed, said):
    (tmp_path / "npm").write_text(f"#!/bin/sh\necho '{printed}' >&2\nexit 1\n")
    (tmp_path / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(UserError, match=rf"cannot be fetched with npm \(.*{said}"):
        write_web_page(tmp_path / "folder")


def test_an_archive_without_a_page_is_refused():
    with pytest.raises(ValueError, match="web_runtime is given but web is not"):
        OnnxParameters(web_runtime="runtime.tgz")
