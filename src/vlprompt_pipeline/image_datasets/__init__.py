"""The datasets: their official splits, their index, few-shot sets and base/new classes.

Nothing here knows a model, a method or Kedro. Importing the package registers every dataset of
`published` and `rendered`.
"""

from importlib import import_module

from vlprompt_pipeline.image_datasets.card import DatasetCard
from vlprompt_pipeline.image_datasets.class_subsets import (
    PUBLISHED_BASE_SHARE,
    ClassSubset,
    ClassSubsets,
    split_classes,
)
from vlprompt_pipeline.image_datasets.download_recipe import (
    Checksum,
    DownloadFile,
    DownloadRecipe,
    DownloadSource,
)
from vlprompt_pipeline.image_datasets.few_shot import (
    FewShotSet,
    ShortClasses,
    sample_few_shot,
    sample_from_split,
)
from vlprompt_pipeline.image_datasets.image_checks import check_images, inspect_images
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.index import ImageIndex, build_index
from vlprompt_pipeline.image_datasets.lookup import (
    IMAGE_DATASETS,
    get_image_dataset,
    is_named_dataset,
    list_image_datasets,
    register_dataset,
)
from vlprompt_pipeline.image_datasets.miniatures.form import (
    MiniatureForm,
    same_pattern,
    split_file_writer,
)
from vlprompt_pipeline.image_datasets.own_data.build import (
    OwnData,
    build_own_index,
    own_class_names,
)
from vlprompt_pipeline.image_datasets.own_data.location import require_dataset_name
from vlprompt_pipeline.image_datasets.random_datasets import require_splittable
from vlprompt_pipeline.image_datasets.random_split import RandomSplit
from vlprompt_pipeline.image_datasets.schema import COLUMNS, PARTS, validate_index
from vlprompt_pipeline.image_datasets.split import PartCounts, Split
from vlprompt_pipeline.image_datasets.split_file import SplitFile, read_split
from vlprompt_pipeline.image_datasets.survey import Survey, survey_dataset
from vlprompt_pipeline.image_datasets.verification import verify_split

__all__ = [
    "COLUMNS",
    "IMAGE_DATASETS",
    "PARTS",
    "PUBLISHED_BASE_SHARE",
    "Checksum",
    "ClassSubset",
    "ClassSubsets",
    "DatasetCard",
    "DownloadFile",
    "DownloadRecipe",
    "DownloadSource",
    "FewShotSet",
    "ImageDataset",
    "ImageIndex",
    "MiniatureForm",
    "OwnData",
    "PartCounts",
    "RandomSplit",
    "ShortClasses",
    "Split",
    "SplitFile",
    "Survey",
    "build_index",
    "build_own_index",
    "check_images",
    "get_image_dataset",
    "inspect_images",
    "is_named_dataset",
    "list_image_datasets",
    "own_class_names",
    "read_split",
    "register_dataset",
    "require_dataset_name",
    "require_splittable",
    "same_pattern",
    "sample_few_shot",
    "sample_from_split",
    "split_classes",
    "split_file_writer",
    "survey_dataset",
    "validate_index",
    "verify_split",
]

for _module in ("published", "rendered_datasets"):
    import_module(f"{__name__}.{_module}")
