"""Oxford Flowers 102: kinds of flowers that are common in the United Kingdom.

    oxford_flowers/jpg/image_00001.jpg
    oxford_flowers/split_zhou_OxfordFlowers.json

Labels follow the official class numbers, less 1. The rows do not stand in the order of the labels
(the first is of label 76), which few-shot sampling depends on.
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
from vlprompt_pipeline.image_datasets.split import PartCounts
from vlprompt_pipeline.image_datasets.split_file import SPLIT_FILES, SplitFile

OXFORD_FLOWERS = ImageDataset(
    name="oxford_flowers",
    title="Flowers102",
    folder="oxford_flowers",
    image_prefix="jpg",
    split=SplitFile("split_zhou_OxfordFlowers.json"),
    template="a photo of a {}, a type of flower.",
    classes=102,
    counts=PartCounts(train=4093, val=1633, test=2463),
    split_sha256="671c1e5488ecca9dabc3ce302ec0b1b4e2ff434697404c7a9221b5f828d4b54c",
    licence="not stated by the authors; the pictures are of several owners on the web",
    citation=(
        "M.-E. Nilsback, A. Zisserman: Automated flower classification over a large number of "
        "classes, ICVGIP 2008"
    ),
    source=(
        f"https://www.robots.ox.ac.uk/~vgg/data/flowers/102 (images) and {SPLIT_FILES} "
        "(split_zhou_OxfordFlowers.json)"
    ),
    column=5,
    download=bundled_download(
        "oxford_flowers.zip",
        official_archive(
            "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/102flowers.tgz",
            md5="52808999861908f626f3c1f4e79d11fa",
            take="jpg",
            put="jpg",
        ),
        split_file_download("split_zhou_OxfordFlowers.json"),
    ),
    few_shot_digests={
        (1, 1): ("2daab14963c6ec10", "4d89ce5311edccf0"),
        (1, 2): ("8a4f502d89d84c67", "5018e3f220f1c1fa"),
        (2, 1): ("a84baaeb19946394", "bacc42f3e21fd4fc"),
        (2, 2): ("e073481285edea3d", "cdc785e80dd943de"),
        (4, 1): ("e5985e072e37b68a", "62405fc2be3b8619"),
        (4, 2): ("55e7ea1857e1e72e", "41e3e3309c0dcdb3"),
        (8, 1): ("dfa442a910bb723d", "103308f28b355f11"),
        (8, 2): ("d312aabed365fc18", "92c0e77febef295e"),
        (16, 1): ("ea366f552e24a82b", "3a88b427e7b187eb"),
        (16, 2): ("3966d8c7701959cc", "c14f6cff29a850b7"),
    },
    miniature=MiniatureForm(
        split_file_writer("split_zhou_OxfordFlowers.json"),
        same_pattern(
            "image_{serial:05}.jpg", "pink primrose", "canterbury bells", "sweet pea", "rose"
        ),
    ),
)
register_dataset(OXFORD_FLOWERS)
