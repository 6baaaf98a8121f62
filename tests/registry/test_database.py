"""The local database: created as a whole, and in order where its project lies now."""

from __future__ import annotations

import errno
import logging
import os
import random
import shutil
import signal
import sqlite3
import time
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from forks import exit_code, forked
from registry.drafts import open_registry, publish
from vlprompt_pipeline.errors import TrackingError
from vlprompt_pipeline.registry.database import prepare_database
from vlprompt_pipeline.registry.experiment import Experiment

RIGHT = {"base": [True, False, True], "new": [True, True]}


@pytest.fixture(autouse=True)
def no_store_left():
    yield
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


def execute(database: Path, statement: str) -> list:
    connection = sqlite3.connect(database)
    try:
        with connection:
            return connection.execute(statement).fetchall()
    finally:
        connection.close()


def test_killed_while_it_is_created_it_is_created_by_the_next(tmp_path):
    database = tmp_path / "mlflow.db"
    chance = random.Random(0)
    for _ in range(3):
        process = forked(lambda: prepare_database(database))
        time.sleep(chance.uniform(0.05, 1.5))
        os.kill(process, signal.SIGKILL)
        exit_code(process)
        assert not database.exists() or execute(database, "PRAGMA user_version") == [(1,)]
    experiment = Experiment.open(f"sqlite:///{database}", "tests", tmp_path)
    assert experiment.client.create_run(experiment.number).info.status == "RUNNING"
    assert [path.name for path in tmp_path.glob(".mlflow.db.*")] == []


def test_three_first_starts_at_once(tmp_path):
    def start() -> None:
        experiment = Experiment.open(f"sqlite:///{tmp_path / 'mlflow.db'}", "tests", tmp_path)
        experiment.client.create_run(experiment.number)

    started = [forked(start) for _ in range(3)]
    assert list(map(exit_code, started)) == [0, 0, 0]
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiments = [found for found in client.search_experiments() if found.name == "tests"]
    assert len(experiments) == 1
    assert len(client.search_runs([experiments[0].experiment_id])) == 3


def test_a_half_made_one_of_an_earlier_version_is_put_aside(database, caplog):
    execute(database, "PRAGMA user_version = 0")
    execute(database, "UPDATE alembic_version SET version_num = '451aebb31d03'")
    prepare_database(database)
    assert execute(database, "PRAGMA user_version") == [(1,)]
    assert len(list(database.parent.glob("mlflow.db.half_made_*"))) == 1
    assert "was never finished and holds no runs" in caplog.text
    Experiment.open(f"sqlite:///{database}", "tests", database.parent)


def test_the_database_of_another_program_stays_where_it_is(tmp_path):
    file = tmp_path / "shop.db"
    execute(file, "CREATE TABLE customers (name)")
    before = file.read_bytes()
    with pytest.raises(TrackingError, match="is the database of another program"):
        prepare_database(file)
    assert file.read_bytes() == before
    assert not list(tmp_path.glob("*half_made*"))


def test_one_of_another_mlflow_that_holds_runs_is_refused(database):
    experiment = Experiment.open(f"sqlite:///{database}", "tests", database.parent)
    experiment.client.create_run(experiment.number)
    execute(database, "PRAGMA user_version = 0")
    execute(database, "UPDATE alembic_version SET version_num = '451aebb31d03'")
    with pytest.raises(TrackingError, match=r"another version of MLflow.*mlflow db upgrade sqlite"):
        prepare_database(database)
    assert len(execute(database, "SELECT * FROM runs")) == 1


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "mlflow.db").write_text("something else entirely\n" * 100)
    with pytest.raises(TrackingError, match="cannot be used as MLflow's database"):
        prepare_database(tmp_path / "mlflow.db")


def recorded(database: Path, text: str) -> str:
    """The id of a run that has an artifact and goes on."""
    experiment = Experiment.open(f"sqlite:///{database}", "tests", database.parent)
    run = experiment.client.create_run(experiment.number).info.run_id
    experiment.client.log_text(run, text, "note.txt")
    return run


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_moved_or_copied_project_has_its_artifacts_and_leaves_the_old_place_alone(
    how, database, tmp_path
):
    old = database.parent

    def start() -> None:  # in a process of its own: MLflow remembers where a run's artifacts are
        recorded(database, "before")
        publish(open_registry(database), tmp_path / "1", "coop", RIGHT)

    assert exit_code(forked(start)) == 0
    ((run,),) = execute(database, "SELECT run_uuid FROM runs")
    new = tmp_path / "a new place"
    (shutil.move if how == "moved" else shutil.copytree)(old, new)
    before = contents(old) if how == "copied" else None

    registry = open_registry(new / "mlflow.db")
    (version,) = registry.versions("cats.coop")
    assert len(registry.evidence(version)) == 5
    assert registry.client.get_run(run).info.status == "KILLED", "it does not run here"
    found = registry.client.download_artifacts(run, "note.txt")
    assert Path(found).read_text() == "before"
    assert registry.client.get_run(run).info.artifact_uri.startswith(new.as_uri())
    registry.client.log_text(run, "after", "later.txt")
    later = recorded(new / "mlflow.db", "another")
    publish(registry, tmp_path / "2", "coop", RIGHT)
    assert registry.client.get_run(later).info.artifact_uri.startswith(new.as_uri())
    assert (contents(old) if old.exists() else None) == before
    assert b"/store/" not in b"".join(
        path.read_bytes() for path in (new / "mlruns").rglob("MLmodel")
    )


