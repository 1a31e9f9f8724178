"""Chromium without a window, spoken to through its DevTools protocol over two pipes: no driver, no
library, no port.

`python -m tests.browser PAGE.html` says how long a page takes until it has drawn itself.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --remote-debugging-pipe"
).split()
# Chromium reads commands from descriptor 3 and answers on 4, and a child of Python cannot be given
# numbers otherwise.
_LAUNCH = (
    "import fcntl, os, sys\n"
    "here = [fcntl.fcntl(int(each), fcntl.F_DUPFD, 10) for each in sys.argv[1:3]]\n"
    "os.dup2(here[0], 3), os.dup2(here[1], 4)\n"
    "os.execv(sys.argv[3], sys.argv[3:])\n"
)


def executable() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


@dataclass
class Browser:
    """One tab. requests: the address of everything that was asked for since it was opened."""

    commands: BinaryIO
    answers: BinaryIO
    session: str | None = None
    sent: int = 0
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def call(self, method: str, **params: Any) -> Any:
        self.sent += 1
        message = {"id": self.sent, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.commands.write(json.dumps(message).encode() + b"\0")
        self.commands.flush()
        return self._answer(self.sent)

    def _answer(self, number: int) -> Any:
        while True:
            answer = json.loads(self._message())
            if answer.get("id") == number:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            if answer.get("method") == "Network.requestWillBeSent":
                self.requests.append(answer["params"]["request"]["url"])
            elif answer.get("method") == "Runtime.exceptionThrown":
                self.errors.append(answer["params"]["exceptionDetails"]["exception"]["description"])

    def _message(self) -> bytes:
        parts = bytearray()
        while (byte := self.answers.read(1)) != b"\0":
            if not byte:
                raise EOFError("the browser has gone")
            parts += byte
        return bytes(parts)

    def open(self, address: str) -> None:
        """Go to an address, and wait until the page says that it is drawn."""
        self.requests.clear()
        self.errors.clear()
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=address)
        try:
            self.wait("performance.getEntriesByName('drawn').length")
        except AssertionError:
            raise AssertionError(f"never drawn: {self.errors}") from None

    def run(self, script: str) -> Any:
        """The value of an expression, awaited."""
        done = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]["exception"]["description"]
        return done["result"].get("value")

    def wait(self, condition: str, seconds: float = 20) -> None:
        poll = (
            f"new Promise((done, fail) => {{ const since = Date.now(); (function look() {{ "
            f"if ({condition}) done(true); "
            f"else if (Date.now() - since > {seconds * 1000}) fail(new Error('waited in vain')); "
            "else setTimeout(look, 10) })() })"
        )
        self.run(poll)

    def click(self, selector: str) -> None:
        """A real click with the mouse on the middle of an element."""
        x, y = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoViewIfNeeded?.();"
            "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] })()"
        )
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.settle()

    def press(self, key: str) -> None:
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        code = {
            "Enter": 13,
            "Escape": 27,
            "ArrowLeft": 37,
            "ArrowUp": 38,
            "ArrowRight": 39,
            "ArrowDown": 40,
        }.get(key, 0)
        self.call(
            "Input.dispatchKeyEvent", type="keyDown", key=key, text=text, windowsVirtualKeyCode=code
        )
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)
        self.settle()

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)
        self.settle()

    def settle(self) -> None:
        """Let events arrive (a change of the address is told later) and two frames be painted."""
        self.run(
            "new Promise(done => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 20))"
        )

    def screenshot(self, path: Path) -> None:
        path.write_bytes(b64decode(self.call("Page.captureScreenshot")["data"]))


@contextmanager
def browser(*, width: int = 1400, height: int = 900, dark: bool = False) -> Iterator[Browser]:
    """A new Chromium with an empty profile and without a network; it ends with the block."""
    program = executable()
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
        flags = [
            *_FLAGS,
            f"--user-data-dir={profile}",
            f"--window-size={width},{height}",
            "about:blank",
        ]
        launch = [sys.executable, "-c", _LAUNCH, str(theirs_in), str(theirs_out), program, *flags]
        quiet = subprocess.DEVNULL
        with (
            subprocess.Popen(
                launch, pass_fds=(theirs_in, theirs_out), stdout=quiet, stderr=quiet
            ) as process,
            open(ours_out, "wb") as commands,  # noqa: PTH123 (a descriptor has no path)
            open(ours_in, "rb") as answers,  # noqa: PTH123
        ):
            os.close(theirs_in)
            os.close(theirs_out)
            try:
                yield _tab(Browser(commands, answers), width, height, dark)
            finally:
                process.terminate()


def _tab(tab: Browser, width: int, height: int, dark: bool) -> Browser:
    target = tab.call("Target.createTarget", url="about:blank")["targetId"]
    tab.session = tab.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Runtime", "Network"):
        tab.call(f"{domain}.enable")
    tab.call(
        "Network.emulateNetworkConditions",
        offline=True,
        latency=0,
        downloadThroughput=0,
        uploadThroughput=0,
    )
    tab.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=height,
        deviceScaleFactor=1,
        mobile=False,
    )
    features = {
        "prefers-reduced-motion": "reduce",
        "prefers-color-scheme": "dark" if dark else "light",
    }
    tab.call(
        "Emulation.setEmulatedMedia",
        features=[{"name": name, "value": each} for name, each in features.items()],
    )
    return tab


def milliseconds_until_drawn(page: Path) -> float:
    """From the navigation to the first whole picture, in a browser that has never seen the page."""
    with browser() as tab:
        tab.open(page.resolve().as_uri())
        return float(tab.run("performance.getEntriesByName('drawn')[0].startTime"))


if __name__ == "__main__":
    sys.stdout.write(f"{milliseconds_until_drawn(Path(sys.argv[1])):.0f} ms\n")
