"""A tab of a headless Firefox, for tests that see a page as its users do (WebDriver BiDi)."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from websockets.sync.client import connect

from harness.system.files import remove_folder
from tests.missing import skip_without

SECONDS = 120.0
PREFERENCES = {
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.enabled": False,
}


def find_firefox() -> str:
    """Its path; skips the test where it isn't installed, unless everything has to be tested."""
    found = shutil.which("firefox-esr") or shutil.which("firefox")
    if not found:
        skip_without("there is no Firefox: bash scripts/install_browser.sh installs it")
    return found


class FirefoxTab:
    """A page. `with FirefoxTab() as tab: tab.open(address); tab.evaluate(expression)`."""

    def __init__(self) -> None:
        self._profile = Path(tempfile.mkdtemp(prefix="jitweb-firefox-"))
        lines = (
            f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
            for name, value in PREFERENCES.items()
        )
        (self._profile / "user.js").write_text("".join(lines))
        command = [find_firefox(), "--headless", "--no-remote", "--profile", str(self._profile)]
        self._process = subprocess.Popen(
            [*command, "--remote-debugging-port=0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._closing = ExitStack()
        self._socket = self._closing.enter_context(connect(self._listening(), max_size=None))
        self._number = 0
        self._send("session.new", capabilities={})
        self._page = self._send("browsingContext.getTree")["contexts"][0]["context"]

    def _listening(self) -> str:
        deadline = time.monotonic() + SECONDS
        file = self._profile / "WebDriverBiDiServer.json"
        while time.monotonic() < deadline and self._process.poll() is None:
            if file.exists() and (content := file.read_text()).endswith("}"):
                found = json.loads(content)
                return f"ws://{found['ws_host']}:{found['ws_port']}/session"
            time.sleep(0.05)
        raise TimeoutError("Firefox does not start")

    def _send(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(SECONDS))
            if answer.get("id") == self._number:
                assert answer["type"] == "success", answer
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, address: str) -> None:
        """Go to an address, and wait until the page has loaded."""
        self._send("browsingContext.navigate", context=self._page, url=address, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited."""
        whole = f"Promise.resolve({expression}).then((value) => JSON.stringify(value))"
        target = {"context": self._page}
        answer = self._send("script.evaluate", expression=whole, target=target, awaitPromise=True)
        assert answer["type"] == "success", answer
        return json.loads(answer["result"]["value"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()
        self._process.terminate()
        try:
            self._process.wait(SECONDS)
        finally:
            self._process.kill()
            remove_folder(self._profile)
