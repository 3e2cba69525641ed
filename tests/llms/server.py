"""A chat server on 127.0.0.1 in a process of its own, which behaves as the name of the model says.

`python server.py` prints its port. Each model name is a behaviour; requests are counted by name, and GET
/seen/NAME gives them back, headers included. Knows nothing of the package.
"""

from __future__ import annotations

import contextlib
import email.utils
import json
import socket
import sys
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

SEEN: dict[str, list[dict]] = defaultdict(list)
OTHER: list[int] = []  # the port of the other host


def choice(text="Yes.", reason="stop", **more):
    return {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason, **more}


def entry(token, logprob=-0.5, others=(("No", -1.5),), **more):
    top = [{"token": token, "logprob": logprob}, *({"token": t, "logprob": p} for t, p in others)]
    return {"token": token, "logprob": logprob, "top_logprobs": top, **more}


def body(*choices, usage=True, **more):
    found = {"id": "x", "object": "chat.completion", "choices": list(choices), **more}
    if usage:
        found["usage"] = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    return found


SPELT = {"content": [entry("Yes"), entry(".", -0.1)]}
REFUSAL = {"content": None, "refusal": "I won't."}
PLAIN = {  # name -> the body of a 200
    "fine": body(choice()),
    "uncounted": body(choice(), usage=False),
    "odd-usage": {**body(choice()), "usage": {"prompt_tokens": "many", "completion_tokens": None}},
    "long": body(choice("Yes and", "length")),
    "spent": body(choice(None, "length")),
    "filtered": body(choice("", "content_filter")),
    "refusing": body({"index": 0, "finish_reason": "stop", "message": REFUSAL}),
    "no-choices": {"id": "x", "object": "chat.completion"},
    "empty-choices": body(),
    "no-message": body({"index": 0, "finish_reason": "stop"}),
    "no-text": body(choice(None)),
    "logprobs": body(choice(logprobs=SPELT)),
    "logprobs-end": body(choice(logprobs={"content": [*SPELT["content"], entry("</s>")]})),
    "logprobs-space": body(choice(logprobs={"content": [entry(" Yes"), entry(".")]})),
    "logprobs-chosen-outside": body(
        choice("Yes", logprobs={"content": [{"token": "Yes", "logprob": -9.0, "top_logprobs": [
            {"token": "No", "logprob": -0.1}]}]})
    ),
    "logprobs-bytes": body(choice("é", logprobs={"content": [
        entry("\\xc3", bytes=[195], others=()), entry("\\xa9", bytes=[169], others=())]})),
    "logprobs-missing": body(choice(logprobs=None)),
    "logprobs-short": body(choice(logprobs={"content": [entry("Yes")]})),
    "logprobs-twice": body(choice(logprobs={"content": [*SPELT["content"], *SPELT["content"]]})),
    "logprobs-null": body(choice(logprobs={"content": [entry("Yes", None, ()), entry(".")]})),
    "logprobs-odd": body(choice(logprobs={"content": "Yes."})),
    "error-in-body": {"error": {"code": 503, "message": "the provider is away"}},
    "a-list": ["Yes."],
}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *parts):
        pass

    def do_GET(self):
        self.send(200, SEEN[unquote(self.path.rsplit("/", 1)[-1])])

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        name = asked["model"]  # KIND#NUMBER:ARGUMENT; the number tells the tests apart
        SEEN[name].append({"path": self.path, "headers": dict(self.headers.items()), "body": asked})
        count = len(SEEN[name])
        kind, _, argument = name.partition(":")
        kind = kind.partition("#")[0]
        if kind in PLAIN:
            self.send(200, PLAIN[kind])
        elif kind == "limited":  # limited:SECONDS, or limited:date; the second time it is fine
            wait = email.utils.formatdate(time.time() + 30, usegmt=True) if argument == "date" else argument
            self.once(count, 429, "slow down", {"Retry-After": wait} if wait else {})
        elif kind == "always":
            self.send(int(argument), {"error": {"message": f"this is {argument}"}})
        elif kind == "once":
            self.once(count, int(argument), f"this is {argument}")
        elif kind == "quota":
            self.send(429, {"error": {"message": "pay first", "code": "insufficient_quota"}})
        elif kind == "too-long":
            self.send(400, {"error": {"message": "maximum context length is 10 tokens", "code": "too_long"}})
        elif kind == "echo-key":
            self.send(401, {"error": {"message": f"bad key {self.headers.get('authorization')}"}})
        elif kind == "echo-answer":
            self.send(200, body(choice(f"your key: {self.headers.get('authorization')}")))
        elif kind == "slow":
            time.sleep(5)
        elif kind == "trickle":
            self.begin(1000)
            with contextlib.suppress(OSError):  # the client goes
                while True:
                    self.wfile.write(b" ")
                    time.sleep(0.05)
        elif kind == "cut" or (kind == "cut-once" and count == 1):
            self.begin(1000)
            self.wfile.write(b'{"choices": [')
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif kind == "cut-once":
            self.send(200, PLAIN["fine"])
        elif kind == "malformed":
            self.raw(200, b'{"choices": [{"message"')
        elif kind == "html":
            self.raw(502 if argument else 200, b"<html><b>Bad\x1b[31m gateway</b></html>", "text/html")
        elif kind == "elsewhere":
            self.raw(307, b"", more={"Location": f"http://localhost:{OTHER[0]}/v1/chat/completions"})
        else:
            self.send(404, {"error": {"message": f"there is no model {name}"}})

    def once(self, count, status, message, more=()):
        if count == 1:
            self.raw(status, json.dumps({"error": {"message": message}}).encode(), more=dict(more))
        else:
            self.send(200, PLAIN["fine"])

    def begin(self, length):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def send(self, status, value):
        self.raw(status, json.dumps(value).encode())

    def raw(self, status, data, kind="application/json", more=()):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in dict(more).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    OTHER.extend(int(port) for port in sys.argv[1:])
    print(server.server_address[1], flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
