# SPDX-License-Identifier: Apache-2.0
"""Each of the 256 bytes at each place of a request: it arrives as it was, or all is refused."""

import string

import pytest

import translation
from translation import tell_target, view, view_of

TOKEN = set(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~")  # RFC 9110 section 5.6.2
VALUE = {"\t"} | {chr(byte) for byte in range(0x20, 0x100) if byte != 0x7F}
URI = set(string.ascii_letters + string.digits + "-._~:/?[]@!$&'()*+,;=%")  # RFC 3986 section 2
ENCODED = set('"<>^`{|}')  # printable, and in no URI
HOST = set(string.ascii_letters + string.digits + "-._")


def of_name(byte):
    if byte == "_":
        return view("GET / HTTP/1.1")  # dropped
    return view("GET / HTTP/1.1", fields=[f"x{byte.lower()}a: b"]) if byte in TOKEN else None


def of_value(byte):
    return view("GET / HTTP/1.1", fields=[f"x-a: a{byte}b"]) if byte in VALUE else None


def of_path(byte):
    if byte in ENCODED:
        byte = f"%{ord(byte):02X}"
    return view(f"GET /a{byte}b HTTP/1.1") if byte in URI or len(byte) == 3 else None


def of_host(byte):
    return view("GET / HTTP/1.1", host=f"a{byte.lower()}b.test") if byte in HOST else None


def of_method(byte):
    return view(f"G{byte}T / HTTP/1.1") if byte in TOKEN else None


def of_length(byte):
    if byte not in string.digits:
        return None
    return view("POST / HTTP/1.1", framing="length", body="c" * int(byte))


def of_h2_name(byte):
    return None if byte in string.ascii_uppercase else of_name(byte)


def of_h1_name(byte):
    return view("GET / HTTP/1.1", fields=["x: A: b"]) if byte == ":" else of_name(byte)


def of_h1_method(byte):
    return view(f"G{byte}T / HTTP/1.1") if byte == "E" else None  # it must be one that llhttp knows


def h2(**request):
    return {"h2": request}


def h1(line="GET / HTTP/1.1", host="a.test", rest=""):
    return {"h1": f"{line}\r\nHost: {host}\r\n{rest}\r\n"}


def content(byte):
    return "c" * int(byte) if byte in string.digits else "c"


# What is sent with the byte, and what it must become.
PLACES = {
    "h2 name": (lambda byte: h2(fields=[[f"x{byte}a", "b"]]), of_h2_name),
    "h2 value": (lambda byte: h2(fields=[["x-a", f"a{byte}b"]]), of_value),
    "h2 path": (lambda byte: h2(path=f"/a{byte}b"), of_path),
    "h2 authority": (lambda byte: h2(authority=f"a{byte}b.test"), of_host),
    "h2 host": (lambda byte: h2(authority=None, fields=[["host", f"a{byte}b.test"]]), of_host),
    "h2 method": (lambda byte: h2(method=f"G{byte}T"), of_method),
    "h2 length": (
        lambda byte: h2(method="POST", fields=[["content-length", byte]], data=[content(byte)]),
        of_length,
    ),
    "h1 name": (lambda byte: h1(rest=f"X{byte}A: b\r\n"), of_h1_name),
    "h1 value": (lambda byte: h1(rest=f"X-A: a{byte}b\r\n"), of_value),
    "h1 target": (lambda byte: h1(f"GET /a{byte}b HTTP/1.1"), of_path),
    "h1 host": (lambda byte: h1(host=f"a{byte}b.test"), of_host),
    "h1 method": (lambda byte: h1(f"G{byte}T / HTTP/1.1"), of_h1_method),
}


def sent(proxy, row):
    """Whether it was refused: by a status, by RST_STREAM or by the end of the connection."""
    if "h2" in row:
        return translation.send(proxy, row)[1] is not None
    with proxy.h1() as client:
        client.send(translation.bytes_of(row["h1"]))
        try:
            return client.read_response()[0] != 200
        except ConnectionError:
            return True


@pytest.mark.parametrize("place", PLACES)
def test_every_byte(outrider, origin, place):
    origin.on("*", tell_target())
    make, judge = PLACES[place]
    proxy = outrider(origin, workers=1)
    wrong = []
    for number in range(256):
        byte = chr(number)
        before = len(origin.seen())
        is_refused = sent(proxy, make(byte))
        seen = [view_of(request) for request in origin.seen()[before:] if not request.is_abandoned]
        expected = judge(byte)
        if is_refused != (expected is None) or seen != [expected] * (not is_refused):
            wrong.append((byte, is_refused, seen, expected))
    assert not wrong, "\n".join(map(str, wrong))
