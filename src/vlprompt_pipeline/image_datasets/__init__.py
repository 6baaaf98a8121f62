"""The datasets: their official splits, their index, few-shot sets and base/new classes.

Nothing here knows a model, a method or Kedro.
"""

from vlprompt_pipeline.image_datasets.card import DatasetCard
from vlprompt_pipeline.image_datasets.checks import ImageCheck, check_images, inspect_images
from vlprompt_pipeline.image_datasets.class_subsets import (
    PUBLISHED_BASE_SHARE,
    ClassSplit,
    ClassSubset,
    ClassSubsets,
    split_classes,
)
from vlprompt_pipeline.image_datasets.few_shot import FewShotSet, sample_few_shot, sample_from_split
from vlprompt_pipeline.image_datasets.image_dataset import ImageDataset
from vlprompt_pipeline.image_datasets.index import ImageIndex, build_index
from vlprompt_pipeline.image_datasets.own_data import OwnData, build_own_index, require_known
from vlprompt_pipeline.image_datasets.random_datasets import require_splittable
from vlprompt_pipeline.image_datasets.random_split import RandomSplit
from vlprompt_pipeline.image_datasets.registry import (
    IMAGE_DATASETS,
    MINIATURES,
    get_image_dataset,
    image_datasets_of,
    is_named_dataset,
)
from vlprompt_pipeline.image_datasets.schema import COLUMNS, PARTS, validate_index
from vlprompt_pipeline.image_datasets.split import PartCounts, Split, SplitSource
from vlprompt_pipeline.image_datasets.split_file import SplitFile, read_split
from vlprompt_pipeline.image_datasets.survey import Survey, survey_dataset
from vlprompt_pipeline.image_datasets.verification import verify_split

__all__ = [
    "COLUMNS",
    "IMAGE_DATASETS",
    "MINIATURES",
    "PARTS",
    "PUBLISHED_BASE_SHARE",
    "ClassSplit",
    "ClassSubset",
    "ClassSubsets",
    "DatasetCard",
    "FewShotSet",
    "ImageCheck",
    "ImageDataset",
    "ImageIndex",
    "OwnData",
    "PartCounts",
    "RandomSplit",
    "Split",
    "SplitFile",
    "SplitSource",
    "Survey",
    "build_index",
    "build_own_index",
    "check_images",
    "get_image_dataset",
    "image_datasets_of",
    "inspect_images",
    "is_named_dataset",
    "read_split",
    "require_known",
    "require_splittable",
    "sample_few_shot",
    "sample_from_split",
    "split_classes",
    "survey_dataset",
    "validate_index",
    "verify_split",
]
