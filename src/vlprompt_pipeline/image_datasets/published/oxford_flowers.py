"""Oxford Flowers 102: kinds of flowers that are common in the United Kingdom.

    oxford_flowers/jpg/image_00001.jpg
    oxford_flowers/split_zhou_OxfordFlowers.json

Labels follow the official class numbers, less 1. The rows do not stand in the order of the labels
(the first is of label 76), which few-shot sampling depends on.
"""

from vlprompt_pipeline.image_datasets.download_recipe import Checksum, DownloadFile
from vlprompt_pipeline.image_datasets.miniatures.form import same_pattern
from vlprompt_pipeline.image_datasets.split import PartCounts
from vlprompt_pipeline.image_datasets.split_file_dataset import split_file_dataset

split_file_dataset(
    name="oxford_flowers",
    title="Flowers102",
    folder="oxford_flowers",
    image_prefix="jpg",
    split_file="split_zhou_OxfordFlowers.json",
    template="a photo of a {}, a type of flower.",
    classes=102,
    counts=PartCounts(train=4093, val=1633, test=2463),
    split_sha256="671c1e5488ecca9dabc3ce302ec0b1b4e2ff434697404c7a9221b5f828d4b54c",
    licence="not stated by the authors; the pictures are of several owners on the web",
    citation=(
        "M.-E. Nilsback, A. Zisserman: Automated flower classification over a large number of "
        "classes, ICVGIP 2008"
    ),
    images="https://www.robots.ox.ac.uk/~vgg/data/flowers/102",
    column=5,
    bundle="oxford_flowers.zip",
    archive=DownloadFile(
        url="https://www.robots.ox.ac.uk/~vgg/data/flowers/102/102flowers.tgz",
        checksum=Checksum("md5", "52808999861908f626f3c1f4e79d11fa"),
        take="jpg",
        put="jpg",
    ),
    miniature=same_pattern(
        "image_{serial:05}.jpg", "pink primrose", "canterbury bells", "sweet pea", "rose"
    ),
)
