"""From a dataset's name to its folder, against servers on this machine."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from conftest import ROOT
from fetching.broken_archives import make_tgz, make_zip
from fetching.stub import File, serving_files
from image_datasets.miniatures import annotation_file, write_miniature
from vlprompt_pipeline.errors import FetchError
from vlprompt_pipeline.fetching import Fetched, fetch_dataset, transfer
from vlprompt_pipeline.image_datasets import (
    IMAGE_DATASETS,
    Checksum,
    DownloadFile,
    DownloadRecipe,
    DownloadSource,
    ImageDataset,
    build_index,
    list_image_datasets,
)

PUBLISHED = [dataset for dataset in list_image_datasets() if dataset.make is None]
SPLIT = "split_zhou_DescribableTextures.json"


class Published(NamedTuple):
    """A miniature of DTD, the server that has it and an empty dataset root."""

    dataset: ImageDataset
    original: Path
    files: dict[str, File]
    server: str
    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "dtd"

    def members(self, under: str = "dtd/") -> list[tuple[str, bytes]]:
        """The dataset's files as those of an archive."""
        folder = self.dataset.dataset_folder(self.original)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return [(f"{under}{path.relative_to(folder)}", path.read_bytes()) for path in files]

    def serve(self, name: str, content: bytes) -> str:
        self.files[f"/{name}"] = File(content)
        return f"{self.server}/{name}"

    def bundle(
        self, content: bytes | None = None, checksum: Checksum | None = None
    ) -> DownloadSource:
        """All in one archive."""
        content = make_zip(*self.members()) if content is None else content
        part = DownloadFile(url=self.serve("bundle.zip", content), checksum=checksum)
        return DownloadSource(title="the bundle", files=(part,))

    def official(self) -> DownloadSource:
        """Images and split apart."""
        images = [m for m in self.members("dtd-r1/") if not m[0].endswith(".json")]
        split = annotation_file(self.dataset, self.original).read_bytes()
        parts = (
            DownloadFile(
                url=self.serve("i.tgz", make_tgz(*images)), take="dtd-r1/images", put="images"
            ),
            DownloadFile(url=self.serve("s.json", split), put=SPLIT, is_archive=False),
        )
        return DownloadSource(title="the authors", files=parts)

    def gone(self) -> DownloadSource:
        return DownloadSource(
            title="a dead place", files=(DownloadFile(url=f"{self.server}/gone.zip"),)
        )

    def fetch(self, *sources: DownloadSource) -> Fetched:
        recipe = DownloadRecipe(sources=sources, by_hand="by hand: under <dataset_root>/dtd")
        return fetch_dataset(replace(self.dataset, download=recipe), self.root)

    def refusal(self, *sources: DownloadSource) -> str:
        with pytest.raises(FetchError) as caught:
            self.fetch(*sources)
        message = str(caught.value)
        assert message.isprintable()
        assert not list(self.root.glob(".downloads/*.unpacking"))
        return message

    def kept(self) -> set[str]:
        """What stays of the downloads, beside the lock and the notes of what was seen."""
        return {
            path.name
            for path in (self.root / ".downloads").iterdir()
            if not path.name.endswith((".lock", ".seen.json"))
        }

    def requests(self) -> int:
        return sum(len(file.asked) for file in self.files.values())


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Published]:
    monkeypatch.setattr(transfer, "_ATTEMPTS", 2)
    monkeypatch.setattr(transfer, "_TIMEOUT", 1.0)
    monkeypatch.setattr(transfer, "_FIRST_PAUSE", 0.01)
    dataset = write_miniature(tmp_path / "original", "dtd")
    files: dict[str, File] = {}
    with serving_files(files) as server:
        yield Published(dataset, tmp_path / "original", files, server, tmp_path / "root")


