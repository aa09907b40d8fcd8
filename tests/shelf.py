"""A file server on loopback that answers ranges, and can misbehave."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Shelf:
    """What the server has, how it behaves, and what it was asked for."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    """By path."""
    asked: list[str] = field(default_factory=list)
    """Paths of all requests."""
    ranges: list[str | None] = field(default_factory=list)
    """Range of each."""
    etag: str | None = '"{}"'
    """Form of the ETag, around the content's digest; None for a server that sends none."""
    knows_ranges: bool = True
    cuts_after: int | None = None
    """Bytes of a body after which the connection breaks off."""
    promised_bytes: int | None = None
    """Content-Length of a lying server."""
    hangs: bool = False
    """Falls silent after 10 bytes of a body."""
    moved: bool = False
    """Sends all requests on to /moved/."""
    closing: threading.Event = field(default_factory=threading.Event)


class _Handler(BaseHTTPRequestHandler):
    shelf: Shelf

    def do_GET(self) -> None:
        shelf = self.shelf
        shelf.asked.append(self.path)
        shelf.ranges.append(self.headers["Range"])
        if shelf.moved and not self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", f"/moved{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = shelf.files.get(self.path.removeprefix("/moved").removeprefix("/"))
        if content is None:
            self.send_error(404)
            return
        etag = shelf.etag.format(hashlib.sha256(content).hexdigest()) if shelf.etag else None
        self._send(content, self._start(etag), etag)

    def _start(self, etag: str | None) -> int | None:
        """First byte of the range that is asked for, when it is to be given."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        if not asked or not self.shelf.knows_ranges or self.headers["If-Range"] not in (None, etag):
            return None
        return int(asked[1])

    def _send(self, content: bytes, start: int | None, etag: str | None) -> None:
        body = content[start or 0 :]
        if start is not None and not body:
            self.send_error(416)
            return
        self.send_response(200 if start is None else 206)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if etag:
            self.send_header("ETag", etag)
        self.send_header("Content-Length", str(self.shelf.promised_bytes or len(body)))
        self.end_headers()
        if self.shelf.hangs:
            self.wfile.write(body[:10])
            self.shelf.closing.wait(60)
        else:
            self.wfile.write(body[: self.shelf.cuts_after])

    def log_message(self, format: str, *args: object) -> None:
        """Tests keep stderr for the progress bar."""


@contextmanager
def serve_files() -> Iterator[Shelf]:
    """The server, until the block ends."""
    shelf = Shelf()
    handler = type("Handler", (_Handler,), {"shelf": shelf})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        shelf.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield shelf
        finally:
            shelf.closing.set()
            server.shutdown()
            thread.join()
