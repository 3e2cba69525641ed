"""A hub on this machine: the addresses of a data set's files that the hub's client asks for, and a count."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import huggingface_hub.constants
import pytest
import torch

from saesteer.effects import sources
from saesteer.effects.sources import REPO, Published

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def saved(value: object) -> bytes:
    """As torch.save writes it."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


@contextmanager
def serving(repo: str, files: Mapping[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """Its address, and the files of data sets that were asked for so far."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            if self.path.startswith("/datasets/"):  # the client also asks things of its own
                asked.append(f"{self.command} {self.path}")
            before = f"/datasets/{repo}/resolve/main/"
            data = files.get(self.path.removeprefix(before)) if self.path.startswith(before) else None
            self.send_response(200 if data is not None else 404)
            if data is None:
                self.send_header("X-Error-Code", "EntryNotFound")
                data = b""
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body:
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def published(
    monkeypatch: pytest.MonkeyPatch, cache: Path, files: Mapping[str, bytes], d: int, d_sae: int
) -> Iterator[list[str]]:
    """A hub with `files` of these shapes under the published names, an empty cache; what was asked for."""
    small = {name: Published(each.files, d, d_sae, each.model) for name, each in sources.PUBLISHED.items()}
    monkeypatch.setattr(sources, "PUBLISHED", small)
    for name in ("SAESTEER_OFFLINE", "HF_HUB_OFFLINE", "HF_TOKEN"):
        monkeypatch.setenv(name, "" if name == "HF_TOKEN" else "0")
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    with serving(REPO, files) as (address, asked):
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setattr(constants, "ENDPOINT", address)
        pattern = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", pattern)
        yield asked
