"""Compact token rows against open_clip's own tokenizer."""

from __future__ import annotations

import numpy as np
import pytest

from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.demo.tokens import END, START, UNSEEN, CompactTokens
from vlprompt_pipeline.image_datasets.rendered.captions import caption
from vlprompt_pipeline.image_datasets.rendered.sampling import sample_scene
from vlprompt_pipeline.image_datasets.rendered.vocabulary import caption_words


@pytest.fixture(scope="module")
def tokens() -> CompactTokens:
    return CompactTokens(caption_words())


def test_rows_stand_for_the_ids_of_open_clip(tokens):
    rng = np.random.default_rng(0)
    captions = [caption(sample_scene(rng), rng, long=i % 3 == 0) for i in range(300)]
    full = open_clip.SimpleTokenizer()(captions)
    rows = tokens.encode(captions)
    for line, expected in zip(rows, full, strict=True):
        used = [tokens.ids[row - 1] for row in line.tolist() if row != UNSEEN]
        assert used == expected[expected != 0].tolist()


def test_the_end_token_is_the_largest_row(tokens):
    assert tokens.ids[-1] == END
    assert START in tokens.ids
    rows = tokens.encode(["a photo of a heart.", "a heart"])
    assert rows.argmax(dim=1).tolist() == [7, 3]
    assert rows.max().item() == tokens.size - 1


def test_rows_are_few(tokens):
    assert tokens.size < 400


def test_an_unknown_word_is_the_unseen_row(tokens):
    known, unknown = tokens.encode(["a photo of a heart.", "a photo of a zebra."])
    assert unknown.tolist() == [*known[:5].tolist(), UNSEEN, *known[6:].tolist()]


def test_words_are_replaced_at_the_asked_share(tokens):
    rng = np.random.default_rng(0)
    captions = ["heart heart heart heart heart heart heart heart heart heart"] * 2000
    rows = tokens.encode(captions, unseen_share=0.1, rng=rng)
    kept = (rows == tokens.encode(["heart"])[0, 1]).sum().item() / 20_000
    assert kept == pytest.approx(0.9, abs=0.01)


def test_a_caption_that_is_too_long_is_cut_before_its_end_token(tokens):
    (row,) = tokens.encode(["heart " * 90], unseen_share=0.5, rng=np.random.default_rng(0))
    assert (len(row), row[0], row[-1]) == (77, tokens.ids.index(START) + 1, tokens.size - 1)


def test_nothing_is_replaced_without_a_generator(tokens):
    assert (tokens.encode(["a red heart."], unseen_share=1.0) != UNSEEN).all()
