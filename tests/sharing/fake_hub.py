"""A hub on this machine: as much of its interface as huggingface_hub uses to make a repository, commit and download."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

COMMIT = "c" * 40


@dataclass
class FakeHub:
    """What is on it."""

    address: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """By repository and branch (`owner/name@main`), then by path."""
    private: dict[str, bool] = field(default_factory=dict)
    """By repository."""
    asked: list[str] = field(default_factory=list)
    """`METHOD path` of every request."""
    tokens: set[str | None] = field(default_factory=set)
    """What requests were authorized with."""
    status: int = 0
    """Answered to everything, where it is not 0."""


@contextmanager
def fake_hub() -> Iterator[FakeHub]:
    """Serve one until the block ends."""
    hub = FakeHub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            self._answer(*_get(hub, unquote(self.path.partition("?")[0])))

        def do_HEAD(self) -> None:
            self._answer(*_get(hub, unquote(self.path.partition("?")[0])))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(*_post(hub, unquote(self.path.partition("?")[0]), body))

        def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            hub.asked.append(f"{self.command} {self.path}")
            hub.tokens.add(self.headers.get("Authorization"))
            if hub.status:
                status, content, headers = hub.status, b"{}", {}
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), "X-Request-Id": "1", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


Answer = tuple[int, bytes, dict[str, str]]


def _json(content: Any, status: int = 200) -> Answer:
    return status, json.dumps(content).encode(), {"Content-Type": "application/json"}


def _missing(code: str) -> Answer:
    return 404, b"{}", {"X-Error-Code": code}


def _get(hub: FakeHub, path: str) -> Answer:
    parts = path.strip("/").split("/")
    if parts[:2] == ["api", "models"]:
        repository, branch = "/".join(parts[2:4]), parts[5] if parts[4:5] == ["revision"] else "main"
        if repository not in hub.private:
            return _missing("RepoNotFound")
        files = hub.files.get(f"{repository}@{branch}")
        if files is None:
            return _missing("RevisionNotFound")
        listed = [{"rfilename": name, "size": len(content)} for name, content in files.items()]
        if parts[4:5] == ["tree"]:
            return _json(
                [{"type": "file", "path": one["rfilename"], "size": one["size"], "oid": "0"} for one in listed]
            )
        private = hub.private[repository]
        return _json({"id": repository, "sha": COMMIT, "private": private, "siblings": listed, "tags": []})
    repository, (_, _, *name) = "/".join(parts[:2]), parts[2:3] + parts[3:4] + parts[4:]
    content = hub.files.get(f"{repository}@main", {}).get("/".join(name))
    if content is None:
        return _missing("EntryNotFound")
    return 200, content, {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha1(content).hexdigest()}"'}


def _post(hub: FakeHub, path: str, body: bytes) -> Answer:
    parts = path.strip("/").split("/")
    if path == "/api/validate-yaml":
        return _json({"errors": [], "warnings": []})
    if path == "/api/repos/create":
        asked = json.loads(body)
        repository = f"{asked['organization']}/{asked['name']}"
        exists = repository in hub.private
        if not exists:
            hub.private[repository] = asked.get("visibility") == "private" or bool(asked.get("private"))
            hub.files[f"{repository}@main"] = {}
        return _json(
            {"url": f"{hub.address}/{repository}", "name": repository, "id": repository}, 409 if exists else 200
        )
    repository, what, branch = "/".join(parts[2:4]), parts[4], parts[5]
    if what == "branch":
        hub.files[f"{repository}@{branch}"] = dict(hub.files[f"{repository}@main"])
        return _json({})
    if what == "preupload":
        files = [one["path"] for one in json.loads(body)["files"]]
        return _json({"files": [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in files]})
    here = hub.files[f"{repository}@{branch}"]
    for line in map(json.loads, body.splitlines()):
        if line["key"] == "file":
            here[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        elif line["key"] == "deletedFile":
            del here[line["value"]["path"]]
    return _json({"commitUrl": f"{hub.address}/{repository}/commit/{COMMIT}", "commitOid": COMMIT, "success": True})
