"""Paths that begin with `~`."""

from __future__ import annotations

from pathlib import Path

from vlprompt_pipeline.errors import ConfigError


def at_home(path: str | Path) -> Path:
    """Return a path with the home folder in place of a leading `~` or `~name`.

    Raises:
        ConfigError: there is no user of that name.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        user = Path(path).parts[0]
        raise ConfigError(
            f"{path}: there is no home folder {user}; write ./{user} for a folder of that name"
        ) from None
