"""The examples in the docstrings run, and give what stands there."""

from __future__ import annotations

import doctest
import logging
from importlib import import_module

import pytest

from conftest import ROOT

SOURCES = ROOT / "src"
MODULES = [
    ".".join(path.relative_to(SOURCES).with_suffix("").parts)
    for path in sorted(SOURCES.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("module", MODULES)
def test_examples(module):
    # warnings go to a log, but a handler that another test left may print them
    logging.disable(logging.WARNING)
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    try:
        done = doctest.testmod(import_module(module), optionflags=options)
    finally:
        logging.disable(logging.NOTSET)
    assert done.attempted
    assert done.failed == 0, "see the captured output"
