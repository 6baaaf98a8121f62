"""Which images of a folder measure the graphs, and what they show."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from vlprompt_pipeline.shipping import ImageSamples


@pytest.mark.parametrize("folder", ["blue disc", "blue_disc"])
@pytest.mark.parametrize("name", ["blue disc", "blue_disc"])
def test_a_label_is_that_of_its_folder_with_spaces_or_underscores(folder, name):
    model = SimpleNamespace(
        card=SimpleNamespace(class_names=("square", name)),
        view=SimpleNamespace(of=lambda path: torch.zeros(3, 2, 2)),
    )
    samples = ImageSamples.of_folder(model, [Path(folder, "1.png"), Path("square/2.png")], "these")
    assert samples.labels.tolist() == [1, 0]
    assert ImageSamples.of_folder(model, [Path("other/1.png")], "these").labels is None
