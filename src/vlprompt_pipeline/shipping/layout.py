"""Where things lie in an exported folder."""

from __future__ import annotations

FORMAT = "vlprompt_pipeline.onnx_folder.1"
GRAPH = "vision_model"
SUFFIXES = {"fp32": "", "fp16": "_fp16", "int8": "_int8", "q4": "_q4"}
"""Endings of the graphs' names, as transformers.js has them."""
TEXT_GRAPH = "onnx/text_model.onnx"
TOKENIZER = "tokenizer.json"
HASHES = "SHA256SUMS"
REJECTION = "rejection.json"
"""How the model says "none of these", where it does; `model.json` has the same."""
