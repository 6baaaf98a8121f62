"""A publication of an untrained prompt."""

from __future__ import annotations

from dataclasses import replace

from registry.packages import contents_of
from vlprompt_pipeline.publishing import Publication
from vlprompt_pipeline.registry.classifier import Classifier

TAGS = {
    "dataset": "demo_aerial",
    "method": "coop",
    "protocol": "base_to_new",
    "shots": "16",
    "seed": "1",
    "H": "81.60",
    "base": "83.20",
    "new": "80.06",
    "split_sha256": "5" * 64,
    "git_commit": "a" * 40,
    "files_sha256": "{}",
}


def publication_of(method: str, decoding: str = "published") -> Publication:
    model = contents_of(method).classifier
    card = model.card.model_copy(update={"decoding": decoding})
    classifier = Classifier(card, model.clip, model.packed, model.head)
    return Publication("demo_aerial.coop", "3", TAGS, classifier)


def with_source(publication: Publication, source: str) -> Publication:
    """The same under a CLIP that came from elsewhere."""
    model = publication.classifier
    clip = model.clip.computing(model.clip.dtype)  # a copy
    clip.source = source
    return replace(publication, classifier=Classifier(model.card, clip, model.packed, model.head))
