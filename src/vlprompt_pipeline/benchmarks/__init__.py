"""The datasets: their official splits, their index, few-shot sets and base/new classes.

Nothing here knows a model, a method or Kedro.
"""

from vlprompt_pipeline.benchmarks.benchmark import Benchmark
from vlprompt_pipeline.benchmarks.checks import ImageCheck, check_images, inspect_images
from vlprompt_pipeline.benchmarks.class_split import (
    PUBLISHED_BASE_SHARE,
    ClassHalf,
    ClassSplit,
    split_classes,
)
from vlprompt_pipeline.benchmarks.few_shot import FewShotSet, sample_few_shot, sample_from_split
from vlprompt_pipeline.benchmarks.index import BenchmarkIndex, build_index
from vlprompt_pipeline.benchmarks.own_data import OwnData, build_own_index, require_known
from vlprompt_pipeline.benchmarks.random_benchmarks import require_splittable
from vlprompt_pipeline.benchmarks.random_split import RandomSplit
from vlprompt_pipeline.benchmarks.registry import (
    BENCHMARKS,
    MINIATURES,
    benchmarks_of,
    get_benchmark,
    is_benchmark,
)
from vlprompt_pipeline.benchmarks.schema import COLUMNS, PARTS, validate_index
from vlprompt_pipeline.benchmarks.split import PartCounts, Split, SplitSource
from vlprompt_pipeline.benchmarks.split_file import SplitFile, read_split
from vlprompt_pipeline.benchmarks.survey import Survey, survey_dataset
from vlprompt_pipeline.benchmarks.verification import verify_split

__all__ = [
    "BENCHMARKS",
    "COLUMNS",
    "MINIATURES",
    "PARTS",
    "PUBLISHED_BASE_SHARE",
    "Benchmark",
    "BenchmarkIndex",
    "ClassHalf",
    "ClassSplit",
    "FewShotSet",
    "ImageCheck",
    "OwnData",
    "PartCounts",
    "RandomSplit",
    "Split",
    "SplitFile",
    "SplitSource",
    "Survey",
    "benchmarks_of",
    "build_index",
    "build_own_index",
    "check_images",
    "get_benchmark",
    "inspect_images",
    "is_benchmark",
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
