"""The one way in which templates of this package become text: pages, cards, examples."""

from __future__ import annotations

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def templates_of(*folders: str, html: bool = False) -> Environment:
    """Return the templates of folders of this package; the first folder that has a name wins.

    A name that a template lacks is an error. A line that holds a statement of the template alone
    leaves nothing in the text.

    Args:
        folders: such as `shipping` or `reports/web`.
        html: whether what is put into a template is text unless it says that it is markup.
    """
    return Environment(
        loader=ChoiceLoader([PackageLoader("vlprompt_pipeline", folder) for folder in folders]),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
