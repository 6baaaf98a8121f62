"""What is published: complete, verified, told in metadata, and usable with open_clip alone."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard
from PIL import Image

from fresh_python import printed
from publishing.publications import TAGS, publication_of, with_source
from publishing.stub_hub import TOKEN, Hub, serving_hub
from shipping.models import write_pictures
from vlprompt_pipeline.clip.copying import copy_clip
from vlprompt_pipeline.errors import ConfigError, PromptFileError, UserError, WeightsError
from vlprompt_pipeline.filesystem.files import write_hashes
from vlprompt_pipeline.inference import open_model
from vlprompt_pipeline.publishing import Licences, load_published, write_publication
from vlprompt_pipeline.rejection import Calibration, Rejection

LICENCES = Licences("MIT", "CC BY 4.0")
# open_clip as a stranger has it: this project cannot be imported. What mends torchvision in
# environments whose torch was built elsewhere is done first.
ALONE = """
import runpy, sys
from vlprompt_pipeline.clip import lazy_libraries
lazy_libraries.open_clip.__version__
for name in [name for name in sys.modules if name.startswith("vlprompt_pipeline")]:
    del sys.modules[name]
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"vlprompt_pipeline", "transformers", "pandas", "mlflow"}:
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
FETCH = """
import json, sys
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.publishing import fetch_published
said = []
for address in sys.argv[1:]:
    try:
        said.append(str(fetch_published(address)))
    except UserError as error:
        said.append({"error": str(error)})
print(json.dumps(said))
assert not {"torch", "mlflow", "kedro"} & set(sys.modules)
"""
UPLOAD = """
import json, sys
from pathlib import Path
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.publishing import upload
try:
    print(json.dumps(upload(Path(sys.argv[1]), sys.argv[2])))
except UserError as error:
    print(json.dumps({"error": str(error)}))
"""


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("published") / "prompt"
    write_publication(publication_of("coop"), folder, LICENCES, "someone/prompt")
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> list[Path]:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture
def hub() -> Iterator[tuple[Hub, str]]:
    hub = Hub()
    with serving_hub(hub) as address:
        yield hub, address


def run(
    code: str, *arguments: object, address: str = "", home: Path | None = None, token: str = ""
) -> str:
    """What a fresh process prints that asks a hub, or its own cache where there is no address."""
    hub = {"HF_ENDPOINT": address} if address else {"HF_HUB_OFFLINE": "1"}
    hub |= {"HF_HOME": str(home)} if home else {}
    hub |= {"HF_TOKEN": token} if token else {}
    return printed(code, *arguments, HF_HUB_DISABLE_PROGRESS_BARS="1", **hub)


def read(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_folder_holds_all_and_no_pickle(published):
    assert set(read(published)) == {
        *("README.md", "SHA256SUMS", "vlprompt.json", "card.json", "prompt.vlp", "classify.py"),
        "classifier_weights.safetensors",
        *("clip/open_clip_config.json", "clip/open_clip_model.safetensors"),
    }
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=published, check=True)
    listed = {line[66:] for line in (published / "SHA256SUMS").read_text().splitlines()}
    assert listed == set(read(published)) - {"README.md", "SHA256SUMS"}
    assert "files_sha256" not in json.loads((published / "vlprompt.json").read_text())["tags"]


def test_the_card_tells_the_hub_model_scores_and_licence(published):
    card = ModelCard((published / "README.md").read_text())
    assert card.data.license == "other"
    assert card.data.pipeline_tag == "image-classification"
    results = {result.metric_name: result for result in card.data.eval_results}
    assert results["harmonic mean of base and new, %"].metric_value == 81.6
    assert results["accuracy on base classes, %"].metric_type == "accuracy"
    assert len(results) == 3
    assert {result.dataset_type for result in results.values()} == {"demo_aerial"}
    assert "base to new, 16 shots, seed 1" in results["accuracy on base classes, %"].dataset_name
    for told in ("| CLIP | MIT |", "CC BY 4.0", TAGS["split_sha256"], TAGS["git_commit"]):
        assert told in card.text
    assert "| accuracy on new classes, % | 80.06 |" in card.text
    assert "hf-hub:someone/prompt" in card.text


