"""What every HTML page of ours is made with: templates and JSON that a script in it reads."""

from __future__ import annotations

import json

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def environment(*folders: str) -> Environment:
    """Templates of folders of this package, the first that has a name wins; those here come last.

    What is put into a page is text unless it says that it is markup, and a name that the page lacks
    is an error.
    """
    return Environment(
        loader=ChoiceLoader(
            [PackageLoader("vlprompt_pipeline", folder) for folder in (*folders, "reports/web")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def embedded_json(value: object) -> Markup:
    """JSON that can stand inside a script element; ValueError for NaN, which JSON lacks."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))
