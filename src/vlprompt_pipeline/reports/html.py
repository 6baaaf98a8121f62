"""What every HTML page of ours is made with: templates and JSON that a script in it reads."""

from __future__ import annotations

import json

from jinja2 import Environment
from markupsafe import Markup

from vlprompt_pipeline.templates import templates_of


def environment(*folders: str) -> Environment:
    """Return the templates of pages in folders of this package; those of reports come last."""
    return templates_of(*folders, "reports/web", html=True)


def embedded_json(value: object) -> Markup:
    """Return JSON that can stand inside a script element; ValueError for NaN, which JSON lacks."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))
