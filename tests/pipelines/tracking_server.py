"""A PostgreSQL of its own in a temporary folder, and an `mlflow server` that keeps runs in it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from servers import free_port, wait_until_it_answers

PATIENCE = 180  # seconds for a start on a busy machine
_FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


@contextmanager
def postgres() -> Iterator[str]:
    """URL of an empty database of a server that ends with the block; skips where there is none.

    PostgreSQL refuses to be run by root, who runs it as the user `postgres` of its package.
    """
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = programs[-1] if programs else shutil.which("initdb")
    if found is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    as_user = []
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("PostgreSQL refuses to be run by root, and there is no setpriv")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    folder = Path(tempfile.mkdtemp(prefix="postgres"))  # pytest's own are closed to other users
    data, port = folder / "data", free_port()
    settings = _FAST | {
        "port": str(port),
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(folder),
    }
    control = [*as_user, str(Path(found).with_name("pg_ctl")), "-D", str(data), "-w"]
    try:
        if as_user:
            shutil.chown(folder, "postgres", "postgres")
        made = [*as_user, str(found), "-D", str(data), "-U", "mlflow", "-A", "trust", "--no-sync"]
        subprocess.run(made, check=True, capture_output=True, cwd=folder)
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        started = ["-l", str(folder / "log"), "-t", str(PATIENCE), "-o", options, "start"]
        subprocess.run([*control, *started], check=True, stdout=subprocess.DEVNULL, cwd=folder)
        yield f"postgresql://mlflow@127.0.0.1:{port}/postgres"
    finally:
        if data.is_dir():
            stopped = [*control, "-m", "immediate", "stop"]
            subprocess.run(stopped, check=False, capture_output=True, cwd=folder)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def mlflow_server(database: str, artifacts: Path, port: int) -> Iterator[str]:
    """Address of `mlflow server` over a database, which is stopped at the end of the block.

    The address names psycopg2: SQLAlchemy from 2.1 on takes plain postgresql:// for psycopg 3.
    """
    database = database.replace("postgresql://", "postgresql+psycopg2://")
    command = [sys.executable, "-m", "mlflow", "server", "--workers=1", f"--port={port}"]
    command += [f"--backend-store-uri={database}", f"--artifacts-destination={artifacts}"]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    address = f"http://127.0.0.1:{port}"
    with (artifacts.parent / "server.log").open("ab") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=log, env=environment, start_new_session=True
        )
    try:
        wait_until_it_answers(server, f"{address}/health", PATIENCE)
        yield address
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
        server.wait()
