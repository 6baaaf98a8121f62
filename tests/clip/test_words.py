"""Nearest words against a slow search."""

from __future__ import annotations

import pytest
import torch

from vlprompt_pipeline.clip import load_clip, nearest_words
from vlprompt_pipeline.clip.copying import copy_clip
from vlprompt_pipeline.errors import WeightsError
from vlprompt_pipeline.token_table import (
    clip_vocabulary,
    embedded_weights,
    find_weights_file,
    read_token_table,
)


@pytest.fixture(scope="module")
def clip():
    return load_clip("embedded", "demo", "cpu")


def test_an_embedding_is_nearest_to_its_own_word(clip):
    ids = clip.token_ids("a photo of")
    found = nearest_words(clip, clip.embed(ids) * 3, count=2)
    assert [words[0].text for words in found] == ["a", "photo", "of"]
    for words, own in zip(found, clip.embed(ids), strict=True):
        assert words[0].cosine == pytest.approx(1)
        assert words[0].distance == pytest.approx(2 * own.norm().item(), rel=1e-5)
        assert words[1].cosine < words[0].cosine


def test_it_is_the_search_word_by_word_among_what_training_met(clip):
    vector = torch.randn(clip.text_width, generator=torch.Generator().manual_seed(0))
    scored = []
    for number, text in clip.words.vocabulary().items():
        embedding = clip.embed([number])[0]
        cosine = torch.nn.functional.cosine_similarity(vector, embedding, dim=0).item()
        scored.append((cosine, text, (vector - embedding).norm().item()))
    (found,) = nearest_words(clip, vector[None], count=4)
    for word, (cosine, text, distance) in zip(found, sorted(scored)[::-1], strict=False):
        assert (word.text, word.cosine) == (text, pytest.approx(cosine, abs=1e-5))
        assert word.distance == pytest.approx(distance, rel=1e-5)


def test_words_that_training_never_met_are_left_out(clip, tiny_clip):
    met, all_words = clip.words.vocabulary(), tiny_clip.words.vocabulary()
    assert len(met) < 1000 < len(all_words) == 49408 - 2
    assert not clip.words.unseen([word for word in met.values() if not word.endswith("-")])
    assert "photo" in met.values()
    (piece,) = (number for number, text in all_words.items() if text == "pho-")
    assert tiny_clip.token_ids("pho") != [piece], "as a word of its own it is another token"


def test_the_vocabulary_without_open_clip_is_that_of_open_clip(tiny_clip):
    assert dict(enumerate(clip_vocabulary())) == tiny_clip.words.vocabulary()


def test_a_table_read_without_torch_finds_the_same_words(clip, tiny_clip, tmp_path):
    draw = torch.Generator().manual_seed(1)
    copy_clip(tiny_clip.source, tmp_path)
    for of, weights in ((clip, embedded_weights()), (tiny_clip, find_weights_file(tmp_path))):
        vectors = torch.randn(3, of.text_width, generator=draw)
        table = read_token_table(weights, of.weights_sha256[:16])
        found, expected = table.nearest(vectors.numpy(), 5), nearest_words(of, vectors)
        assert [[w.text for w in row] for row in found] == [[w.text for w in r] for r in expected]


def test_another_clip_and_another_tokenizer_are_refused(tiny_clip, tmp_path):
    with pytest.raises(WeightsError, match="is not the CLIP with the weights 0123"):
        read_token_table(embedded_weights(), "0123")
    with pytest.raises(WeightsError, match="name the folder of a CLIP"):
        find_weights_file(tmp_path)
    copy_clip(tiny_clip.source, tmp_path)
    config = tmp_path / "open_clip_config.json"
    config.write_text(
        config.read_text().replace('"text_cfg": {', '"text_cfg": {"hf_tokenizer_name": "x",')
    )
    with pytest.raises(WeightsError, match="another tokenizer than CLIP's own"):
        read_token_table(find_weights_file(tmp_path), "")
