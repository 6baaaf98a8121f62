"""Classifiers of few-shot images and their quantization on features of a real CLIP.

Run: python tests/speed/real_features.py [shots | bits | rates | file] [folder]

The folder holds `caltech101_80_classes.safetensors`: normalised features of photos and texts by a
CLIP, with `test`, `train_{1,2,4,8,16}_shots`, their labels and `text`. Without it nothing can be
measured. `shots` compares heads at 1 to 16 shots; `bits`, `rates` and `file`
are tables of docs/quantization.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from vlprompt_pipeline.arithmetic import Arithmetic
from vlprompt_pipeline.clip import ClipIdentity
from vlprompt_pipeline.clip.known_words import KnownWords
from vlprompt_pipeline.clip.tokenizers import clip_tokenizer
from vlprompt_pipeline.config import FeatureQuantization, TrainingParameters
from vlprompt_pipeline.export import ClassifierWeights
from vlprompt_pipeline.export.packed import PackedPrompt, pack, unpack
from vlprompt_pipeline.export.tensors import StructuredTensor
from vlprompt_pipeline.methods import ClassTexts, FewShotFeatures, PromptLearner, get_method
from vlprompt_pipeline.parametrizations.clustering import kmeans_1d
from vlprompt_pipeline.parametrizations.scaled import ScaledCodes, fit_scaled
from vlprompt_pipeline.training import CachedViews, train

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "clip_vitb32_features"
SHOTS, BITS, SCALE = (1, 2, 4, 8, 16), (1, 2, 3, 4), 100.0
RATES = (0.8, 1.2, 1.5, 2.1)  # bits of an index once it is entropy-coded
ADAMW = {"optimizer": "adamw", "epsilon": 1e-4, "momentum": 0.0, "weight_decay": 0.01}
NO_WARMUP = {"warmup_epochs": 0, "warmup_lr": 0.0}
HEADS = {  # method: parameters, training
    "gda": ({"covariance": "pooled", "new_classes": False}, None),
    "clap": (
        {"constraint": True},
        {"epochs": 300, "batch_size": 256, "lr": 0.1, "momentum": 0.9, "weight_decay": 0.0}
        | {"warmup_epochs": 1, "warmup_lr": 1e-5},
    ),
    "tip_adapter_f": (
        {"alpha": {"initial": 2.0, "to": 13.0, "steps": 20}}
        | {"beta": {"initial": 1.0, "to": 13.0, "steps": 200}},
        {"epochs": 20, "batch_size": 256, "lr": 0.001, **ADAMW, **NO_WARMUP},
    ),
    "lp_plus_plus": ({"steps": 300}, None),
    "linear_probe": ({"bisections": 8}, None),
}


class GivenTexts:
    """Stands for a CLIP whose text features are given; no head asks for more."""

    def __init__(self, texts: Tensor) -> None:
        self.texts, self.embed_dim, self.logit_scale = texts, texts.shape[1], SCALE
        self.device, self.dtype = texts.device, texts.dtype
        self.arithmetic = Arithmetic("cpu", threads=1)
        self.words = KnownWords(clip_tokenizer(), None, "given")

    def encode_texts(self, texts: list[str], cut: bool = False) -> Tensor:
        """All of them, in label order."""
        return self.texts

    def computing(self, dtype: torch.dtype, memory: int | None = None) -> GivenTexts:
        """In single precision always."""
        return self

    encode_texts_raw = encode_texts


def read(folder: Path) -> SimpleNamespace:
    """Features in single precision, labels in int64."""
    stored = load_file(folder / "caltech101_80_classes.safetensors")
    values = {n: t.float() if t.is_floating_point() else t.long() for n, t in stored.items()}
    few = {}
    for shots in SHOTS:
        images = F.normalize(values[f"train_{shots}_shots"], dim=-1)
        few[shots] = (images, values[f"train_{shots}_shots_labels"])
    generator = torch.Generator().manual_seed(0)
    chosen = []
    for label in range(len(values["text"])):  # four of a class, as a few-shot set has
        rows = (values["validation_labels"] == label).nonzero()[:, 0]
        chosen.append(rows[torch.randperm(len(rows), generator=generator)[:4]])
    rows = torch.cat(chosen)
    return SimpleNamespace(
        text=F.normalize(values["text"], dim=-1),
        test=F.normalize(values["test"], dim=-1),
        labels=values["test_labels"],
        validation=F.normalize(values["validation"][rows], dim=-1),
        validation_labels=values["validation_labels"][rows],
        few=few,
    )


def fitted(name: str, data: SimpleNamespace, shots: int) -> PromptLearner:
    """A head at a number of shots."""
    parameters, training = HEADS[name]
    method = get_method(name)
    texts = {} if name == "linear_probe" else {"templates": "benchmark"}
    classes = ClassTexts(tuple(f"{label}" for label in range(len(data.text))), "{}")
    chosen = method.parameters(**parameters, **texts)
    learner = method.learner(GivenTexts(data.text), classes, chosen, torch.Generator())
    images, labels = data.few[shots]
    few_shot = FewShotFeatures(images, labels, data.validation, data.validation_labels)
    learner.fit(few_shot)
    if training:
        settings = TrainingParameters(**training)
        batches = CachedViews(images[:, None], labels, settings.batch_size, seed=1)
        train(learner, batches, settings)
    learner.settle(few_shot)
    return learner.eval()


@torch.no_grad()
def right(logits: Tensor, data: SimpleNamespace) -> float:
    """Percent of the test images."""
    return 100 * (logits.argmax(-1) == data.labels).float().mean().item()


def shots_table(data: SimpleNamespace) -> None:
    """Heads side by side."""
    print("| head |", " | ".join(f"{shots}" for shots in SHOTS), "|")
    print("| zero-shot |", " | ".join([f"{right(data.test @ data.text.T, data):.1f}"] * 5), "|")
    for name in HEADS:
        found = [right(fitted(name, data, shots).logits(data.test), data) for shots in SHOTS]
        print(f"| {name} |", " | ".join(f"{each:.1f}" for each in found), "|", flush=True)


def whole(weight: Tensor, bits: int, moment: np.ndarray) -> Tensor:
    """One exact codebook for the matrix as it is."""
    return _by_codebook(weight, bits, None)


def centred(weight: Tensor, bits: int, moment: np.ndarray) -> Tensor:
    """The mean over classes taken off first."""
    return _by_codebook(weight - weight.mean(0), bits, None)


def by_column(weight: Tensor, bits: int, moment: np.ndarray) -> Tensor:
    """And a codebook for each column."""
    return _by_codebook(weight - weight.mean(0), bits, 0)


def scaled(weight: Tensor, bits: int, moment: np.ndarray) -> Tensor:
    """And one codebook with scales of rows and columns."""
    return torch.from_numpy(fit_scaled((weight - weight.mean(0)).numpy(), bits).decode())


def weighted(weight: Tensor, bits: int, moment: np.ndarray) -> Tensor:
    """And codes chosen by what their error does to logits of the few-shot images."""
    matrix = (weight - weight.mean(0)).numpy()
    return torch.from_numpy(fit_scaled(matrix, bits, moment).decode())


def _by_codebook(weight: Tensor, bits: int, axis: int | None) -> Tensor:
    def shown(values: np.ndarray) -> np.ndarray:
        entries = kmeans_1d(values, 2**bits)
        return entries[np.searchsorted((entries[1:] + entries[:-1]) / 2, values)]

    values = weight.double().numpy()
    found = shown(values) if axis is None else np.apply_along_axis(shown, axis, values)
    return torch.from_numpy(found).float()


RULES: tuple[Callable[[Tensor, int, np.ndarray], Tensor], ...] = (
    whole,
    centred,
    by_column,
    scaled,
    weighted,
)


def bits_table(data: SimpleNamespace) -> None:
    """Head × bits × rule at 16 shots; of what is stored, only the matrix is quantized."""
    images = data.few[16][0].double().numpy()
    moment = images.T @ images / len(images)
    print("| head | rule | full |", " | ".join(f"{bits} bits" for bits in BITS), "|")
    for name in ("zero-shot", *HEADS):
        learner = None if name == "zero-shot" else fitted(name, data, 16)
        matrix, score = _linear(learner, data)
        for rule in RULES:
            found = []
            for bits in BITS:
                found.append(right(score(rule(matrix, bits, moment)), data))
            row = " | ".join(f"{each:.1f}" for each in found)
            print(f"| {name} | {rule.__name__} | {right(score(matrix), data):.1f} | {row} |")
        sys.stdout.flush()


def rates_table(data: SimpleNamespace) -> None:
    """Head × rule × rate at 16 shots: percent right, and bits a weight of the file, all of it."""
    images = data.few[16][0].double().numpy()
    moments = {"scaled": None, "weighted": images.T @ images / len(images)}
    print("| head | rule |", " | ".join(f"rate {rate:g}" for rate in RATES), "|")
    for name in ("zero-shot", "gda", "clap", "lp_plus_plus", "linear_probe"):
        learner = None if name == "zero-shot" else fitted(name, data, 16)
        matrix, score = _linear(learner, data)
        matrix = matrix - matrix.mean(0)
        for rule, moment in moments.items():
            found = []
            for rate in RATES:
                codes = fit_scaled(matrix.numpy(), 3, moment, rate)
                size = len(_file(name, codes))
                read = unpack(_file(name, codes)).tensors["weight"].decode()
                percent = right(score(torch.from_numpy(read)), data)
                found.append(f"{percent:.1f} at {8 * size / matrix.numel():.2f}")
            print(f"| {name} | {rule} |", " | ".join(found), "|", flush=True)


def file_table(data: SimpleNamespace) -> None:
    """Bytes and percent right of the file of class features, in full and in few bits."""
    names = tuple(f"class {number}" for number in range(len(data.text)))
    full = ClassifierWeights(data.text, names, SCALE, ClipIdentity("0" * 64), "Zero-shot CLIP")
    print("| bits | file | bits a feature | right |")
    quantized = [FeatureQuantization(bits=bits) for bits in (8, 4, 3, 2, 1)]
    for each in (None, FeatureQuantization(bits=3, rate=2.1), *quantized):
        weights = full.quantized(each) if each else full
        size = len(weights.to_bytes())
        how = (f"{each.bits}, rate {each.rate:g}" if each.rate else each.bits) if each else "full"
        percent = right(weights.logits(data.test), data)
        print(f"| {how} | {size:,} | {8 * size / data.text.numel():.2f} | {percent:.1f} |")


def _file(name: str, codes: ScaledCodes) -> bytes:
    """The packed prompt of a matrix without a bias."""
    none = np.zeros((len(codes.rows), 0), np.float16), np.zeros(0, np.intp)
    parts = codes.indices, codes.codebook, codes.rows, codes.columns, *none
    tensor = StructuredTensor(codes.indices.shape, *parts)
    return pack(PackedPrompt(name, {"weight": tensor}, "0" * 64, "0" * 64))


def _linear(
    learner: PromptLearner | None, data: SimpleNamespace
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """A head's matrix, and its logits from another in that place."""
    if learner is None:
        return data.text, lambda matrix: data.test @ matrix.T
    tensors = learner.prompt_tensors()
    if "images" in tensors:  # Tip-Adapter's memory: quantized images, whatever their class
        shape = tensors["images"].shape
        mean = tensors["images"].flatten(0, 1).mean(0)

        def recall(matrix: Tensor) -> Tensor:
            plain = matrix.mean(0).norm() < 0.5 * mean.norm()  # the mean was taken off
            stored = matrix + mean if plain else matrix
            with torch.no_grad():
                learner.images.copy_(stored.view(shape))
                return learner.logits(data.test)

        return tensors["images"].flatten(0, 1), recall
    if "prototypes" in tensors:  # CLAP
        return F.normalize(tensors["prototypes"], dim=-1), lambda matrix: data.test @ matrix.T
    weight, bias = tensors["weight"], tensors.get("bias", 0.0)
    if "alpha" in tensors:  # LP++
        weight = weight + tensors["alpha"][:, None] * data.text
    return weight, lambda matrix: data.test @ matrix.T + bias


if __name__ == "__main__":
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else FOLDER
    if not (folder / "caltech101_80_classes.safetensors").is_file():
        sys.exit(f"no features in {folder.name}: nothing is measured")
    torch.manual_seed(0)
    which = sys.argv[1] if len(sys.argv) > 1 else "bits"
    {"shots": shots_table, "bits": bits_table, "rates": rates_table, "file": file_table}[which](
        read(folder)
    )
