"""Models of timm are built one at a time, and other threads find timm as it is."""

from __future__ import annotations

import threading

from vlprompt_pipeline.backbones import small_clip
from vlprompt_pipeline.clip.architecture import _timm_options, build, describe_text_tower
from vlprompt_pipeline.clip.lazy_libraries import open_clip
from vlprompt_pipeline.clip.small import small_config
from vlprompt_pipeline.clip.timm_image import takes_prompts


def test_a_tower_is_judged_while_another_is_built():
    visual = small_clip("ViT-B-16-SigLIP").model.visual
    with _timm_options({"depth": 1}):
        assert takes_prompts(visual)


def test_two_threads_that_build_leave_timm_as_it_was():
    timm = open_clip.timm_model.timm
    entered, leave = threading.Event(), threading.Event()

    def build() -> None:
        with _timm_options({"depth": 2}):
            entered.set()
            leave.wait()

    other = threading.Thread(target=build)
    with _timm_options({"depth": 1}):
        other.start()
        assert not entered.wait(0.2)
    leave.set()
    other.join()
    assert open_clip.timm_model.timm is timm


def test_weights_of_timm_are_never_fetched(monkeypatch):
    asked, made = [], open_clip.timm_model.timm.create_model

    def create_model(*sizes, pretrained, **options):
        asked.append(pretrained)
        return made(*sizes, **options)

    monkeypatch.setattr(open_clip.timm_model.timm, "create_model", create_model)
    config = small_config("ViT-B-16-SigLIP")
    config["vision_cfg"]["timm_model_pretrained"] = True
    build(config, "here")
    assert asked == [False]


def test_a_text_tower_in_a_few_words():
    options = {"pool_type": "last", "no_causal_mask": True}
    assert describe_text_tower({"text_cfg": {}}) == "causal, read at the end token"
    assert describe_text_tower({"text_cfg": {"pool_type": "eos"}}).endswith("at the end token")
    assert describe_text_tower({"text_cfg": options}) == "bidirectional, read at the last token"
