"""Pages in a headless Chromium, spoken to through pipes: pictures of windows that have all of theirs."""

from __future__ import annotations

import base64
import io
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from lard.errors import DataError

LIMIT_S = 60.0
"""Within which the browser answers, and all pictures of a window are there."""
_OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe")
_STATE = """(async (selector, address) => {
  const inside = (box) => box.width > 0 && box.height > 0 && box.bottom > 0 && box.right > 0
    && box.top < innerHeight && box.left < innerWidth;
  const every = [...document.querySelectorAll("img, svg image")];
  const wanted = every.filter((e) => inside(e.getBoundingClientRect()));
  const broken = [], waiting = [];
  for (const e of wanted) {
    const name = e.currentSrc || e.src || e.href.baseVal;
    const copy = e.tagName === "IMG" ? e : Object.assign(new Image(), { src: name });
    if (copy !== e) await copy.decode().catch(() => null);
    if (!copy.complete) waiting.push(name); else if (!copy.naturalWidth) broken.push(name);
  }
  await document.fonts.ready;
  // what answers may still be the page before
  const here = document.URL.split("#")[0] === address && document.readyState === "complete";
  const rest = !here || !document.querySelector(selector);
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return { pictures: wanted.length, broken, waiting, rest };
})"""


class Window:
    """A tab: `send` speaks the DevTools protocol."""

    def __init__(self, to: int, of: int, page: Path) -> None:
        """Take the pipes of a started browser and open a tab; `page` is named in errors."""
        self.page, self._to, self._of, self._id, self._rest, self._session = page, to, of, 0, b"", ""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to a command; DataError for an error, or none within LIMIT_S."""
        self._id += 1
        message = {"id": self._id, "method": method, "params": params}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + LIMIT_S
        while True:
            *whole, self._rest = self._rest.split(b"\0")
            for number, text in enumerate(whole):
                answer = json.loads(text)
                if answer.get("id") == self._id:
                    self._rest = b"\0".join([*whole[number + 1 :], self._rest])
                    if "error" in answer:
                        raise DataError(f"{self.page}: {method}: {answer['error'].get('message')}")
                    return dict(answer["result"])
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._of], [], [], left)[0]:
                raise DataError(f"{self.page}: no answer of the browser to {method} within {LIMIT_S:g} s")
            if not (more := os.read(self._of, 1 << 20)):
                raise DataError(f"{self.page}: the browser ended while {method} was asked")
            self._rest += more

    def show(self, width: int, height: int, holding: str = "body", fragment: str = "") -> None:
        """Bring the page into a window of that size, with its pictures and an element that it must hold."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.send("Page.navigate", url=f"{self.page.resolve().as_uri()}{fragment}")
        self.settle(holding)

    def settle(self, holding: str = "body") -> None:
        """Wait for every picture in the window; DataError names one that is broken, or late."""
        end = time.monotonic() + LIMIT_S
        while True:
            asked = f"{json.dumps(holding)}, {json.dumps(self.page.resolve().as_uri())}"
            state = self.value(f"{_STATE}({asked})")
            if state["broken"]:
                raise DataError(f"{self.page}: shows no picture where {state['broken'][0]} should be")
            if not state["waiting"] and not state["rest"]:
                return
            if time.monotonic() > end:
                late = f"of {state['pictures']} pictures {len(state['waiting'])}"
                late = f"{late} ({state['waiting'][0]} ...)" if state["waiting"] else f"an element {holding}"
                raise DataError(f"{self.page}: {late} not there after {LIMIT_S:g} s")
            time.sleep(0.1)

    def value(self, expression: str) -> Any:
        """What an expression, or the promise it makes, comes to."""
        answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise DataError(f"{self.page}: {answer['exceptionDetails'].get('text')}")
        return answer["result"].get("value")

    def picture(self) -> Image.Image:
        """The window as it stands."""
        data = base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])
        with Image.open(io.BytesIO(data)) as image:
            return image.convert("RGB")

    def pdf(self) -> bytes:
        """The page on paper."""
        made = self.send("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        return base64.b64decode(made["data"])


@contextmanager
def window(page: Path) -> Iterator[Window]:
    """A browser for one page; DataError where there is no Chromium or no page."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        raise DataError(f"no browser: install one of {', '.join(names)}")
    if not page.is_file():
        raise DataError(f"{page}: no such page; run `make demo` or `make repro` first")
    asked, to = os.pipe()
    of, told = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [browser, *_OPTIONS, f"--user-data-dir={profile}"]
        # the browser reads commands at descriptor 3 and answers at 4
        shell = ["bash", "-c", f'exec "$@" 3<&{asked} 4>&{told}', "bash", *command]
        process = subprocess.Popen(shell, pass_fds=(asked, told), stderr=subprocess.DEVNULL)
        os.close(asked)
        os.close(told)
        try:
            yield Window(to, of, page)
        finally:
            os.close(to)
            os.close(of)
            process.terminate()
            process.wait()
