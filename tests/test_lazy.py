"""Names of a package that are imported once they are used."""

from __future__ import annotations

import pytest

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.lazy import lazy_names


def test_a_name_is_that_of_its_module():
    get, names = lazy_names("vlprompt_pipeline", {"UserError": "errors"})
    assert get("UserError") is UserError
    assert names() == ["UserError"]
    with pytest.raises(AttributeError, match="module 'vlprompt_pipeline' has no attribute 'gone'"):
        get("gone")


def test_a_name_that_a_module_would_hide_is_refused():
    with pytest.raises(ValueError, match=r"\['errors'\] would become a module"):
        lazy_names("vlprompt_pipeline", {"errors": "wording", "UserError": "errors"})
