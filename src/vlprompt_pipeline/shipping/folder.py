"""Write the folder that ships."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from vlprompt_pipeline import __version__
from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.filesystem.files import atomic_folder, write_hashes
from vlprompt_pipeline.images import LONGEST_RATIO
from vlprompt_pipeline.shipping.contents import ShippedModel
from vlprompt_pipeline.shipping.graphs import ImageGraph, TextGraph, has_open_classes
from vlprompt_pipeline.shipping.layout import (
    FORMAT,
    GRAPH,
    HASHES,
    REJECTION,
    SUFFIXES,
    TEXT_GRAPH,
    TOKENIZER,
)
from vlprompt_pipeline.shipping.measurements import BATCH, VariantMeasurement, measure_variants
from vlprompt_pipeline.shipping.onnx_files import (
    OPSET,
    export_graph,
    require_onnx,
    to_four_bits,
    to_half,
    to_int8,
)
from vlprompt_pipeline.shipping.samples import ImageSamples
from vlprompt_pipeline.shipping.texts import text_description, write_tokenizer
from vlprompt_pipeline.shipping.web_page import write_web_page
from vlprompt_pipeline.templates import templates_of
from vlprompt_pipeline.wording import human_bytes

MOST_BYTES = 2_000_000_000
"""Of weights in a file of ONNX, which protobuf ends at 2**31 bytes."""


def export_folder(
    model: ShippedModel,
    folder: Path,
    samples: ImageSamples,
    *,
    web: bool = False,
    web_runtime: Path | None = None,
) -> list[VariantMeasurement]:
    """Write a folder with graphs, labels, preprocessing, example, README and hashes.

    The folder appears whole or not at all; an earlier export in its place is replaced.

    Args:
        model: what ships.
        folder: must be absent, empty, or an earlier export.
        samples: images of the task.
        web: with a page for the browser.
        web_runtime: see `write_web_page`.

    Raises:
        UserError: the method cannot be one graph, the image tower is too large for a file, the
            ONNX libraries are missing, or the folder holds something else.
    """
    require_onnx()
    with atomic_folder(folder, is_export, "an export") as staging:
        preprocessing_description(model)
        _require_one_file(model.clip)
        try:
            graph = ImageGraph(model.learner)
        except UserError as error:  # one of several methods that ship in a command
            raise UserError(f"{model.name or 'the prompt'}: {error}") from None
        measured = _write(model, graph, staging, samples)
        if web:
            write_web_page(staging, web_runtime)
        write_description(model, staging, samples, measured, web)
        write_hashes(staging, HASHES)
    return measured


def preprocessing_description(model: ShippedModel) -> dict[str, Any]:
    """Describe the way from an image file to pixels, as `preprocessing.json` says it.

    Raises:
        UserError: the example and the page do not know this way.
    """
    how = model.clip.preprocessing
    height, width = how.height_width
    resizes = how.resize_mode == "squash" or (how.resize_mode == "shortest" and height == width)
    if not resizes:
        raise UserError(
            f"images of {model.clip.name} are prepared by resize mode {how.resize_mode} to "
            f"{height} × {width}, which the exported example cannot: export a CLIP with square "
            "images, or with mode squash"
        )
    return {
        "decoding": model.card.decoding,
        "resize_mode": how.resize_mode,
        "size": [height, width],
        "filter": how.interpolation,
        "resized_by": "Pillow: antialiased, whole numbers, rounded between the two axes",
        "crop": "centre",
        "crop_offset": "down" if how.library == "transformers" else "half to even",
        "mean": list(how.mean),
        "std": list(how.std),
        "layout": "RGB, values / 255, less mean, by std: [images, 3, height, width], float32",
    }


def _require_one_file(clip: FrozenClip) -> None:
    size = sum(weights.nbytes for weights in clip.model.visual.parameters())
    if size > MOST_BYTES:
        raise UserError(
            f"the image tower of {clip.name} has {human_bytes(size)} of weights, and an ONNX file "
            f"holds {human_bytes(MOST_BYTES)}: export a prompt of a smaller CLIP, such as a ViT-L"
        )


def _write(
    model: ShippedModel, graph: ImageGraph, folder: Path, samples: ImageSamples
) -> list[VariantMeasurement]:
    """Write all graphs and measure those of images."""
    height, width = model.clip.preprocessing.height_width
    example = torch.zeros(2, 3, height, width)
    names = ("pixel_values", "logits", "image_embeds")
    single = export_graph(graph, example, names)
    graphs = {"fp32": single, "fp16": to_half(single)}
    if samples.calibration is not None:
        graphs["int8"] = to_int8(single, samples.calibration)
    graphs["q4"] = to_four_bits(single)
    files = {f"onnx/{GRAPH}{SUFFIXES[name]}.onnx": proto for name, proto in graphs.items()}
    (folder / "onnx").mkdir()
    for file, proto in files.items():
        (folder / file).write_bytes(proto.SerializeToString())
    if has_open_classes(model.learner):
        text = TextGraph(model.learner)
        ids = torch.full((2, text.tokens), model.clip.tokenizer.pad)
        ids[:, 1] = model.clip.tokenizer.end
        proto = export_graph(text, ids, ("input_ids", "text_embeds"))
        (folder / TEXT_GRAPH).write_bytes(proto.SerializeToString())
        write_tokenizer(folder / TOKENIZER, model.clip.tokenizer, text.tokens)
    if samples.test is None:
        return []
    return measure_variants(folder, list(files), samples.test, samples.labels)


def write_description(
    model: ShippedModel,
    folder: Path,
    samples: ImageSamples,
    measured: Sequence[VariantMeasurement],
    web: bool,
) -> None:
    """Write all files of a folder but its graphs and the page: what it is, and how to use it.

    Args:
        model: what ships.
        folder: that has the graphs.
        samples: images that the graphs were measured on.
        measured: what each graph costs.
        web: whether there is a page for the browser.
    """
    card, clip = model.card, model.clip
    recipe = card.resolved_recipe()
    how = preprocessing_description(model)
    text = text_description(model) if has_open_classes(model.learner) else None
    described = {
        "format": FORMAT,
        "name": model.name,
        "version": model.version,
        "title": recipe.title,
        "method": recipe.method,
        "recipe": card.recipe,
        "clip": clip.name,
        "weights_sha256": clip.weights_sha256,
        "logit_scale": clip.logit_scale,
        "opset": OPSET,
        "rejection": model.rejection and model.rejection.model_dump(mode="json"),
        "text": text,
        "web_graph": f"{GRAPH}.onnx",
        "graphs": [asdict(row) for row in measured],
        "vlprompt_pipeline": __version__,
    }
    texts = {
        f"{name}.json": json.dumps(value, ensure_ascii=False, indent=1)
        for name, value in (
            ("model", described),
            ("labels", card.class_names),
            ("preprocessing", how),
        )
    }
    if model.rejection:
        texts[REJECTION] = model.rejection.to_json()
    values = {
        **described,
        **how,
        "labels": card.class_names,
        "has_tokenizer": (folder / TOKENIZER).is_file(),
        "has_web": web,
        "variants": measured,
        "measured_images": 0 if samples.test is None else len(samples.test),
        "measured_on": samples.described,
        "batch": BATCH,
        "longest_ratio": LONGEST_RATIO,
        "prompt_bytes": len(model.packed),
    }
    templates = templates_of("shipping")
    for name in ("README.md", "classify.py"):
        texts[name] = templates.get_template(f"{name}.j2").render(values)
    for name, content in texts.items():
        (folder / name).write_text(content, encoding="utf-8")
    (folder / "prompt.vlp").write_bytes(model.packed)


def is_export(folder: Path) -> bool:
    """Tell whether `export_folder` wrote a folder."""
    try:
        written = json.loads((folder / "model.json").read_text(encoding="utf-8"))["format"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return written == FORMAT
