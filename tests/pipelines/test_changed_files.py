"""Whatever is done to a stored file: the undisturbed results, or a sentence that names the file.

Files are found by listing what a finished run left, so a new kind of file is tested when it is new.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from kedro.framework.project import pipelines

from pipelines.project import DATASET, Project, miniature
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.filesystem.manifests import manifest_path
from vlprompt_pipeline.image_datasets import IMAGE_DATASETS

DAMAGES = ("flipped bit", "zeros", "truncated", "empty", "other seed", "other seed and manifest")
IN_WHOLE_RUNS = ("flipped bit", "other seed and manifest")


@pytest.fixture(scope="module")
def other_seed(tmp_path_factory, finished) -> Project:
    """The same project with seed 2."""
    project = Project.create(tmp_path_factory.mktemp("other_seed") / "project")
    shutil.copytree(finished.data / "01_raw", project.data / "01_raw")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(IMAGE_DATASETS, DATASET, miniature())
        project.run({"seed": 2})
    return project


def damage(kind: str, path: Path, other: Project) -> bool:
    """Change a file; returns whether there was anything to change."""
    content = path.read_bytes()
    if kind.startswith("other seed"):
        return _swap(path, other, "manifest" in kind)
    middle = len(content) // 2
    path.write_bytes(
        {
            "flipped bit": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "zeros": content[:middle] + bytes(len(content) - middle),
            "truncated": content[:-7],
            "empty": b"",
        }[kind]
    )
    return True


def _swap(path: Path, other: Project, manifest: bool) -> bool:
    """Put the same file of the other seed in its place."""
    parts = list(path.parts[path.parts.index("data") + 1 :])
    source = other.data / "/".join(parts).replace("seed1", "seed2")
    if "store" in parts:  # known by keys: a shard of the same name with other features
        names = {folder.name for folder in (other.data / "04_feature/store").iterdir()}
        unknown = sorted(names - {folder.name for folder in path.parents[1].iterdir()})
        source = other.data / "04_feature/store" / unknown[0] / path.name
    if not source.is_file() or source.read_bytes() == path.read_bytes():
        return False
    if manifest and "seed1" not in parts and "store" not in parts:
        return False  # both runs write this very file: what is copied there was written there
    shutil.copy(source, path)
    if manifest:
        shutil.copy(manifest_path(source), manifest_path(path))
    return True


def stored_files(project: Project) -> list[Path]:
    """All files of a finished run but the pictures, and what was measured."""
    return [project.data / name for name in project.files()]


@pytest.fixture
def copied(finished, tmp_path) -> Project:
    """A copy of the finished project."""
    shutil.copytree(finished.root, tmp_path / "copy")
    return Project(tmp_path / "copy")


def assert_a_run_leaves(project: Project, expected: dict[str, bytes]) -> None:
    project.run(report=True)
    found = project.files()
    assert [name for name in expected if found.get(name) != expected[name]] == []
    assert set(found) == set(expected)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=[] if kind in IN_WHOLE_RUNS else pytest.mark.long)
        for kind in DAMAGES
    ],
)
def test_a_run_makes_everything_again_that_was_changed(copied, finished, other_seed, kind):
    """All files at once."""
    changed = [path for path in stored_files(copied) if damage(kind, path, other_seed)]
    assert len(changed) > 10
    assert_a_run_leaves(copied, finished.files())


@pytest.mark.parametrize("kind", ["broken", "removed"])
def test_manifests_are_made_again(copied, finished, kind):
    for path in list(copied.data.rglob("*.manifest")):
        path.unlink() if kind == "removed" else path.write_bytes(path.read_bytes()[:-9])
    assert_a_run_leaves(copied, finished.files())


@pytest.mark.parametrize("kind", DAMAGES)
def test_no_stage_reads_a_file_that_was_changed(copied, other_seed, kind):
    """A stage that is run alone reads what others left: each refusal names the file."""
    with copied.session() as session:
        catalog = session.load_context().catalog
        names = {name for pipeline in pipelines.values() for name in pipeline.datasets()}
        stored = {
            Path(catalog.get(name).filepath): name
            for name in sorted(names)
            if hasattr(catalog.get(name, fallback_to_runtime_pattern=True), "filepath")
        }
        changed = 0
        for path in stored_files(copied):
            if path not in stored or not damage(kind, path, other_seed):
                continue
            changed += 1
            assert _refusal(lambda path=path: catalog.load(stored[path])).startswith(str(path))
    assert changed > 10


def _refusal(load: Callable[[], object]) -> str:
    """The sentence of the user's error behind an error of the catalog."""
    with pytest.raises(Exception) as caught:
        load()
    error: BaseException | None = caught.value
    while error is not None and not isinstance(error, UserError):
        error = error.__cause__
    assert error is not None, caught.value
    return str(error)


def test_a_stage_refuses_what_an_earlier_training_left(copied):
    """Trained again with other settings, then evaluated without, then with an old packed prompt."""
    other = {"methods": ["coop"], "recipes": {"coop": {"training": {"epochs": 2}}}}
    copied.run(other, stages=("prompt_training",))
    folder = copied.path("06_models", "coop")
    for stage in ("quantization_export", "evaluation"):
        said = copied.refusal({"methods": ["coop"]}, stages=(stage,))
        if stage == "evaluation":
            assert said.startswith(f"{folder / 'prompt.vlp'} was made from another prompt.safeten")
        else:
            assert "of coop was made with training.epochs 2, and this run has 3" in said
    assert "prompt.vlp was made from" in copied.refusal(other, stages=("evaluation",))
    copied.run(other, stages=("quantization_export",))
    said = copied.refusal({"methods": ["coop"]}, stages=("evaluation",))
    assert "of coop was made with training.epochs 2, and this run has 3" in said
    copied.run(other, stages=("evaluation",))
    assert copied.json("08_reporting/records", "coop.json")["methods"][0]["made_with"]


def test_a_stage_refuses_a_file_whose_manifest_was_removed(copied):
    prompt = copied.path("06_models", "coop/prompt.safetensors")
    manifest_path(prompt).unlink()
    said = copied.refusal({"methods": ["coop"]}, stages=("quantization_export",))
    assert said.startswith(f"{prompt} has no manifest; run the pipeline that writes it again")


def kinds(project: Project) -> list[Path]:
    """One file of each kind: paths that differ in names of methods, keys and numbers alone."""
    found: dict[str, Path] = {}
    for path in stored_files(project):
        name = str(path.relative_to(project.data))
        name = re.sub(r"zero_shot|q?coop|[0-9a-f]{24}|\d{5}", "*", name)
        found.setdefault(name, path)
    return list(found.values())


@pytest.mark.long
@pytest.mark.parametrize("kind", DAMAGES)
def test_each_kind_of_file_by_itself(copied, finished, other_seed, kind):
    """In whole runs, and in a run of the stages behind the features alone."""
    expected = finished.files()
    late = ("quantization_export", "evaluation", "reporting")
    for path in kinds(copied):
        if not damage(kind, path, other_seed):
            continue
        try:
            copied.run(stages=late)
        except Exception as error:
            assert path.name in str(error), (path, error)
        else:
            assert (
                copied.files() == expected
                or path.read_bytes() != expected[str(path.relative_to(copied.data))]
            ), path
        assert_a_run_leaves(copied, expected)
