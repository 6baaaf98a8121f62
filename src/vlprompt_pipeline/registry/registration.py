"""Register the contents of a version as a candidate, once it is checked on test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from vlprompt_pipeline.registry.check import Evaluated, require_same_answers
from vlprompt_pipeline.registry.contents import Contents
from vlprompt_pipeline.registry.description import describe, introduce, version_tags
from vlprompt_pipeline.registry.package import MODEL_FILE, requirements, save_package
from vlprompt_pipeline.registry.store import Draft, ModelRegistry
from vlprompt_pipeline.registry.version import RegisteredVersion
from vlprompt_pipeline.results.records import MethodResult

_SHOWN = ("dataset", "method", "protocol", "shots", "seed", "clip")  # as parameters of a model


@dataclass(frozen=True)
class Registered:
    """A version, whether it is new, and how many test images it was checked on."""

    version: RegisteredVersion
    new: bool
    checked: int


def register(
    models: ModelRegistry,
    contents: Contents,
    evaluated: Evaluated,
    beside: Sequence[MethodResult],
    verdict: str,
    check_images: int,
) -> Registered:
    """Make a version and the candidate of its name; an equal one whose files are whole is used.

    Args:
        models: where.
        contents: of the version.
        evaluated: what it must do again.
        beside: results of other methods, for its page.
        verdict: what the paired test against zero-shot says now, a sentence or nothing.
        check_images: test images to try it on.

    Raises:
        UserError: it does not do what was evaluated, or MLflow refuses.
    """
    digest = contents.digest(*requirements(), MODEL_FILE.read_text(encoding="utf-8"))
    for version in models.versions(contents.name, contents_sha256=digest):
        if models.is_whole(version):
            models.nominate(version)
            return Registered(version, new=False, checked=0)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary, "model")
        described = save_package(contents, folder)
        device = contents.classifier.clip.device.type
        checked = require_same_answers(folder, device, evaluated, check_images)
        tags = version_tags(contents, digest)
        draft = Draft(
            name=contents.name,
            folder=folder,
            described=described,
            tags=tags,
            params={key: tags[key] for key in _SHOWN},
            introduction=introduce(contents),
            describe=partial(describe, contents, beside, verdict),
            source_run=models.run_of(method=tags["method"], prompt_sha256=tags["prompt_sha256"]),
        )
        return Registered(models.publish(draft), new=True, checked=checked)
