"""Servers on this machine: in threads of this process, or a process that takes its time."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests


class Server(ThreadingHTTPServer):
    """A server of threads that end with it."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is what some tests are about."""


class Files(SimpleHTTPRequestHandler):
    """Files of the folder `directory`."""

    def log_message(self, *args: object) -> None:
        """Requests are no news."""


@contextmanager
def serving(handler: Callable[..., Any]) -> Iterator[str]:
    """Answer requests by a class of handlers; gives the address of the server."""
    with Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:  # a thread left on a closed socket never rests
            server.shutdown()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_until_it_answers(server: subprocess.Popen, url: str, seconds: float = 60) -> None:
    """Wait for a process to answer at a URL; one that does not is killed."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        try:
            if requests.get(url, timeout=5).status_code == 200:
                return
        except requests.ConnectionError:
            time.sleep(0.05)
    server.kill()
    raise AssertionError(f"nobody answers at {url}")
