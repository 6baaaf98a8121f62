"""Describable Textures Dataset: 47 words for textures.

    dtd/images/<texture>/<texture>_0001.jpg
    dtd/split_zhou_DescribableTextures.json

A class is called like its folder; labels follow the ASCII order of the folders. The parts are none
of the ten official ones in `labels/`.
"""

from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
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
)
