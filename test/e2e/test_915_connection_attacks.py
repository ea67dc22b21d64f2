# SPDX-License-Identifier: Apache-2.0
"""TLS, and connections by the hundred, beside well-behaved clients. See besieged.py."""

import contextlib
import socket
import ssl
import threading
import time

import pytest

import attacks
import besieged
from test_200_tls import ask_h1, client_context, two_certificates
from test_200_tls import connect as tls_connect

siege = besieged.fixture()

SECONDS = besieged.SECONDS


def until(seconds, *functions):
    """Each of them in a thread of its own, again and again. Returns how often they ran."""
    end = time.monotonic() + seconds
    counts = [0] * len(functions)

    def run(number):
        while time.monotonic() < end:
            functions[number]()
            counts[number] += 1

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def connect(port, host="127.0.0.1"):
    return socket.create_connection((host, port), 10)


# --- TLS -----------------------------------------------------------------------------------------


@pytest.mark.short
def test_handshake_flood(siege):
    """Whole handshakes, and the connection is left. Others share the processor, and nothing is kept of
    sessions (CVE-2024-2511)."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    def shake_hands():
        with contextlib.suppress(OSError):
            context.wrap_socket(connect(siege.proxy.https_port)).close()

    with siege.watch() as seen:
        count = until(SECONDS, *[shake_hands] * besieged.ENEMIES)
    assert count > 5
    seen.expect()


@pytest.mark.short
def test_client_hello_flood(siege):
    """The one message that is cheap to send and dear to answer, by who does not read the answer."""
    hello = attacks.client_hello()

    def say_hello():
        with contextlib.suppress(OSError), connect(siege.proxy.https_port) as sock:
            sock.sendall(hello)
            sock.recv(1)

    with siege.watch() as seen:
        count = until(SECONDS, *[say_hello] * besieged.ENEMIES)
    assert count > 5
    faults = seen.labels("connection_faults_total").keys() & {"tls_handshake", "conn_reset"}
    assert faults
    seen.expect(connections=faults)


def test_what_is_no_tls(siege):
    def say_something_else():
        with contextlib.suppress(OSError), connect(siege.proxy.https_port) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
            while sock.recv(4096):
                pass

    with siege.watch() as seen:
        assert until(SECONDS, *[say_something_else] * besieged.ENEMIES) > 5
    seen.expect(connections=["tls_handshake"])


@pytest.mark.short
def test_cve_2011_1473_renegotiation(siege):
    """TLS 1.2: it is refused, and costs no handshake."""
    with siege.watch() as seen:
        enemy = attacks.Tls(siege.proxy.https_port, attacks.Tls.VERSION_1_2)
        for _ in range(100):
            if enemy.renegotiate() == 1:
                pytest.fail("the server renegotiated")
        enemy.close()
    assert seen.rise('outrider_tls_handshakes_total{result="full"}') <= 1
    seen.expect(connections=seen.labels("connection_faults_total").keys() & {"protocol", "conn_reset"})


@pytest.mark.short
def test_cve_2025_23419_ticket_of_another_name(outrider, origin, make_certs):
    """Also CVE-2023-41337: a session of one name is no way to another. The ticket is not taken, and who is
    connected for one name is told 421 when asking for the other."""
    _, _, listeners = two_certificates(make_certs)
    proxy = outrider(origin, listeners=listeners)
    context = client_context(ssl.TLSVersion.TLSv1_3)
    with tls_connect(proxy, context, "first.test") as sock:
        ask_h1(sock, "first.test")
        session = sock.session
    with tls_connect(proxy, context, "second.test", session) as sock:
        assert not sock.session_reused
        sock.sendall(b"GET / HTTP/1.1\r\nHost: first.test\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 421 ")


@pytest.mark.short
@pytest.mark.parametrize("is_answer_wanted", [False, True], ids=["own keys", "both keys"])
def test_key_update_flood(siege, is_answer_wanted):
    """TLS 1.3: new keys, more than a hundred times."""
    with siege.watch() as seen:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            enemy = attacks.Tls(siege.proxy.https_port)
            while time.monotonic() < end and enemy.update_keys(is_answer_wanted):
                pass
            enemy.close()
    assert "abuse" in seen.labels("connection_faults_total")
    seen.expect(connections=seen.labels("connection_faults_total").keys() & {"conn_reset", "abuse"})


# --- many connections ----------------------------------------------------------------------------


@pytest.mark.short
def test_connections_that_come_and_go(siege):
    """Opened and closed, or reset."""

    def come_and_go():
        with contextlib.suppress(OSError), connect(siege.proxy.http_port) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with siege.watch() as seen:
        assert until(SECONDS, *[come_and_go] * besieged.ENEMIES) > 50
    seen.expect()


def own_address():
    """An address of this machine that is not loopback. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
            return sock.getsockname()[0]
        except OSError:
            return None


def crowd(stack, count, *where):
    """So many connections; those that were reset at once are None."""
    socks = []
    for _ in range(count):
        socks.append(None)
        with contextlib.suppress(ConnectionResetError):
            socks[-1] = stack.enter_context(connect(*where))
    return socks


def count_open(socks):
    """Those that the server has not closed."""
    time.sleep(0.3)
    count = 0
    for sock in filter(None, socks):
        sock.setblocking(False)
        try:
            sock.recv(1)
        except BlockingIOError:
            count += 1
        except OSError:
            pass
    return count


@pytest.mark.short
@pytest.mark.skipif(own_address() is None, reason="this machine has no address but loopback")
def test_all_connections_by_one_address(outrider, origin, certs):
    """limits.address_share: half of the places stay for others."""
    proxy = outrider(
        origin,
        listeners=[{"address": "http://0.0.0.0:0"}],
        limits={"connections": 100},
        workers=1,
        admin={"listen": "127.0.0.1:0"},
    )
    port = proxy.http_port
    with contextlib.ExitStack() as stack:
        assert count_open(crowd(stack, 80, port, own_address())) == 50
        assert proxy.metrics()['outrider_limit_hits_total{limit="address"}'] == 30
        proxy.wait_stderr("limits.address_share")
        assert count_open(crowd(stack, 60, port)) == 50  # of this machine
        assert proxy.metrics()['outrider_limit_hits_total{limit="connections"}'] == 10
    end = time.monotonic() + 10
    while True:  # places come back
        with contextlib.ExitStack() as stack:
            if count_open(crowd(stack, 1, port, own_address())) == 1:
                break
        assert time.monotonic() < end


@pytest.mark.short
def test_more_connections_than_allowed(outrider, origin):
    """limits.connections: those that are there are served, and places come back."""
    proxy = outrider(origin, limits={"connections": 20}, workers=1, admin={"listen": "127.0.0.1:0"})
    with proxy.h2() as client:
        assert client.get("/").status == 404
        with contextlib.ExitStack() as stack:
            assert count_open(crowd(stack, 100, proxy.http_port)) == 19
            assert client.get("/").status == 404
            assert proxy.metrics()['outrider_limit_hits_total{limit="connections"}'] == 81
        end = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError, AssertionError), proxy.h2() as other:
                if other.get("/").status == 404:
                    break
            assert time.monotonic() < end
