"""Tokenizers that are read from files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from vlprompt_pipeline.clip.forms import SPECIAL_TOKENS, TOKENIZER_CONFIG, TOKENIZER_FILE
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.clip.small import write_small_tokenizer
from vlprompt_pipeline.clip.tokenizers import ClipTokenizer, FileTokenizer, tokenizer_of
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


@pytest.fixture
def folder(tmp_path) -> Path:
    """A small tokenizer of SigLIP, whose special tokens are <unk>, 0, and </s>, 1."""
    write_small_tokenizer("timm/ViT-B-16-SigLIP", tmp_path)
    return tmp_path


def test_a_file_that_cuts_and_pads_gives_whole_texts(folder):
    plain = FileTokenizer(folder).encode("a photo of a cat")
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(pad_id=5, length=20)
    tokenizer.save(str(folder / TOKENIZER_FILE))
    (folder / TOKENIZER_CONFIG).unlink()
    read = FileTokenizer(folder)
    assert (read.encode("a photo of a cat"), read.pad) == (plain, 5)


@pytest.mark.parametrize(
    ("config", "start", "end"),
    [
        ({"add_bos_token": True, "add_eos_token": True}, (0,), 1),
        ({"add_bos_token": False}, (), 1),
    ],
)
def test_some_classes_say_in_their_configuration_what_stands_around_a_text(
    folder, config, start, end
):
    special = {"bos_token": "<unk>", "eos_token": {"content": "</s>"}, "pad_token": "</s>"}
    config = {**config, **special, "tokenizer_class": "LlamaTokenizer"}
    (folder / TOKENIZER_CONFIG).write_text(json.dumps(config))
    (folder / SPECIAL_TOKENS).write_text(json.dumps({"pad_token": "<unk>"}))
    read = FileTokenizer(folder)
    assert (read.start, read.end, read.pad) == (start, end, 0)


def test_the_tokenizer_of_siglip_2_lowers_what_its_file_does_not(folder):
    plain = FileTokenizer(folder)
    config = json.loads((folder / TOKENIZER_CONFIG).read_text())
    (folder / TOKENIZER_CONFIG).write_text(
        json.dumps(config | {"tokenizer_class": "Siglip2Tokenizer"})
    )
    read = FileTokenizer(folder)
    assert read.encode("A Cat") == read.encode("a cat") == plain.encode("a cat")
    assert plain.encode("A Cat") != plain.encode("a cat")
    assert read.identity != plain.identity


def test_two_tokens_before_a_text_are_refused(folder):
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="</s> </s> $A </s>", special_tokens=[("</s>", 1)]
    )
    tokenizer.save(str(folder / TOKENIZER_FILE))
    with pytest.raises(WeightsError, match="puts 2 tokens before a text and 1 behind it"):
        FileTokenizer(folder)


def test_pieces_of_an_encoding_that_marks_where_words_begin_have_a_hyphen(tmp_path):
    pieces = ["</s>", *(f"▁{number}" for number in range(101)), "x"]
    tokenizer = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], 0))
    tokenizer.add_special_tokens(["</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 0)]
    )
    tokenizer.save(str(tmp_path / TOKENIZER_FILE))
    words = FileTokenizer(tmp_path).vocabulary()
    assert (words[1], words[101], words[102]) == ("0", "100", "x-")


def test_what_is_done_to_a_text_first_is_part_of_a_tokenizers_identity(folder):
    read = [FileTokenizer(folder, clean=clean) for clean in (None, "lower", "canonicalize")]
    own = [ClipTokenizer(), ClipTokenizer(open_clip.SimpleTokenizer(clean="canonicalize"))]
    assert len({each.identity for each in (*read, *own)}) == 5


def test_a_tokenizer_without_any_piece_is_told(tmp_path):
    Tokenizer(models.BPE()).save(str(tmp_path / TOKENIZER_FILE))
    with pytest.raises(WeightsError, match="puts 0 tokens before a text and 0 behind it"):
        FileTokenizer(tmp_path)
