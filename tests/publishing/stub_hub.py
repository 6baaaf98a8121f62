"""A stand-in for the Hugging Face hub on this machine: repositories that can be made and read."""

from __future__ import annotations

import base64
import hashlib
import json
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote

from servers import serving

TOKEN = "hf_stub"
COMMIT = "c" * 40


@dataclass
class Hub:
    """Files of repositories by their names, and what was asked.

    Attributes:
        repositories: files by path, by repository.
        requests: method and path of each, in order.
    """

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_POST(self) -> None:
        self.hub.requests.append(f"POST {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.answer(401, {"error": "Invalid username or password."})
            return
        path = self.path.partition("?")[0]
        if path == "/api/validate-yaml":
            self.answer(200, {"errors": [], "warnings": []})
            return
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
            self.hub.repositories.setdefault(name, {})
            self.answer(200, {"url": f"{self.address}/{name}", "name": name})
            return
        owner, name, action, *_ = path.removeprefix("/api/models/").split("/")
        files = self.hub.repositories[f"{owner}/{name}"]
        if action == "preupload":
            rows = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            self.answer(200, {"files": rows})
            return
        assert action == "commit"
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            if line["key"] == "deletedFile":
                del files[line["value"]["path"]]
        url = f"{self.address}/{owner}/{name}/commit/{COMMIT}"
        self.answer(200, {"success": True, "commitUrl": url, "commitOid": COMMIT})

    def do_GET(self) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        path = unquote(self.path.partition("?")[0])
        if path.startswith("/api/models/"):
            owner, name, action, *_ = path.removeprefix("/api/models/").split("/")
            files = self.hub.repositories.get(f"{owner}/{name}")
            if files is None:
                self.answer(
                    404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
                )
                return
            if action == "tree":
                rows = [
                    {"type": "file", "path": file, "size": len(content), "oid": "0" * 40}
                    for file, content in files.items()
                ]
                self.answer(200, rows)
                return
            siblings = [{"rfilename": file} for file in files]
            self.answer(200, {"id": f"{owner}/{name}", "sha": COMMIT, "siblings": siblings})
            return
        owner, name, _, _, file, *_ = [*path.lstrip("/").split("/", 4), *[""] * 4]
        content = self.hub.repositories.get(f"{owner}/{name}", {}).get(file)
        if content is None:
            self.answer(404, {"error": "no such file"}, {"X-Error-Code": "EntryNotFound"})
            return
        tag = hashlib.sha256(content).hexdigest()
        self.answer(200, content, {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT})

    do_HEAD = do_GET

    @property
    def address(self) -> str:
        host, port = self.server.server_address[:2]
        return f"http://{host}:{port}"

    def answer(self, status: int, content: object, headers: dict[str, str] | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Requests are no news."""


def serving_hub(hub: Hub) -> AbstractContextManager[str]:
    """Serve a hub; gives its address, which is HF_ENDPOINT for those who ask it."""
    return serving(type("Handler", (Handler,), {"hub": hub}))
