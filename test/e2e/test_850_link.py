# SPDX-License-Identifier: Apache-2.0
"""The emulated link is what it says: its round trip, its rates and its queue, as sockets and TCP
itself see them. Within 5 %."""

import pathlib
import socket
import struct
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "link"))
from link import Link, LinkUnavailable  # noqa: E402

# Round trip in ms, rates in kbit/s, queue in bytes.
PROFILES = {
    "cable": (28, 5000, 1000, 65536),
    "slow": (100, 1600, 770, 65536),
    "60:10000:2000:48": (60, 10000, 2000, 49152),
}
# An IP packet of 1500 bytes has 1448 bytes of a TCP connection with timestamps.
PAYLOAD_SHARE = 1448 / 1500
PING_BYTES = 20 + 8 + 8
LIMIT_S = 20


@pytest.fixture(params=PROFILES)
def link(request):
    try:
        made = Link(request.param)
    except LinkUnavailable as unavailable:
        pytest.skip(str(unavailable))
    made.rtt_ms, made.down_kbit, made.up_kbit, made.queue = PROFILES[request.param]
    yield made
    made.stop()


def open_udp(link, end, address):
    with link.inside(end):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(LIMIT_S)
    sock.bind((address, 0))
    return sock


def open_tcp(link):
    """A connection through the link: (client's socket, server's socket)."""
    with link.inside("server"):
        listener = socket.create_server((link.server_address, 0))
    with link.inside("client"):
        client = socket.create_connection(listener.getsockname(), LIMIT_S)
    server, _ = listener.accept()
    listener.close()
    server.settimeout(LIMIT_S)
    return client, server


def transfer(source, sink, seconds):
    """Bytes per second that come in, without the first half (slow start), and what the sender's
    TCP thought of the path meanwhile."""
    end = time.monotonic() + seconds
    steady = end - seconds / 2
    seen = []

    def send():
        block = b"x" * 4096
        while time.monotonic() < end:
            source.sendall(block)
            seen.append(tcp_info(source))

    thread = threading.Thread(target=send)
    thread.start()
    count, first, last = 0, None, None
    while time.monotonic() < end and (data := sink.recv(65536)):
        now = time.monotonic()
        if first is None and now > steady:
            first = now
        elif first is not None:
            count += len(data)
            last = now
    thread.join()
    min_rtt_ms = min(rtt for rtt, _ in seen)
    rates = sorted(rate for _, rate in seen[len(seen) // 2 :])
    return count / (last - first), min_rtt_ms, rates[len(rates) // 2]


def tcp_info(sock):
    """(smallest round trip in ms, delivery rate in bytes a second) that the sender knows."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    min_rtt_us = struct.unpack_from("=I", info, 148)[0]
    rate = struct.unpack_from("=Q", info, 160)[0]
    return min_rtt_us / 1000, rate


def test_round_trip(link):
    server = open_udp(link, "server", link.server_address)
    client = open_udp(link, "client", link.client_address)
    times = []
    for _ in range(5):
        start = time.monotonic()
        client.sendto(b"8 bytes.", server.getsockname())
        server.sendto(server.recv(100), client.getsockname())
        client.recv(100)
        times.append((time.monotonic() - start) * 1000)
    bits = PING_BYTES * 8
    expected = link.rtt_ms + bits / link.down_kbit + bits / link.up_kbit
    median = sorted(times)[2]
    print(f"round trip {median:.2f} ms, expected {expected:.2f}")
    assert median == pytest.approx(expected, rel=0.05)
    client.close()
    server.close()


@pytest.mark.parametrize("link", ["cable", "slow"], indirect=True)
@pytest.mark.parametrize("way", ["down", "up"])
def test_throughput(link, way):
    client, server = open_tcp(link)
    kbit, source, sink = (
        (link.down_kbit, server, client) if way == "down" else (link.up_kbit, client, server)
    )
    rate, min_rtt_ms, known_rate = transfer(source, sink, 1.5)
    expected = kbit * 1000 / 8 * PAYLOAD_SHARE
    print(f"{way} {rate * 8 / 1e6:.3f} Mbit/s, expected {expected * 8 / 1e6:.3f}; "
          f"TCP_INFO: rtt {min_rtt_ms:.1f} ms, {known_rate * 8 / 1e6:.3f} Mbit/s")
    assert rate == pytest.approx(expected, rel=0.05)
    # The sender's own view is what a server can steer by.
    assert min_rtt_ms == pytest.approx(link.rtt_ms, rel=0.05, abs=15000 / kbit)
    assert known_rate == pytest.approx(expected, rel=0.1)
    client.close()
    server.close()


def test_queue_takes_what_it_says_and_drops_the_rest(link):
    """A burst of twice the queue: the first part arrives, at the link's rate."""
    size = 1000
    sent = 2 * link.queue // size
    server = open_udp(link, "server", link.server_address)
    client = open_udp(link, "client", link.client_address)
    for number in range(sent):
        server.sendto(struct.pack("!I", number).ljust(size - 28, b"x"), client.getsockname())
    server.sendto(b"", client.getsockname())
    client.settimeout(0.5)
    got, times = [], []
    while True:
        try:
            data = client.recv(2000)
        except TimeoutError:
            break
        if data:
            got.append(struct.unpack_from("!I", data)[0])
            times.append(time.monotonic())
    link.stop()
    statistics = link.statistics["down"]
    rate = (len(got) - 1) * size / (times[-1] - times[0])
    print(f"{len(got)} of {sent} came, {rate * 8 / 1e6:.3f} Mbit/s; {statistics}")
    room = link.queue // size
    # While the burst is sent, some of it is on its way already.
    assert room <= len(got) <= room * 1.2
    assert got[:room] == list(range(room))
    assert statistics["dropped"] >= sent - len(got)
    assert room * size <= statistics["queue_most"] <= link.queue
    assert rate == pytest.approx(link.down_kbit * 1000 / 8, rel=0.05)
    client.close()
    server.close()


def test_both_ends_are_alone(link):
    """Nothing but the link: not the machine's own loopback, nor the other end's."""
    listener = socket.create_server(("127.0.0.1", 0))
    with link.inside("client"):
        with pytest.raises(OSError):
            socket.create_connection(listener.getsockname(), 1)
        with pytest.raises(OSError):
            socket.create_connection(("192.0.2.1", 80), 1)
    listener.close()
