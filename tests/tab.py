"""A tab of a headless Chromium, for tests that see a page as users do (DevTools protocol)."""

from __future__ import annotations

import base64
import json
import subprocess
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from websockets.sync.client import connect

from harness.devices.browser import browser_command, find_browser
from harness.system.files import remove_folder

START_SECONDS = 60.0


class Tab:
    """A page. `with Tab(address, width=400, dark=True) as tab: tab.wait_for("done")`."""

    def __init__(
        self, address: str, *, width: int = 1200, height: int = 1000, dark: bool = False
    ) -> None:
        self._profile = Path(tempfile.mkdtemp(prefix="jitweb-tab-"))
        command = browser_command(find_browser(), self._profile, software=True)
        self._process = subprocess.Popen(
            [*command, "--remote-debugging-port=0", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._number = 0
        self.errors: list[str] = []  # what the page threw, and what the browser's console has of it
        self._closing = ExitStack()
        self._socket = self._closing.enter_context(connect(self._debugger(), max_size=None))
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        self.send("Runtime.enable")
        self.send("Log.enable")
        self.send("Page.navigate", url=address)

    def _debugger(self) -> str:
        deadline = time.monotonic() + START_SECONDS
        file = self._profile / "DevToolsActivePort"
        while time.monotonic() < deadline:
            if file.exists() and file.read_text().count("\n"):
                port = file.read_text().splitlines()[0]
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
                    pages = [each for each in json.load(answer) if each["type"] == "page"]
                if pages:
                    return str(pages[0]["webSocketDebuggerUrl"])
            time.sleep(0.05)
        raise TimeoutError("the browser does not start")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(START_SECONDS))
            self._note(answer)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result

    def _note(self, event: dict[str, Any]) -> None:
        about = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.errors.append(json.dumps(about["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if about["type"] in ("error", "assert"):
                self.errors.append(json.dumps(about["args"]))
            case "Log.entryAdded" if about["entry"]["level"] == "error":
                self.errors.append(about["entry"]["text"])

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited."""
        answer = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_until(self, expression: str, seconds: float = 90.0) -> None:
        """Wait until a JavaScript expression is true."""
        deadline = time.monotonic() + seconds
        while not self.evaluate(expression):
            if time.monotonic() > deadline:
                raise TimeoutError(f"it never came to be that {expression}")
            time.sleep(0.05)

    def wait_for(self, *states: str, seconds: float = 90.0) -> dict[str, Any]:
        """What the page knows once it is in one of these states (or in error)."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            known = self.evaluate("window.jitweb")
            if known and known["state"] in (*states, "error"):
                found: dict[str, Any] = known
                return found
            time.sleep(0.05)
        raise TimeoutError(f"the page is still in the state {known}")

    def screenshot(self) -> bytes:
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()
        self._process.kill()
        self._process.wait()
        remove_folder(self._profile)
