"""Class features in few bits: what ships, what is read back, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from vlprompt_pipeline.clip import ClipIdentity
from vlprompt_pipeline.config import ExportParameters, FeatureQuantization
from vlprompt_pipeline.errors import PromptFileError
from vlprompt_pipeline.export import ClassifierWeights
from vlprompt_pipeline.filesystem.tensor_files import save_tensors
from vlprompt_pipeline.parsing import parse

CLASSES, WIDTH = 40, 128


def weights() -> ClassifierWeights:
    """Features with two outlier columns in the place and size of a real CLIP's."""
    features = 0.044 * torch.randn(CLASSES, WIDTH, generator=torch.Generator().manual_seed(0))
    features[:, (9, 93)] = 0.55 + 0.02 * torch.randn(CLASSES, 2)
    names = tuple(f"class {number}" for number in range(CLASSES))
    return ClassifierWeights(
        F.normalize(features, dim=-1), names, 100.0, ClipIdentity("ab" * 32), "CoOp"
    )


def written(folder: Path, quantized: ClassifierWeights) -> Path:
    path = folder / "classifier_weights.safetensors"
    path.write_bytes(quantized.to_bytes())
    return path


@pytest.mark.parametrize(
    "settings", [*({"bits": bits} for bits in range(1, 9)), {"bits": 3, "rate": 1.5}], ids=str
)
def test_what_is_read_is_what_was_used(settings, tmp_path):
    full = weights()
    quantized = full.quantized(FeatureQuantization(**settings))
    path = written(tmp_path, quantized)
    read = ClassifierWeights.load(path)
    images = F.normalize(torch.randn(50, WIDTH), dim=-1)
    assert torch.equal(read.logits(images), quantized.logits(images))
    assert torch.equal(read.features, quantized.features)
    assert (read.class_names, read.title) == (full.class_names, full.title)
    assert read.to_bytes() == path.read_bytes()
    assert path.stat().st_size < len(full.to_bytes())


def test_more_bits_are_nearer_and_larger():
    full = weights()
    made = [full.quantized(FeatureQuantization(bits=bits)) for bits in (1, 2, 4, 8)]
    errors = [(each.features - full.features).square().mean().item() for each in made]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-3 * errors[0]
    sizes = [len(each.to_bytes()) for each in made]
    assert sizes == sorted(sizes)


def test_outlier_columns_do_not_spoil_one_bit():
    full = weights()
    one = full.quantized(FeatureQuantization(bits=1))
    images = F.normalize(full.features + 0.03 * torch.randn(CLASSES, WIDTH), dim=-1)
    right = (one.logits(images).argmax(1) == torch.arange(CLASSES)).float().mean()
    assert right > 0.95
    # cosines stay what they are, which they would not without the mean
    assert (one.logits(images) - full.logits(images)).abs().mean() < 10


def altered(path: Path, **changes) -> Path:
    """The same file with other tensors."""
    from safetensors import safe_open

    with safe_open(path, "pt") as stored:
        header = stored.metadata()
    tensors = {**load_file(path), **changes}
    save_file({name: t for name, t in tensors.items() if t is not None}, path, header)
    return path


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"codes": None}, "its tensors are"),
        ({"codes": torch.zeros(4)}, "its tensors are"),
        ({"mean": torch.zeros(8).bfloat16()}, "its tensors are"),
        ({"codes": torch.zeros(9, dtype=torch.uint8)}, "has no value or too many|takes"),
        ({"mean": torch.zeros(7).half()}, "do not go with 7 means"),
    ],
    ids=str,
)
def test_other_content_is_refused(changes, sentence, tmp_path):
    path = written(tmp_path, weights().quantized(FeatureQuantization(bits=2)))
    with pytest.raises(PromptFileError, match=sentence):
        ClassifierWeights.load(altered(path, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"features": torch.ones(1, 8)},
        {"features": torch.ones(8)},
        {"features": torch.full((2, 8), float("nan"))},
        {"features": torch.ones(2, 8, dtype=torch.int8)},
        {"features": None, "texts": torch.ones(2, 8)},
    ],
    ids=str,
)
def test_no_feature_of_each_class_is_refused(changes, tmp_path):
    path = written(tmp_path, weights())
    with pytest.raises(PromptFileError, match="holds no feature of each class"):
        ClassifierWeights.load(altered(path, **changes))


@pytest.mark.parametrize("header", [None, ["format"], "format", {"format": 3}])
def test_the_header_of_another_file_is_refused(header, tmp_path):
    path = tmp_path / "classifier_weights.safetensors"
    save_tensors(path, {"features": torch.ones(2, 8)}, "head", header)
    with pytest.raises(PromptFileError, match="holds no classifier weights"):
        ClassifierWeights.load(path)


def test_cut_codes_are_refused(tmp_path):
    path = written(tmp_path, weights().quantized(FeatureQuantization(bits=2)))
    codes = load_file(path)["codes"]
    for size in (0, 1, 3, 100, len(codes) - 1):
        with pytest.raises(PromptFileError, match="malformed"):
            ClassifierWeights.load(altered(path, codes=codes[:size].clone()))


def test_the_section_export_asks_for_it():
    section = parse(ExportParameters, {"quantize": {"bits": "3", "rate": "1.5"}}, "export")
    assert section.quantize == FeatureQuantization(bits=3, rate=1.5)
    with pytest.raises(ValidationError, match="not below bits 2"):
        FeatureQuantization(bits=2, rate=2.5)


def test_a_registered_model_answers_with_it(tiny_clip, tmp_path):
    from registry.test_classifier import classifier_of
    from vlprompt_pipeline.registry.classifier import Classifier

    made = classifier_of("coop", tiny_clip)
    head = made.head.quantized(FeatureQuantization(bits=4))
    read = ClassifierWeights.load(written(tmp_path, head))
    classifier = Classifier(made.card, tiny_clip, made.packed, read)
    images = F.normalize(torch.randn(5, tiny_clip.embed_dim), dim=-1)
    expected = head.logit_scale * images @ head.features.T
    assert torch.equal(torch.from_numpy(classifier.logits(images)), expected)
    assert not torch.equal(expected, torch.from_numpy(made.logits(images)))
    assert replace(head, codes=None).features.shape == made.head.features.shape
