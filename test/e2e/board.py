# SPDX-License-Identifier: Apache-2.0
"""The dashboard without an outrider: its document, served with its policy, and figures of our own.

    with Board() as board:
        tab.open(board.url)
        board.figures.add("requests_total", "http2 2xx", 5)
"""

import http.server
import json
import pathlib
import re
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "proxy/admin/page"))
import embed  # noqa: E402

TIME_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
SIZE_BOUNDS = [256 << step for step in range(8)]
COUNTS = ["visits", "candidates", "promised", "hinted", "passed", "completed", "refused", "taken_back"]
COUNTS += ["pushed_bytes", "wasted_bytes", "spared", "spared_bytes", "early", "lead_ms"]
PUSHES = ["completed", "refused", "refused_late", "taken_back", "failed"]
ORIGIN_FAMILIES = [
    "requests_total", "faults_total", "connections_opened_total", "connections_reused_total",
    "connections_raced_total", "retries_total", "connections_idle", "connections_active", "waiting",
]  # fmt: skip


def listed(header, macro):
    """The names in one of the lists that the C files share: X(NAME, "name", ...)."""
    text = (ROOT / "include" / header).read_text(encoding="utf-8")
    body = re.search(rf"#define {macro}\(X\)(.*?[^\\])\n", text, re.DOTALL)[1]
    return re.findall(r'\bX\(\w+,\s*"([^"]*)"', body.replace("\\\n", "\n"))


OUTCOMES = listed("push/push_plan.h", "PUSH_REASON_LIST")
LIMITS = listed("base/metrics.h", "METRIC_LIMIT_LIST")
FAULTS = [name for name in listed("base/fault.h", "FAULT_LIST") if name != "none"]


def histogram(bounds):
    return {"buckets": [0] * (len(bounds) + 1), "count": 0, "sum": 0}


class Figures:
    """What /stats.json says, of an outrider that has done nothing yet."""

    def __init__(self, origins=("app",)):
        self.started = time.time()
        self.pages = []
        self.fields = {
            "version": "0.1.0", "state": "ready", "live": True, "log_dropped": 0, "cpu_s": 0.4,
            "bounds": {"seconds": TIME_BOUNDS, "bytes": SIZE_BOUNDS},
            "workers": [{"silent_ms": 300, "loop_lag": histogram(TIME_BOUNDS)}] * 2,
            "reloads": {"good": 0, "failed": 0, "reloaded_s": int(self.started), "error": ""},
            "memory": {"resident": 11_200_000, "used": 11_200_000, "ceiling": 0, "level": "normal"},
            "descriptors": {"open": 45, "limit": 1024},
            "certificates": [{
                "listener": "https://127.0.0.1:8443", "name": "example.org",
                "not_after_s": int(self.started) + 61 * 86400,
            }],
        }  # fmt: skip
        codes = ["none", "2xx", "3xx", "4xx", "5xx"]
        self.metrics = {
            "connections": dict.fromkeys(["http1", "http2"], 0),
            "exchanges": dict.fromkeys(["request", "push"], 0),
            "requests_total": {f"{p} {code}": 0 for p in ["http1", "http2"] for code in codes},
            "received_content_bytes_total": 0,
            "sent_content_bytes_total": dict.fromkeys(["request", "push"], 0),
            "push_candidates_total": dict.fromkeys(OUTCOMES, 0),
            "pushes_total": dict.fromkeys(PUSHES, 0),
            "push_content_bytes_total": dict.fromkeys(["delivered", "wasted"], 0),
            "hints_total": dict.fromkeys(["own", "origin"], 0),
            "limit_hits_total": dict.fromkeys(LIMITS, 0),
            "exchange_faults_total": dict.fromkeys(FAULTS, 0),
            "connection_faults_total": dict.fromkeys(FAULTS, 0),
            "learned_pages": 0,
        }
        for name in ORIGIN_FAMILIES:
            self.metrics[f"origin_{name}"] = dict.fromkeys(origins, 0)
        for name in ["request_duration", "origin_head", "early_lead", "loop_lag"]:
            self.metrics[f"{name}_seconds"] = histogram(TIME_BOUNDS)

    def add(self, family, label, amount=1):
        if label is None:
            self.metrics[family] += amount
        else:
            self.metrics[family][label] += amount

    def observe(self, family, seconds, times=1):
        row = self.metrics[family]
        place = next((at for at, b in enumerate(TIME_BOUNDS) if seconds <= b), len(TIME_BOUNDS))
        row["buckets"][place] += times
        row["count"] += times
        row["sum"] += seconds * times

    def page(self, name, **counts):
        self.pages.append({"page": name, "seen_s": int(time.time()), **dict.fromkeys(COUNTS, 0)})
        self.pages[-1].update(counts)
        return self.pages[-1]

    def as_json(self):
        now = time.time()
        pages = sorted(self.pages, key=lambda page: -page["visits"])[:100]
        times = {"now_s": int(now), "started_s": int(self.started)}
        times["uptime_s"] = round(now - self.started, 3)
        return json.dumps({**self.fields, **times, "metrics": self.metrics, "pages": pages})


class Board:
    def __init__(self, figures=None, port=0):
        self.figures = figures or Figures()
        self.on_ask = lambda: None  # before each answer to /stats.json
        self.html, self.policy = embed.build(ROOT / "proxy/admin/page/index.html")
        self.status = 200  # of /stats.json
        self.replies = {}  # path of a command: (status, text)
        self.is_gone = False
        self.commands = []  # that were asked for
        self.asked = 0  # for figures, so many times
        self.paths = []  # that were asked for
        board = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                board._get(self)

            def do_POST(self):
                board.commands.append(self.path)
                status, text = board.replies.get(self.path, (404, "not here\n"))
                board._answer(self, status, text)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_gone = True
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def _get(self, request):
        self.paths.append(request.path)
        if request.path == "/":
            self._answer(request, 200, self.html, "text/html", self.policy)
        elif request.path == "/stats.json":
            self.asked += 1
            self.on_ask()
            is_good = self.status == 200
            text = self.figures.as_json() if is_good else "out of order\n"
            self._answer(request, self.status, text, "application/json")
        else:
            self._answer(request, 404, "not here\n")

    def _answer(self, request, status, text, kind="text/plain", policy=None):
        if self.is_gone:
            request.close_connection = True
            return
        body = text.encode()
        request.send_response(status)
        request.send_header("Content-Type", f"{kind}; charset=utf-8")
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Cache-Control", "no-store")
        request.send_header("X-Content-Type-Options", "nosniff")
        if policy:
            request.send_header("Content-Security-Policy", policy)
        request.end_headers()
        request.wfile.write(body)
