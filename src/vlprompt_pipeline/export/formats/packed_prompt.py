"""The packed prompt, which is what is scored: see `export.packed`."""

from __future__ import annotations

from vlprompt_pipeline.export.formats.registry import ExportContext, ExportFormat, register


def _to_bytes(context: ExportContext) -> bytes:
    return context.packed_bytes


register(ExportFormat("packed_prompt", "file_bytes", _to_bytes))
