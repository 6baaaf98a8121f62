"""Killed at a random moment, then started again, training ends with the bits of the whole run."""

from __future__ import annotations

import random

import pytest

from training.kills import RECIPES, disturbed


@pytest.mark.parametrize("name", RECIPES)
def test_the_same_bits_after_kills(name, tiny_clip, tmp_path):
    disturbed(tiny_clip, name, tmp_path, kills=2, chance=random.Random(name))
