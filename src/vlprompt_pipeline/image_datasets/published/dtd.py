"""Describable Textures Dataset: 47 words for textures.

    dtd/images/<texture>/<texture>_0001.jpg
    dtd/split_zhou_DescribableTextures.json

A class is called like its folder; labels follow the ASCII order of the folders. The parts are none
of the ten official ones in `labels/`.
"""

from vlprompt_pipeline.image_datasets.download_recipe import Checksum, DownloadFile
from vlprompt_pipeline.image_datasets.miniatures.form import same_pattern
from vlprompt_pipeline.image_datasets.path_labels import PathLabels
from vlprompt_pipeline.image_datasets.split import PartCounts
from vlprompt_pipeline.image_datasets.split_file_dataset import split_file_dataset

split_file_dataset(
    name="dtd",
    title="DTD",
    folder="dtd",
    image_prefix="images",
    split_file="split_zhou_DescribableTextures.json",
    template="{} texture.",
    classes=47,
    counts=PartCounts(train=2820, val=1128, test=1692),
    split_sha256="205cdfbf659a2ee1413e888d8e63b789c7d61e1eff297c64d486d33bb9e35bb7",
    licence="for research, as the authors say",
    citation=(
        "M. Cimpoi, S. Maji, I. Kokkinos, S. Mohamed, A. Vedaldi: Describing textures in the "
        "wild, CVPR 2014"
    ),
    images="https://www.robots.ox.ac.uk/~vgg/data/dtd, release 1.0.1",
    column=9,
    bundle="dtd.zip",
    archive=DownloadFile(
        url="https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz",
        checksum=Checksum("md5", "fff73e5086ae6bdbea199a49dfb8a4c1"),
        take="dtd/images",
        put="images",
    ),
    path_labels=PathLabels(),
    miniature=same_pattern("*/*_{number:04}.jpg", "banded", "blotchy", "polka-dotted", "zigzagged"),
)
