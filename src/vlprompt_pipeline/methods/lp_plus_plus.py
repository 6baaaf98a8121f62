"""LP++: a linear probe that mixes in the text features, class by class (Huang et al., CVPR 2024).

logits_c = f · w_c + α_c (f · t_c). Full-batch steps whose sizes follow from the data: 4N /
λ_max(FᵀF) for w, with momentum, and N / (4 max_c Σ (f · t_c)²) for α, every tenth step. w starts at
the sum of the class's features, α at 250 times the mean cosine of images with their own class's
text. The step with the highest validation accuracy, the last of equals, is kept; without validation
images the last one. Constants follow FereshteShakeri/FewShot-CLIP-Strong-Baseline,
methods/linear_probe_p2.py. Two things do not: that code adds a random bias to w, which the paper
has not, and never clears the gradient of α, so that each of its steps follows the sum of all
gradients before; here it follows the gradient of the moment, as in the paper.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from vlprompt_pipeline.clip.backbone import FrozenClip
from vlprompt_pipeline.methods.inputs import FewShotFeatures
from vlprompt_pipeline.methods.registry import Method, always, register
from vlprompt_pipeline.methods.texts import FixedTexts, TextParameters

INITIAL_ALPHA = 250
ALPHA_EVERY = 10
MOMENTUM = 0.9


class LPPlusPlusParameters(TextParameters):
    """`steps` of the optimiser (published: 300), and the templates of the text features."""

    steps: int = Field(ge=1)


class LPPlusPlus(FixedTexts):
    """`weight` `[classes, embed]` and `alpha` `[classes]`."""

    fitted = True
    trained = False
    texts_decide = False
    exact = ("alpha",)
    classifiers = mean_free = ("weight",)
    settings: LPPlusPlusParameters

    def build(self, clip: FrozenClip, generator: Generator) -> None:
        """Raise ConfigError for an unknown template set, DataError for a name too long."""
        super().build(clip, generator)
        self.weight = nn.Parameter(torch.zeros_like(self.texts))
        self.alpha = nn.Parameter(self.texts.new_zeros(len(self.texts)))

    def logits(self, image_features: Tensor) -> Tensor:
        """Return `[images, classes]`."""
        return image_features @ self.weight.T + self.alpha * (image_features @ self.texts.T)

    def fit(self, few_shot: FewShotFeatures) -> list[dict]:
        """Take all steps; return a row for each."""
        images, labels = few_shot.images, few_shot.labels
        cosines = images @ self.texts.T
        rate = 4 * len(labels) / torch.linalg.eigvalsh((images.T @ images).cpu())[-1].item()
        alpha_rate = len(labels) / (4 * cosines.square().sum(0).max().item())
        members = F.one_hot(labels, len(self.texts)).to(images)
        with torch.no_grad():
            self.weight.copy_(members.T @ images)
            similarity = (members * cosines).sum(0) / members.sum(0)
            self.alpha.fill_(INITIAL_ALPHA * similarity.mean())
        optimizer = torch.optim.SGD([self.weight], rate, MOMENTUM)
        rows, most, best = [], 0, self.prompt_tensors()
        for step in range(self.settings.steps):
            loss = self.losses(images, labels)["cross_entropy"]
            self.weight.grad, self.alpha.grad = torch.autograd.grad(loss, (self.weight, self.alpha))
            optimizer.step()
            if (step + 1) % ALPHA_EVERY == 0:
                with torch.no_grad():
                    self.alpha -= alpha_rate * self.alpha.grad
            with torch.no_grad():
                right = few_shot.right_answers(self.logits(few_shot.validation))
            if right >= most:
                most, best = right, self.prompt_tensors()
            row = {"epoch": step, "learning_rate": rate, "loss": loss.item()}
            rows.append({**row, "validation_right": right})
        self.load_prompt(best)
        return rows


register(Method("lp_plus_plus", LPPlusPlusParameters, LPPlusPlus, always))
