"""Describe how class names become token ids, for those who have no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import Regex, models, normalizers, pre_tokenizers, processors

from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.clip.templates import templates
from vlprompt_pipeline.clip.tokenizers import ClipTokenizer, Tokenizer
from vlprompt_pipeline.methods.coop import CoOp
from vlprompt_pipeline.shipping.contents import ShippedModel
from vlprompt_pipeline.shipping.graphs import TextGraph

_PLAIN = (
    ("[\u02bc\u2018-\u201b]", "'"),
    ("[\u201c-\u201f]", '"'),
    *(("\ufb00", "ff"), ("\ufb01", "fi"), ("\ufb02", "fl"), ("\ufb03", "ffi"), ("\ufb04", "ffl")),
)
"""Quotation marks and ligatures that open_clip replaces (by ftfy) before it looks for words."""


def text_description(model: ShippedModel) -> dict[str, Any]:
    """Describe the input of the text graph: `texts` with `{}` for the name, and `tokens`.

    Features of several texts of one name are averaged and normalised again.
    """
    learner = model.learner
    if isinstance(learner, CoOp):
        texts = ["{}."]
    else:
        recipe = model.card.resolved_recipe()
        texts = list(templates(recipe.prompt.templates, model.card.template))
    graph = TextGraph(learner)
    return {
        "texts": texts,
        "tokens": graph.tokens,
        "end_token": model.clip.tokenizer.end,
        "padding": model.clip.tokenizer.pad,
        "underscores": "read as spaces",
    }


def write_tokenizer(path: Path, tokenizer: Tokenizer, tokens: int) -> None:
    """Write CLIP's own tokenizer as `tokenizers` reads it: ids of the text, then the end token.

    Other tokenizers come with their own `tokenizer.json`, beside the weights; nothing is written.
    """
    if not isinstance(tokenizer, ClipTokenizer):
        return
    source = open_clip.SimpleTokenizer()
    merges = sorted(source.bpe_ranks, key=source.bpe_ranks.get)
    written = tokenizers.Tokenizer(
        models.BPE(vocab=source.encoder, merges=merges, end_of_word_suffix="</w>")
    )
    written.normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            *(normalizers.Replace(Regex(fancy), plain) for fancy, plain in _PLAIN),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Lowercase(),
        ]
    )
    written.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(
                Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"),
                behavior="removed",
                invert=True,
            ),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    end = "<end_of_text>"
    written.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", special_tokens=[(end, source.encoder[end])]
    )
    written.enable_padding(pad_id=0, pad_token="!", length=tokens)
    written.enable_truncation(tokens)
    written.save(str(path), pretty=False)
