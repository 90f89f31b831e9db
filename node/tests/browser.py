"""Headless Chromium over the DevTools protocol on a pipe: JSON messages that end in a NUL."""

from __future__ import annotations

import base64
import itertools
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Browser"]


class Browser:
    """A program with one window at a time: `begin` opens one that has nothing of the one before, `end` closes it."""

    _SWITCHES = (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
    )  # fmt: skip

    def __init__(self, program: str, profile: Path) -> None:
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        # The browser reads from 3 and writes to 4; a shell puts them there, since Python code between fork and exec
        # may meet the locks of this process's other threads.
        command = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
        switches = [*self._SWITCHES, "--remote-debugging-pipe", f"--user-data-dir={profile}"]
        self._process = subprocess.Popen(
            ["bash", "-c", command, program, *switches, "about:blank"],
            pass_fds=(to_browser, from_browser),
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser), os.close(from_browser)
        self._buffer = b""
        self._numbers = itertools.count(1)
        self.begin()

    def begin(self) -> None:
        self.refused: list[str] = []
        self._context = self._call("Target.createBrowserContext")["browserContextId"]
        window = {"url": "about:blank", "browserContextId": self._context}
        target = self._call("Target.createTarget", **window)["targetId"]  # the first one may not be whole yet
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def end(self) -> None:
        self._call("Target.disposeBrowserContext", browserContextId=self._context)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(120)
        os.close(self._write), os.close(self._read)

    def open(self, url: str, width: int) -> None:
        """Load a page at a width, and wait for its load event."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        self.call("Page.navigate", url=url)
        self.wait_for(f"location.href.startsWith({json.dumps(url)}) && document.readyState === 'complete'")

    def before_each_page(self, script: str) -> None:
        """Run `script` in every page that is opened from now on, before the page's own."""
        self.call("Page.addScriptToEvaluateOnNewDocument", source=script)

    def evaluate(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def wait_for(self, expression: str, deadline: float = 120.0) -> None:
        end = time.monotonic() + deadline
        while not self.evaluate(expression):
            if time.monotonic() > end:
                pytest.fail(f"waited {deadline:g} s in the browser for {expression}")
            time.sleep(0.05)

    def press(self, key: str) -> None:
        codes = {"Tab": 9, "Enter": 13, " ": 32}
        text = {"Enter": {"text": "\r"}, " ": {"text": " "}}.get(key, {})
        parameters = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]} | text
        self.call("Input.dispatchKeyEvent", type="keyDown", **parameters)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=codes[key])

    def accessible(self) -> list[tuple[str, str]]:
        """Role and name of what a screen reader is given."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        shown = [node for node in nodes if not node.get("ignored")]
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in shown]

    def prefer(self, colours: str) -> None:
        """`dark` or `light`, as the system would ask of pages."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": colours}])

    def picture(self) -> bytes:
        """The window as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def printed(self) -> bytes:
        """The page as PDF, as it would be printed."""
        return base64.b64decode(self.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)["data"])

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._call(method, self._session, **parameters)

    def _call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("method") == "Log.entryAdded":
                self.refused.append(answer["params"]["entry"]["text"])
            if answer.get("id") == number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            received = os.read(self._read, 1 << 16)
            assert received, "the browser ended"
            self._buffer += received
        message, _, self._buffer = self._buffer.partition(b"\0")
        decoded: dict[str, Any] = json.loads(message)
        return decoded
