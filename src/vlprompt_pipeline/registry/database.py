"""The SQLite database of a project: created as a whole, and in order where it lies now.

MLflow creates its tables in some sixty steps of which only some can be undone: a process that is
killed on the way leaves a database that no later start can use. So it is created under another
name, by one process at a time, and renamed when it is finished.

MLflow writes down the folder of artifacts of an experiment, a run and a model as absolute paths. In
a project that was moved or copied they would lead to the old place, so they are rewritten before
MLflow reads them.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from mlflow.store.db import utils
from sqlalchemy.exc import SQLAlchemyError

from vlprompt_pipeline.errors import TrackingError, reason_of
from vlprompt_pipeline.filesystem.files import atomic_write
from vlprompt_pipeline.registry.place import artifacts_of, folder_of

logger = logging.getLogger(__name__)

_WHOLE = 1  # SQLite's user_version, free for applications: set in databases known to be finished
_FIRST_TABLE = "experiments"  # that MLflow creates
_PATIENCE = 120  # seconds to wait for the process that creates the database
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def prepare_database(database: Path) -> None:
    """Create the database if it is missing, and correct the locations in one that was moved.

    Raises:
        TrackingError: the file is no database of this MLflow, or cannot be read or written.
    """
    try:
        if _is_whole(database) and not _old_places(database):
            return
        database.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{database}.lock", timeout=_PATIENCE):
            if not _is_whole(database):
                _make_whole(database)
            for folder in _old_places(database):
                _move_locations(database, folder)
    except Timeout:
        raise TrackingError(
            f"another process has been creating {database} for {_PATIENCE} seconds: end it, or "
            "give the command again when it is done"
        ) from None
    except (OSError, sqlite3.Error, SQLAlchemyError) as error:
        raise TrackingError(
            f"{database} cannot be used as MLflow's database ({reason_of(error)}); mend its "
            "folder, move the file away if it is broken, or name another with tracking.uri"
        ) from error


def _make_whole(database: Path) -> None:
    """Create the database; one that an earlier version left half made is renamed."""
    if database.exists() and database.stat().st_size:
        if not _is_outdated(database):
            _mark_whole(database)
            return
        aside = database.with_name(f"{database.name}.half_made_{int(time.time())}")
        database.rename(aside)
        logger.warning("%s was never finished and holds no runs: it is now %s", database, aside)
    for left in database.parent.glob(f".{database.name}.*"):  # by processes killed at this point
        left.unlink()
    with atomic_write(database) as unfinished:
        _create_tables(unfinished)
        _mark_whole(unfinished)


def _create_tables(file: Path) -> None:
    engine = utils.create_sqlalchemy_engine(f"sqlite:///{file}")
    try:
        utils._initialize_tables(engine)  # what MLflow's own store calls when it finds no tables
    finally:
        engine.dispose()


def _is_whole(database: Path) -> bool:
    if not database.is_file() or not database.stat().st_size:
        return False
    with _opened(database) as connection:
        return connection.execute("PRAGMA user_version").fetchone() == (_WHOLE,)


def _mark_whole(database: Path) -> None:
    with _opened(database) as connection:
        connection.execute(f"PRAGMA user_version = {_WHOLE}")


def _is_outdated(database: Path) -> bool:
    """Tell whether the tables are of another MLflow; true only where nothing can be lost.

    Raises:
        TrackingError: the tables are of another version of MLflow, and hold runs, or of another
            program.
    """
    with _opened(database) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if tables and _FIRST_TABLE not in tables:
            raise TrackingError(
                f"{database} is the database of another program: name one of MLflow, or a file "
                "that is not there, with tracking.uri or MLFLOW_TRACKING_URI"
            )
        if "alembic_version" in tables:
            revisions = connection.execute("SELECT version_num FROM alembic_version").fetchall()
            if revisions == [(utils._get_latest_schema_revision(),)]:
                return False
        used = any(
            connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()
            for table in ("runs", "registered_models")
            if table in tables
        )
    if used:
        raise TrackingError(
            f"{database} was made by another version of MLflow: keep a copy of it, then run "
            f"mlflow db upgrade sqlite:///{database}"
        )
    return True


def _old_places(database: Path) -> list[Path]:
    """List folders of artifacts that the database names and that are no longer its own.

    A folder that exists and has no such database beside it is left alone: it was chosen. MLflow's
    default experiment, which it puts below the working directory of whoever came first, does not
    count.
    """
    home = artifacts_of(database)
    exists = os.path.exists  # unlike a Path's, False where nobody may look: the project was copied
    with _opened(database) as connection:
        rows = connection.execute(
            "SELECT artifact_location FROM experiments WHERE experiment_id != 0"
        ).fetchall()
    folders = {folder for (location,) in rows if (folder := folder_of(location)) is not None}
    return sorted(
        folder
        for folder in folders
        if folder.name == home.name
        and folder != home
        and not (exists(folder) and exists(home) and folder.samefile(home))
        and not (exists(folder) and not exists(folder.parent / database.name))
    )


def _move_locations(database: Path, old: Path) -> None:
    """Rewrite every location below `old`, and end runs that were in progress there."""
    new = artifacts_of(database)
    now = int(time.time() * 1000)
    with _opened(database) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for table, column in _LOCATIONS:
            for before, after in ((old.as_uri(), new.as_uri()), (str(old), str(new))):
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (after, len(before) + 1, before, len(before) + 1, f"{before}/"),
                )
        connection.execute(
            "UPDATE runs SET status = 'KILLED', end_time = ? WHERE status = 'RUNNING'", (now,)
        )
        connection.execute("COMMIT")
    logger.info("%s was at %s: what MLflow keeps there is now looked for here", new, old)


@contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(database, timeout=_PATIENCE, isolation_level=None)
    with closing(connection):
        yield connection
