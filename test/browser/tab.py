# SPDX-License-Identifier: Apache-2.0
"""One tab of a real browser, steered from Python.

    with Tab(chromium(), directory) as tab:
        tab.open("http://127.0.0.1:9901/")
        tab.wait("document.title.startsWith('ready')")
        tab.press("Tab")
        assert tab.complaints == []
"""

import base64
import json
import pathlib
import queue
import subprocess
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
LIMIT_S = 30
KEYS = {"Enter": (13, "\r"), "Tab": (9, ""), "Escape": (27, ""), " ": (32, " ")}


class Tab:
    def __init__(self, browser, directory, flags=()):
        pathlib.Path(directory).mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [HERE / "steer", browser, directory, *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.events = []  # [method, params]
        self._answers = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._answer()
        for domain in ("Page", "Network", "Runtime", "Log", "Accessibility"):
            self.call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(LIMIT_S)
        finally:
            self.process.kill()
            self._reader.join()
            self.process.stdout.close()

    def _read(self):
        for line in self.process.stdout:
            message = json.loads(line)
            if "method" in message:
                self.events.append((message["method"], message["params"]))
            else:
                self._answers.put(message)
        self._answers.put({"error": "the browser has ended"})

    def _answer(self):
        try:
            message = self._answers.get(timeout=LIMIT_S)
        except queue.Empty:
            raise AssertionError(f"the browser gave no answer within {LIMIT_S} s") from None
        assert "error" not in message, message["error"]
        return message["result"]

    def call(self, method, **params):
        self.process.stdin.write(json.dumps({"method": method, "params": params}) + "\n")
        self.process.stdin.flush()
        return self._answer()

    # -- what is there

    def evaluate(self, expression):
        """The value of an expression in the page."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, (expression, answer["exceptionDetails"])
        return answer["result"].get("value")

    def wait(self, expression, limit=10):
        """The value of an expression in the page, once it is true."""
        end = time.monotonic() + limit
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < end, f"not within {limit} s: {expression}"
            time.sleep(0.05)
        return value

    def text(self, selector):
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")

    def texts(self, selector):
        return self.evaluate(
            f"[...document.querySelectorAll({json.dumps(selector)})].map((e) => e.innerText)"
        )

    def named(self, name):
        """The params of all events of this name so far."""
        return [params for method, params in list(self.events) if method == name]

    @property
    def complaints(self):
        """What the browser said of the page: errors, violations of its policy, exceptions."""
        found = [params["entry"]["text"] for params in self.named("Log.entryAdded")]
        for params in self.named("Runtime.consoleAPICalled"):
            found.append(str([argument.get("value") for argument in params["args"]]))
        for params in self.named("Runtime.exceptionThrown"):
            details = params["exceptionDetails"]
            found.append(details.get("exception", {}).get("description") or details["text"])
        return found

    @property
    def requested(self):
        """(method, URL) of all that it asked for."""
        asked = self.named("Network.requestWillBeSent")
        return [(params["request"]["method"], params["request"]["url"]) for params in asked]

    def accessible(self):
        """(role, name) of what a screen reader finds, in its order."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node["ignored"]
        ]

    # -- what is done

    def open(self, url):
        answer = self.call("Page.navigate", url=url)
        assert "errorText" not in answer, answer
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def resize(self, width, height, scale=1):
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=scale, mobile=False,
        )  # fmt: skip

    def prefer(self, **features):
        """prefer(color_scheme="dark")"""
        listed = [
            {"name": "prefers-" + name.replace("_", "-"), "value": value}
            for name, value in features.items()
        ]
        self.call("Emulation.setEmulatedMedia", features=listed)

    def press(self, key):
        code, text = KEYS[key]
        common = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def screenshot(self, path, is_whole=False):
        """A PNG of what is seen, or of the whole page."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=is_whole)
        data = base64.b64decode(answer["data"])
        pathlib.Path(path).write_bytes(data)
        return data
