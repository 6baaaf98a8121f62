"""Whether what is stored of a method is still what its run left, and still asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlprompt_pipeline.clip import FrozenClip
from vlprompt_pipeline.config import SideBySideParameters
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.filesystem.data_folder import DataFolder
from vlprompt_pipeline.filesystem.files import sha256_file
from vlprompt_pipeline.filesystem.places import is_there
from vlprompt_pipeline.methods import resolve_recipe
from vlprompt_pipeline.methods.trained import TrainedPrompt, require_same_clip
from vlprompt_pipeline.reproducibility.differences import differences
from vlprompt_pipeline.reproducibility.record import Record
from vlprompt_pipeline.training.groups import Member, members
from vlprompt_pipeline.wording import join


def require_unchanged(
    record: Record,
    prompt: TrainedPrompt,
    clip: FrozenClip,
    recipes: Mapping[str, Any],
    data: DataFolder,
) -> None:
    """Refuse to verify what would be made differently, before anything is computed.

    Raises:
        UserError: a file is gone or not the one that the record's run left, or the recipe is
            another one now.
        PromptFileError: the CLIP is another one now.
    """
    require_same_clip(prompt.clip_identity, clip, f"the prompt of {record.method}")
    for file in record.files.values():
        path = data.path(file.path)
        if not is_there(path) or sha256_file(path) != file.sha256:
            what = "has been changed" if path.is_file() else "is gone"
            raise UserError(
                f"{file.path} {what} since the run of {record.runs[file.run].ended:%Y-%m-%d %H:%M} "
                f"UTC that made it: there is nothing of {record.method} to compare with; put it "
                "back, or run the cell again"
            )
    then, now = prompt.resolved_recipe(), resolve_recipe(record.method, recipes)
    if changed := differences(then.deciding, now.deciding):
        listed = ", ".join(f"{key} was {was} and is {here}" for key, (was, here) in changed.items())
        raise UserError(
            f"recipes.{record.method} is not the recipe of the stored run: {listed}; verify with "
            "the parameters of that run, or run the cell again"
        )


def stored_groups(records: Sequence[Record], recipes: Mapping[str, Any]) -> SideBySideParameters:
    """Return the setting under which each stored prompt trains in the group that it came from.

    Raises:
        UserError: no setting does so for all of them.
    """
    settings = {each.method: _setting(each) for each in records}

    def group(record: Record, setting: SideBySideParameters) -> tuple[Member, ...]:
        return members(record.method, record.seed, setting, recipes)

    groups = {each.method: group(each, settings[each.method]) for each in records}
    for setting in settings.values():
        if all(group(each, setting) == groups[each.method] for each in records):
            return setting
    trained = "; ".join(f"{name} trained {_told(together)}" for name, together in groups.items())
    raise UserError(
        f"{trained}: no one run makes them all again; verify them apart, with --params=methods="
        f"{records[0].method}"
    )


def _told(group: Sequence[Member]) -> str:
    if len(group) == 1:
        return "alone"
    return "in the group " + join([f"{method} {seed}" for method, seed in group])


def _setting(record: Record) -> SideBySideParameters:
    made = record.files["prompt"].run
    return SideBySideParameters.model_validate(record.runs[made].parameters["side_by_side"])
