"""A headless Chromium that is told what to do over a pair of pipes, in its DevTools protocol."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    # It asks nobody else for anything.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--allow-file-access-from-files",
    "--remote-debugging-pipe",
)
# Until the page itself knows both.
SHOWN = """new Promise((resolve) => {
  const look = () => innerWidth === %d && matchMedia("(prefers-color-scheme: %s)").matches
    ? resolve() : setTimeout(look, 20);
  look();
})"""
# Generous: it is only reached by a test that fails.
SECONDS = 900


class Browser:
    """A page in a window whose width and colours can be changed while it is open."""

    def __init__(self, said: IO[bytes], told: IO[bytes]) -> None:
        self._said, self._told = said, told
        self._number = 0
        self._session = ""
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        attached = self.tell("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self.tell("Page.enable")
        self.tell("Page.setLifecycleEventsEnabled", enabled=True)

    def tell(self, method: str, **params: Any) -> dict[str, Any]:
        """Have something done, and return its result."""
        number = self._send(method, params)
        answer = self._await(lambda said: said.get("id") == number)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _send(self, method: str, params: dict[str, Any]) -> int:
        """Ask for something, and return the number that the answer will have."""
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        message = {"id": self._number, "method": method, "params": params, **session}
        self._told.write(json.dumps(message).encode() + b"\0")
        self._told.flush()
        return self._number

    def _await(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read until something wanted is said, and return that."""
        while True:
            said = bytearray()
            while (byte := self._said.read(1)) != b"\0":
                assert byte, "chromium has ended"
                said += byte
            message: dict[str, Any] = json.loads(said)
            if wanted(message):
                return message

    def show(self, width: int, scheme: str) -> None:
        """Have a window of a width, in the colours of a scheme: light or dark."""
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.tell("Emulation.setEmulatedMedia", features=[feature])
        self.evaluate(SHOWN % (width, scheme))

    def open(self, url: str) -> None:
        """Open a page, and return when it is loaded."""
        number = self._send("Page.navigate", {"url": url})
        loader, loaded = "", set()

        def whole(said: dict[str, Any]) -> bool:
            # The answer may come after the event, and events of an earlier page before both.
            nonlocal loader
            if said.get("id") == number:
                assert "errorText" not in said["result"], said
                loader = said["result"]["loaderId"]
            elif said.get("method") == "Page.lifecycleEvent" and said["params"]["name"] == "load":
                loaded.add(said["params"]["loaderId"])
            return loader in loaded

        self._await(whole)

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression in the page; a promise is waited for."""
        answer = self.tell(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Write a picture of the window, or of the whole page."""
        data = self.tell("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(data["data"]))


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Run a browser with a profile of its own."""
    assert CHROMIUM
    # It reads from descriptor 3 and writes to 4; of four new descriptors the last is neither.
    (inside_read, told), (said, inside_write) = os.pipe(), os.pipe()
    process = subprocess.Popen(
        [
            *("bash", "-c", f'exec "$@" 3<&{inside_read} 4>&{inside_write}', "bash"),
            *("timeout", "--kill-after=5", str(SECONDS)),
            *(CHROMIUM, *OPTIONS, f"--user-data-dir={profile}"),
        ],
        # What it leaves in the directory for temporary files goes with the profile.
        env=os.environ | {"TMPDIR": str(profile)},
        pass_fds=(inside_read, inside_write),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(inside_read)
    os.close(inside_write)
    try:
        # It ends when nobody is left who could tell it anything.
        with os.fdopen(said, "rb") as reader, os.fdopen(told, "wb") as writer:
            yield Browser(reader, writer)
    finally:
        process.terminate()
        process.wait()
