"""Tokenizers that are read from files."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from vlprompt_pipeline.clip.small import write_small_tokenizer
from vlprompt_pipeline.clip.tokenizers import TOKENIZER_FILE, FileTokenizer, tokenizer_of
from vlprompt_pipeline.errors import WeightsError


def test_pieces_of_an_encoding_that_marks_where_words_end_have_a_hyphen(tmp_path):
    pieces = ["<s>", "</s>", "c", "a", "t</w>", "ca", "cat</w>", "a</w>"]
    numbers = {piece: number for number, piece in enumerate(pieces)}
    merges = [("c", "a"), ("ca", "t</w>")]
    tokenizer = Tokenizer(models.BPE(numbers, merges, end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(pieces[:2])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    tokenizer.save(str(tmp_path / TOKENIZER_FILE))
    read = FileTokenizer(tmp_path)
    assert (read.start, read.encode("cat"), read.end) == ((0,), [6], 1)
    assert read.vocabulary() == {2: "c-", 3: "a-", 4: "t", 5: "ca-", 6: "cat", 7: "a"}


@pytest.mark.parametrize("options", [{"clean": "soap"}, {"soap": True}])
@pytest.mark.parametrize("named", [False, True])
def test_unknown_options_are_told(options, named, tmp_path):
    write_small_tokenizer("timm/ViT-B-16-SigLIP", tmp_path)
    text_cfg = {"tokenizer_kwargs": options, "hf_tokenizer_name": "siglip" if named else None}
    with pytest.raises(WeightsError, match="^here: tokenizer_kwargs .*soap"):
        tokenizer_of(text_cfg, tmp_path, "here")


def test_a_tokenizer_without_any_piece_is_told(tmp_path):
    Tokenizer(models.BPE()).save(str(tmp_path / TOKENIZER_FILE))
    with pytest.raises(WeightsError, match="puts 0 tokens before a text and 0 behind it"):
        FileTokenizer(tmp_path)
