"""From the files of a finished cell to versions of registered models."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from vlprompt_pipeline import registry
from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.clip.feature_records import EvaluationFeatures
from vlprompt_pipeline.config import ExportParameters, FeatureParameters, TrackingParameters
from vlprompt_pipeline.image_datasets import ClassSubsets, DatasetCard, FewShotSet
from vlprompt_pipeline.methods.trained import TrainedPrompt
from vlprompt_pipeline.registry.calibration import LabelledImages, calibrate_version
from vlprompt_pipeline.registry.classifier import INCLUDED
from vlprompt_pipeline.registry.config import RegistryParameters
from vlprompt_pipeline.registry.contents import Contents
from vlprompt_pipeline.registry.evidence import evidence_of
from vlprompt_pipeline.results.cells import StoredResults
from vlprompt_pipeline.results.compare_beside import compare_beside
from vlprompt_pipeline.results.config import BenchmarkReportParameters
from vlprompt_pipeline.results.grid import ReportRun
from vlprompt_pipeline.results.groups import read_records
from vlprompt_pipeline.results.records import CellRecord
from vlprompt_pipeline.results.verdicts import verdicts_of

logger = logging.getLogger(__name__)


def require_finished(
    tracking: TrackingParameters,
    project: Path,
    results: StoredResults,
    benchmark_report: BenchmarkReportParameters,
    recipes: dict[str, Any],
    clip_name: str,
    *finished: dict[str, Any],
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Check that MLflow answers, and read all records, before the first method is registered.

    Returns:
        The records of the cell, and by method the sentence of the report on its paired tests.

    Raises:
        ConfigError: tracking is switched off.
        UserError: MLflow does not answer.
    """
    registry.ModelRegistry.open(tracking, project)
    readable, problems = read_records(results.records)
    if not finished or not readable:
        return list(finished), {}
    first = CellRecord.model_validate(finished[0])
    run = ReportRun(clip_name)
    comparison = compare_beside(
        first, readable, problems, results.predictions, benchmark_report, run, tuple(recipes)
    )
    return list(finished), verdicts_of(comparison, first)


def register_method(
    *,
    record: dict[str, Any],
    prompt: TrainedPrompt,
    packed: bytes,
    predictions: pd.DataFrame,
    finished: list[dict[str, Any]],
    verdicts: dict[str, str],
    clip: FrozenClip,
    card: DatasetCard,
    images: pd.DataFrame,
    class_subsets: ClassSubsets,
    test_features: EvaluationFeatures,
    few_shot_set: FewShotSet,
    store: Path,
    features: FeatureParameters,
    export: ExportParameters,
    how: RegistryParameters,
    tracking: TrackingParameters,
    project: Path,
) -> dict[str, Any]:
    """Register a version of the model `<dataset>.<method>` as its candidate; keep the champion.

    If it is to answer "none of these", that is calibrated first.

    Raises:
        UserError: the files do not belong together, or MLflow refuses.
    """
    halves = {name: subset.class_names for name, subset in class_subsets.items()}
    names, decoding = export.class_names or card.class_names, test_features.decoding
    classifier = registry.classifier_of(prompt, packed, clip, names, card.template, decoding)
    fingerprints = dict(zip(images["path"], images["fingerprint"], strict=True))
    contents = Contents(
        classifier=classifier,
        evidence=evidence_of(predictions, halves, fingerprints),
        clip_source=INCLUDED if how.include_clip else clip.source,
        record=CellRecord.model_validate(record),
    )
    rows = LabelledImages(images, card, few_shot_set, store, features, project)
    calibrated = calibrate_version(classifier, rows, how.rejection, contents.name)
    classifier.rejection, effect = calibrated or (None, None)
    done = registry.register(
        registry.ModelRegistry.open(tracking, project),
        contents,
        registry.Evaluated(predictions, halves, card.folder, clip.arithmetic.precision),
        [result for other in finished for result in CellRecord.model_validate(other).methods],
        verdicts.get(contents.result.method, ""),
        how.check_images,
    )
    what = f"{done.checked} test images labelled as evaluated" if done.new else "nothing new in it"
    logger.info("%s is the candidate (%s)", done.version, what)
    if effect:
        logger.info("%s: %s", done.version, effect.sentence(classifier.rejection))
    return {
        "model": done.version.name,
        "version": done.version.number,
        "new": done.new,
        "checked_images": done.checked,
        "tags": dict(done.version.tags),
        "rejection": effect and classifier.rejection.model_dump(mode="json"),
        "rejection_on_test_images": effect and asdict(effect),
    }
