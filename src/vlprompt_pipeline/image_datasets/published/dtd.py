"""Describable Textures Dataset: 47 words for textures.

    dtd/images/<texture>/<texture>_0001.jpg
    dtd/split_zhou_DescribableTextures.json

A class is called like its folder; labels follow the ASCII order of the folders. The parts are none
of the ten official ones in `labels/`.
"""

from vlprompt_pipeline.image_datasets.download_recipe import (
    bundled_download,
    official_archive,
    split_file_download,
)
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.lookup import register_dataset
from vlprompt_pipeline.image_datasets.miniatures.annotate import split_file_writer
from vlprompt_pipeline.image_datasets.miniatures.form import MiniatureForm, same_pattern
from vlprompt_pipeline.image_datasets.path_labels import PathLabels
from vlprompt_pipeline.image_datasets.split import PartCounts
from vlprompt_pipeline.image_datasets.split_file import SPLIT_FILES, SplitFile

DTD = ImageDataset(
    name="dtd",
    title="DTD",
    folder="dtd",
    image_prefix="images",
    split=SplitFile("split_zhou_DescribableTextures.json"),
    template="{} texture.",
    classes=47,
    counts=PartCounts(train=2820, val=1128, test=1692),
    split_sha256="205cdfbf659a2ee1413e888d8e63b789c7d61e1eff297c64d486d33bb9e35bb7",
    licence="for research, as the authors say",
    citation=(
        "M. Cimpoi, S. Maji, I. Kokkinos, S. Mohamed, A. Vedaldi: Describing textures in the "
        "wild, CVPR 2014"
    ),
    source=(
        f"https://www.robots.ox.ac.uk/~vgg/data/dtd, release 1.0.1 (images) and {SPLIT_FILES} "
        "(split_zhou_DescribableTextures.json)"
    ),
    column=9,
    download=bundled_download(
        "dtd.zip",
        official_archive(
            "https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz",
            md5="fff73e5086ae6bdbea199a49dfb8a4c1",
            take="dtd/images",
            put="images",
        ),
        split_file_download("split_zhou_DescribableTextures.json"),
    ),
    path_labels=PathLabels(),
    few_shot_digests={
        (1, 1): ("b6fe093e7582761b", "15a11c6b2c668d67"),
        (1, 2): ("c7f43426ed215180", "d6c33b2b53104421"),
        (2, 1): ("9b0e1814f8a9ff23", "f2722f161a846278"),
        (2, 2): ("c25a49518b77765f", "e90164ba40613807"),
        (4, 1): ("dd940a9d81e78cdb", "49e4327b619d45c3"),
        (4, 2): ("4da34d2cfa42aff5", "bdb762a35860759d"),
        (8, 1): ("c08865ab5423f087", "664fb91c74cad14f"),
        (8, 2): ("9ef7dd16fe07d185", "11decfb8dc600a9e"),
        (16, 1): ("daf3b28e531fbc4b", "9ef81bd9b8f31885"),
        (16, 2): ("a34259006a2af32a", "82e7c16834cbe39f"),
    },
    miniature=MiniatureForm(
        split_file_writer("split_zhou_DescribableTextures.json"),
        same_pattern("*/*_{number:04}.jpg", "banded", "blotchy", "polka-dotted", "zigzagged"),
    ),
)
register_dataset(DTD)
