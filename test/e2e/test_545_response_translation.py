# SPDX-License-Identifier: Apache-2.0
"""The table test/data/translation/responses.yaml: each response is passed on as meant, refused, or
visibly cut; and whatever it was, the next one is its own."""

import pytest

from origin import close, reset, send, sleep
from translation import bytes_of, load, tell_target, text_of

ADDED = {"date", "via", "content-length", "transfer-encoding", "connection"}
QUICK = {"first_byte_timeout": "500ms", "between_bytes_timeout": "500ms"}


def expanded(rows):
    """One row for each place of cut_at."""
    for row in rows:
        for outcome, places in row.get("cut_at", {}).items():
            for place in places:
                cut = {key: value for key, value in row.items() if key != "cut_at"}
                result = {"refused": 502} if outcome == "refused" else {outcome: True}
                name = f"{row['name']} after {place} bytes"
                yield {**cut, "name": name, "sends": text_of(row["sends"])[:place], **result}
        if "cut_at" not in row:
            yield row


ROWS = list(expanded(load("responses")))


def steps_of(row):
    """What the scripted origin does."""
    ends = {None: [], "close": [close()], "reset": [sleep(0.01), reset()]}
    later = [sleep(0.03), send(bytes_of(row["later"]))] if "later" in row else []
    return [lambda conn, _: conn.read_body(), send(bytes_of(row["sends"])), *later,
            *ends[row.get("ends")]]  # fmt: skip


def wanted(row):
    """(status, fields, body, trailers), a status, or "cut"."""
    if "refused" in row:
        return row["refused"]
    if "is_cut" in row:
        return "cut"
    answer = row["answer"]
    fields = [text_of(field) for field in answer.get("fields", [])]
    return answer["status"], fields, text_of(answer.get("body", "")), answer.get("trailers", [])


def lines(pairs):
    return [f"{name}: {value}" for name, value in pairs if name not in ADDED and name[0] != ":"]


def outcome_of(status, fields, body, trailers):
    named = dict(fields)
    if status in (502, 504) and named.get("proxy-status", "").startswith("outrider; error="):
        return status
    assert len([name for name, _ in fields if name == "content-length"]) <= 1, fields
    assert named["via"] == "1.1 outrider" and "date" in named, fields
    return status, lines(fields), body.decode("latin-1"), lines(trailers)


def ask_h2(client, row, path):
    method = row.get("method", "GET")
    body = b"hello" if method == "POST" else None
    response = client.get(path, method=method, body=body, limit=5)
    if response.reset is not None:
        assert response.reset == 2 and not response.is_ended, response
        return "cut"
    assert response.is_complete, response
    forbidden = {"connection", "keep-alive", "transfer-encoding", "upgrade", "proxy-connection"}
    assert not forbidden & {name for name, _ in response.headers}, response.headers
    return outcome_of(response.status, response.headers, response.body, response.trailers or [])


def ask_h1(proxy, origin, row, path):
    method = row.get("method", "GET")
    content = "Content-Length: 5\r\n\r\nhello" if method == "POST" else "\r\n"
    with proxy.h1() as client:
        client.sock.settimeout(5)
        client.send(f"{method} {path} HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n{content}".encode())
        try:
            status, fields = client.read_head()
            while status < 200:
                status, fields = client.read_head()
            named, trailers = dict(fields), []
            if method == "HEAD" or status in (204, 304):
                body = b""
            elif "transfer-encoding" in named:
                body, trailers = client.read_chunked()
            else:
                body = client.read(int(named["content-length"]))
        except ConnectionError:
            return "cut"
        wait_later(origin, row, path)
        client.send(b"GET /again HTTP/1.1\r\nHost: a\r\n\r\n")  # not a byte stands before it
        assert client.read_response()[2] == b"/again"
    return outcome_of(status, fields, body, trailers)


def wait_later(origin, row, path):
    """What comes later has come. Between the two nobody could tell whose answer it is."""
    if "later" in row:
        assert origin.last(path).is_done.wait(5)


def problems_of(origin, canary, row, outcome, path):
    if outcome != wanted(row):
        yield f"{str(outcome)[:300]}, not {str(wanted(row))[:300]}"
    wait_later(origin, row, path)
    if canary.get("/canary").body != b"/canary":
        yield "the canary got something else"
    requests = origin.seen()
    asked = next(request for request in reversed(requests) if request.path == path)
    is_reused = requests[-1].connection == asked.connection
    if is_reused != row.get("reused", "answer" in row):
        yield f"reused: {is_reused}"
    if not is_reused and any(
        request.connection == asked.connection and request.path != path
        for request in requests[requests.index(asked) :]
    ):
        yield "its connection was used again"


def test_the_table_is_large_enough():
    assert len(ROWS) >= 150 + 60
    for row in ROWS:
        assert len({"answer", "refused", "is_cut"} & set(row)) == 1, row["name"]
    assert sum(" after " in row["name"] and "bytes" in row["name"] for row in ROWS) >= 60


@pytest.mark.parametrize("kind", ["h2", "h1"])
def test_responses(outrider, origin, kind):
    origin.on("*", tell_target())
    for number, row in enumerate(ROWS):
        origin.on(f"/{number}", *steps_of(row))
    proxy = outrider(origin, QUICK, workers=1)
    wrong = []
    with proxy.h2(tls=False) as canary:
        for number, row in enumerate(ROWS):
            path = f"/{number}"
            try:
                if kind == "h2":
                    outcome = ask_h2(canary, row, path)
                else:
                    outcome = ask_h1(proxy, origin, row, path)
                problems = problems_of(origin, canary, row, outcome, path)
                wrong += [f"{row['name']}: {text}" for text in problems]
            except (AssertionError, TimeoutError) as error:
                wrong.append(f"{row['name']}: {error!r}")
    assert not wrong, "\n".join(wrong)