def test_the_example_needs_open_clip_alone_and_labels_as_the_classifier(published, pictures):
    lines = run(ALONE, published / "classify.py", *pictures).splitlines()
    classifier, manifest = load_published(published, "cpu")
    expected = classifier.classify([path.read_bytes() for path in pictures])
    assert (manifest.name, manifest.version) == ("demo_aerial.coop", "3")
    for line, path, label, score in zip(
        lines, pictures, expected["label"], expected["score"], strict=True
    ):
        said = line.split("\t")
        assert said[:2] == [str(path), label]
        assert float(said[2]) == pytest.approx(score, abs=1e-4)
    example = (published / "classify.py").read_text()
    statements = [
        line for line in example.splitlines() if line.startswith((" ", "clip", "with", "for"))
    ]
    assert len(statements) <= 10


def test_the_example_turns_own_photos_as_the_camera_was_held(tmp_path):
    write_publication(publication_of("coop", decoding="as_seen"), tmp_path / "prompt", LICENCES)
    exif, levels = (
        Image.Exif(),
        np.random.default_rng(0).integers(0, 256, (9, 5, 3), dtype=np.uint8),
    )
    exif[0x0112] = 6
    picture = tmp_path / "turned.png"
    Image.fromarray(levels).resize((90, 50)).save(picture, exif=exif)
    said = run(ALONE, tmp_path / "prompt/classify.py", picture).split()
    classifier, _ = load_published(tmp_path / "prompt", "cpu")
    (score,) = classifier.classify([picture.read_bytes()])["score"]
    assert float(said[-1]) == pytest.approx(score, abs=1e-4)
    (plain,) = publication_of("coop").classifier.classify([picture.read_bytes()])["score"]
    assert plain != pytest.approx(score, abs=1e-3)


@pytest.mark.parametrize(
    ("source", "base_model", "created"),
    [
        (
            "open_clip:ViT-B-16-quickgelu:openai",
            "timm/vit_base_patch16_clip_224.openai",
            '"ViT-B-16-quickgelu", pretrained="openai"',
        ),
        ("hf-hub:someone/clip", "someone/clip", "'hf-hub:someone/clip'"),
    ],
)
def test_a_clip_that_all_have_is_named_and_not_copied(tmp_path, source, base_model, created):
    named = with_source(publication_of("coop"), source)
    write_publication(named, tmp_path / "prompt", LICENCES)
    assert not (tmp_path / "prompt/clip").exists()
    card = ModelCard((tmp_path / "prompt/README.md").read_text())
    assert card.data.base_model == base_model
    example = (tmp_path / "prompt/classify.py").read_text()
    assert f"create_model_and_transforms({created})" in example


def test_a_clip_of_this_machine_is_published_only_when_asked_for(tmp_path, tiny_clip):
    local = with_source(publication_of("coop"), tiny_clip.source)
    with pytest.raises(ConfigError, match="lies on this machine alone .*--include-clip"):
        write_publication(local, tmp_path / "prompt", LICENCES)
    assert list(tmp_path.iterdir()) == []
    write_publication(local, tmp_path / "prompt", LICENCES, include_clip=True)
    assert (tmp_path / "prompt/clip/open_clip_model.safetensors").is_file()


def test_a_method_without_text_features_says_what_it_needs(tmp_path):
    write_publication(publication_of("cocoop"), tmp_path / "prompt", LICENCES)
    files = read(tmp_path / "prompt")
    assert not {"classify.py", "classifier_weights.safetensors"} & set(files)
    assert "which this method needs" in files["README.md"].decode()
    picture = tmp_path / "a.png"
    Image.new("RGB", (40, 30), "red").save(picture)
    classifier, _ = load_published(tmp_path / "prompt", "cpu")
    assert classifier.classify([picture.read_bytes()])["label"].notna().all()


