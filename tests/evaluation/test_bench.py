"""Changed prompts on the test images of a cell."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from vlprompt_pipeline.clip import FeatureSet
from vlprompt_pipeline.errors import ConfigError, PromptFileError
from vlprompt_pipeline.evaluation.bench import TestBench
from vlprompt_pipeline.methods import resolve_recipe

NAMES = ["cat", "dog", "red fox", "owl", "bee"]
HALVES = {
    "base": {"labels": [3, 0], "class_names": ["owl", "cat"]},
    "new": {"labels": [1, 4, 2], "class_names": ["dog", "bee", "red fox"]},
}
COOP = {"method": "coop", "title": "CoOp"}
COOP["prompt"] = {"length": 2, "init": None, "class_specific": False, "class_position": "end"}


@pytest.fixture
def bench(tiny_clip) -> TestBench:
    draw = torch.Generator().manual_seed(0)
    values = F.normalize(torch.randn(40, 1, tiny_clip.embed_dim, generator=draw), dim=-1)
    labels = torch.randint(5, (50,), generator=draw).tolist()
    table = pd.DataFrame({"label": labels, "part": ["train"] * 10 + ["test"] * 40})
    card = {"template": "a photo of a {}."}
    features = FeatureSet(values, tiny_clip.identity_sha256, "key")
    return TestBench.of(tiny_clip, table, card, HALVES, features)


def test_it_counts_right_answers_among_the_classes_of_each_half(bench, tiny_clip):
    """With the embeddings of words as context, it is the sentence that CLIP encodes."""
    words = tiny_clip.embed(tiny_clip.token_ids("blurry photo"))
    found = bench.accuracies(resolve_recipe("coop", {"coop": COOP}), {"context": words})
    for half, members in HALVES.items():
        names = [f"blurry photo {name}." for name in members["class_names"]]
        logits = bench.features @ tiny_clip.encode_texts(names).T
        rows = [row for row, label in enumerate(bench.labels) if label in members["labels"]]
        right = [
            members["labels"][logits[row].argmax()] == bench.labels[row].item() for row in rows
        ]
        assert found[half] == pytest.approx(100 * sum(right) / len(rows))


def test_another_prompt_and_another_kind_of_method_are_refused(bench):
    recipe = resolve_recipe("coop", {"coop": COOP})
    with pytest.raises(PromptFileError, match="this method and CLIP need"):
        bench.accuracies(recipe, {"context": torch.zeros(3, 32)})
    bound = COOP | {"prompt": COOP["prompt"] | {"class_specific": True}}
    with pytest.raises(ConfigError, match="CoOp is no prompt on features of the frozen CLIP"):
        bench.accuracies(resolve_recipe("coop", {"coop": bound}), {})
