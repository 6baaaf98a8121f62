"""A server as a process: hostile requests leave it alive and small, and it stops gracefully."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import requests

from servers import free_port, wait_until_it_answers
from serving.models import base64_of, picture, png_of
from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.registry.limits import RequestLimits
from vlprompt_pipeline.serving import ServingSettings, address_of, listen

SERVER = """
import sys, time
from serving.models import ColourModel
from vlprompt_pipeline.serving import ServingSettings, listen, serve, server
class Slow(ColourModel):
    def logits(self, pixels):
        time.sleep(float(sys.argv[2]))
        return super().logits(pixels)
server.STOP = float(sys.argv[3])
listener = listen("127.0.0.1", int(sys.argv[1]))
serve(Slow(), ServingSettings(waiting=64, decoders=2), listener)
"""


STOPPED = -signal.SIGTERM  # whoever started it sees that it was told to


class Running(NamedTuple):
    process: subprocess.Popen
    address: str


def started(seconds: float, stop: float = 30, stderr: int | None = None) -> Running:
    """A server whose model takes so long, and that gives requests so long when it is stopped."""
    port = free_port()
    tests = Path(__file__).resolve().parents[1]
    path = os.pathsep.join([str(tests), str(tests.parent / "src")])
    command = [sys.executable, "-c", SERVER, str(port), str(seconds), str(stop)]
    env = os.environ | {"PYTHONPATH": path}
    process = subprocess.Popen(command, env=env, stderr=stderr, text=True)
    address = f"http://127.0.0.1:{port}"
    wait_until_it_answers(process, f"{address}/health")
    return Running(process, address)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    running = started(0)
    yield running
    running.process.terminate()
    assert running.process.wait(20) == STOPPED


def test_hostile_requests_leave_it_alive_and_small(server):
    process = psutil.Process(server.process.pid)
    good = base64_of(picture())
    bomb = base64_of(png_of(12_000, 12_000))
    strip = base64_of(picture("red", (1, 100_000)))
    address = f"{server.address}/predict"
    assert requests.post(address, json={"images": [good]}, timeout=20).status_code == 200
    before, peak = process.memory_info().rss, 0

    def send(images: list) -> requests.Response:
        return requests.post(address, json={"images": images}, timeout=60)

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(send, [bomb, strip, good]) for _ in range(8)]
        answers += [pool.submit(send, [good] * 10_000), pool.submit(send, ["/etc/passwd"])]
        while not all(answer.done() for answer in answers):
            peak = max(peak, process.memory_info().rss)
            time.sleep(0.01)
    for answer in answers[:8]:
        bombed, stripped, labelled = answer.result().json()["predictions"]
        assert "144,000,000 pixels, 50,000,000 are allowed" in bombed["problem"]
        assert "a strip of more than 100:1" in stripped["problem"]
        assert labelled["label"] == "red"
    assert [answer.result().status_code for answer in answers[8:]] == [413, 200]
    assert peak - before < 120e6  # decoding one of them would take 432 MB and more
    assert send([good]).json()["predictions"][0]["label"] == "red"


def test_who_keeps_it_waiting_is_cut_off(server):
    """Without a head, with a part of one, and with a part of a body."""
    host, port = server.address.removeprefix("http://").split(":")
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
    parts = (b"", head, head + b"Content-Length: 1000\r\n\r\nabc")
    with ExitStack() as stack:
        waiting = [
            stack.enter_context(socket.create_connection((host, int(port)), timeout=60))
            for _ in parts
        ]
        for connection, part in zip(waiting, parts, strict=True):
            connection.sendall(part)
        assert [connection.recv(1) for connection in waiting] == [b""] * len(parts)
        endless = stack.enter_context(socket.create_connection((host, int(port)), timeout=60))
        with pytest.raises(OSError, match="reset|Broken pipe"):  # and not a memory full of headers
            endless.sendall(head + b"X-Header: " + b"a" * 10_000_000)


def test_what_is_too_much_is_put_off_and_what_is_under_way_is_answered_before_it_stops():
    running = started(0.5)
    good = base64_of(picture())

    def send(images: int) -> requests.Response:
        body = {"images": [good] * images}
        return requests.post(f"{running.address}/predict", json=body, timeout=60)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, [32] * 4))
        assert sorted(answer.status_code for answer in answers) == [200, 200, 503, 503]
        late = next(answer for answer in answers if answer.status_code == 503)
        assert late.headers["Retry-After"] == "1"
        assert "busy" in late.json()["error"]
        under_way = pool.submit(send, 1)
        time.sleep(0.25)
        running.process.send_signal(signal.SIGTERM)
        assert under_way.result().json()["predictions"][0]["label"] == "red"
    assert running.process.wait(20) == STOPPED
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{running.address}/health", timeout=5)


def test_a_request_that_does_not_end_before_the_server_does_is_told_so():
    running = started(0, stop=0.5, stderr=subprocess.PIPE)
    host, port = running.address.removeprefix("http://").split(":")
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
    with socket.create_connection((host, int(port)), timeout=60) as slow:
        slow.sendall(head + b"Content-Length: 1000\r\n\r\nabc")
        time.sleep(0.25)
        running.process.send_signal(signal.SIGTERM)
        answer = b"".join(iter(lambda: slow.recv(4096), b"")).decode()
    assert answer.startswith("HTTP/1.1 503 ")
    assert answer.endswith('{"error":"the server was stopped: send the request again later"}')
    _, said = running.process.communicate(timeout=20)
    assert "Traceback" not in said


def test_where_nobody_can_listen_is_told():
    for host in ("é" * 70, "::zz"):
        with pytest.raises(ConfigError, match="cannot listen at"):
            listen(host, 0)


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_the_address_is_that_which_was_taken(host, shown):
    with listen(host, 0) as listener:
        port = listener.getsockname()[1]
        assert port > 0
        assert address_of(listener) == f"http://{shown}:{port}"
        with pytest.raises(ConfigError, match=f"cannot listen at {host}:{port}"):
            listen(host, port)


def test_settings_under_which_no_request_could_be_answered_are_refused():
    with pytest.raises(ConfigError, match="8 images may wait, but a single request may hold 64"):
        ServingSettings(RequestLimits(), waiting=8)
