# SPDX-License-Identifier: Apache-2.0
"""TLS at the front: versions, ALPN, certificates by name, tickets, and what is refused."""

import socket
import ssl

import pytest

import tools
from h2client import H2Client
from origin import respond

LIMIT_S = 10


def client_context(version=None, alpn=None, cafile=None):
    """A client that accepts any certificate unless `cafile` is given."""
    context = ssl.create_default_context(cafile=cafile)
    if cafile is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def connect(proxy, context, server_name="localhost", session=None):
    plain = socket.create_connection(("127.0.0.1", proxy.https_port), LIMIT_S)
    return context.wrap_socket(plain, server_hostname=server_name, session=session)


def ask_h1(sock, host="localhost", path="/"):
    """The response's bytes to a request after which the connection closes."""
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data


def subject_names(sock):
    """The DNS names of the server's certificate."""
    der = sock.getpeercert(binary_form=True)
    result = tools.run(
        "openssl", "x509", "-inform", "DER", "-noout", "-ext", "subjectAltName", data=der
    )
    return result.text


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
ALPN = [
    (["h2"], "h2"),
    (["http/1.1"], "http/1.1"),
    (["http/1.1", "h2"], "h2"),
    (["spdy/3", "http/1.1"], "http/1.1"),
    (None, None),
]


@pytest.mark.parametrize("version", VERSIONS)
def test_versions_and_alpn(outrider, origin, certs, version):
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(origin)
    for offered, chosen in ALPN:
        with connect(proxy, client_context(version, offered, certs.ca)) as sock:
            assert sock.version() == version.name.replace("_", ".")
            assert sock.selected_alpn_protocol() == chosen
            if chosen == "h2":
                with H2Client.over(sock) as client:
                    assert client.get("/").body == b"hello"
            else:
                assert ask_h1(sock).endswith(b"hello")


def test_alpn_without_a_protocol_of_ours_is_refused(outrider, origin):
    proxy = outrider(origin)
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        connect(proxy, client_context(alpn=["spdy/3", "h3"]))
    with proxy.h2() as client:
        assert client.get("/").status == 404


