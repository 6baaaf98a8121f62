"""`vlprompt inspect`: what is in a packed prompt, read without torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vlprompt_pipeline.apps.options import FILE, FOLDER

_NEAREST = 5  # words of each context vector

if TYPE_CHECKING:
    from vlprompt_pipeline.export.packed import PackedPrompt
    from vlprompt_pipeline.export.tensors import PackedTensor


@click.command()
@click.argument("file", type=FILE)
@click.option(
    "--clip",
    type=FOLDER,
    help="Folder of the prompt's CLIP, for the words nearest to a trained context; not needed for "
    "the embedded one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for other programs.")
def inspect(file: Path, clip: Path | None, as_json: bool) -> None:
    """Show method, tensors, sizes, hashes and nearest words of a packed prompt.

    FILE is a prompt.vlp; its checksum is verified.
    """
    from vlprompt_pipeline.errors import UserError
    from vlprompt_pipeline.export.packed import unpack

    data = file.read_bytes()
    try:
        prompt = unpack(data)
    except UserError as error:
        raise click.ClickException(f"{file}: {error}") from None
    description = describe(prompt, data) | nearest_words(prompt, clip)
    click.echo(json.dumps(description, indent=1) if as_json else as_text(description))


def describe(prompt: PackedPrompt, data: bytes) -> dict[str, Any]:
    """Give everything that is shown, as plain values."""
    from vlprompt_pipeline.export.packed import prompt_sizes

    sizes = prompt_sizes(prompt)
    return {
        "method": prompt.method,
        "file_bytes": len(data),
        "payload_bytes": sizes.payload_bytes,
        "payload_bits": sizes.payload_bits,
        "fp16_bytes": sizes.fp16_bytes,
        "sha256": hashlib.sha256(data).hexdigest(),
        "clip_sha256": prompt.clip_sha256,
        "context_sha256": prompt.context_sha256,
        "metadata": dict(prompt.metadata),
        "tensors": [described(name, tensor) for name, tensor in prompt.tensors.items()],
    }


def nearest_words(prompt: PackedPrompt, clip: Path | None) -> dict[str, Any]:
    """Give the words nearest to each context vector, or the reason why there are none.

    Raises:
        click.ClickException: `clip` is not the prompt's.
    """
    from vlprompt_pipeline.errors import PromptFileError, WeightsError
    from vlprompt_pipeline.export.context import context_vectors
    from vlprompt_pipeline.token_table import (
        embedded_weights,
        find_weights_file,
        read_token_table,
    )

    try:
        vectors = context_vectors(prompt)
        weights = find_weights_file(clip) if clip else embedded_weights()
        table = read_token_table(weights, prompt.clip_sha256)
    except PromptFileError as error:
        return {"words": None, "no_words": str(error)}
    except WeightsError as error:
        if clip:
            raise click.ClickException(str(error)) from None
        return {"words": None, "no_words": "give the folder of its CLIP with --clip"}
    if vectors.shape[-1] != table.embeddings.shape[-1]:
        return {"words": None, "no_words": "its context is no sequence of tokens"}
    nearest = table.nearest(vectors, _NEAREST)
    return {"words": [[word._asdict() for word in words] for words in nearest], "no_words": None}


def described(name: str, tensor: PackedTensor) -> dict[str, Any]:
    """Return the row of a stored tensor: shape, encoding, codebooks and bytes."""
    from vlprompt_pipeline.export.tensors import DenseTensor, QuantizedTensor, StructuredTensor

    dense = isinstance(tensor, DenseTensor)
    several = len(tensor.codebooks) if isinstance(tensor, QuantizedTensor) else 1
    has_indices = isinstance(tensor, QuantizedTensor | StructuredTensor)
    coded = ", entropy-coded" if has_indices and tensor.stored_indices[1] else ""
    return {
        "name": name,
        "shape": list(tensor.shape),
        "encoding": str(tensor.values.dtype) if dense else f"{tensor.bits}-bit{coded}",
        "codebooks": 0 if dense else several,
        "bytes": tensor.payload_bytes,
    }


def as_text(description: dict[str, Any]) -> str:
    """Lay the values out for a terminal."""
    metadata, clip = dict(description["metadata"]), f"weights {description['clip_sha256']}…"
    if "clip" in metadata:
        clip += f"; number {metadata.pop('clip')} of weights, model, preprocessing and tokenizer"
    fields = {
        "method": description["method"],
        "file": f"{description['file_bytes']:,} bytes",
        "payload": (
            f"{description['payload_bytes']:,} bytes, of which values or indices take "
            f"{description['payload_bits']:,} bits"
        ),
        "as fp16": f"{description['fp16_bytes']:,} bytes",
        "sha256": description["sha256"],
        "CLIP": clip,
        "context": f"{description['context_sha256']}…",
        **metadata,
    }
    width = max(map(len, fields))
    lines = [f"{title:<{width}}  {value}" for title, value in fields.items()]
    for tensor in description["tensors"]:
        shape = " × ".join(map(str, tensor["shape"])) or "one value"
        codebooks = f", {tensor['codebooks']} codebook(s)" if tensor["codebooks"] else ""
        lines.append(
            f"{'tensor':<{width}}  {tensor['name']}: {shape}, {tensor['encoding']}{codebooks}, "
            f"{tensor['bytes']:,} bytes"
        )
    for number, words in enumerate(description["words"] or ()):
        near = ", ".join(f"{word['text']} {word['cosine']:.2f}" for word in words)
        lines.append(f"{'words' if number == 0 else '':<{width}}  {number + 1}: {near}")
    if description["no_words"]:
        lines.append(f"{'words':<{width}}  none: {description['no_words']}")
    return "\n".join(lines)
