# SPDX-License-Identifier: Apache-2.0
"""What outrider forwards or answers, nginx and nghttpx understand alike; where both have it
otherwise, the table says why."""

import contextlib

import pytest

import other_proxies
import test_545_response_translation as responses
import translation
from translation import field_lines_of, load, meant, tell_target, told, wanted

KINDS = ["nginx", "nghttpx"]
REQUESTS = [row for row in load("requests") if "forwarded" in row]
ANSWERS = [row for row in load("responses") if "answer" in row and "later" not in row]


def need_others():
    for kind in KINDS:
        if not other_proxies.is_installed(kind):
            pytest.skip(f"{kind} is not installed (scripts/setup --test)")


def seen_by_origin(proxy, origin, row):
    """What the origin is told of the row by that proxy."""
    before = len(origin.seen())
    with contextlib.suppress(AssertionError, OSError):
        translation.send(proxy, row, limit=0.1)
    views = []
    for request in origin.seen()[before:]:
        views.append(
            told(
                {
                    "method": request.method,
                    "target": request.target,
                    "fields": field_lines_of(request.head),
                    "body": request.body.decode("latin-1"),
                }
            )
        )
    return views


def test_requests_beside_others(origin, tmp_path):
    need_others()
    origin.on("*", tell_target())
    wrong, agreed = [], 0
    with contextlib.ExitStack() as stack:
        proxies = [
            stack.enter_context(other_proxies.start(kind, tmp_path / kind, origin.port))
            for kind in KINDS
        ]
        for row in REQUESTS:
            ours = [meant(view) for view in wanted(row)]
            first, second = [seen_by_origin(proxy, origin, row) for proxy in proxies]
            agreed += ours in (first, second)
            if first == second != ours and "why" not in row:
                wrong.append(f"{row['name']}: {str(first)[:300]}, not {str(ours)[:300]}")
    assert not wrong, "\n".join(wrong)
    assert agreed >= 80


def answered(proxy, row, path):
    """What a client of HTTP/2 gets through that proxy."""
    method = row.get("method", "GET")
    with proxy.h2() as client:
        body = b"hello" if method == "POST" else None
        response = client.get(path, method=method, body=body, limit=0.7)
        fields = [pair for pair in response.headers if pair[0] not in ("server", "alt-svc")]
    return (
        response.status,
        responses.lines(fields),
        response.body.decode("latin-1"),
        responses.lines(response.trailers or []),
    )


def test_answers_beside_others(origin, tmp_path):
    need_others()
    wrong, agreed = [], 0
    for number, row in enumerate(ANSWERS):
        origin.on(f"/{number}", *responses.steps_of(row))
    with contextlib.ExitStack() as stack:
        proxies = [
            stack.enter_context(other_proxies.start(kind, tmp_path / kind, origin.port))
            for kind in KINDS
        ]
        for number, row in enumerate(ANSWERS):
            ours, theirs = responses.wanted(row), []
            for proxy in proxies:
                try:
                    theirs.append(answered(proxy, row, f"/{number}"))
                except Exception as error:  # pylint: disable=broad-except
                    theirs.append(repr(error))  # what python h2 will not take
            agreed += ours in theirs
            if theirs[0] == theirs[1] != ours and "why" not in row:
                wrong.append(f"{row['name']}: {str(theirs[0])[:300]}, not {str(ours)[:300]}")
    assert not wrong, "\n".join(wrong)
    assert agreed >= 40