def test_images_and_split_from_their_own_places_make_the_dataset(published):
    fetched = published.fetch(published.official())
    table = build_index(published.dataset, published.root).table
    original = build_index(published.dataset, published.original).table
    assert table["path"].tolist() == original["path"].tolist()
    assert (fetched.dataset, fetched.images) == ("dtd", len(original))
    assert fetched.folder == str(published.folder)
    assert fetched.source == "the authors"
    for stored, name in zip(fetched.files, ("i.tgz", "s.json"), strict=True):
        content = published.files[f"/{name}"].content
        assert (stored.bytes, stored.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        assert stored.compared_with.startswith("nothing: no checksum is published")
    assert published.kept() == set()


@pytest.mark.parametrize("under", ["", "dtd/", "prompt_learning_dataset/dtd/"])
def test_a_bundle_is_found_wherever_it_lies_in_its_archive(published, under):
    content = make_zip(*published.members(under))
    checksum = Checksum("sha256", hashlib.sha256(content).hexdigest())
    fetched = published.fetch(published.bundle(content, checksum))
    assert fetched.files[0].compared_with == f"published {checksum}"
    assert {path.name for path in published.folder.iterdir()} == {"images", SPLIT}


def test_an_archive_in_an_archive(published):
    images = [member for member in published.members("") if member[0] != SPLIT]
    outer = make_zip(("a/inner.tar.gz", make_tgz(*images)), ("a/readme", b"what it is"))
    part = DownloadFile(
        url=published.serve("outer.zip", outer), inner="a/inner.tar.gz", take="images", put="images"
    )
    split = published.official().files[1]
    published.fetch(DownloadSource(title="nested", files=(part, split)))
    assert len(build_index(published.dataset, published.root).table) == 56


def test_a_whole_dataset_is_left_alone_without_asking_anybody(published):
    shutil.copytree(published.original / "dtd", published.folder)
    (published.folder / "own.txt").write_text("mine")
    fetched = published.fetch(published.bundle())
    assert fetched.sentence == f"dtd at {published.folder} is whole and left as it is: 56 images"
    assert published.requests() == 0
    assert (published.folder / "own.txt").read_text() == "mine"


def test_a_folder_that_is_no_whole_dataset_is_not_touched(published):
    published.folder.mkdir(parents=True)
    (published.folder / "own.txt").write_text("mine")
    message = published.refusal(published.bundle())
    assert "is there but is not the whole dataset, and nothing in it is touched" in message
    assert message.endswith("complete it, or move it away to have all of it fetched")
    assert [path.name for path in published.folder.iterdir()] == ["own.txt"]
    assert published.requests() == 0


def test_an_empty_folder_is_in_nobodys_way(published):
    published.folder.mkdir(parents=True)
    assert published.fetch(published.bundle()).images == 56


def test_the_next_source_is_tried(published, caplog):
    assert published.fetch(published.gone(), published.official()).source == "the authors"
    assert "HTTP 404 Not Found; trying the next source" in caplog.text


def test_what_to_do_by_hand_is_said_when_no_source_works(published):
    message = published.refusal(published.gone(), published.gone())
    assert message.startswith("cannot fetch dtd from a dead place: ")
    assert message.count("HTTP 404") == 2
    assert message.endswith(f"by hand: under {published.root}/dtd")
    assert not published.folder.exists()


@pytest.mark.parametrize("evil", ["../evil.jpg", "/evil.jpg", "dtd/a\nb.jpg"])
def test_a_hostile_archive_leaves_nothing(published, evil):
    content = make_zip(*published.members(), (evil, b"evil"))
    assert "is refused: its member" in published.refusal(published.bundle(content))
    assert not published.folder.exists()
    assert published.kept() == set()


def test_a_dataset_that_lacks_an_image_is_not_put_in_place(published):
    members = published.members()
    source = published.bundle(make_zip(*members[1:]))
    message = published.refusal(source)
    assert "is not the whole dataset, so it was not put in place (1 of the 56 images" in message
    assert not published.folder.exists()
    assert published.kept() == {"dtd-bundle.zip"}
    published.refusal(source)
    assert len(published.files["/bundle.zip"].asked) == 1  # the one that was kept


def test_an_archive_of_something_else_is_told(published):
    content = make_zip(("readme.txt", b"moved"))
    assert f"has no folder with the images and {SPLIT}" in published.refusal(
        published.bundle(content)
    )


def test_an_archive_without_checksum_is_remembered(published):
    published.fetch(published.bundle())
    shutil.rmtree(published.folder)
    again = published.fetch(published.bundle())
    assert again.files[0].compared_with == "the SHA-256 seen at the first time"
    shutil.rmtree(published.folder)
    message = published.refusal(published.bundle(make_tgz(*published.members())))
    assert "when it was first fetched and now has" in message
    assert published.kept() == set()
    (note,) = published.root.glob(".downloads/*.seen.json")
    assert str(note) in message
    note.unlink()
    assert published.fetch(published.bundle(make_tgz(*published.members()))).images == 56


def test_a_broken_archive_without_checksum_is_not_remembered(published):
    whole = make_tgz(*published.members())
    assert "is refused" in published.refusal(published.bundle(whole[:-100]))
    assert published.fetch(published.bundle(whole)).images == 56


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_no_folder_can_replace_is_told_before_anything_is_fetched(published, tmp_path, kind):
    (tmp_path / "disk").mkdir()
    published.root.mkdir()
    if kind == "link":
        published.folder.symlink_to(tmp_path / "disk")
    else:
        published.folder.write_text("mine")
    message = published.refusal(published.bundle())
    assert "is a link or a file, in whose place no folder can be put: move it away" in message
    assert published.requests() == 0
    assert kind == "link" or published.folder.read_text() == "mine"


def test_a_second_run_at_the_same_time_is_told(published):
    (published.root / ".downloads").mkdir(parents=True)
    with (published.root / ".downloads" / "dtd.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert published.refusal(published.bundle()) == (
            "dtd is being fetched by another run; wait for it"
        )


def test_a_disk_that_is_full_is_told(published, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vlprompt_pipeline.fetching.fetch.extract_archive", full)
    assert "No space left on device" in published.refusal(published.bundle())


def test_what_a_killed_run_left_unpacked_goes(published):
    leftover = published.root / ".downloads" / "dtd.unpacking" / "dtd"
    leftover.mkdir(parents=True)
    (leftover / "half.jpg").write_bytes(b"half")
    published.fetch(published.bundle())
    assert not (published.folder / "half.jpg").exists()
    assert published.kept() == set()


def test_a_root_that_cannot_be_written_is_told(published):
    published.root.write_text("a file")
    assert "make dataset_root writable" in published.refusal(published.bundle())


def test_class_names_of_a_shifted_dataset_come_from_imagenet_on_disk(tmp_path):
    dataset = write_miniature(tmp_path / "original", "imagenet_a")
    folder = tmp_path / "original" / "imagenet-adversarial"
    names = (folder / "classnames.txt").read_bytes()
    images = [(str(p.relative_to(folder)), p.read_bytes()) for p in folder.rglob("*.jpg")]
    root = tmp_path / "root"
    with serving_files({"/a.zip": File(make_zip(*images))}) as server:
        source = DownloadSource(title="images alone", files=(DownloadFile(url=f"{server}/a.zip"),))
        dataset = replace(dataset, download=DownloadRecipe(sources=(source,)))
        with pytest.raises(FetchError, match=r"has no classnames.txt"):
            fetch_dataset(dataset, root)
        (root / "imagenet").mkdir()
        (root / "imagenet" / "classnames.txt").write_bytes(names)
        assert fetch_dataset(dataset, root).images == 9


def test_imagenet_is_explained_step_by_step(tmp_path):
    with pytest.raises(FetchError) as caught:
        fetch_dataset("imagenet", tmp_path)
    message = str(caught.value)
    assert "licence is granted to a person" in message
    assert f"into {tmp_path}/imagenet/images/train/" in message
    assert not list(tmp_path.iterdir())


def test_an_embedded_dataset_needs_no_fetching(tmp_path, monkeypatch):
    made = replace(write_miniature(tmp_path, "dtd"), make=lambda root: root)
    monkeypatch.setitem(IMAGE_DATASETS, "dtd", made)
    assert "is made on this machine: 56 images" in fetch_dataset("dtd", tmp_path).sentence


def test_every_published_dataset_has_a_recipe_or_says_what_to_do_by_hand():
    for dataset in PUBLISHED:
        assert dataset.download.sources or "<dataset_root>/imagenet" in dataset.download.by_hand
        for file in (file for source in dataset.download.sources for file in source.files):
            assert file.hub is not None or file.url.startswith("https://")
            lengths = {"md5": 32, "sha256": 64}
            assert file.checksum is None or len(file.checksum.digits) == lengths[file.checksum.kind]


def test_official_sources_bring_all_that_the_benchmark_reads():
    """What is put where covers the image folder and the split's files."""
    for dataset in PUBLISHED:
        for source in dataset.download.sources[1:]:
            placed = {file.put for file in source.files}
            needed = {dataset.image_prefix, *dataset.split.files}
            assert placed in ({""}, needed), dataset.name


def test_the_page_on_datasets_says_what_the_recipes_and_benchmarks_say():
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and "`" in line
    ]
    assert len(rows) == len(PUBLISHED)
    for row, dataset in zip(rows, PUBLISHED, strict=True):
        title, folder, classes, images, origin, licence = row
        assert title == f"{dataset.title} `{dataset.name}`"
        assert folder == f"`{dataset.folder}`"
        assert (classes, images) == (f"{dataset.classes:,}", f"{sum(dataset.counts):,}")
        assert licence == dataset.licence
        sources = dataset.download.sources
        archives = [source.files[0].file_name for source in sources]
        assert all(f"`{name}`" in origin for name in archives)
        assert origin.count("`") == 2 * len(archives)
        official = [source.files[0].checksum for source in sources[1:]]
        assert all((known.kind.upper() if known else "no checksum") in origin for known in official)
