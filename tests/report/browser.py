"""A headless Chromium that is spoken to over two pipes: no port, no package. Knows no page of ours."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_HAND_OVER = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(each), fcntl.F_DUPFD, 10) for each in sys.argv[1:3]]
os.dup2(ends[0], 3), os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Chromium reads from 3 and writes to 4."""
_PATIENCE = 120  # seconds without a word, after which it is taken to hang


def program() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page of one browser; `with Browser(home) as page`."""

    def __init__(self, home: Path, width: int = 1280, height: int = 900) -> None:
        self.events: list[dict] = []
        self._number, self._rest, self._session = 0, b"", None
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()

        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        flags += [
            "--disable-background-networking",
            "--disable-component-update",
            "--force-color-profile=srgb",
        ]
        flags += ["--remote-debugging-pipe", f"--user-data-dir={home}", f"--window-size={width},{height}"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _HAND_OVER, str(to_read), str(to_write), str(program()), *flags],
            pass_fds=(to_read, to_write), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_read)
        os.close(to_write)

    def __enter__(self) -> "Browser":
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for each in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{each}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(60)
        os.close(self._read)
        os.close(self._write)

    def ask(self, method: str, **params: object) -> dict:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (found := self._message()).get("id") != self._number:
            self.events.append(found)
        assert "error" not in found, (method, found["error"])
        return found["result"]

    def wait(self, event: str) -> None:
        while not any(each["method"] == event for each in self.events):
            self.events.append(self._message())

    def open(self, path: Path) -> None:
        self.forget("Page.loadEventFired")
        assert "errorText" not in self.ask("Page.navigate", url=path.resolve().as_uri())
        self.wait("Page.loadEventFired")

    def forget(self, event: str) -> None:
        self.events = [each for each in self.events if each["method"] != event]

    def value(self, expression: str) -> object:
        """What an expression of JavaScript comes to."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def click(self, selector: str, number: int = 0) -> None:
        """As a mouse does: whatever lies on top at the middle of the element gets it."""
        found = f"document.querySelectorAll({json.dumps(selector)})[{number}]"
        self.value(f"{found}.scrollIntoView({{block: 'center'}})")
        x, y = self.value(f"(b => [b.x + b.width / 2, b.y + b.height / 2])({found}.getClientRects()[0])")
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, text: str) -> None:
        self.ask("Input.insertText", text=text)

    def follow(self, selector: str, number: int = 0) -> None:
        """Click on a link and wait for its page."""
        self.forget("Page.loadEventFired")
        self.click(selector, number)
        self.wait("Page.loadEventFired")

    def back(self) -> None:
        """To the page before; an expression that goes there may be cut off before it answers."""
        known = self.ask("Page.getNavigationHistory")
        before = known["entries"][known["currentIndex"] - 1]
        self.forget("Page.loadEventFired")
        self.ask("Page.navigateToHistoryEntry", entryId=before["id"])
        self.wait("Page.loadEventFired")

    def size(self, width: int, height: int, mobile: bool = False) -> None:
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=2 if mobile else 1, mobile=mobile,
        )  # fmt: skip

    def scheme(self, name: str) -> None:
        feature = {"name": "prefers-color-scheme", "value": name}
        self.ask("Emulation.setEmulatedMedia", features=[feature])

    def picture(self, path: Path, whole: bool = True) -> None:
        found = self.ask("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def print(self) -> bytes:
        return base64.b64decode(self.ask("Page.printToPDF", printBackground=False)["data"])

    def complaints(self) -> list[dict]:
        """All that the console was told."""
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [each for each in self.events if each["method"] in kinds]

    def requests(self) -> list[str]:
        sent = (each for each in self.events if each["method"] == "Network.requestWillBeSent")
        return [each["params"]["request"]["url"] for each in sent]

    def _message(self) -> dict:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], _PATIENCE)
            assert ready, "the browser says nothing more"
            part = os.read(self._read, 1 << 20)
            assert part, "the browser has ended"
            self._rest += part
        found, _, self._rest = self._rest.partition(b"\0")
        return json.loads(found)
