"""Where each dataset is fetched from.

The bundle holds all datasets but ImageNet in the layout of the literature, with their split files;
the hub publishes a SHA-256 of each archive. Official archives come second, where they can be had
without a login (EuroSAT: torchgeo's copy, which has a known checksum): their MD5 are those that
torchvision checks. Where there is no checksum, none is known to us.
"""

from __future__ import annotations

from vlprompt_pipeline.fetching.checksum import Checksum
from vlprompt_pipeline.fetching.recipe import Part, Recipe, Source
from vlprompt_pipeline.image_datasets import get_image_dataset

BUNDLE = "zhengli97/prompt_learning_dataset"
_SPLITS = (
    "https://raw.githubusercontent.com/linzhiqiu/cross_modal_adaptation/"
    "c7e7e68ae4eeadfab98e7886b2d6c9cf48a7ceb5/splits/"
)
_VGG = "https://www.robots.ox.ac.uk/~vgg/data/"


def _split(name: str) -> Part:
    """A split file: the benchmark compares its content with the official one's hash."""
    return Part(url=_SPLITS + name, put=name, packed=False)


def _archive(url: str, md5: str | None, take: str, put: str, inner: str | None = None) -> Part:
    checksum = None if md5 is None else Checksum("md5", md5)
    return Part(url=url, checksum=checksum, take=take, put=put, inner=inner)


def _recipe(name: str, bundled: str, official: tuple[Part, ...] = ()) -> Recipe:
    """The bundle first, then the official archives."""
    sources = [Source(title=f"{BUNDLE} on the hub", parts=(Part(url=bundled, hub=BUNDLE),))]
    if official:
        sources.append(Source(title="the authors' archives or their mirrors", parts=official))
    return Recipe(sources=tuple(sources), by_hand=_by_hand(name))


def _by_hand(name: str) -> str:
    benchmark = get_image_dataset(name)
    return (
        f"by hand: get it from {benchmark.source}, and put it under <dataset_root>/"
        f"{benchmark.folder} as docs/datasets.md shows"
    )


_IMAGENET = Recipe(
    sources=(),
    by_hand=(
        "imagenet cannot be fetched by a program, because its licence is granted to a person: "
        "(1) ask for access at https://image-net.org/download, (2) get "
        "ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar, (3) unpack the first, and each of "
        "the 1,000 archives in it, into <dataset_root>/imagenet/images/train/<WordNet id>/, "
        "(4) unpack the second and move its images into images/val/<WordNet id>/, (5) put "
        "classnames.txt of https://github.com/KaiyangZhou/CoOp/blob/main/DATASETS.md into "
        "<dataset_root>/imagenet/"
    ),
)

RECIPES: dict[str, Recipe] = {
    "imagenet": _IMAGENET,
    "caltech101": _recipe(
        "caltech101",
        "caltech-101.zip",
        (
            _archive(
                "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
                "3138e1922a9193bfa496528edbbc45d0",
                take="101_ObjectCategories",
                put="101_ObjectCategories",
                inner="caltech-101/101_ObjectCategories.tar.gz",
            ),
            _split("split_zhou_Caltech101.json"),
        ),
    ),
    "oxford_pets": _recipe(
        "oxford_pets",
        "oxford_pets.zip",
        (
            _archive(
                f"{_VGG}pets/data/images.tar.gz",
                "5c4f3ee8e5d25df40f4fd59a7f44e54c",
                take="images",
                put="images",
            ),
            _split("split_zhou_OxfordPets.json"),
        ),
    ),
    "stanford_cars": _recipe("stanford_cars", "stanford_cars.zip"),
    "oxford_flowers": _recipe(
        "oxford_flowers",
        "oxford_flowers.zip",
        (
            _archive(
                f"{_VGG}flowers/102/102flowers.tgz",
                "52808999861908f626f3c1f4e79d11fa",
                take="jpg",
                put="jpg",
            ),
            _split("split_zhou_OxfordFlowers.json"),
        ),
    ),
    "food101": _recipe("food101", "food101.zip"),
    "fgvc_aircraft": _recipe(
        "fgvc_aircraft",
        "fgvc_aircraft.zip",
        (
            _archive(
                f"{_VGG}fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz",
                None,
                take="fgvc-aircraft-2013b/data",
                put="",
            ),
        ),
    ),
    "sun397": _recipe("sun397", "sun397.zip"),
    "dtd": _recipe(
        "dtd",
        "dtd.zip",
        (
            _archive(
                f"{_VGG}dtd/download/dtd-r1.0.1.tar.gz",
                "fff73e5086ae6bdbea199a49dfb8a4c1",
                take="dtd/images",
                put="images",
            ),
            _split("split_zhou_DescribableTextures.json"),
        ),
    ),
    "eurosat": _recipe(
        "eurosat",
        "eurosat.zip",
        (
            _archive(
                "https://huggingface.co/datasets/torchgeo/eurosat/resolve/"
                "c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip",
                "c8fa014336c82ac7804f0398fcb19387",
                take="2750",
                put="2750",
            ),
            _split("split_zhou_EuroSAT.json"),
        ),
    ),
    "ucf101": _recipe("ucf101", "ucf101.zip"),
    "imagenet_v2": _recipe("imagenet_v2", "imagenetv2.zip"),
    "imagenet_sketch": _recipe("imagenet_sketch", "imagenet-sketch.zip"),
    "imagenet_a": _recipe("imagenet_a", "imagenet-adversarial.zip"),
    "imagenet_r": _recipe("imagenet_r", "imagenet-rendition.zip"),
}
