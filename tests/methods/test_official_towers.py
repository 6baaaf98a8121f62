"""Methods inside both towers equal their official code: logits, losses, gradients, steps."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import copy

import pytest
import torch
from torch import Tensor

from learners import untrained
from parity import Case, assert_close, load_case, parity_clip
from vlprompt_pipeline.methods import ClassTexts, PromptLearner, get_method, mma_plus_plus

EXACT = 1e-9
NORMS = ("ln_1", "ln_2")


@pytest.fixture(scope="module")
def clip():
    """The tiny CLIP; the scale of its logits is 100.000006."""
    return parity_clip("float64")


def build(clip, method: str, names: list[str], words: str = "{}", **settings) -> PromptLearner:
    return untrained(clip, method, ClassTexts(tuple(names), words), **settings).to(torch.float64)


def initialise(learner: PromptLearner, case: Case, ours: Callable[[str], str]) -> dict[str, str]:
    """Give a learner the initial values, spread as its own are; returns our names by theirs."""
    names = {theirs: ours(theirs) for theirs in case.about["trainable"]}
    tensors = dict(learner.named_parameters())
    trained = {name for name, tensor in tensors.items() if tensor.requires_grad}
    assert set(names.values()) == trained
    with torch.no_grad():
        for theirs, name in names.items():
            own, given = tensors[name], case(f"initial/{theirs}").to(tensors[name])
            if own.ndim > 1 and own.any():  # what begins as zeros was stirred for the cases
                assert own.std() == pytest.approx(given.std().item(), rel=0.25), name
            own.copy_(given)
    return names


def five_steps(
    learner: PromptLearner, case: Case, names: dict[str, str], optimizer: torch.optim.Optimizer
) -> list[dict[str, float]]:
    """Train as the case was; terms of each step."""
    tensors = dict(learner.named_parameters())
    seen = []
    learner.train()
    for step in range(5):
        terms = learner.losses(case("images").double(), case("labels"))
        optimizer.zero_grad()
        learner.backward(terms)
        if step == 0:
            for theirs, ours in names.items():
                assert_close(tensors[ours].grad, case(f"float64/gradient/{theirs}"), EXACT)
        optimizer.step()
        seen.append({name: term.item() for name, term in terms.items()})
    for theirs, ours in names.items():
        assert_close(tensors[ours], case(f"float64/after_5_steps/{theirs}"), EXACT)
    learner.eval()
    total = [sum(row.values()) for row in seen]
    assert total == pytest.approx(case.about["values_float64"]["losses"], rel=EXACT)
    return seen


def adapters(theirs: str) -> str:
    """`visual_adapter.block_1.down.weight` is our `adapters.image_down.0.weight`."""
    tower, block, part, kind = re.fullmatch(
        r"(\w+)_adapter\.block_(\d)\.(\w+)\.(\w+)", theirs
    ).groups()
    own = "shared" if tower == "shared" else f"{tower.replace('visual', 'image')}_{part}"
    return f"adapters.{own}.{int(block) - 1}.{kind}"


def test_mma(clip):
    case = load_case("mma-blocks1-2")
    about, settings = case.about, case.about["settings"]
    own = {"width": 16, "first_block": 1, "scale": settings["scale"]}
    own["template"] = settings["template"]
    mma = build(clip, "mma", about["class_names"], **own)
    names = initialise(mma, case, adapters)
    new = build(clip, "mma", about["new_class_names"], **own)

    def check(after: str) -> None:
        features = mma.image_side().encode_images(case("images").double())
        assert_close(mma.logits(features), case(f"float64/logits{after}"), EXACT)
        new.load_state_dict(mma.state_dict())
        assert_close(new.logits(features), case(f"float64/new_class_logits{after}"), EXACT)

    check("")
    optimizer = torch.optim.SGD(mma.parameters(), 0.0015, 0.9, weight_decay=5e-4)
    five_steps(mma, case, names, optimizer)
    check("_after_5_steps")


def test_biases_of_adapters_begin_as_zeros_or_as_torchs_own(clip):
    """Those of MMA, and those of MMA++: uniform in ±1 / sqrt(inputs)."""
    own = {"width": 48, "first_block": 1, "scale": 0.1}
    more = {"evaluation_scale": 0.1, "consistency": 1.0, "dropout": 0.0, "templates": "benchmark"}
    for method, settings in (("mma", {"template": "{}"}), ("mma_plus_plus", more)):
        adapters = build(clip, method, ["cat", "dog"], **own, **settings).adapters
        layers = [each for each in adapters.modules() if isinstance(each, torch.nn.Linear)]
        units = torch.cat([layer.bias * layer.in_features**0.5 for layer in layers]).detach()
        assert len(units) > 500
        if method == "mma":
            assert not units.any()
        else:
            assert units.abs().max() == pytest.approx(1, abs=0.02)
            assert units.mean() == pytest.approx(0, abs=0.1)


def test_mma_plus_plus(clip, tmp_path):
    import json

    case = load_case("mmapp-blocks1-2")
    about, settings = case.about, case.about["settings"]
    path = tmp_path / "sentences.json"
    path.write_text(json.dumps(dict(zip(about["class_names"], about["prompts"], strict=True))))
    mma = build(
        clip,
        "mma_plus_plus",
        about["class_names"],
        templates="none",
        descriptions=str(path),
        width=16,
        first_block=1,
        scale=settings["training_scale"],
        evaluation_scale=settings["evaluation_scale"],
        consistency=settings["consistency_weight"],
        dropout=0.0,
    )
    names = initialise(mma, case, adapters)
    sentences, scales = iter(case("sentence_draws")), iter(case("scale_draws").tolist())
    mma.draw_texts = lambda: next(sentences).long()
    mma.draw_scale = lambda: next(scales)

    def check(after: str) -> None:
        features = mma.image_side().encode_images(case("images").double())
        assert_close(mma.logits(features), case(f"float64/logits{after}"), EXACT)

    assert_close(mma.class_features(), case("float64/text_features"), EXACT)
    check("")
    optimizer = torch.optim.SGD(mma.parameters(), 0.02, 0.9, weight_decay=5e-4)
    seen = five_steps(mma, case, names, optimizer)
    printed = about["values_float64"]
    for ours, theirs in (("text", "text"), ("image", "image")):
        values = [row[ours] for row in seen]
        assert values == pytest.approx(printed[f"{theirs}_consistency_terms"], rel=EXACT)
    check("_after_5_steps")


def test_mma_plus_plus_draws_texts_and_scales(clip):
    settings = get_method("mma_plus_plus").parameters
    mma = build(
        clip,
        "mma_plus_plus",
        ["cat", "dog"],
        **settings(
            templates="imagenet_select",
            width=4,
            first_block=1,
            scale=0.05,
            evaluation_scale=0.03,
            consistency=1.0,
            dropout=0.5,
        ).model_dump(),
    ).train()
    drawn = torch.stack([mma.draw_texts() for _ in range(50)])
    assert set(drawn.flatten().tolist()) == set(range(7))
    assert (drawn[:, 0] != drawn[:, 1]).any()
    scales = [mma.draw_scale() for _ in range(20)]
    assert len(set(scales)) == 20 and all(0 <= each < 1 for each in scales)


def test_mma_plus_plus_has_the_same_features_of_texts_in_parts(clip, monkeypatch):
    settings = {"templates": "imagenet_select", "width": 4, "first_block": 1}
    weights = {"scale": 0.05, "evaluation_scale": 0.03, "consistency": 1.0, "dropout": 0.0}
    mma = build(clip, "mma_plus_plus", ["cat", "dog", "capybara"], **settings, **weights)
    whole = mma.class_features()
    monkeypatch.setattr(mma_plus_plus, "AT_ONCE", 4)  # in the middle of a class
    assert_close(mma.class_features(), whole, EXACT)


def tokens(theirs: str) -> str:
    """Names of MMRL and MMRL++."""
    if theirs == "image_projection_rep":
        return "projection"
    theirs = theirs.replace("image_projection_", "projection_").replace("to_vision", "to_image")
    if match := re.fullmatch(r"projection_([AB])", theirs):
        return f"projection_{match[1].lower()}"
    if match := re.fullmatch(r"to_(\w+)\.weight", theirs):
        return f"{match[1]}_shared"
    return theirs


def shared_tokens(theirs: str) -> str:
    found = tokens(theirs)
    if match := re.fullmatch(r"to_(\w+)\.(\d)\.(A|B|bias)", found):
        return f"{match[1]}_{match[3].lower()}.{match[2]}"
    return found


@pytest.mark.parametrize("name", ["mmrl-5-layers2-3", "mmrl-2-layers1-3", "mmrlpp-5-layers2-3"])
def test_mmrl(name, clip):
    case = load_case(name)
    about, settings = case.about, case.about["settings"]
    clip = copy(clip)
    clip.logit_scale = settings["logit_scale"]
    own = {
        "tokens": settings["representation_tokens"],
        "width": settings["representation_width"],
        "first_block": settings["blocks"][0],
        "alpha": settings["alpha"],
        "weight": settings["regularization_weight"],
    }
    better = "beta" in settings
    if better:
        own |= {"beta": settings["beta"], "map_rank": settings["aligner_rank"]}
        own["projection_rank"] = settings["projection_rank"]
    method = "mmrl_plus_plus" if better else "mmrl"
    mmrl = build(clip, method, about["class_names"], settings["template"], **own)
    names = initialise(mmrl, case, shared_tokens if better else tokens)
    new = build(clip, method, about["new_class_names"], settings["template"], **own)

    def check(after: str) -> None:
        features = mmrl.image_side().encode_images(case("images").double())
        own, representation = mmrl.head_logits(features)
        assert_close(mmrl.logits(features), case(f"float64/logits{after}"), EXACT)
        assert_close(own, case(f"float64/logits_class{after}"), EXACT)
        assert_close(representation, case(f"float64/logits_representation{after}"), EXACT)
        new.load_prompt({n: t.detach() for n, t in mmrl.named_parameters()})
        assert_close(new.logits(features), case(f"float64/new_class_logits{after}"), EXACT)

    check("")
    optimizer = torch.optim.AdamW(
        [p for p in mmrl.parameters() if p.requires_grad], 1e-3, weight_decay=5e-4
    )
    seen = five_steps(mmrl, case, names, optimizer)
    printed, weight = about["values_float64"], settings["regularization_weight"]
    for term, theirs in (("image", "image_cosine_terms"), ("text", "text_cosine_terms")):
        values = [row[term] / weight for row in seen]
        assert values == pytest.approx(printed[theirs], rel=1e-8)
    check("_after_5_steps")


@pytest.mark.parametrize("name", ["2sfs-layernorm", "2sfs-layernorm-high-rate"])
def test_two_stages(name, clip):
    case = load_case(name)
    about, settings = case.about, case.about["settings"]
    own = {"template": settings["template"], "share": 0.6}
    learner = build(clip, "two_stage", about["class_names"], **own)
    images, labels = case("images").double(), case("labels")
    rates = iter(about["optimizer"]["learning_rate_of_step"])

    def logits() -> Tensor:
        return learner.logits(learner.image_side().encode_images(images))

    def train(steps: int, parameters: list[Tensor], first: Callable[[], None]) -> list[float]:
        optimizer = torch.optim.AdamW(parameters, weight_decay=0.01)
        seen = []
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = next(rates)
            optimizer.zero_grad()
            seen.append(learner.backward(learner.losses(images, labels)).item())
            if step == 0:
                first()
            optimizer.step()
        return seen

    def norms(what: str, gradient: bool) -> None:
        for tower, prefix in (("text", ""), ("image", "visual.")):
            for depth, ours in enumerate(getattr(learner, f"{tower}_norms")):
                values = ours.grad if gradient else ours
                key = f"float64/{what}/{prefix}transformer.resblocks.{depth}"
                rows = [(norm, part) for norm in NORMS for part in ("weight", "bias")]
                for row, (norm, part) in enumerate(rows):
                    assert_close(values[row], case(f"{key}.{norm}.{part}"), EXACT)

    assert_close(logits(), case("float64/logits"), EXACT)
    trained = [p for p in learner.parameters() if p.requires_grad]
    losses = train(settings["steps_stage_1"], trained, lambda: norms("gradient_stage_1", True))
    assert losses == pytest.approx(about["values_float64"]["losses_stage_1"], rel=EXACT)
    norms("after_stage_1", False)
    assert not learner.classifier.any()

    learner.start_second_stage()
    assert_close(learner.classifier, case("float64/classifier_initial"), EXACT)
    assert_close(logits(), case("float64/logits_stage_2_initial"), EXACT)

    def second() -> None:
        assert_close(learner.classifier.grad, case("float64/gradient_stage_2/classifier"), EXACT)

    losses = train(settings["steps_stage_2"], trained, second)
    assert losses == pytest.approx(about["values_float64"]["losses_stage_2"], rel=EXACT)
    assert_close(learner.classifier, case("float64/after_stage_2/classifier"), EXACT)
    norms("after_stage_1", False)
    assert_close(logits(), case("float64/logits_base"), EXACT)

    def of(names: list[str]) -> Tensor:
        other = build(clip, "two_stage", names, **own)
        other.load_prompt({n: t.detach() for n, t in learner.named_parameters()})
        return other.logits(other.image_side().encode_images(images))

    new = about["new_class_names"]
    assert_close(of(new), case("float64/logits_new"), EXACT)
    assert_close(of([*new, *about["class_names"]]), case("float64/logits_all"), EXACT)
