#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The hostile clients of a soak: one connection at any time that holds something, and now and then
one that floods, with the attacks of test/e2e/attacks.py.

    hostile.py HTTP-PORT HTTPS-PORT

Prints the name of each attack when it begins, and ends with its stdin.
"""

import pathlib
import random
import socket
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import attacks
from attacks import INITIAL_WINDOW_SIZE, Enemy, Tls

FLOOD_S = 0.5  # at most; most are ended sooner
PAUSE_S = 1.5  # between floods, on average
HOLD_S = 6
CLOSED = {INITIAL_WINDOW_SIZE: 0}

FLOODS = {
    "rapid reset": attacks.rapid_reset,
    "too many streams": attacks.too_many_streams,
    "CONTINUATION flood": attacks.continuation_flood(0),
    "CONTINUATION flood, large": attacks.continuation_flood(1000),
    "bomb of fields": attacks.bomb(b"a", b"", 32_000),
    "bomb of cookies": attacks.bomb(b"cookie", b"", 32_000),
    "table size updates": attacks.table_size_storm,
    "tsunami": attacks.tsunami,
    "GOAWAY games": attacks.goaway_games,
    "content byte by byte": attacks.small_data,
    **{f"made you reset: {name}": attack for name, attack in attacks.MADE_YOU_RESET.items()},
    **{f"malformed: {name}": attack for name, attack in attacks.MALFORMED.items()},
    **{f"frames: {name}": attack for name, attack in attacks.FLOODS.items()},
}
FLOODS_CLOSED = {"data dribble": attacks.data_dribble}
FLOODS_UNREAD = {"internal buffering": attacks.internal_buffering}

# What is said over HTTP/1.1, or as its beginning, and then nothing more.
SAID = {
    "nothing at all": b"",
    "half a head": b"GET / HTTP/1.1\r\nHost: ",
    "slow content": b"POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
    "slow chunk": b"POST /wait HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nx",
    "slow reader": b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n" * 4,
    "two framings": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /wait HTTP/1.1\r\nHost: a\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: a\n\n",
    "a large head": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-A: " + b"a" * 200_000,
    "no HTTP": bytes(range(256)) * 8,
    "half a preface": b"PRI * HTTP/2.0\r\n\r\nSM",
}


class Hostile:
    def __init__(self, http_port, https_port):
        self.http, self.https = http_port, https_port
        self.dice = random.Random(1)
        self.end = threading.Event()
        self.holds = [
            *(("HTTP/1.1, " + name, lambda text=text: self.say(text)) for name, text in SAID.items()),
            ("half a ClientHello", lambda: self.say(attacks.client_hello()[:200], self.https)),
            ("closed windows", lambda: self.ask("/large", CLOSED)),
            ("requests without an answer", lambda: self.ask("/wait")),
            ("key updates", self.update_keys),
        ]

    def say(self, text, port=None):
        sock = socket.create_connection(("127.0.0.1", port or self.http), 10)
        try:
            sock.sendall(text)
        except OSError:
            pass  # it was enough
        return sock

    def ask(self, path, settings=None):
        enemy = Enemy(self.http, settings=settings)
        enemy.send(*[enemy.headers(i, path=path) for i in range(1, 200, 2)])
        return enemy

    def update_keys(self):
        enemy = Tls(self.https)
        for _ in range(200):
            if not enemy.update_keys(True):
                break
        return enemy

    def keep_holding(self):
        while not self.end.is_set():
            for name, hold in self.dice.sample(self.holds, len(self.holds)):
                if self.end.is_set():
                    return
                print(name, flush=True)
                try:
                    held = hold()
                except (OSError, AssertionError):
                    continue
                self.end.wait(HOLD_S)
                held.close()

    def flood(self, name, attack, **options):
        print(name, flush=True)
        tls = self.dice.random() < 0.5
        try:
            with Enemy(self.https if tls else self.http, tls=tls, **options) as enemy:
                enemy.flood(attack(enemy), FLOOD_S)
                enemy.wait_ended(FLOOD_S)
        except OSError:
            pass  # the server ended it

    def keep_flooding(self):
        floods = [(name, attack, {}) for name, attack in FLOODS.items()]
        floods += [(name, attack, {"settings": CLOSED}) for name, attack in FLOODS_CLOSED.items()]
        floods += [(name, attack, {"reads": False}) for name, attack in FLOODS_UNREAD.items()]
        while not self.end.is_set():
            for name, attack, options in self.dice.sample(floods, len(floods)):
                if self.end.wait(self.dice.expovariate(1 / PAUSE_S)):
                    return
                self.flood(name, attack, **options)

    def run(self):
        threads = [threading.Thread(target=work, daemon=True)
                   for work in (self.keep_holding, self.keep_flooding)]  # fmt: skip
        for thread in threads:
            thread.start()
        sys.stdin.read()
        self.end.set()
        for thread in threads:
            thread.join(5)  # one may hang at a server that reads no more


if __name__ == "__main__":
    Hostile(*map(int, sys.argv[1:3])).run()
