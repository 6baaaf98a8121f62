"""Promote candidates to champions: only if a test says better, or for a stated reason."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.registry.common_images import Contender
from vlprompt_pipeline.registry.config import PromotionParameters
from vlprompt_pipeline.registry.evidence import Contest, contest
from vlprompt_pipeline.registry.place import without_password
from vlprompt_pipeline.registry.store import CANDIDATE, CHAMPION, ModelRegistry
from vlprompt_pipeline.registry.version import RegisteredVersion
from vlprompt_pipeline.results.records import ZERO_SHOT
from vlprompt_pipeline.results.remarks import TEXTS_COINCIDE
from vlprompt_pipeline.results.statistics import holm, verdict
from vlprompt_pipeline.wording import counted, join

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Decision:
    """Whether a candidate is promoted, and why.

    Attributes:
        candidate: the version.
        promoted: whether it is champion from now on.
        why: a sentence with the figures.
    """

    candidate: RegisteredVersion
    promoted: bool
    why: str


def promote(
    registry: ModelRegistry,
    dataset: str,
    methods: Sequence[str],
    how: PromotionParameters,
    *,
    named: bool = True,
) -> list[Decision]:
    """Promote the candidates of these methods whose paired test says better.

    The present champion is to be beaten; where there is none, zero-shot CLIP on the same images;
    where that cannot be scored, as the classes' texts are one to the CLIP, the answer that is right
    most often.
    Tests of several methods are corrected for their number (Holm). Methods that nobody `named` are
    left out where they have nothing to promote.

    Raises:
        UserError: there is no candidate, it is champion already, or there is nothing comparable.
    """
    candidates, contests, reasons = [], [], []
    for method in methods:
        try:
            candidate = _candidate(registry, f"{dataset}.{method}")
            if not how.force:
                contests.append(_contest(registry, dataset, method, candidate))
        except UserError as error:
            if named:
                raise
            reasons.append(str(error))
        else:
            candidates.append(candidate)
    if not candidates:
        raise UserError("; ".join(reasons))
    for reason in reasons:
        logger.info("left out: %s", reason)
    if how.force:
        why = f"forced: {how.reason}"
        for candidate in candidates:
            registry.promote(candidate, {"promotion": why})
        return [Decision(candidate, True, why) for candidate in candidates]
    adjusted = holm([result.paired.p_value for _, result in contests])
    decisions = []
    for candidate, (holder, result), p_value in zip(candidates, contests, adjusted, strict=True):
        outcome = verdict(result.paired, p_value, how.level)
        tests = counted(len(contests), "test")
        corrected = tests if len(contests) == 1 else f"{p_value:.2g} for {tests} (Holm)"
        link = "from" if outcome == "no difference shown" else "than"
        why = f"{outcome} {link} {holder}: {result}, {corrected}"
        decision = Decision(candidate, outcome == "better", why)
        if decision.promoted:
            registry.promote(candidate, {"promotion": why})
        decisions.append(decision)
    return decisions


def refusal(decisions: Sequence[Decision]) -> str:
    """Write the sentence on those that stay candidates; empty where there are none."""
    stay = [f"{d.candidate} ({d.why})" for d in decisions if not d.promoted]
    if not stay:
        return ""
    champions = [str(d.candidate) for d in decisions if d.promoted]
    promoted = f" {join(champions)} became champion." if champions else ""
    return (
        f"not promoted: {'; '.join(stay)}.{promoted} Better is said only with the paired test; "
        "registry.promote.force with a registry.promote.reason promotes without"
    )


def _candidate(registry: ModelRegistry, name: str) -> RegisteredVersion:
    candidate = registry.holder(name, CANDIDATE)
    if candidate is None:
        raise UserError(
            f"{name} has no candidate in MLflow at {without_password(registry.uri)}: register it "
            "first with kedro run --pipelines=register"
        )
    champion = registry.holder(name, CHAMPION)
    if champion and champion.number == candidate.number:
        raise UserError(f"{candidate} is champion already: there is nothing to promote")
    return candidate


def _contest(
    registry: ModelRegistry, dataset: str, method: str, candidate: RegisteredVersion
) -> tuple[str, Contest]:
    challenger = _contender(registry, candidate)
    champion = registry.holder(candidate.name, CHAMPION)
    if champion is not None:
        return str(champion), contest(challenger, _contender(registry, champion))
    if method == ZERO_SHOT:
        raise UserError(
            f"{candidate.name} has no champion to beat, and is what first champions of other "
            "methods have to beat: name those in methods=, or promote it by registry.promote.force"
        )
    baseline = f"{dataset}.{ZERO_SHOT}"
    same = {key: candidate.tags[key] for key in ("protocol", "split_sha256", "weights_sha256")}
    for version in registry.versions(baseline, **same)[:1]:
        holder = _contender(registry, version)
        return holder.name, contest(challenger, holder)
    if candidate.tags.get("warning", "").startswith(TEXTS_COINCIDE):
        holder = guessing(challenger)
        return holder.name, contest(challenger, holder)
    raise UserError(
        f"{candidate.name} has no champion yet, and a first one has to beat zero-shot CLIP, of "
        f"which no version for the same task is registered: register {ZERO_SHOT} of the same "
        "cell too (methods=zero_shot), or promote by registry.promote.force"
    )


def guessing(challenger: Contender) -> Contender:
    """Return who always answers with the class that has the most test images of each half."""
    table = challenger.evidence
    most = table.groupby("half")["truth"].transform(lambda names: names.mode()[0])
    guessed = table.assign(answer=most, right=table["truth"] == most)
    return Contender("always answering the most frequent class", challenger.tags, guessed)


def _contender(registry: ModelRegistry, version: RegisteredVersion) -> Contender:
    return Contender(str(version), version.tags, registry.evidence(version))