def test_a_rejection_goes_with_it(tmp_path):
    calibration = Calibration(
        images=40, wanted=0.9, accepted=0.0, accuracy=None, accuracy_of_all=0.8
    )
    rejection = Rejection(
        kind="max_softmax", threshold=1.1, temperature=1.0, calibration=calibration
    )
    publication = publication_of("coop")
    publication.classifier.rejection = rejection
    write_publication(publication, tmp_path / "prompt", LICENCES)
    assert 'answers "none"' in (tmp_path / "prompt/README.md").read_text()
    picture = tmp_path / "a.png"
    Image.new("RGB", (40, 30), "red").save(picture)
    classifier, _ = load_published(tmp_path / "prompt", "cpu")
    assert classifier.classify([picture.read_bytes()])["label"].tolist() == ["none"]


def test_what_is_no_publication_is_not_replaced(published, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for place in (tmp_path, tmp_path / "thesis.tex"):
        with pytest.raises(UserError, match="something else than a published prompt"):
            write_publication(publication_of("zero_shot"), place, LICENCES)
    before = read(published)
    write_publication(publication_of("coop"), published, LICENCES, "someone/prompt")
    assert read(published) == before
    assert [path.name for path in published.parent.iterdir()] == ["prompt"]


@pytest.mark.parametrize("name", ["prompt.vlp", "clip/open_clip_config.json", "evil.json"])
def test_what_was_changed_or_added_is_not_used(published, tmp_path, name):
    copy = tmp_path / "prompt"
    shutil.copytree(published, copy)
    (copy / name).write_bytes(b"{}")
    with pytest.raises(PromptFileError, match=f"{name} of .* nothing of it is used"):
        load_published(copy)
    (copy / name).unlink()
    (copy / "README.md").write_text("edited on the hub's page")
    if name == "evil.json":
        load_published(copy, "cpu")


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ({"format": "vlprompt_pipeline.published_prompt.2", "models": []}, r"format .*prompt\.2"),
        ({}, r"no published prompt \(vlprompt.json: format: field required\)"),
        ("[", r"no published prompt \(vlprompt.json: invalid JSON: EOF"),
    ],
)
def test_a_manifest_of_another_format_is_told_from_what_is_none(tmp_path, manifest, said):
    text = manifest if isinstance(manifest, str) else json.dumps(manifest)
    (tmp_path / "vlprompt.json").write_text(text)
    with pytest.raises(PromptFileError, match=said):
        load_published(tmp_path)


def test_an_included_clip_that_is_absent_is_told(published, tmp_path):
    copy = shutil.copytree(published, tmp_path / "prompt")
    manifest = json.loads((copy / "vlprompt.json").read_text())
    (copy / "vlprompt.json").write_text(json.dumps({**manifest, "clip_source": "included"}))
    shutil.rmtree(copy / "clip")
    (copy / "SHA256SUMS").unlink()
    write_hashes(copy, "SHA256SUMS")
    with pytest.raises(PromptFileError, match="has no clip: fetch or publish it again"):
        load_published(copy)


def test_a_clip_that_lies_elsewhere_on_this_machine_is_named(published, tmp_path):
    copy = shutil.copytree(published, tmp_path / "prompt")
    manifest = json.loads((copy / "vlprompt.json").read_text())
    (copy / "vlprompt.json").write_text(json.dumps({**manifest, "clip_source": "local-dir:/gone"}))
    (copy / "SHA256SUMS").unlink()
    write_hashes(copy, "SHA256SUMS")
    with pytest.raises(WeightsError, match=r"no folder /gone.*; name where .* lies with .*--clip"):
        open_model(str(copy))
    copy_clip("embedded", tmp_path / "here")
    (copy / ".cache/huggingface").mkdir(parents=True)  # as hf download --local-dir leaves them
    for name in (".gitattributes", ".cache/huggingface/CACHEDIR.TAG"):
        (copy / name).write_text("a note")
    model = open_model(str(copy), clip_source=f"local-dir:{tmp_path / 'here'}")
    assert model.classifier.clip.source == f"local-dir:{tmp_path / 'here'}"


