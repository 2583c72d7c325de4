"""Controls a headless Chromium by the DevTools protocol over a pipe (https://chromedevtools.github.io/devtools-protocol/), without a driver.

  with Browser() as browser:
      page = browser.open(path, width=400, dark=True)
      page.evaluate("document.title")
      page.problems      # errors and warnings on the console
"""
import fcntl
import json
import os
import pathlib
import select
import shutil
import subprocess
import tempfile
import time

from deadline import HANGS_S

PROGRAM = os.environ.get("VAE_DIST_BROWSER") or shutil.which("chromium") or shutil.which("google-chrome")


class Page:
    def __init__(self, browser, session):
        self._browser, self._session = browser, session
        self.problems, self.requests = [], []

    def call(self, method, **parameters):
        return self._browser.call(method, self._session, **parameters)

    def evaluate(self, expression):
        """The value of a JavaScript expression. The page's Content-Security-Policy does not restrict it."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def load(self, address):
        self.call("Page.navigate", url=address)
        # The load event of the blank page that was there may come late.
        deadline = time.monotonic() + HANGS_S
        while self.evaluate("location.href + ' ' + document.readyState") != f"{address} complete":
            if time.monotonic() > deadline:
                raise AssertionError(f"{address} did not load")
            time.sleep(0.02)

    def event(self, method, parameters):
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method in ("Log.entryAdded", "Runtime.exceptionThrown"):
            self.problems.append(parameters)
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.problems.append(parameters)


class Browser:
    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="vae_dist_browser_", ignore_cleanup_errors=True)
        ends = [*os.pipe(), *os.pipe()]
        # Move the descriptors above 9, so that duplicating two of them as 3 and 4 overwrites none.
        commands_out, commands_in, answers_out, answers_in = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
        for end in ends:
            os.close(end)
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$0" "$@" 3<&{commands_out} 4>&{answers_in}', PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", f"--user-data-dir={self._folder.name}", "--remote-debugging-pipe"],
            pass_fds=(commands_out, answers_in), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(commands_out)
        os.close(answers_in)
        self._in, self._out = commands_in, answers_out
        self._pending, self._next, self._answers, self._pages = b"", 1, {}, {}
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(timeout=HANGS_S)
        os.close(self._in)
        os.close(self._out)
        self._folder.cleanup()

    def _read(self, deadline, what):
        if not select.select([self._out], [], [], max(0, deadline - time.monotonic()))[0]:
            raise AssertionError(f"{what} within {HANGS_S} s")
        piece = os.read(self._out, 1 << 20)
        if not piece:
            raise AssertionError(f"{PROGRAM} exited with code {self._process.wait(timeout=HANGS_S)}")
        *messages, self._pending = (self._pending + piece).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._answers[message["id"]] = message
            elif message.get("sessionId") in self._pages:
                self._pages[message["sessionId"]].event(message["method"], message["params"])

    def wait(self, condition, what):
        deadline = time.monotonic() + HANGS_S
        while not condition():
            self._read(deadline, what)

    def call(self, method, session=None, **parameters):
        number, self._next = self._next, self._next + 1
        message = {"id": number, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        os.write(self._in, json.dumps(message).encode() + b"\0")
        self.wait(lambda: number in self._answers, f"{method} was not answered")
        answer = self._answers.pop(number)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    def open(self, path, width=1280, dark=False, scripts=True):
        """Loads a file in a window of the given width and returns the page."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        page.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        page.load(pathlib.Path(path).absolute().as_uri())
        return page
