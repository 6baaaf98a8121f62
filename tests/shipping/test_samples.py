"""Which images of a folder measure the graphs, and what they show."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.shipping import ImageSamples
from vlprompt_pipeline.shipping.samples import CALIBRATION


def test_broken_files_are_left_out_and_named(caplog):
    def of(path):
        if path.name.startswith("broken"):
            raise DataError(f"cannot read {path}")
        return torch.full((3, 2, 2), float(path.stem))

    card = SimpleNamespace(class_names=("cat", "dog"))
    model = SimpleNamespace(card=card, view=SimpleNamespace(of=of))
    files = [Path("cat/broken.png"), Path("cat/1.png"), Path("dog/2.png")]
    samples = ImageSamples.of_folder(model, files, "these")
    assert samples.test[:, 0, 0, 0].tolist() == samples.calibration[:, 0, 0, 0].tolist() == [1, 2]
    assert samples.labels.tolist() == [0, 1]
    assert "1 image left out: cannot read cat/broken.png" in caplog.text
    with pytest.raises(DataError, match="no image can be read: cannot read broken.png"):
        ImageSamples.of_folder(model, [Path("broken.png")], "these")


def test_of_many_files_none_both_calibrates_and_measures():
    card = SimpleNamespace(class_names=("cat", "dog"))
    view = SimpleNamespace(of=lambda path: torch.full((3, 1, 1), float(path.stem)))
    files = [Path(f"cat/{number}.png") for number in range(CALIBRATION + 8)]
    samples = ImageSamples.of_folder(SimpleNamespace(card=card, view=view), files, "these")
    calibrating, measuring = (
        set(part[:, 0, 0, 0].tolist()) for part in (samples.calibration, samples.test)
    )
    assert (len(calibrating), len(measuring)) == (CALIBRATION, 8)
    assert not calibrating & measuring


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
