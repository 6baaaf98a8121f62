"""A server on this machine that serves files, well or badly."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from servers import serving


@dataclass(frozen=True)
class Answer:
    """How one request is answered; as it is, correctly.

    `cut` ends the connection after so many bytes of the body, `length` is what Content-Length says
    in place of the truth (None: it is left out and the end of the connection is the end),
    `content` and `etag` replace those of the file from then on. `span` is what Content-Range says
    in place of the truth, `start` where the range begins in place of what was asked for.
    """

    status: int = 0
    cut: int | None = None
    length: int | str | None = "true"
    ranges: bool = True
    wait: float = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    etag: str | None = None
    span: str | None = None
    start: int | None = None


@dataclass
class File:
    """A file and the answers of the requests to come; the last one is repeated."""

    content: bytes
    etag: str = '"one"'
    answers: list[Answer] = field(default_factory=lambda: [Answer()])
    asked: list[dict[str, str]] = field(default_factory=list)

    def next_answer(self) -> Answer:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer.content is not None:
            self.content, self.etag = answer.content, answer.etag or self.etag
        return answer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: Mapping[str, File]

    def do_GET(self) -> None:
        file = self.files.get(self.path)
        if file is None:
            self.send_error(404)
            return
        file.asked.append({key.lower(): value for key, value in self.headers.items()})
        answer = file.next_answer()
        time.sleep(answer.wait)
        if answer.status:
            self.reply(answer.status, b"", 0, answer.headers)
            return
        self.serve(file, answer)

    def do_HEAD(self) -> None:
        """As the hub answers: the tag is the SHA-256 of the content."""
        file = self.files.get(self.path)
        if file is None:
            self.send_error(404)
            return
        digest = hashlib.sha256(file.content).hexdigest()
        tags = {"ETag": f'"{digest}"', "X-Repo-Commit": "0" * 40}
        self.reply(200, b"", len(file.content), tags)

    def serve(self, file: File, answer: Answer) -> None:
        headers = {"ETag": file.etag, **answer.headers}
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range", headers["ETag"]) == headers["ETag"]
        start, status, size = 0, 200, len(file.content)
        if asked and same and answer.ranges:
            start, status = answer.start or int(asked.group(1)), 206
            headers["Content-Range"] = answer.span or f"bytes {start}-{size - 1}/{size}"
            if start >= size:
                self.reply(416, b"", 0, {"Content-Range": f"bytes */{size}"})
                return
        body = file.content[start:]
        length = len(body) if answer.length == "true" else answer.length
        self.reply(status, body[: answer.cut], length, headers)

    def reply(
        self, status: int, body: bytes, length: int | None, headers: Mapping[str, str]
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Requests are no news."""


def serving_files(files: Mapping[str, File]) -> AbstractContextManager[str]:
    """Serve files by their path; gives the address of the server."""
    return serving(type("Handler", (Handler,), {"files": files}))
