# SPDX-License-Identifier: Apache-2.0
"""Words of the push and hint tests: pages that link, what was promised or hinted, what the access
log says of it."""

import base64
import hashlib

from origin import respond, wait

STYLE = "</a.css>; rel=preload; as=style"


def links(*values):
    """Link fields, one per value."""
    return [("link", value) for value in values]


def page(origin, path, *values, status=200, headers=(), body=b"<html>"):
    """A page whose final response has these Link fields. All else that is asked for is there."""
    origin.on(path, respond(status, [*headers, *links(*values)], body))
    assets(origin)


def assets(origin, headers=(), body=b"asset"):
    """Every path without a script of its own is found."""
    origin.on("*", respond(200, [("content-type", "text/plain"), *headers], body))


TYPES = {".css": "text/css", ".js": "text/javascript", ".woff2": "font/woff2", ".png": "image/png"}


def resources(origin):
    """As assets(), of the kind that their names say, and with a validator."""

    def step(conn, request):
        ending = "." + request.path.partition("?")[0].rpartition(".")[2]
        fields = [("content-type", TYPES.get(ending, "text/css")), ("etag", '"1"')]
        respond(200, fields, b"resource")(conn, request)

    origin.on("*", step)


def promised(client):
    """The promised paths, in order."""
    return [push.path for push in client.pushes]


def log_lines(proxy, path):
    """The access log's lines for the path (with its query). Stops the proxy, which is how the log
    comes out at once: its clients must have gone. In order of connections, then of streams."""
    proxy.stop()
    lines = [line for line in proxy.access_log() if line["path"] == path]
    return sorted(lines, key=lambda line: (int(line["conn"][1:]), line["stream"]))


def outcome(proxy, path, number=0):
    """(promised, skipped with reasons) of the page's n-th line. Stops the proxy."""
    line = log_lines(proxy, path)[number]
    return line["promised"], line["skipped"]


# --- hints -----------------------------------------------------------------------------

# What a browser says of a request for a page that its user goes to.
NAVIGATION = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]


def hints(response):
    """The Link value of each 103, in order; "" where it has none."""
    fields_of = [fields for fields in response.interim if dict(fields)[":status"] == "103"]
    return [", ".join(v for name, v in fields if name == "link") for fields in fields_of]


def thinking_page(origin, path, *values, status=200, headers=(), body=b"<html>"):
    """A page that comes when the event named like its path is set. See ask_early."""
    origin.event(path).clear()
    origin.on(path, wait(path), respond(status, [*headers, *links(*values)], body))
    assets(origin)


def ask_early(client, origin, path, headers=NAVIGATION):
    """The response to a thinking page, whose origin thinks on until a 103 or a promise has come."""
    before = len(client.pushes)
    stream_id = client.request(path, headers=headers)
    response = client.responses[stream_id]
    client.wait_until(lambda: response.interim or len(client.pushes) > before)
    assert not response.headers
    origin.wait_requests(1, path)
    origin.event(path).set()
    return client.wait(stream_id)


def visit(proxy, path="/", headers=NAVIGATION, push=False, **options):
    """One page on a connection of its own, with all that was promised."""
    with proxy.h2(push=push, **options) as client:
        response = client.get(path, headers)
        client.wait_pushes()
        response.promised = promised(client)
    return response


def known(proxy, origin, path="/", headers=NAVIGATION):
    """What is hinted for the page on a new connection; nothing is learned from this. From now on
    the page answers 500."""
    origin.on(path.partition("?")[0], respond(500))
    found = hints(visit(proxy, path, headers))
    assert len(found) < 2
    return found[0] if found else None


def cache_digest(*urls, flags=""):
    """A Cache-Digest element: include/push/push_cache_digest.h says how."""
    log_n, log_p = 3, 20
    hashes = [int(hashlib.sha256(url.encode()).hexdigest()[:16], 16) for url in urls]
    members = sorted({value >> (64 - log_n - log_p) for value in hashes})
    bits, following = f"{log_n:05b}{log_p:05b}", 0
    for member in members:
        gap = member - following
        bits += "0" * (gap >> log_p) + "1" + f"{gap % (1 << log_p):0{log_p}b}"
        following = member + 1
    bits += "0" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return base64.urlsafe_b64encode(data).decode().rstrip("=") + flags
