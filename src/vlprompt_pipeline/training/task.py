"""A prompt to be trained: its recipe and images, alone or side by side with others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock
from torch import Tensor

from vlprompt_pipeline import __version__
from vlprompt_pipeline.config import TrainingParameters
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.filesystem.files import sha256_json
from vlprompt_pipeline.filesystem.manifests import remove_described
from vlprompt_pipeline.methods import ClassTexts, PromptLearner, Recipe, build_learner, fit_learner
from vlprompt_pipeline.methods.trained import TrainedPrompt
from vlprompt_pipeline.progress import bar
from vlprompt_pipeline.source_code import code_digest
from vlprompt_pipeline.training.checkpoint import Checkpoint
from vlprompt_pipeline.training.few_shot_images import FewShotImages
from vlprompt_pipeline.training.groups import Member, Trained, load_member, save_group
from vlprompt_pipeline.training.loop import train
from vlprompt_pipeline.training.repeatable import repeatable
from vlprompt_pipeline.training.side_by_side import train_together


@dataclass(frozen=True, kw_only=True)
class PromptTask:
    """What one prompt is trained from.

    Attributes:
        recipe_name, recipe: the recipe as conf calls it, and resolved.
        classes: the base classes.
        images: the few-shot images of a seed.
        group: all prompts that train side by side, this one among them; or this one alone.
    """

    recipe_name: str
    recipe: Recipe
    classes: ClassTexts
    images: FewShotImages
    group: tuple[Member, ...]

    def learner(self) -> PromptLearner:
        """Build the learner as it stands before training."""
        return build_learner(self.recipe, self.images.clip, self.classes, self.images.seed)

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Say what the prompt is trained on, as plain values."""
        images, few_shot_set = self.images, self.images.few_shot_set
        together = {"side_by_side": [list(each) for each in self.group]}
        return {
            "recipe": self.recipe_name,
            "dataset": few_shot_set.dataset,
            "shots": few_shot_set.shots,
            "seed": images.seed,
            "split_sha256": few_shot_set.split_sha256,
            "few_shot_sha256": few_shot_set.digest["train"],
            "training_features": images.training.key or "online",
            "crop_scale": images.parameters.crop_scale,
            "code_version": __version__,
            "code": code_digest("training", *self.recipe.code),
            "arithmetic": images.clip.arithmetic.key,
            **(together if len(self.group) > 1 else {}),
        }

    @cached_property
    def fingerprint(self) -> str:
        """Hash everything that the trained prompt depends on."""
        images, classes = self.images, self.classes
        return sha256_json(
            [
                self.recipe.deciding,
                [classes.names, classes.template, images.few_shot_set.content_sha256],
                images.clip.identity_sha256,
                asdict(images.training),
                images.parameters.views,  # which that does not tell where crops are made anew
                self.provenance,
            ]
        )

    def trained(self, state: dict[str, Tensor]) -> TrainedPrompt:
        """Return the prompt with the state of its learner after training."""
        recipe = self.recipe.model_dump(mode="json")
        if self.recipe.training:  # what a machine had room for decides no bit of the prompt
            recipe["training"]["memory_gb"] = None
        return TrainedPrompt(
            recipe=recipe,
            state=state,
            classes=self.classes,
            clip_identity=self.images.clip.identity,
            provenance=self.provenance,
        )


def train_alone(task: PromptTask, checkpoint: Path) -> Trained:
    """Train one prompt, going on from its checkpoint if there is one."""
    learner, recipe, images = task.learner(), task.recipe, task.images
    fitted_to, rows = images.at_once() if learner.fitted else None, []
    if fitted_to:
        with repeatable(learner.clip.device):
            rows = fit_learner(learner, recipe, fitted_to, images.seed)
    if recipe.training:
        batches = images.batches(learner, recipe.training)
        rows = train(
            learner, batches, recipe.training, Checkpoint(checkpoint, task.fingerprint), bar
        )
    if fitted_to:
        learner.settle(fitted_to)
    return learner.state_dict(), rows


def train_with_others(
    tasks: Sequence[PromptTask], number: int, file: Path, checkpoints: Path
) -> Trained:
    """Return what a task of a group became, by its number; all are trained if `file` lacks them.

    Nodes of one run that ask for the same group at once wait for the one that trains it.

    Raises:
        UserError: a loss or gradient is no longer finite, or a folder cannot be written to.
    """
    fingerprint = sha256_json([task.fingerprint for task in tasks])
    checkpoint = Checkpoint(checkpoints / file.name, fingerprint)
    try:
        lock = FileLock(checkpoint.path.with_suffix(".lock")).acquire()  # makes its folder, too
    except OSError as error:
        raise UserError(
            f"cannot write {checkpoint.path}: {error.strerror}; make its folder writable"
        ) from error
    with lock:
        if stored := load_member(file, fingerprint, number):
            return stored
        trained = _train_group(tasks, tasks[number].recipe.training, checkpoint)
        save_group(file, fingerprint, trained)
        remove_described(checkpoint.path)
    return trained[number]


def _train_group(
    tasks: Sequence[PromptTask], training: TrainingParameters, checkpoint: Checkpoint
) -> list[Trained]:
    """Train all, with the room in memory that the run's own recipe leaves."""
    learners = [task.learner() for task in tasks]
    by_seed = {task.images.seed: task.images for task in tasks}
    histories = train_together(
        learners,
        [list(by_seed).index(task.images.seed) for task in tasks],
        [images.batches(learners[0], training) for images in by_seed.values()],
        training,
        checkpoint,
        bar,
    )
    return [(learner.state_dict(), rows) for learner, rows in zip(learners, histories, strict=True)]
