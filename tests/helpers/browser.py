"""A headless Chromium, spoken to by its debugging protocol: opens a page, drags the mouse, takes pictures."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
REQUIRED = "BDG_REQUIRE_BROWSER"
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--remote-debugging-port=0",
    "--force-device-scale-factor=1",
)


def chromium() -> str:
    """Return the browser on the PATH; skip the test where there is none, fail where one is required."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        (pytest.fail if os.environ.get(REQUIRED) == "1" else pytest.skip)("no Chromium on the PATH")
    return found


class Page:
    """A page that is open."""

    def __init__(self, socket: Any) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self.console: list[str] = []

    async def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; what the page says meanwhile is kept in ``console``."""
        number = next(self._numbers)
        await self._socket.write_message(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(await self._socket.read_message())
            self._note(answer)
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    async def value(self, expression: str) -> Any:
        """Return what an expression of JavaScript gives."""
        answer = await self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, expression: str, seconds: float = 30.0) -> None:
        """Wait until an expression holds."""
        end = time.monotonic() + seconds
        while not await self.value(expression):
            assert time.monotonic() < end, f"{expression} does not become true; console: {self.console}"
            await asyncio.sleep(0.1)

    async def picture(self, **clip: float) -> bytes:
        """Return a PNG of the page, or of a rectangle x, y, width, height of it."""
        options = {"clip": {**clip, "scale": 1}, "captureBeyondViewport": True} if clip else {}
        return base64.b64decode((await self.send("Page.captureScreenshot", format="png", **options))["data"])

    async def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag with the left button."""
        press = {"button": "left", "clickCount": 1}
        await self.send("Input.dispatchMouseEvent", type="mouseMoved", x=start[0], y=start[1])
        await self.send("Input.dispatchMouseEvent", type="mousePressed", x=start[0], y=start[1], **press)
        for share in (0.25, 0.5, 0.75, 1.0):
            x, y = (a + share * (b - a) for a, b in zip(start, end, strict=True))
            await self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, button="left", buttons=1)
        await self.send("Input.dispatchMouseEvent", type="mouseReleased", x=end[0], y=end[1], **press)

    def _note(self, said: dict[str, Any]) -> None:
        if said.get("method") == "Runtime.exceptionThrown":
            self.console.append(str(said["params"]["exceptionDetails"])[:500])
        if said.get("method") == "Runtime.consoleAPICalled" and said["params"]["type"] in ("error", "assert"):
            self.console.append(str(said["params"]["args"])[:500])
        if said.get("method") == "Log.entryAdded" and said["params"]["entry"]["level"] == "error":
            self.console.append(said["params"]["entry"]["text"][:500])


def with_page(
    path: Path, act: Callable[[Page], Coroutine[Any, Any, Any]], size: tuple[int, int] = (1200, 900), dark: bool = False
) -> Any:
    """Open a file in a new browser, let ``act`` do with the page what it wants, and return what it returns."""
    program = chromium()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *_FLAGS, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return asyncio.run(_in_page(Path(profile) / "DevToolsActivePort", path, act, size, dark))
        finally:
            process.kill()
            process.wait()


async def _in_page(place: Path, path: Path, act: Callable[[Page], Any], size: tuple[int, int], dark: bool) -> Any:
    from tornado.httpclient import AsyncHTTPClient
    from tornado.websocket import websocket_connect

    for _ in range(300):
        if place.exists() and len(place.read_text().split()) == 2:
            break
        await asyncio.sleep(0.1)
    port = place.read_text().split()[0]
    told = json.loads((await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/json/list")).body)
    address = next(target["webSocketDebuggerUrl"] for target in told if target["type"] == "page")
    socket = await websocket_connect(address, max_message_size=1 << 28)
    page = Page(socket)
    for domain in ("Page", "Runtime", "Log"):
        await page.send(f"{domain}.enable")
    await page.send(
        "Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=False
    )
    if dark:
        scheme = [{"name": "prefers-color-scheme", "value": "dark"}]
        await page.send("Emulation.setEmulatedMedia", features=scheme)
    await page.send("Page.navigate", url=path.resolve().as_uri())
    await page.until("document.readyState === 'complete'")
    try:
        return await act(page)
    finally:
        socket.close()
