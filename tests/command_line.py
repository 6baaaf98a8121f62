"""The command vlprompt, in this process."""

from __future__ import annotations

from click.testing import CliRunner

from vlprompt_pipeline.apps import main


def vlprompt(*arguments: object, status: int = 0) -> str:
    """What the command prints, which must end with that status."""
    done = CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.output
