"""Prompts that the tests of the packed format share."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from vlprompt_pipeline.export import DenseTensor, PackedPrompt, PackedTensor, QuantizedTensor
from vlprompt_pipeline.export.tensors import ProjectedTensor, StructuredTensor

CLIP = hashlib.sha256(b"weights").hexdigest()
CONTEXT = hashlib.sha256(b"context").hexdigest()
VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))


def quantized(*shape: int, bits: int = 1, seed: int = 0) -> QuantizedTensor:
    draw = np.random.default_rng(seed)
    codebooks = np.sort(draw.normal(0, 0.02, (1, 2**bits))).astype(np.float16)
    return QuantizedTensor(draw.integers(0, 2**bits, shape, dtype=np.uint8), codebooks)


def skewed(*shape: int, bits: int = 2, seed: int = 0) -> QuantizedTensor:
    """Most indices are one of two entries, so that they are entropy-coded."""
    plain = quantized(*shape, bits=bits, seed=seed)
    rare = np.random.default_rng(seed).random(shape) < 0.05
    common = np.minimum(plain.indices % 2, bits - 1)  # with one bit only the first
    return QuantizedTensor(np.where(rare, plain.indices, common), plain.codebooks)


def structured(rows: int, columns: int, bits: int = 2) -> StructuredTensor:
    """With column 1 kept, its other indices entropy-coded where there are enough."""
    draw = np.random.default_rng(1)
    halves = (2**bits, rows, columns - 1, rows)
    book, by_row, by_column, kept = (draw.normal(0, 1, n).astype(np.float16) for n in halves)
    indices = skewed(rows, columns - 1, bits=bits).indices
    places = np.array([1], np.intp)
    shape = (rows, columns)
    return StructuredTensor(shape, indices, book, by_row, by_column, kept[:, None], places)


def later() -> PackedPrompt:
    """Every encoding that came after the first version."""
    change = ProjectedTensor((4, 8), np.arange(5, dtype=np.uint8), np.float16(0.5), 3)
    several = skewed(64, 8)
    books = np.repeat(several.codebooks, 2, axis=0) * np.float16([[1], [2]])
    tensors = {
        "coded": skewed(20, 16),
        "change": change,
        "plain": structured(2, 4),
        "scaled": structured(24, 12),
        "several": QuantizedTensor(several.indices, books),
    }
    return PackedPrompt("coop", tensors, CLIP, CONTEXT)


def qcoop(bits: int = 1) -> PackedPrompt:
    return PackedPrompt("coop", {"context": quantized(4, 512, bits=bits)}, CLIP, CONTEXT)


def qmaple() -> PackedPrompt:
    """Prompts and projections of MaPLe on ViT-B/16 as the published size counts them."""
    shapes = {"context": (2, 512)}
    shapes |= {f"deep_context.{n}": (2, 512) for n in range(8)}
    shapes |= {f"projections.{n}.weight": (768, 512) for n in range(9)}
    tensors = {name: quantized(*shape, bits=4) for name, shape in shapes.items()}
    return PackedPrompt("maple", tensors, CLIP, CONTEXT)


def rank_one() -> PackedPrompt:
    tensors = {"context.a": quantized(4, 1), "context.b": quantized(1, 512)}
    return PackedPrompt("coop", tensors, CLIP, CONTEXT)


def from_vector(vector: dict) -> PackedPrompt:
    tensors: dict[str, PackedTensor] = {}
    for name, tensor in vector["tensors"].items():
        if "bits" in tensor:
            indices = np.array(tensor["indices"], np.uint8).reshape(tensor["shape"])
            tensors[name] = QuantizedTensor(indices, np.array(tensor["codebooks"], np.float16))
        else:
            values = np.array(tensor["values"], tensor["dtype"]).reshape(tensor["shape"])
            tensors[name] = DenseTensor(values)
    return PackedPrompt(
        vector["method"], tensors, vector["clip"], vector["context"], vector["metadata"]
    )


def described(prompt: PackedPrompt) -> dict:
    """A prompt in the terms of vectors.json."""
    tensors: dict[str, dict] = {}
    for name, tensor in prompt.tensors.items():
        if isinstance(tensor, QuantizedTensor):
            tensors[name] = {
                "shape": list(tensor.shape),
                "bits": tensor.bits,
                "codebooks": tensor.codebooks.tolist(),
                "indices": tensor.indices.flatten().tolist(),
            }
        else:
            tensors[name] = {
                "shape": list(tensor.shape),
                "dtype": str(tensor.values.dtype),
                "values": tensor.values.flatten().tolist(),
            }
    return {
        "method": prompt.method,
        "clip": prompt.clip_sha256,
        "context": prompt.context_sha256,
        "metadata": dict(prompt.metadata),
        "tensors": tensors,
    }
