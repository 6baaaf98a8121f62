"""A served model under steady load: latency, memory, and the same scores as without HTTP.

    python tests/speed/serving.py demo_aerial.qcoop@candidate PHOTOS --seconds 60 --clients 4

in a project with a registered model (or with a folder that vlprompt export or publish wrote, or a
model of the hub). A server is started on the loopback, as `vlprompt serve` starts it. First every
photo, 500 at most, is scored over HTTP and in this process; then clients ask for one photo after
the other, each as soon as its last answer is there. The last line says whether the memory of the
last third of the time lies within 5 % of that of the second.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from itertools import cycle
from pathlib import Path

import numpy as np
import psutil
import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from servers import free_port, wait_until_it_answers
from vlprompt_pipeline.inference import find_photos, open_model

SAME = 500  # photos that are compared, at most
NEAR = 1e-4


def main() -> None:
    """Print the comparison and the load."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    photos = [photo.path.read_bytes() for photo in find_photos([given.photos]).photos]
    port = given.port or free_port()
    command = [sys.executable, "-c", "from vlprompt_pipeline.apps import main; main()", "serve"]
    server = subprocess.Popen([*command, given.model, "--port", str(port)])
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_it_answers(server, f"{address}/health", seconds=600)
        _compare(given.model, photos[:SAME], address)
        _load(photos, address, given.seconds, given.clients, psutil.Process(server.pid))
    finally:
        server.terminate()
        server.wait()


def _compare(name: str, photos: list[bytes], address: str) -> None:
    model = open_model(name)
    labels, scores = [], []
    for start in range(0, len(photos), model.block):
        pixels = np.stack([model.pixels(photo) for photo in photos[start : start + model.block]])
        block = model.scores(pixels)
        labels += [model.class_names[place] for place in block.argmax(-1)]
        scores += block.max(-1).tolist()
    session, served = requests.Session(), []
    for start in range(0, len(photos), 32):
        files = [("images", ("photo", photo)) for photo in photos[start : start + 32]]
        answer = session.post(f"{address}/predict", files=files, timeout=120).json()
        served += answer["predictions"]
    same = sum(row["top_labels"][0] == label for row, label in zip(served, labels, strict=True))
    difference = max(abs(row["score"] - score) for row, score in zip(served, scores, strict=True))
    print(f"{len(photos)} photos over HTTP: {same} the same label, scores within {difference:.1e}")
    assert difference < NEAR


def _load(
    photos: list[bytes], address: str, seconds: float, clients: int, server: psutil.Process
) -> None:
    until, milliseconds, failed = time.monotonic() + seconds, [], []

    def ask(number: int) -> None:
        session = requests.Session()
        for photo in cycle(photos[number::clients]):
            if time.monotonic() >= until:
                return
            began = time.perf_counter()
            answer = session.post(
                f"{address}/predict", data=photo, headers={"Content-Type": "image/*"}, timeout=60
            )
            milliseconds.append(1e3 * (time.perf_counter() - began))
            if answer.status_code != 200 or answer.json()["predictions"][0]["problem"]:
                failed.append(answer.text)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    memory: list[tuple[float, float]] = []
    while time.monotonic() < until:
        memory.append((until - time.monotonic(), server.memory_info().rss / 1e6))
        time.sleep(0.25)
    for thread in threads:
        thread.join()
    p50, p99 = np.percentile(milliseconds, [50, 99])
    first, second, last = (
        np.mean(
            [size for left, size in memory if third * seconds <= 3 * left < (third + 1) * seconds]
        )
        for third in (2, 1, 0)
    )
    change = 100 * (last / second - 1)
    print(
        f"{clients} clients, {seconds:.0f} s: {len(milliseconds):,} answers "
        f"({len(milliseconds) / seconds:.0f} a second), {len(failed)} failed, "
        f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, longest {max(milliseconds):.0f} ms"
    )
    print(
        f"memory: {first:.0f} MB in the first third, {second:.0f} MB in the second, {last:.0f} MB "
        f"in the last ({change:+.1f} % of the second)"
    )
    print("within 5 %" if abs(change) < 5 else "NOT within 5 %")


if __name__ == "__main__":
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    main()
