"""Unsuitable data, weights and folders end a run with one sentence, before long work."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from image_datasets.miniatures import annotation_file, write_miniature
from pipelines.project import CLASSES, DATASET, Project
from pipelines.watched import watch_epochs
from vlprompt_pipeline.clip import load_clip
from vlprompt_pipeline.filesystem.files import sha256_file
from vlprompt_pipeline.image_datasets import IMAGE_DATASETS

WEIGHTS = "open_clip_model.safetensors"
CALTECH = {"dataset": "caltech101"}


@pytest.fixture
def caltech(project, monkeypatch) -> Path:
    """A miniature Caltech-101 in the project; its folder of images."""
    root = project.data / "01_raw"
    miniature = write_miniature(root)
    monkeypatch.setitem(IMAGE_DATASETS, "caltech101", miniature)
    return miniature.image_folder(root)


@pytest.fixture
def weights(project, tiny_clip_folder) -> Path:
    """A copy of the tiny CLIP, to be spoilt."""
    return shutil.copytree(tiny_clip_folder, project.root / "clip") / WEIGHTS


def clip(weights: Path, name: str = "tiny") -> dict:
    """Parameters for the CLIP with these weights."""
    return {"clip": {"name": name, "source": f"local-dir:{weights.parent}"}}


def assert_nothing_began(project: Project) -> None:
    """No image was looked at either: a benchmark has a million."""
    assert not (project.data / "01_raw").exists()
    assert not (project.data / "02_intermediate").exists()


def assert_nothing_long_began(project: Project) -> None:
    """No feature was computed and no prompt trained."""
    made = [p for layer in ("04_feature", "06_models") for p in (project.data / layer).rglob("*")]
    assert made == []


# --- pictures


def test_a_dataset_that_is_not_there(project):
    message = project.refusal(CALTECH)
    place = project.data / "01_raw/caltech-101"
    assert message.startswith(f"dataset caltech101 is not at {place}; expected there are ")
    assert "split_zhou_Caltech101.json" in message
    assert "set the parameter dataset_root to the folder that holds caltech-101/" in message
    assert_nothing_long_began(project)


def test_an_unknown_dataset_is_refused_with_the_nearest(project):
    message = project.refusal({"dataset": "demo_pattern"})
    assert message.startswith("dataset 'demo_pattern' is unknown; did you mean 'demo_patterns'?")
    assert "caltech101" in message
    assert_nothing_long_began(project)


def test_images_of_the_split_that_are_absent_are_told_at_once_by_class(project, caltech):
    for path in sorted((caltech / "Faces").iterdir())[:3]:
        path.unlink()
    shutil.rmtree(caltech / "airplanes")
    message = project.refusal(CALTECH)
    assert message.startswith(
        f"17 of the 56 images in the split of caltech101 are not under {caltech}: "
        "face 3 of 14; airplane 14 of 14 (no folder airplanes); the first are "
    )
    assert_nothing_long_began(project)


def test_truncated_images_are_told_at_once(project, caltech):
    broken = [sorted((caltech / folder).iterdir())[0] for folder in ("Faces", "car_side")]
    for path in broken:
        path.write_bytes(path.read_bytes()[:-200])
    (caltech / "Leopards" / sorted((caltech / "Leopards").iterdir())[0]).write_bytes(b"")
    message = project.refusal(CALTECH)
    assert message.startswith(f"3 of the 56 images of caltech101 under {caltech} cannot be read: ")
    for path in broken:
        assert f"{path.relative_to(caltech)} (image file is truncated" in message
    assert "(an empty file)" in message
    assert_nothing_long_began(project)


def test_a_picture_that_is_gone_before_training_online(project, caltech):
    """The check has passed long ago; a later stage meets the file again."""
    params = {**CALTECH, "features": {"train": "online"}, "methods": ["coop"]}
    stages = ("data_preparation", "few_shot_sampling", "feature_extraction")
    project.run(params, stages=stages)
    for path in caltech.rglob("*.jpg"):
        path.unlink()
    message = project.refusal(params, stages=("prompt_training",))
    assert message.startswith(f"{caltech}")
    assert message.endswith("their index; run again from data_preparation on")


def test_more_shots_than_a_class_has_images(project):
    assert project.refusal({"shots": 6}).startswith(
        f"{CLASSES} of the {CLASSES} classes of {DATASET} have fewer training images than the "
        "6 shots asked for (five bells 5, "
    )
    assert_nothing_long_began(project)


# --- prompts


@pytest.mark.parametrize(
    ("recipes", "sentence"),
    [
        (
            {"coop": {"prompt": {"init": "a photo of"}}},
            "recipes.coop.prompt.init: 'a photo of' has 3 tokens, but prompt.length is 4; make "
            "them equal, or set init to null for random vectors",
        ),
        (
            {"coop": {"prompt": {"init": None, "length": 73}}},
            "the prompt for 'five bells' has 78 tokens, but demo reads at most 77: shorten the "
            "class name or the context (prompt.length)",
        ),
        (
            {"zero_shot": {"prompt": {"templates": "phot"}}},
            "recipes.zero_shot.prompt.templates: unknown set 'phot'; allowed: benchmark, ",
        ),
    ],
    ids=["words and length", "context", "templates"],
)
def test_prompts_that_do_not_fit_are_told_before_features_are_computed(project, recipes, sentence):
    assert project.refusal({"recipes": recipes}).startswith(sentence)
    assert_nothing_long_began(project)


def test_a_new_class_with_too_long_a_name_is_told_as_early(project, caltech):
    """It is met in evaluation only, after all training."""
    long = " ".join(["car"] * 80)
    benchmark = IMAGE_DATASETS["caltech101"]
    path = annotation_file(benchmark, project.data / "01_raw")
    path.write_text(path.read_text().replace('"car_side"', f'"{long}"'))
    message = project.refusal({**CALTECH, "methods": ["coop"]})
    assert message.startswith(f"the prompt for {long!r} has ")
    assert "tokens, but demo reads at most 77: shorten the class name" in message
    assert_nothing_long_began(project)


# --- weights


def test_truncated_weights(project, weights):
    weights.write_bytes(weights.read_bytes()[: -(1 << 12)])
    message = project.refusal(clip(weights))
    assert message.startswith(f"{weights} is truncated or not safetensors (")
    assert message.endswith("download it again, or point clip.source at another folder")
    assert_nothing_began(project)


def test_weights_of_another_architecture(project, weights):
    config = weights.parent / "open_clip_config.json"
    described = json.loads(config.read_text())
    described["model_cfg"]["text_cfg"]["width"] = 64
    config.write_text(json.dumps(described))
    message = project.refusal(clip(weights))
    assert message.startswith(f"{weights.parent} holds another architecture than its configuration")
    assert "is [77, 32] instead of [77, 64]" in message
    assert_nothing_long_began(project)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("embeded", "clip.source: unknown source 'embeded'; allowed: embedded, local-dir:<folder>"),
        ("local-dir:gone", "clip.source: no folder "),
        ("open_clip:ViT-B-61:openai", "clip.source: open_clip has no model 'ViT-B-61'"),
    ],
)
def test_sources_that_do_not_exist(project, source, sentence):
    assert project.refusal({"clip": {"source": source}}).startswith(sentence)
    assert_nothing_began(project)


def test_a_device_that_is_not_here(project):
    absent = "mps" if torch.cuda.is_available() else "cuda"
    assert project.refusal({"device": absent}) == (
        f"device: no {absent} on this machine; use auto or cpu"
    )
    assert_nothing_began(project)


def test_a_stage_without_a_clip_does_not_ask_for_one(project):
    project.run({"clip": {"source": "local-dir:gone"}}, stages=("data_preparation",))


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("prompt_training", "the image features were computed with the CLIP "),
        ("quantization_export", "the trained prompt was made with another CLIP: "),
        ("evaluation", "the prompt was trained on the CLIP with weights "),
    ],
)
def test_weights_changed_between_stages_are_told_with_both_hashes(project, weights, stage, words):
    project.run(clip(weights))
    changed = shutil.copytree(weights.parent, project.root / "changed") / WEIGHTS
    tensors = load_file(changed)
    save_file({**tensors, "logit_scale": tensors["logit_scale"] / 2}, changed)
    files = project.files()
    message = project.refusal(clip(changed), stages=(stage,))
    identities = [load_clip(f"local-dir:{path.parent}").identity for path in (weights, changed)]
    hashes = [
        identity.digest if stage == "prompt_training" else identity.weights
        for identity in identities
    ]
    assert message.startswith(words)
    assert all(f"{sha256[:16]}…" in message for sha256 in hashes)
    assert project.files() == files


def test_a_packed_prompt_of_another_clip(project, weights, finished):
    """Features fit, but the file that ships was trained elsewhere, as was one without manifest."""
    project.run({**clip(weights), "methods": ["coop"]})
    cell = f"tiny/{DATASET}/base_to_new/shots4/seed1"
    packed = project.path("06_models", "coop/prompt.vlp", cell)
    shutil.copy(finished.path("06_models", "coop/prompt.vlp"), packed)
    message = project.refusal({**clip(weights), "methods": ["coop"]}, stages=("evaluation",))
    assert message.startswith(f"{packed} has ")
    shutil.rmtree(packed.parent / ".manifests")
    message = project.refusal({**clip(weights), "methods": ["coop"]}, stages=("evaluation",))
    assert message.startswith("the prompt was trained on the CLIP with weights ")
    assert sha256_file(weights)[:16] in message


# --- folders


@pytest.mark.parametrize(
    ("layer", "first"),
    [
        ("02_intermediate", f"{DATASET}/raw_index.parquet"),
        ("04_feature", "store/"),
        ("06_models", "demo/"),
        ("08_reporting", "records/"),
    ],
)
def test_a_folder_that_cannot_be_written(project, layer, first):
    """A file in its place stands for missing rights, which the superuser always has."""
    (project.data / layer).write_text("in the way")
    message = project.refusal()
    assert message.startswith(f"cannot write {project.data / layer / first}")
    assert message.endswith(
        "Not a directory; make its folder writable or run from a project folder on a disk with room"
    )


def test_pictures_that_cannot_be_rendered(project):
    (project.data / "01_raw").write_text("in the way")
    assert project.refusal() == (
        f"cannot write the pictures of {DATASET} to {project.data / '01_raw' / DATASET}: File "
        "exists; make the folder writable or choose another dataset_root"
    )


# --- stages run alone


@pytest.mark.parametrize(
    ("stage", "sentence"),
    [
        ("few_shot_sampling", "no {data}/03_primary/demo_counts/image_index.parquet: run the "),
        ("prompt_training", "no {data}/02_intermediate/demo_counts/dataset_card.json: run the "),
        ("quantization_export", "no prompt at {data}/06_models/{cell}/coop/prompt.safetensors: "),
        ("evaluation", "{data}/06_models/{cell}/coop/prompt.vlp is not there: run "),
    ],
)
def test_a_stage_without_those_before_it(project, stage, sentence):
    cell = f"demo/{DATASET}/base_to_new/shots4/seed1"
    expected = sentence.format(data=project.data, cell=cell)
    assert project.refusal(stages=(stage,)).startswith(expected)


def test_a_feature_store_that_was_emptied(project):
    """Training needs what stage feature_extraction leaves; evaluation makes its own again."""
    project.run()
    before = project.files()
    shutil.rmtree(project.data / "04_feature/store")
    message = project.refusal(stages=("prompt_training",))
    assert message.startswith(f"no image features at {project.data / '04_feature/store'}")
    assert message.endswith("run feature_extraction")
    project.run(stages=("evaluation",))
    results = {name: content for name, content in before.items() if name.startswith("07_")}
    assert results.items() <= project.files().items()


def test_a_grey_and_a_transparent_picture_are_no_error(project, caltech):
    first, second = sorted((caltech / "Faces").iterdir())[:2]
    Image.new("L", (40, 50), 80).save(first)
    Image.new("RGBA", (50, 40), (1, 2, 3, 4)).save(second, format="PNG")
    project.run({**CALTECH, "methods": ["zero_shot"]})
    check = json.loads((project.data / "03_primary/caltech101/image_check.json").read_text())
    assert check["unreadable"] == []


# --- what no input explains


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_a_machine_without_memory_left_says_what_to_make_smaller(project, monkeypatch, error):
    def no_room(*_):
        raise error

    watch_epochs(monkeypatch, no_room)
    assert project.refusal() == (
        "it ran out of memory: let a training step keep less (training.memory_gb of the recipe), "
        "or take smaller batches (training.batch_size of the recipe, features.batch_size)"
    )


def test_a_fault_says_so_in_a_line_and_keeps_its_traceback(project, monkeypatch):
    def broken(*_):
        raise KeyError("nobody foresaw this")

    watch_epochs(monkeypatch, broken)
    message = project.refusal()
    assert message.startswith("this should not have happened: KeyError: 'nobody foresaw this'")
    (log,) = (project.root / "logs").glob("error_*.log")
    assert f"the traceback is in logs/{log.name}" in message
    assert "in broken" in log.read_text()
