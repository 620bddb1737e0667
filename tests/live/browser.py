"""Debian's Chromium, headless, driven by its own chromedriver (W3C WebDriver), by the standard library alone.

It runs in a network namespace where there is nothing but the page: a request to any other host would fail, and
is in the log of all requests.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import shutil
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

import lab

CHROMIUM = "/usr/bin/chromium"
CHROMEDRIVER = "/usr/bin/chromedriver"
DRIVER_PORT = 9515
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage", "--hide-scrollbars")


def available() -> None:
    """A probe for lab.require()."""
    for program, package in ((CHROMIUM, "chromium"), (CHROMEDRIVER, "chromium-driver")):
        if shutil.which(program) is None:
            raise lab.Unavailable(f"{program} is missing: install {package}")


class Browser:
    """Running in the namespace inside the context, gone outside."""

    def __init__(self, namespace: lab.Namespace) -> None:
        self._namespace = namespace
        self._folder = tempfile.mkdtemp(prefix="tcpeek-browser-")
        self._driver = subprocess.Popen(
            namespace.command(CHROMEDRIVER, f"--port={DRIVER_PORT}", "--silent"),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._session = ""
        try:
            self._session = self._begin()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self) -> str:
        options = {"binary": CHROMIUM, "args": [*FLAGS, f"--user-data-dir={self._folder}"]}
        wanted = {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}}}
        deadline = time.monotonic() + lab.DEADLINE_S
        while True:
            try:
                return str(self._request("POST", "/session", wanted)["sessionId"])
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _request(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", DRIVER_PORT, timeout=2 * lab.DEADLINE_S)
        with contextlib.closing(connection), self._namespace.connect("127.0.0.1", DRIVER_PORT) as made:
            made.settimeout(2 * lab.DEADLINE_S)
            connection.sock = made
            connection.request(method, path, None if body is None else json.dumps(body).encode(),
                               {"Content-Type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        if isinstance(value, dict) and "error" in value:
            raise RuntimeError(f"{value['error']}: {value['message'][:400]}")
        return value

    def _do(self, method: str, path: str, body: Any = None) -> Any:
        return self._request(method, f"/session/{self._session}{path}", body)

    def open(self, url: str) -> None:
        self._do("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        return self._do("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def wait(self, what: str, condition: Callable[[], Any], seconds: float = lab.DEADLINE_S) -> Any:
        try:
            return lab.wait_for(condition, what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; the page says:\n{self.text('body')[:3000]}") from None

    def press(self, key: str) -> None:
        """One key, to whatever has the focus."""
        keys = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self._do("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": keys}]})

    def resize(self, width: int, height: int) -> None:
        self.devtools("Emulation.setDeviceMetricsOverride",
                      width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, scheme: str) -> None:
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def devtools(self, command: str, **parameters: Any) -> Any:
        return self._do("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def screenshot(self, path: str) -> None:
        data = self.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=False)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def complaints(self) -> list[str]:
        """What the console says is wrong."""
        log = self._do("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in log if entry["level"] in ("SEVERE", "WARNING")]

    def requested(self) -> list[str]:
        """Every URL that was asked for since the last call, but for data in the page itself."""
        urls = []
        for entry in self._do("POST", "/se/log", {"type": "performance"}):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                urls.append(message["params"]["request"]["url"])
        return [url for url in urls if urllib.parse.urlsplit(url).scheme not in ("data", "chrome")]

    def close(self) -> None:
        try:
            if self._session:
                self._do("DELETE", "")
        except (OSError, RuntimeError):
            pass
        self._driver.terminate()
        self._driver.wait(lab.DEADLINE_S)
        shutil.rmtree(self._folder, ignore_errors=True)
