# SPDX-License-Identifier: Apache-2.0
"""Real browsers for tests in Python: where they are, a visit, and what a net log says of pushes.

    seen = visit(chromium(), url, spki=spki(certificate), link=link, address=link.server_address)
    seen.first_paint_ms, seen.resource("/style.css").start_ms, seen.console
"""

import base64
import contextlib
import hashlib
import json
import pathlib
import shutil
import subprocess
import time
import types

HERE = pathlib.Path(__file__).resolve().parent
LIMIT_S = 40
START_LIMIT_S = 30


class BrowserUnavailable(Exception):
    """The browser is not here and cannot be had; the text says why."""


def chromium():
    """The path of Debian's Chromium, as it is today."""
    path = shutil.which("chromium")
    if path is None:
        raise BrowserUnavailable("chromium is not installed (scripts/setup --test)")
    return path


def push_chromium():
    """The path of a Chromium that still takes push."""
    binary = _say([HERE / "push-chromium"]).strip()
    _say([binary, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "about:blank"])
    return binary


def _say(words):
    try:
        result = subprocess.run(
            words, capture_output=True, text=True, timeout=START_LIMIT_S, check=True
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BrowserUnavailable(f"no Chromium with push: {error}") from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"it ended with {error.returncode}"]
        raise BrowserUnavailable(f"no Chromium with push: {lines[-1]}") from error
    return result.stdout


def spki(certificate):
    """The hash by which a browser trusts the key of this PEM certificate."""
    words = ["openssl", "x509", "-in", certificate, "-noout", "-pubkey"]
    pem = subprocess.run(words, capture_output=True, text=True, timeout=10, check=True).stdout
    der = base64.b64decode("".join(pem.strip().splitlines()[1:-1]))
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


class Visit(types.SimpleNamespace):
    """What the visit program printed of one page, by the same names."""

    def resource(self, path):
        found = self.all(path)
        assert len(found) == 1, f"{len(found)} requests for {path}: {found}"
        return found[0]

    def all(self, path):
        return [resource for resource in self.resources if resource.path == path]

    @property
    def paths(self):
        return [resource.path for resource in self.resources]

    def origin_ms(self, request):
        """When an origin's request came, in this visit's time."""
        return (request.time + time.time() - time.monotonic()) * 1000 - self.time_origin


def visit(browser, *urls, link=None, limit=LIMIT_S, **options):
    """One Visit, or a list of them when there are more URLs. Options are those of the program:
    profile=, address=, spki=, net_log=, linger=, settle=, flag= (a list)."""
    words = [str(HERE / "visit"), "--browser", browser, "--limit", str(int(limit * 1000))]
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            words += ["--" + name.replace("_", "-"), str(one)]
    with link.inside("client") if link else contextlib.nullcontext():
        result = subprocess.run(
            [*words, *urls], capture_output=True, text=True, timeout=limit + 20, check=False
        )
    assert result.returncode == 0, result.stderr[-4000:]
    visits = json.loads(result.stdout, object_hook=_as_object)["visits"]
    return visits if len(visits) > 1 else visits[0]


def _as_object(pairs):
    if "first_paint_ms" in pairs:
        return Visit(**pairs)
    return types.SimpleNamespace(**pairs) if "start_ms" in pairs else pairs


# ---- net log ------------------------------------------------------------------------------------


class Push:
    """One promise as the browser saw it."""

    def __init__(self, connection, stream, path):
        self.connection, self.stream, self.path = connection, stream, path
        self.is_adopted = False  # the page asked for it, and got this
        self.is_refused = False  # the browser reset it
        self.bytes = 0

    def __repr__(self):
        state = "adopted" if self.is_adopted else "refused" if self.is_refused else "not used"
        return f"<push {self.path} {state} {self.bytes} bytes>"


class NetLog:
    """The HTTP/2 side of a browser's net log: `pushes`, and `requested`: the paths it asked for."""

    def __init__(self, path):
        text = pathlib.Path(path).read_text(encoding="utf-8")
        try:
            log = json.loads(text)
        except json.JSONDecodeError:  # the browser ended before it closed the log
            log = json.loads(text.rstrip().rstrip(",") + "]}")
        names = {number: name for name, number in log["constants"]["logEventTypes"].items()}
        self.pushes, self.requested = [], []
        self._streams = {}
        for event in log["events"]:
            take = getattr(self, "_" + names[event["type"]].lower(), None)
            if take is not None and "params" in event:
                take(event["source"]["id"], event["params"])

    def _http2_session_recv_push_promise(self, connection, params):
        fields = _fields(params["headers"])
        push = Push(connection, params["promised_stream_id"], fields.get(":path"))
        self.pushes.append(push)
        self._streams[connection, push.stream] = push

    def _http2_stream_adopted_push_stream(self, connection, params):
        for push in self.pushes:
            if push.stream == params["stream_id"] and params["url"].endswith(push.path):
                push.is_adopted = True

    def _http2_session_recv_data(self, connection, params):
        push = self._streams.get((connection, params["stream_id"]))
        if push is not None:
            push.bytes += params["size"]

    def _http2_session_send_rst_stream(self, connection, params):
        push = self._streams.get((connection, params["stream_id"]))
        if push is not None:
            push.is_refused = True

    def _http2_session_send_headers(self, connection, params):
        self.requested.append(_fields(params["headers"]).get(":path"))


def _fields(lines):
    """The log writes a field as "name: value"; names may begin with a colon."""
    return {line[: line.index(":", 1)]: line[line.index(":", 1) + 2 :] for line in lines}
