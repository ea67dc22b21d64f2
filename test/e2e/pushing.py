# SPDX-License-Identifier: Apache-2.0
"""Words of the push tests: pages that link, what was promised, what the access log says of it."""

from origin import respond

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
