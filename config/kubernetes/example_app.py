# SPDX-License-Identifier: Apache-2.0
"""Stands in for your app: a slow page that names its stylesheet and script in Link fields.

usage: example_app.py ADDRESS PORT
"""

import http.server
import signal
import sys
import time

PAGE = b"""<!doctype html><html lang=en><title>It works</title><link rel=stylesheet href=/style.css>
<script src=/app.js defer></script><h1>It works</h1><p id=how></p></html>
"""
SCRIPT = b"""document.querySelector("#how").textContent =
  "This page came by " + performance.getEntriesByType("navigation")[0].nextHopProtocol;
"""
SITE = {
    "/": ("text/html; charset=utf-8", PAGE),
    "/style.css": ("text/css", b"body { font: 1.25rem sans-serif; margin: 3rem; color: #234 }\n"),
    "/app.js": ("text/javascript", SCRIPT),
}
LINK = "</style.css>; rel=preload; as=style, </app.js>; rel=preload; as=script"
THINK_S = 0.2


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one write

    def do_GET(self):
        path = self.path.split("?")[0]
        kind, body = SITE.get(path, ("text/plain", b"There is no such page.\n"))
        self.send_response(200 if path in SITE else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if path == "/":
            time.sleep(THINK_S)
            self.send_header("Link", LINK)
        elif path in SITE:
            self.send_header("Cache-Control", "max-age=3600")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    address = (sys.argv[1], int(sys.argv[2]))
    with http.server.ThreadingHTTPServer(address, Handler) as server:
        server.serve_forever()


main()