def test_it_goes_to_the_hub_and_comes_back_verified(published, tmp_path, hub):
    repositories, address = hub
    said = json.loads(run(UPLOAD, published, "someone/prompt", address=address, token=TOKEN))
    assert said == f"{address}/someone/prompt/commit/{'c' * 40}"
    assert repositories.repositories["someone/prompt"] == read(published)

    at = {"address": address, "home": tmp_path / "cache"}
    folder = Path(*json.loads(run(FETCH, "hf-hub:someone/prompt", **at)))
    fetched = read(folder)
    assert set(fetched) == set(read(published)) - {"README.md", "classify.py"}
    classifier, manifest = load_published(folder, "cpu")
    assert manifest.version == "3"
    assert len(classifier.card.class_names) == 3
    again = run(FETCH, "hf-hub:someone/prompt", home=tmp_path / "cache")  # without a network
    assert json.loads(again) == [str(folder)]


def test_an_upload_removes_files_of_the_version_before_it(published, tmp_path, hub):
    repositories, address = hub
    own = {"photo.jpg": b"for the model card", ".gitattributes": b""}
    earlier = dict.fromkeys(("rejection.json", "clip/old.json", "onnx/text_model.onnx"), b"{}")
    repositories.repositories["someone/prompt"] = own | earlier
    run(UPLOAD, published, "someone/prompt", address=address, token=TOKEN)
    assert repositories.repositories["someone/prompt"] == own | read(published)
    (said,) = json.loads(run(FETCH, "hf-hub:someone/prompt", address=address, home=tmp_path))
    assert isinstance(said, str), said


def test_what_the_hub_holds_and_does_not_list_as_it_is_is_refused(published, tmp_path, hub):
    repositories, address = hub
    files = read(published)
    repositories.repositories["someone/prompt"] = {**files, "prompt.vlp": b"VLP another"}
    repositories.repositories["someone/pickled"] = {
        **files,
        "clip/open_clip_pytorch_model.bin": b"!",
    }
    at = {"address": address, "home": tmp_path / "cache"}
    names = ("prompt", "pickled", "absent")
    answers = json.loads(run(FETCH, *(f"hf-hub:someone/{name}" for name in names), **at))
    said = dict(zip(names, answers, strict=True))
    assert "prompt.vlp of" in said["prompt"]["error"]
    assert "was changed since it was published" in said["prompt"]["error"]
    assert isinstance(said["pickled"], str)  # the pickle was not asked for
    assert not any(".bin" in request for request in repositories.requests)
    assert said["absent"]["error"].startswith("cannot fetch someone/absent from the hub")


def test_an_upload_without_login_is_refused_in_a_sentence(published, hub):
    _, address = hub
    said = json.loads(run(UPLOAD, published, "someone/prompt", address=address, token="hf_wrong"))
    assert said["error"].startswith("the hub did not take someone/prompt (")
    assert "log in with hf auth login" in said["error"]


@pytest.mark.parametrize("address", ["hf-hub:prompt", "hf-hub:a/b/c", "hf-hub:../x", "hf-hub:"])
def test_what_is_no_repository_is_refused_without_asking(address):
    from vlprompt_pipeline.publishing import fetch_published

    with pytest.raises(ConfigError, match="is no repository of the hub: write <owner>/<name>"):
        fetch_published(address)


def test_licences_are_looked_up_or_asked_for():
    assert Licences.of("open_clip:ViT-B-16-quickgelu:openai", "eurosat") == Licences(
        "MIT (OpenAI's CLIP)", "MIT"
    )
    assert Licences.of("open_clip:ViT-B-32:laion2b_s34b_b79k", "dtd").clip.startswith("MIT (LAION")
    assert Licences.of("embedded", "demo_aerial", prompt="mit").prompt == "mit"
    with pytest.raises(ConfigError, match="give --clip-licence"):
        Licences.of("open_clip:ViT-B-16-quickgelu:dfn2b", "eurosat")
    with pytest.raises(ConfigError, match="my_photos is not known here: give --data-licence"):
        Licences.of("embedded", "my_photos")
    assert Licences.of("hf-hub:a/b", "my_photos", "X", "Y") == Licences("X", "Y")
