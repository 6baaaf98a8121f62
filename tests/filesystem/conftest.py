"""A folder in which rights count, whoever runs the tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

NOBODY = 65534


@pytest.fixture
def plain_user_folder(tmp_path) -> Iterator[Path]:
    """A folder of the user that the test runs as; the superuser, who may do anything, is another.

    It is not below `tmp_path`, whose folders above let nobody else in.
    """
    if os.geteuid():
        yield tmp_path
        return
    with TemporaryDirectory() as name:
        os.chown(name, NOBODY, NOBODY)
        os.seteuid(NOBODY)
        try:
            yield Path(name)
        finally:
            os.seteuid(0)
