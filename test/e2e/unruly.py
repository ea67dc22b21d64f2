# SPDX-License-Identifier: Apache-2.0
"""Origins that misbehave at random, in one asyncio thread, quick enough for thousands of requests.

What an UnrulyOrigin does follows from the request's word (its path without the slash), so that a
schedule can be told by its number. It appends, truncates, delays, answers too early or not at all,
but every answer it means carries the word of its request. An IdleOrigin answers everything as it
should, and ends idle connections when it likes.
"""

import asyncio
import random
import socket
import struct
import threading

EVIL = b"HTTP/1.1 200 OK\r\nX-Word: evil\r\nContent-Length: 6\r\n\r\n<evil>"
LIMIT_S = 20


class Quit(Exception):
    """This connection is over."""


def content_for(word):
    """The content of the answer to the request with that word."""
    dice = random.Random(f"content of {word}")
    size = dice.choice([1, 1, 1, 40, 40, 600, 4000, 30000])
    return (f"<{word}>" * (size // len(word) + 1)).encode()


class AsyncOrigin:
    """Listens on a free port of 127.0.0.1 until `stop`. `serve_one` is the child's."""

    def __init__(self):
        self.delivered = {}  # word: how often its whole request came
        self.errors = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self):
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(LIMIT_S)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _listen(self):
        server = await asyncio.start_server(self._serve, sock=self._listener)
        await self._end.wait()
        server.close()

    async def _serve(self, reader, writer):
        try:
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                await self.serve_one(reader, writer)
        except (Quit, asyncio.IncompleteReadError, OSError):
            pass
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(repr(error))
        finally:
            writer.close()

    async def serve_one(self, reader, writer):
        raise NotImplementedError

    def note(self, word):
        self.delivered[word] = self.delivered.get(word, 0) + 1


async def read_head(reader):
    """(method, word, how its content is framed) of the next request."""
    head = await reader.readuntil(b"\r\n\r\n")
    method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
    lower = head.lower()
    framing = 0
    if b"\r\ntransfer-encoding: chunked\r\n" in lower:
        framing = None
    elif b"\r\ncontent-length: " in lower:
        framing = int(lower.split(b"\r\ncontent-length: ")[1].split(b"\r\n")[0])
    return method, target[1:], framing


async def read_content(reader, framing):
    if framing is not None:
        return await reader.readexactly(framing)
    content = b""
    while (size := int(await reader.readuntil(b"\r\n"), 16)) > 0:
        content += (await reader.readexactly(size + 2))[:-2]
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return content


def reset(writer):
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise Quit


# ---- an origin that misbehaves -------------------------------------------------------------------


def frame(dice, word, content):
    """(head, framed content, whether the connection lasts) in one of the framings there are."""
    head = f"HTTP/1.1 200 OK\r\nX-Word: {word}\r\n".encode()
    kind = dice.randrange(4)
    if kind == 0:
        at = dice.randrange(len(content) + 1)
        pieces = [piece for piece in (content[:at], content[at:]) if piece]
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
        return head + b"Transfer-Encoding: chunked\r\n\r\n", chunks + b"0\r\n\r\n", True
    if kind == 1 and dice.random() < 0.3:
        return head + b"Connection: close\r\n\r\n", content, False
    return head + b"Content-Length: %d\r\n\r\n" % len(content), content, True


class UnrulyOrigin(AsyncOrigin):
    async def serve_one(self, reader, writer):
        method, word, framing = await read_head(reader)
        dice = random.Random(f"answer to {word}")
        content = content_for(word)
        head, framed, lasts = frame(dice, word, content)
        kind = kind_of(word) if lasts else answer  # else what is added is content as well
        if kind is not answer_early:
            await read_content(reader, framing)
            self.note(word)
        if dice.random() < 0.2:
            await asyncio.sleep(dice.random() * 0.004)
        if method == "HEAD" and kind is not add_content:
            framed = b""
        await kind(writer, dice, head, framed)
        if not lasts:
            raise Quit
        if kind is answer_early:
            await read_content(reader, framing)
            self.note(word)


async def answer(writer, _dice, head, framed):
    writer.write(head + framed)
    await writer.drain()


async def answer_early(writer, dice, head, framed):
    await answer(writer, dice, head, framed)


async def add_content(writer, dice, head, framed):
    await answer(writer, dice, head, framed)


async def trickle(writer, dice, head, framed):
    text = head + framed
    while text:
        at = dice.randrange(1, max(len(text) // 3, 20))
        writer.write(text[:at])
        await asyncio.sleep(dice.random() * 0.001)
        text = text[at:]


async def send_interim(writer, dice, head, framed):
    for _ in range(dice.randrange(1, 4)):
        status = dice.choice([b"100 Continue", b"102 Processing", b"103 Early Hints"])
        writer.write(b"HTTP/1.1 " + status + b"\r\nX-Word: evil\r\n\r\n")
        if dice.random() < 0.5:
            await asyncio.sleep(0.001)
    await answer(writer, dice, head, framed)


# With the last bytes of the answer, in one write: later nobody could tell it from an answer to the
# next request.
async def append_response(writer, _dice, head, framed):
    writer.write(head + framed + EVIL)
    await writer.drain()


async def append_half(writer, dice, head, framed):
    writer.write(head + framed + EVIL[: dice.randrange(1, len(EVIL))])
    await asyncio.sleep(dice.random() * 0.002)
    writer.write(EVIL)
    await writer.drain()


async def append_late(writer, dice, head, framed):
    await answer(writer, dice, head, framed)
    await asyncio.sleep(dice.random() * 0.002)
    writer.write(dice.choice([b"x", b"<evil>", b"\r\n", b"0\r\n\r\n", b"\x00"]))
    await writer.drain()


async def truncate(writer, dice, head, framed):
    text = head + framed
    writer.write(text[: dice.randrange(len(text))])
    if dice.random() < 0.5:
        await asyncio.sleep(0.001)
    if dice.random() < 0.3:
        reset(writer)
    raise Quit


async def leave(writer, dice, _head, _framed):
    if dice.random() < 0.5:
        reset(writer)
    raise Quit


async def answer_and_leave(writer, dice, head, framed):
    await answer(writer, dice, head, framed)
    await asyncio.sleep(dice.random() * 0.002)
    raise Quit


async def say_none(writer, _dice, head, framed):
    """A 204 or 304 with content all the same."""
    head = head.replace(b"200 OK", b"204 No Content", 1)
    writer.write(head + framed)
    await writer.drain()


def kind_of(word):
    """How the request with that word is answered: one of the functions above."""
    return random.Random(f"kind of {word}").choice(KINDS)


KINDS = [answer] * 10 + [
    answer_early, add_content, trickle, trickle, send_interim, append_response, append_half,
    append_late, truncate, truncate, leave, answer_and_leave, say_none,
]  # fmt: skip


# ---- an origin that ends idle connections --------------------------------------------------------


class IdleOrigin(AsyncOrigin):
    """Ends a connection some milliseconds behind each answer, unless the next request has come."""

    def __init__(self, idle_ms):
        self.dice = random.Random(idle_ms)
        self.idle_s = idle_ms / 1000
        self.ended = 0
        super().__init__()

    async def serve_one(self, reader, writer):
        method, word, framing = await self._wait(reader, writer)
        content = await read_content(reader, framing)
        self.note(word)
        body = f"<{word}>".encode() + content
        head = f"HTTP/1.1 200 OK\r\nX-Word: {word}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        writer.write(head + (b"" if method == "HEAD" else body))
        writer.was_used = True

    async def _wait(self, reader, writer):
        if not hasattr(writer, "was_used"):
            return await read_head(reader)
        try:
            limit = self.dice.expovariate(1 / self.idle_s)
            return await asyncio.wait_for(read_head(reader), limit)
        except asyncio.TimeoutError:
            self.ended += 1
            if self.dice.random() < 0.2:
                reset(writer)
            raise Quit from None