def test_the_same_place_under_another_name_is_no_move(database, tmp_path):
    run = recorded(database, "note")
    link = tmp_path / "link"
    link.symlink_to(database.parent)
    prepare_database(link / "mlflow.db")
    client = MlflowClient(f"sqlite:///{database}")
    assert client.get_run(run).info.artifact_uri.startswith(database.parent.as_uri())
    assert client.get_run(run).info.status == "RUNNING"


def test_a_project_copied_from_where_nobody_may_look_is_used(database, tmp_path, monkeypatch):
    recorded(database, "note")
    new, old, stat = tmp_path / "new", str(database.parent), os.stat
    shutil.copytree(old, new)

    def may_not_look(path, *given, **how):
        if str(path).startswith(old):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return stat(path, *given, **how)

    monkeypatch.setattr(os, "stat", may_not_look)
    prepare_database(new / "mlflow.db")
    places = execute(new / "mlflow.db", "SELECT artifact_location FROM experiments")
    assert ((new / "mlruns").as_uri(),) in places


def test_the_default_experiment_of_another_working_directory_is_no_move(database, tmp_path):
    """It lies below the directory of whoever came first; what runs here goes on."""
    run = recorded(database, "note")
    gone = (tmp_path / "gone/mlruns/0").as_uri()
    execute(database, f"UPDATE experiments SET artifact_location='{gone}' WHERE experiment_id=0")
    prepare_database(database)
    client = MlflowClient(f"sqlite:///{database}")
    assert client.get_run(run).info.status == "RUNNING"


def test_artifacts_that_were_put_elsewhere_on_purpose_stay_there(database, tmp_path):
    place = tmp_path / "elsewhere/mlruns"
    place.mkdir(parents=True)
    client = MlflowClient(f"sqlite:///{database}")
    number = client.create_experiment("theirs", place.as_uri())
    prepare_database(database)
    assert client.get_experiment(number).artifact_location == place.as_uri()


def test_a_deleted_experiment_is_said_with_the_way_back(database):
    uri = f"sqlite:///{database}"
    experiment = Experiment.open(uri, "tests", database.parent)
    experiment.client.delete_experiment(experiment.number)
    with pytest.raises(TrackingError, match=r"tests was deleted.*mlflow experiments restore"):
        Experiment.open(uri, "tests", database.parent)


def test_a_log_is_made_when_mlflow_says_something(database, tmp_path, capsys):
    project, logger = tmp_path / "project", logging.getLogger("mlflow")
    project.mkdir()
    Experiment.open(f"sqlite:///{database}", "tests", project)
    assert list(project.iterdir()) == []
    logger.warning("it was slow")
    assert "WARNING mlflow: it was slow" in (project / "logs/mlflow.log").read_text()

    (tmp_path / "other").write_text("no folder")
    Experiment.open(f"sqlite:///{database}", "tests", tmp_path / "other")
    logger.warning("nowhere to write")
    assert "nowhere to write" in capsys.readouterr().err


def test_a_file_store_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(TrackingError) as caught:
        Experiment.open(f"file://{tmp_path}/mlruns", "tests", tmp_path)
    message = str(caught.value)
    assert message.startswith(f"MLflow at file://{tmp_path}/mlruns refused (")
    assert "name another place with MLFLOW_TRACKING_URI" in message
    (log,) = (tmp_path / "logs").glob("error_*.log")
    assert f"the traceback is in logs/{log.name}" in message
    assert "Traceback (most recent call last)" in log.read_text()


def test_a_locked_database_is_said_in_a_sentence(database, monkeypatch):
    experiment = Experiment.open(f"sqlite:///{database}", "tests", database.parent)
    holder = sqlite3.connect(database, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    from mlflow.store.db import utils

    # MLflow waits 20 seconds for a lock; nothing of what is tested depends on how long
    original = utils.sql.text
    monkeypatch.setattr(utils.sql, "text", lambda text: original(text.replace("20000", "20")))
    try:
        with (
            pytest.raises(TrackingError, match="is locked by another program that writes to it"),
            experiment.answers(),
        ):
            experiment.client.create_run(experiment.number)
    finally:
        holder.close()


def test_a_folder_that_an_address_cannot_name_is_refused_in_a_sentence(tmp_path):
    """SQLAlchemy 2.1 takes `%20` for a blank."""
    folder = tmp_path / "my%20project"
    with pytest.raises(TrackingError, match="unable to open database file\\); mend its folder"):
        prepare_database(folder / "mlflow.db")
