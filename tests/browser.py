"""A headless Chromium for tests, driven over the two pipes of its DevTools protocol: no port, no further package."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 60  # seconds for one answer, on a machine that does much else
# Key names of the protocol with their codes; a character is its own key.
KEYS = {
    "Enter": 13, "Escape": 27, "Tab": 9, "Home": 36, "End": 35, "PageUp": 33, "PageDown": 34,
    "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40,
}  # fmt: skip


def find() -> str | None:
    """Path of an installed Chromium or Chrome, None without one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """A running browser with a profile of its own in `folder`; `close` ends it."""

    def __init__(self, folder: Path) -> None:
        executable = find()
        assert executable is not None
        self.downloads = folder / "downloads"
        self.downloads.mkdir(parents=True)
        # The browser reads orders from descriptor 3 and answers on 4; ours start at 10, so that neither is in the way.
        orders, self._send = os.pipe()
        answers, answering = os.pipe()
        theirs = [fcntl.fcntl(number, fcntl.F_DUPFD, 10) for number in (orders, answering)]
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--mute-audio"]
        flags += ["--disable-background-networking", "--disable-component-update", "--disable-extensions", "--hide-scrollbars"]
        self._process = subprocess.Popen(
            ["bash", "-c", 'exec 3<&"$0" 4>&"$1"; shift; exec "$@"', *map(str, theirs), executable, *flags]
            + ["--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}", "about:blank"],
            pass_fds=theirs,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for number in (orders, answering, *theirs):
            os.close(number)
        self._messages: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._read, args=(answers,), daemon=True).start()
        self._last = 0
        self.events: list[dict[str, Any]] = []
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads), eventsEnabled=True)

    def _read(self, pipe: int) -> None:
        with os.fdopen(pipe, "rb") as stream:
            rest = b""
            while chunk := stream.read1(1 << 20):
                *messages, rest = (rest + chunk).split(b"\0")
                for message in messages:
                    self._messages.put(json.loads(message))
        self._messages.put(None)

    def _next(self) -> dict[str, Any]:
        message = self._messages.get(timeout=PATIENCE)
        if message is None:
            raise RuntimeError("the browser has ended")
        return message

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """The protocol's answer to a method; events that arrive meanwhile are kept."""
        self._last += 1
        order: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if session:
            order["sessionId"] = session
        content = json.dumps(order).encode() + b"\0"
        while content:
            content = content[os.write(self._send, content) :]
        while True:
            message = self._next()
            if message.get("id") == self._last:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]
            if "method" in message:
                self.events.append(message)

    def wait(self, method: str, fits: Callable[[dict[str, Any]], bool] = lambda parameters: True) -> dict[str, Any]:
        """The parameters of the next event of that name that fits, of those that were not waited for before."""
        seen = 0
        while True:
            for place in range(seen, len(self.events)):
                event = self.events[place]
                if event["method"] == method and fits(event["params"]):
                    return self.events.pop(place)["params"]
            seen = len(self.events)
            message = self._next()
            if "method" in message:
                self.events.append(message)

    def tab(self, url: str, width: int = 1280, height: int = 800, before: str = "") -> Tab:
        """A new tab that has loaded the address; `before` is a script that runs before the page's own."""
        return Tab(self, url, width, height, before)

    def close(self) -> None:
        try:
            self.call("Browser.close")
            self._process.wait(timeout=10)
        except (RuntimeError, OSError, queue.Empty, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._send)


class Tab:
    """One page. What the page logs, throws and asks the network for is kept."""

    def __init__(self, browser: Browser, url: str, width: int, height: int, before: str = "") -> None:
        self.browser = browser
        self.target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        if before:
            self.call("Page.addScriptToEvaluateOnNewDocument", source=before)
        self.go(url)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.call(method, self._session, **parameters)

    def events(self, method: str) -> list[dict[str, Any]]:
        """Parameters of this tab's events of that name so far."""
        mine = [event for event in self.browser.events if event.get("sessionId") == self._session]
        return [event["params"] for event in mine if event["method"] == method]

    def go(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.browser.wait("Page.loadEventFired")

    def resize(self, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, as JSON can carry it; promises are awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']['exception'].get('description')}")
        return answer["result"].get("value")

    def settle(self) -> None:
        """Wait until the page has drawn what the last action changed."""
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))")

    def press(self, key: str, *, ctrl: bool = False) -> None:
        number = KEYS[key] if key in KEYS else ord(key.upper())
        code: dict[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": number, "modifiers": 2 if ctrl else 0}
        text = {"Enter": "\r"}.get(key, "" if key in KEYS else key)
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **code, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **code)
        self.settle()

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)
        self.settle()

    def click(self, selector: str) -> None:
        """Press the mouse on the middle of the element, which is brought into view first."""
        box = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'center'}});"
            "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)
        self.settle()

    def choose(self, selector: str, value: str) -> None:
        """Choose an option of a select element as the browser does when a reader picks it."""
        self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.value = {json.dumps(value)};"
            "e.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )
        self.settle()

    def fill(self, selector: str, text: str) -> None:
        """Put the text in place of an input's own, by the keyboard."""
        self.evaluate(f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.focus(); e.select(); }})()")
        if text:
            self.type(text)
        else:
            self.evaluate("document.execCommand('delete')")
            self.settle()

    def download(self, selector: str) -> bytes:
        """The file that a click on the element saves."""
        self.click(selector)
        return self.downloaded()

    def downloaded(self) -> bytes:
        """The file whose saving has just begun."""
        begun = self.browser.wait("Browser.downloadWillBegin")
        done = {"completed", "canceled"}
        ended = self.browser.wait(
            "Browser.downloadProgress", lambda told: told["guid"] == begun["guid"] and told["state"] in done
        )
        assert ended["state"] == "completed"
        saved = self.browser.downloads / begun["suggestedFilename"]
        content = saved.read_bytes()
        saved.unlink()
        return content

    def screenshot(self, path: Path) -> None:
        self.settle()
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        self.browser.call("Target.closeTarget", targetId=self.target)
