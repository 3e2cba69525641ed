"""A server on 127.0.0.1 in a process of its own: answers like Perspective, or misbehaves as it is told.

`python server.py` prints its port. The first word of a comment is a behaviour; GET /seen/WORD gives back what
was asked with it, headers included. Knows nothing of the package.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SEEN: dict[str, list[dict]] = defaultdict(list)
OTHER: list[int] = []  # the port of the other host


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *parts):
        pass

    def do_GET(self):
        self.send(200, SEEN[self.path.rsplit("/", 1)[-1]])

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        word = asked["comment"]["text"].partition(" ")[0]
        kind, _, argument = word.partition(":")
        SEEN[word].append({"path": self.path, "headers": dict(self.headers.items()), "body": asked})
        count = len(SEEN[word])
        if kind == "fine":  # fine:0.25, the same for every attribute
            self.send(200, self.scores(asked, float(argument)))
        elif kind == "limited" and count == 1:
            self.send(429, {"error": {"message": "slow down"}}, {"Retry-After": argument})
        elif kind == "broken" and count == 1:
            self.send(503, {"error": {"message": "away"}})
        elif kind in ("limited", "broken"):
            self.send(200, self.scores(asked, 0.5))
        elif kind == "always":
            self.send(int(argument), {"error": {"message": f"this is {argument}"}})
        elif kind == "echo":
            self.send(400, {"error": {"message": f"bad key {self.headers.get('x-goog-api-key')}"}})
        elif kind == "odd":
            self.send(
                200, self.scores(asked, {"high": 1.5, "text": "much", "none": None, "yes": True}[argument])
            )
        elif kind == "empty":
            self.send(200, {})
        elif kind == "html":
            self.send(200, None, raw=b"<html>Hello</html>")
        elif kind == "slow":
            time.sleep(5)
        elif kind == "cut":
            self.begin(200, 1000)
            self.wfile.write(b'{"attributeScores": {')
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif kind == "elsewhere":
            self.send(307, {}, {"Location": f"http://localhost:{OTHER[0]}{self.path}"})
        else:
            self.send(404, {"error": {"message": "what?"}})

    def scores(self, asked, value):
        found = {name: {"summaryScore": {"value": value}} for name in asked["requestedAttributes"]}
        return {"attributeScores": found}

    def begin(self, status, length, more=()):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length))
        for name, value in dict(more).items():
            self.send_header(name, value)
        self.end_headers()

    def send(self, status, value, more=(), raw=None):
        data = json.dumps(value).encode() if raw is None else raw
        self.begin(status, len(data), more)
        self.wfile.write(data)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    OTHER.extend(int(port) for port in sys.argv[1:])
    print(server.server_address[1], flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
