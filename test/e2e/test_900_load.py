# SPDX-License-Identifier: Apache-2.0
"""Much at once, and much in one piece: no failure, no leak, flat memory."""

import re
import subprocess
import threading
import time

import pytest

import tools
from origin import head, respond, send, send_many, swallow
from steady_load import sanitizer
from tools import FRUGAL

# ThreadSanitizer writes down every access.
SPARE_KB = 500_000 if sanitizer() == "thread" else 0
BLOCK = b"x" * 65536
GIB = 1 << 30


class Load:
    """A command that makes many requests, with its own count of what went well."""

    def __init__(self, *words):
        self.process = subprocess.Popen(
            ["h2load", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def check(self, count):
        text = self.process.communicate(timeout=50)[0].decode()
        numbers = re.search(r"requests: (\d+) total, .* (\d+) done, (\d+) succ\w+, (\d+) f", text)
        codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
        assert numbers and list(map(int, numbers.groups())) == [count, count, count, 0], text
        assert codes and list(map(int, codes.groups())) == [count, 0, 0, 0], text


def in_thread(failures, function, *args):
    def run():
        try:
            function(*args)
        except Exception as error:  # pylint: disable=broad-except
            failures.append(f"{function.__name__}: {error!r}")

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def load_pages(proxy, pages, counts):
    """Pages with two pushes each."""
    with proxy.h2() as client:
        for _ in range(pages):
            page = client.get("/page")
            assert page.status == 200 and page.is_complete
            client.wait_pushes()
            counts.append(1)
        assert client.pushes and all(push.status == 200 for push in client.pushes)
        counts.extend(client.pushes)


def abort_requests(proxy, rounds, counts):
    """Downloads and uploads that the client gives up in the middle, beside others."""
    with proxy.h2() as client:
        for _ in range(rounds):
            large = client.request("/large")
            up = client.request("/up", "POST", [("content-length", "100000")], end=False)
            client.send_body(up, b"x" * 1000, end=False)
            client.wait_head(large)
            client.reset(large)
            client.reset(up)
            response = client.get("/small")
            assert response.status == 200 and response.body == b"small"
            counts.extend([1, 1, 1])
    for _ in range(rounds):
        with proxy.h1() as old:
            old.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
            old.read(500)
            counts.append(1)


def settled_files(proxy, wanted, limit=6):
    """Open descriptors, once they are no more than wanted (or the limit has passed)."""
    end = time.monotonic() + limit
    while proxy.open_files() > wanted and time.monotonic() < end:
        time.sleep(0.05)
    return proxy.open_files()


@pytest.mark.limit(100)
def test_ten_thousand_mixed_requests_over_a_hundred_connections(outrider, origin, tmp_path):
    origin.on("/small", respond(200, [], b"small"))
    origin.on("/chunked", respond(200, [], b"c" * 20000, 3000))
    origin.on("/large", respond(200, [], BLOCK * 8))
    origin.on("/up", respond(200, [], b"thanks"))
    links = [("Link", f"</{name}>; rel=preload; as={kind}") for name, kind in
             (("a.css", "style"), ("b.js", "script"))]  # fmt: skip
    origin.on("/page", respond(200, links, b"page" * 1000))
    origin.on("/a.css", respond(200, [("Content-Type", "text/css")], b"a" * 5000))
    origin.on("/b.js", respond(200, [("Content-Type", "text/javascript")], b"b" * 9000))
    upload = tmp_path / "upload"
    upload.write_bytes(b"u" * 20000)
    proxy = outrider(origin, {"idle_timeout": "500ms", "max_connections": 128}, env=FRUGAL)
    warm_up(proxy)
    files, memory = settled_files(proxy, 0, 1.5), proxy.resident_kb()

    https, http = proxy.url("", "https"), proxy.url("", "http")
    loads = [
        (Load("-n4300", "-c40", "-m8", f"{https}/small", f"{https}/chunked"), 4300),
        (Load("-n1500", "-c15", "-m4", "-d", upload, f"{https}/up"), 1500),
        (Load("-n1800", "-c15", "--h1", f"{http}/small", f"{http}/chunked"), 1800),
        (Load("-n1000", "-c5", "-m20", f"{http}/small"), 1000),
        (Load("-n120", "-c4", "-m2", f"{https}/large"), 120),
    ]
    failures, counts = [], []
    threads = [in_thread(failures, load_pages, proxy, 60, counts) for _ in range(15)]
    threads += [in_thread(failures, abort_requests, proxy, 15, counts) for _ in range(6)]
    for load, count in loads:
        load.check(count)
    for thread in threads:
        thread.join(60)
    assert not failures, failures
    total = sum(count for _, count in loads) + len(counts)
    assert total >= 10000, total

    assert settled_files(proxy, files) <= files
    assert proxy.resident_kb() - memory < 48 * 1024 + SPARE_KB
    with proxy.h2() as client:
        assert client.get("/small").body == b"small"
    proxy.stop()
    lines = proxy.access_log()
    assert sum("dropped" in line for line in lines) == 0
    assert len(lines) == total + 6 * 6 + 1
    assert not any(line["status"] >= 500 for line in lines)


def warm_up(proxy):
    """What is opened once and stays is not counted as a leak."""
    for _ in range(6):
        with proxy.h2() as client:
            client.get_all(["/small", "/large", "/page"])
            client.wait_pushes()
        with proxy.h1() as old:
            old.send(b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n")
            old.read_response()


def test_connections_that_come_and_go_leak_nothing(outrider, origin):
    """Every way for a client to leave, 30 times each."""
    origin.on("/", respond(200, [], b"hello"))
    origin.on("/large", respond(200, [], BLOCK * 16))
    proxy = outrider(origin, {"idle_timeout": "300ms"}, workers=1, env=FRUGAL)
    with proxy.h2() as client:
        client.get_all(["/", "/large"])
    files = settled_files(proxy, 0, 1)
    for number in range(30):
        for tls in (number % 3 == 0, False):
            port = proxy.port("https" if tls else "http")
            with tools.h2client.socket.create_connection(("127.0.0.1", port)) as sock:
                sock.sendall(b"\x16\x03\x01\x02"[: number % 5])
            with proxy.h2(tls) as client:
                client.request("/large")
            with proxy.raw_h2(tls, preface=number % 2 == 0) as raw:
                raw.send(b"PRI * HT"[: number % 9])
            with proxy.h1(tls) as old:
                old.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"[: number * 2])
            with proxy.h1(tls) as old:
                old.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
    assert settled_files(proxy, files) <= files
    with proxy.h2() as client:
        assert client.get("/").body == b"hello"


@pytest.mark.limit(100)
@pytest.mark.parametrize(
    "direction, protocol, size",
    [("down", "--http2", GIB), ("up", "--http1.1", GIB), ("up", "--http2", GIB // 8)],
)
def test_large_bodies_in_flat_memory(outrider, origin, direction, protocol, size, tmp_path):
    blocks = size // len(BLOCK)
    origin.on("/down", send(head(200, [("Content-Length", size)])), send_many(blocks, BLOCK))
    origin.on("/up", swallow(), respond(200, [], b"done"))
    proxy = outrider(origin, workers=1, env=FRUGAL)
    before, peak = proxy.resident_kb(), 0
    words = ["curl", "-sS", "-k", protocol, "-w", "%{http_code} %{size_download} %{size_upload}"]
    if direction == "down":
        words += ["-o", "/dev/null", proxy.url("/down")]
    else:
        sparse = tmp_path / "sparse"
        with open(sparse, "wb") as file:
            file.truncate(size)
        words += ["-o", "/dev/null", "-T", sparse, "-H", "Expect:", proxy.url("/up")]
    curl = subprocess.Popen(words, stdout=subprocess.PIPE)
    while curl.poll() is None:
        peak = max(peak, proxy.resident_kb())
        time.sleep(0.05)
    status, down, up = curl.stdout.read().split()
    assert curl.returncode == 0 and status == b"200"
    if direction == "down":
        assert int(down) == size
    else:
        assert int(up) == size and origin.last().counted_bytes == size
    assert peak - before < 24 * 1024 + SPARE_KB, (before, peak)