@pytest.mark.parametrize("flag", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(outrider, origin, flag):
    proxy = outrider(origin)
    result = tools.run(
        "openssl", "s_client", "-connect", f"127.0.0.1:{proxy.https_port}", flag,
        "-cipher", "ALL:@SECLEVEL=0", data=b""
    )  # fmt: skip
    assert result.code != 0 and "alert protocol version" in result.errors, result


CIPHERS = [
    ("ECDHE-ECDSA-AES128-GCM-SHA256", True),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", True),
    ("ECDHE-ECDSA-AES128-SHA", False),  # not AEAD: RFC 9113 appendix A
    ("AES128-GCM-SHA256", False),  # not ephemeral
]


def test_ciphers_of_tls_1_2(outrider, origin):
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(origin)
    for cipher, is_fine in CIPHERS:
        context = client_context(ssl.TLSVersion.TLSv1_2)
        context.set_ciphers(cipher + ":@SECLEVEL=0")
        if is_fine:
            with connect(proxy, context) as sock:
                assert sock.cipher()[0] == cipher
                assert ask_h1(sock).endswith(b"hello")
        else:
            with pytest.raises(ssl.SSLError, match="(?i)handshake.failure"):
                connect(proxy, context)


def two_certificates(make_certs):
    """Listeners with a certificate for first.test and one for second.test and *.wild.test."""
    first = make_certs("first.test")
    second = make_certs("second.test", "*.wild.test")
    listeners = [
        {"address": "https://127.0.0.1:0", "tls": [first.tls, second.tls]},
    ]
    return first, second, listeners


NAMES = [
    ("first.test", "DNS:first.test"),
    ("second.test", "DNS:second.test"),
    ("SECOND.test", "DNS:second.test"),
    ("a.wild.test", "DNS:second.test"),
    ("a.b.wild.test", "DNS:first.test"),  # a wildcard is one label; the first is the default
    ("unknown.test", "DNS:first.test"),
    (None, "DNS:first.test"),
]


def test_certificate_by_name(outrider, origin, make_certs):
    _, _, listeners = two_certificates(make_certs)
    proxy = outrider(origin, listeners=listeners)
    for name, certificate in NAMES:
        with connect(proxy, client_context(), name) as sock:
            assert certificate in subject_names(sock), name


def test_clients_verify_the_certificate_they_asked_for(outrider, origin, make_certs):
    first, second, listeners = two_certificates(make_certs)
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(origin, listeners=listeners)
    for name, certificates in (("first.test", first), ("x.wild.test", second)):
        with proxy.h2(cafile=certificates.ca, server_name=name, authority=name) as client:
            assert client.get("/").body == b"hello"
    with pytest.raises(ssl.SSLCertVerificationError):
        proxy.h2(cafile=first.ca, server_name="second.test")


def test_misdirected_request(outrider, origin, make_certs):
    """421 for a name that the certificate in use does not cover (RFC 9110 section 15.5.20)."""
    _, _, listeners = two_certificates(make_certs)
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(origin, listeners=listeners)
    with proxy.h2(server_name="second.test", authority="second.test") as client:
        assert client.get("/").status == 200
        assert client.get("/", authority="other.wild.test").status == 200  # covered: coalescing
        refused = client.get("/", authority="first.test")
        assert refused.status == 421 and "proxy-status" in dict(refused.headers)
        assert client.get("/", authority="nowhere.test").status == 421
        assert client.get("/").status == 200  # the connection goes on
    assert len(origin.seen()) == 3


def test_requests_without_sni_are_not_misdirected(outrider, origin):
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(origin)
    with proxy.h2(server_name=None, authority="whatever.test") as client:
        assert client.get("/").status == 200


@pytest.mark.parametrize("version", VERSIONS)
def test_resumption_by_ticket(outrider, origin, version):
    """Tickets are stateless: whichever worker gets the next connection takes them."""
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(origin, workers=2)
    context = client_context(version)
    with connect(proxy, context) as sock:
        assert not sock.session_reused
        assert ask_h1(sock).endswith(b"hello")
        session = sock.session
    assert session is not None and session.has_ticket
    for _ in range(6):
        with connect(proxy, context, session=session) as sock:
            assert sock.session_reused
            assert ask_h1(sock).endswith(b"hello")


def test_resumption_of_an_h2_connection(outrider, origin):
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(origin)
    with proxy.h2() as client:
        assert client.get("/").status == 200
        client.ping()  # the ticket comes behind the first response
        session = client.sock.session
        context = client.sock.context
    assert session is not None and session.has_ticket
    with connect(proxy, context, session=session) as sock:
        assert sock.session_reused and sock.selected_alpn_protocol() == "h2"


def test_ticket_is_not_taken_for_another_name(outrider, origin, make_certs):
    """The session of one certificate does not stand in for another's."""
    _, _, listeners = two_certificates(make_certs)
    proxy = outrider(origin, listeners=listeners)
    context = client_context(ssl.TLSVersion.TLSv1_3)
    with connect(proxy, context, "first.test") as sock:
        ask_h1(sock, "first.test")
        session = sock.session
    with connect(proxy, context, "second.test", session) as sock:
        assert not sock.session_reused
        assert "DNS:second.test" in subject_names(sock)
    with connect(proxy, context, "first.test", session) as sock:
        assert sock.session_reused


def test_another_outrider_does_not_take_the_ticket(outrider, origin):
    """Keys are made at every start; an unknown ticket means a full handshake, not a failure."""
    context = client_context(ssl.TLSVersion.TLSv1_3)
    with connect(outrider(origin), context) as sock:
        ask_h1(sock)
        session = sock.session
    with connect(outrider(origin), context, session=session) as sock:
        assert not sock.session_reused
        assert b"404" in ask_h1(sock)


def test_renegotiation_is_refused(outrider, origin):
    proxy = outrider(origin)
    result = tools.run(
        "openssl", "s_client", "-connect", f"127.0.0.1:{proxy.https_port}", "-tls1_2",
        data=b"R\n"
    )  # fmt: skip
    assert "RENEGOTIATING" in result.text + result.errors, result
    assert "no renegotiation" in result.errors, result
    with proxy.h2() as client:
        assert client.get("/").status == 404


def test_no_early_data_is_offered(outrider, origin, tmp_path):
    proxy = outrider(origin)
    context = client_context(ssl.TLSVersion.TLSv1_3)
    with connect(proxy, context) as sock:
        ask_h1(sock)
    session = tmp_path / "session"
    target = f"127.0.0.1:{proxy.https_port}"
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    result = tools.run(
        "openssl", "s_client", "-connect", target, "-tls1_3", "-sess_out", session, "-ign_eof",
        data=request
    )  # fmt: skip
    assert b"404" in result.out and session.exists(), result
    shown = tools.run("openssl", "sess_id", "-in", session, "-noout", "-text")
    assert "Max Early Data: 0" in shown.text, shown


def test_bad_handshakes_harm_nobody(outrider, origin):
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(origin, workers=1)
    with proxy.h2() as client:
        assert client.get("/").status == 200
        hello = ssl_client_hello()
        for data in (
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"\x16\x03\x01\xff\xff" + b"x" * 100,
            b"\x00" * 1000,
            hello[: len(hello) // 2],
            hello + b"\x17\x03\x03\x00\x01x",
            b"",
        ):
            with socket.create_connection(("127.0.0.1", proxy.https_port), LIMIT_S) as sock:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass
        assert client.get("/").body == b"hello"


def ssl_client_hello():
    """The first flight of a client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def test_handshake_byte_by_byte(outrider, origin):
    """Records in pieces; the first request comes in the same bytes as the end of the handshake."""
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(origin)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context(alpn=["http/1.1"]).wrap_bio(
        incoming, outgoing, server_hostname="localhost"
    )
    with socket.create_connection(("127.0.0.1", proxy.https_port), LIMIT_S) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def dribble():
            data = outgoing.read()
            for at in range(len(data)):
                sock.sendall(data[at : at + 1])

        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                dribble()
                incoming.write(sock.recv(65536))
        client.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        dribble()
        data = b""
        while not data.endswith(b"hello"):
            try:
                data += client.read(65536)
            except ssl.SSLWantReadError:
                piece = sock.recv(65536)
                assert piece, data
                incoming.write(piece)


def test_close_notify_at_the_end(outrider, origin):
    """An orderly end, so that nobody can cut a response short unseen."""
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(origin)
    with connect(proxy, client_context()) as sock:
        sock.suppress_ragged_eofs = False
        assert ask_h1(sock).endswith(b"hello")  # recv raises SSLEOFError without close_notify


def test_development_certificate(outrider, origin):
    """Without --cert there is one for localhost, and a warning."""
    origin.on("/", respond(200, [], b"hello"))
    proxy = outrider(
        arguments=["--origin", origin.url, "--listen", "https://127.0.0.1:0"], listeners=1
    )
    with H2Client(proxy.https_port) as client:
        assert client.get("/").body == b"hello"
        assert client.sock.getpeercert(binary_form=True)
    with connect(proxy, client_context()) as sock:
        assert "DNS:localhost" in subject_names(sock)
    assert proxy.wait_stderr(r"(?i)warn.*certificate")
