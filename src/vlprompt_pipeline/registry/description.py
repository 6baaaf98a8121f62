"""Write the page of a version, and the tags that versions are searched by."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from vlprompt_pipeline.evaluation.metrics import harmonic_mean
from vlprompt_pipeline.protocols import protocol_title
from vlprompt_pipeline.registry.contents import Contents
from vlprompt_pipeline.registry.store import CANDIDATE, CHAMPION
from vlprompt_pipeline.rejection import KINDS
from vlprompt_pipeline.reproducibility.environment import code_state
from vlprompt_pipeline.results.records import CellRecord, MethodResult
from vlprompt_pipeline.results.remarks import TEXTS_COINCIDE
from vlprompt_pipeline.wording import (
    human_bytes,
    one_decimal,
    shots_text,
    some,
)

_CLASSES = 5  # class names shown
_USE = """```python
import mlflow, pandas as pd

model = mlflow.pyfunc.load_model("models:/{name}/{number}")
images = pd.DataFrame({{"image": [open("photo.jpg", "rb").read()]}})
model.predict(images)  # label, score, top_labels, top_scores, problem
{more}
```"""
_SPACE = "&emsp;"  # MLflow's page draws columns without any between them
_ANY = (
    'model.predict(images, params={"class_names": ["harbour", "stadium"], "top_k": 2})  # any names'
)
_OWN = 'model.predict(images, params={"top_k": 2})'


def introduce(contents: Contents) -> str:
    """Write the text above all versions of a name."""
    cell, result = contents.record.cell, contents.result
    return (
        f"Prompts of `{result.method}` for `{cell.dataset}`. `{CANDIDATE}` is the newest that was "
        f"registered; `{CHAMPION}` was better than the one before it by a paired test on the "
        "test images that both saw, or its tag `promotion` says why it is champion."
    )


def describe(contents: Contents, beside: Sequence[MethodResult], verdict: str, number: int) -> str:
    """Write the page of version `number` in Markdown: its result beside its cell's, how to use it.

    It stays below the 5,000 characters that MLflow keeps.
    """
    cell, card = contents.record.cell, contents.classifier.card
    names = card.class_names
    bound = card.resolved_recipe().bound_to_classes
    data = f"{cell.dataset} ({cell.random_split})" if cell.random_split else cell.dataset
    shown = some(names, _CLASSES)
    others = "and no others" if bound else "or any given with the call"
    return "\n\n".join(
        [
            f"{contents.result.title} for {data}: {protocol_title(cell.protocol)}, "
            f"{shots_text(cell.shots)}, seed {cell.seed}, CLIP {cell.clip}.",
            _results(contents, beside) + _among_all(contents),
            *([f"When it was registered: {verdict}"] if verdict else []),
            f"Tells apart {len(names)} classes ({shown}), {others}{_refusing(contents)}:",
            _USE.format(name=contents.name, number=number, more=_OWN if bound else _ANY),
        ]
    )


def _refusing(contents: Contents) -> str:
    """Write when the version says none, and what that does to its calibration images."""
    rejection = contents.classifier.rejection
    if rejection is None:
        return ""
    calibration, kind = rejection.calibration, KINDS[rejection.kind].title
    return (
        f'; says "none" to images like none of them (by {kind}, which accepts '
        f"{calibration.accepted:.0%} of the {calibration.images} validation images that it was "
        "calibrated on)"
    )


def version_tags(contents: Contents, digest: str) -> dict[str, str]:
    """Return scores, sizes and hashes of everything they depend on, and the present commit."""
    cell, result = contents.record.cell, contents.result
    rejection = contents.classifier.rejection
    code = code_state(Path(__file__).parent)
    not_shown = {"targets", "template_set", "code_version", "random_split"}
    tags = {
        **scores(contents.record, result),
        "bytes": result.file_bytes,
        "method": result.method,
        **cell.model_dump(exclude=not_shown),
        "split": cell.random_split or None,
        "rejection": rejection and rejection.kind,
        "warning": next((n for n in contents.record.notes if n.startswith(TEXTS_COINCIDE)), None),
        "prompt_sha256": hashlib.sha256(contents.classifier.packed).hexdigest(),
        "contents_sha256": digest,
        "code_version": cell.code_version,
        "git_commit": code.commit and code.commit + " and changes" * bool(code.dirty),
    }
    return {
        key: f"{value:.2f}" if isinstance(value, float) else str(value)
        for key, value in tags.items()
        if value is not None
    }


def scores(record: CellRecord, result: MethodResult) -> dict[str, float]:
    """Return percentages by name: H with those of both halves, or the accuracy."""
    if not record.classes.new:
        return {"accuracy": result.base.accuracy}
    base = result.base.accuracy
    if result.new is None:
        return {"base": base}
    new = result.new.accuracy
    return {"H": harmonic_mean(base, new), "base": base, "new": new}


def _among_all(contents: Contents) -> str:
    """Write the accuracies among all classes, which a call without class names has."""
    generalised = contents.result.generalised
    if generalised is None:
        return ""
    base, new = (one_decimal(half.accuracy) for half in (generalised.base, generalised.new))
    return (
        f"\n\nAmong all classes together: {base} % of base and {new} % of new images are correct."
    )


def _results(contents: Contents, beside: Sequence[MethodResult]) -> str:
    """Write a Markdown table with the highest score on top, this version's row in bold."""
    columns = ["H", "base", "new"] if contents.record.classes.new else ["accuracy"]
    results = {result.method: result for result in (*beside, contents.result)}
    rows = []
    for result in results.values():
        percentages = scores(contents.record, result)
        figures = [one_decimal(percentages.get(column, float("nan"))) for column in columns]
        cells = [result.title, *figures, human_bytes(result.file_bytes)]
        if result.method == contents.result.method:
            cells = [f"**{cell}**" for cell in cells]
        rows.append((percentages.get(columns[0], -1.0), cells))
    rows.sort(key=lambda row: -row[0])
    head = ["method", *(f"{column} %" for column in columns), "file"]
    under = ["---"] + ["---:"] * (len(columns) + 1)
    lines = [f"{_SPACE} | ".join(line) for line in (head, *(cells for _, cells in rows))]
    return "\n".join(f"| {line} |" for line in (lines[0], " | ".join(under), *lines[1:]))
