"""The datasets: their official splits, their index, few-shot sets and base/new classes.

Nothing here knows a model, a method or Kedro.
"""

from vlprompt_pipeline.benchmarks.benchmark import Benchmark
from vlprompt_pipeline.benchmarks.checks import ImageCheck, check_images, inspect_images
from vlprompt_pipeline.benchmarks.class_split import ClassHalf, ClassSplit, split_classes
from vlprompt_pipeline.benchmarks.few_shot import FewShotSet, sample_few_shot, sample_from_split
from vlprompt_pipeline.benchmarks.index import BenchmarkIndex, build_index
from vlprompt_pipeline.benchmarks.registry import (
    BENCHMARKS,
    MINIATURES,
    benchmarks_of,
    get_benchmark,
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
    "Benchmark",
    "BenchmarkIndex",
    "ClassHalf",
    "ClassSplit",
    "FewShotSet",
    "ImageCheck",
    "PartCounts",
    "Split",
    "SplitFile",
    "SplitSource",
    "Survey",
    "benchmarks_of",
    "build_index",
    "check_images",
    "get_benchmark",
    "inspect_images",
    "read_split",
    "sample_few_shot",
    "sample_from_split",
    "split_classes",
    "survey_dataset",
    "validate_index",
    "verify_split",
]
