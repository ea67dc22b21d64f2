# SPDX-License-Identifier: Apache-2.0
"""The page that real browsers load in the tests, and what it needs: 10 KB of HTML, 8 KB of style, a
font, six small scripts, five drawings and one picture of 100 KB. All of it is made here, the same
at every run.

    page = Page()
    page.install(origin, think=0.3, early="css")      # a 103 with the style, the page 0.3 s later

`early` and `final` say what the Link fields of the 103 and of the 200 name: "css", "css-font",
"all", or a list of Link values.
"""

import pathlib
import random
import struct
import sys
import zlib

TEST = pathlib.Path(__file__).resolve().parents[1]
sys.path += [str(TEST / "e2e"), str(TEST / "demo-site")]
import make_assets  # noqa: E402
from origin import head, respond, send, sleep  # noqa: E402

HTML_BYTES = 10 * 1024
STYLE_BYTES = 8 * 1024
SCRIPT_BYTES = 1500
DRAWING_BYTES = 1200
SCRIPTS = [f"/part{number}.js" for number in range(1, 7)]
DRAWINGS = [f"/figure{number}.svg" for number in range(1, 6)]
STYLE, FONT, PICTURE = "/style.css", "/letters.ttf", "/picture.png"
SYLLABLES = "ka to mi ren su val do ne pil or sha len ti bru ga".split()


class Page:
    def __init__(self):
        self.random = random.Random(1)
        self.assets = {STYLE: ("text/css", self._style())}
        self.assets[FONT] = ("font/ttf", make_assets.make_font())
        self.assets |= {path: ("text/javascript", self._script(path)) for path in SCRIPTS}
        self.assets |= {path: ("image/svg+xml", self._drawing(path)) for path in DRAWINGS}
        self.assets[PICTURE] = ("image/png", self._picture(720, 560))
        self.html = self._html()

    # -- what an origin says of it

    def links(self, level):
        """Link values."""
        if level is None or isinstance(level, list):
            return level or []
        values = [f"<{STYLE}>; rel=preload; as=style"]
        if level == "css":
            return values
        values.append(f"<{FONT}>; rel=preload; as=font; crossorigin")
        if level == "css-font":
            return values
        assert level == "all", level
        values += [f"<{path}>; rel=preload; as=script" for path in SCRIPTS]
        return values + [f"<{path}>; rel=preload; as=image" for path in [*DRAWINGS, PICTURE]]

    def entries(self, level):
        """The same as a proxy's configuration declares it."""
        kinds = {"css": "style", "ttf": "font", "js": "script", "svg": "image", "png": "image"}
        paths = [value[1 : value.index(">")] for value in self.links(level)]
        return [{"path": path, "as": kinds[path.split(".")[1]]} for path in paths]

    def install(self, origin, path="/", think=0.0, early=None, final=None):
        """The origin answers the page after `think` seconds, and its parts at once."""
        steps = []
        if early:
            steps.append(send(head(103, [("Link", value) for value in self.links(early)])))
        if think:
            steps.append(sleep(think))
        fields = [("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-cache")]
        fields += [("Link", value) for value in self.links(final)]
        origin.on(path, *steps, respond(200, fields, self.html))
        for part, (kind, body) in self.assets.items():
            fields = [("Content-Type", kind), ("Cache-Control", "max-age=3600")]
            fields.append(("ETag", f'"{zlib.crc32(body):08x}"'))
            if part == FONT:
                fields.append(("Access-Control-Allow-Origin", "*"))
            origin.on(part, respond(200, fields, body))

    # -- the parts

    def _words(self, count):
        words = []
        for _ in range(count):
            words.append("".join(self.random.choices(SYLLABLES, k=self.random.randint(1, 4))))
        return " ".join(words)

    def _fill(self, text, size, before, after):
        """Text of exactly that size, by a comment at its end."""
        room = size - len(text) - len(before) - len(after)
        return (text + before + self._words(room // 2)[:room].ljust(room) + after).encode()

    def _style(self):
        rules = [
            f"@font-face {{ font-family: Letters; src: url({FONT}) format('truetype');"
            " font-display: swap; }",
            "body { margin: 16px auto; width: 1000px; font: 15px/1.4 sans-serif; color: #222; }",
            "h1, h2 { font-family: Letters, sans-serif; font-weight: normal; }",
            "main { display: flex; gap: 16px; }",
            "nav img { width: 80px; height: 40px; }",
            "p { margin: 0 0 8px; }",
        ]
        rules += [
            f".tone{n} {{ color: hsl({n * 7}, 60%, 30%); padding: {n % 5}px; }}" for n in range(60)
        ]
        return self._fill("\n".join(rules), STYLE_BYTES, "\n/* ", " */\n")

    def _script(self, path):
        text = f"(window.parts = window.parts || []).push('{path}');\n"
        return self._fill(text, SCRIPT_BYTES, "// ", "\n")

    def _drawing(self, path):
        corners = [(self.random.randint(0, 80), self.random.randint(0, 40)) for _ in range(9)]
        points = " ".join(f"{x},{y}" for x, y in corners)
        text = (
            '<svg xmlns="http://www.w3.org/2000/svg" width="80" height="40" viewBox="0 0 80 40">'
            f'<title>{path}</title><polygon points="{points}" fill="#4a7"/></svg>'
        )
        return self._fill(text, DRAWING_BYTES, "<!-- ", " -->")

    def _picture(self, width, height):
        """Noise in four greys does not get smaller, so the size is known: a quarter byte a dot."""

        def chunk(kind, data):
            checked = kind + data
            return struct.pack(">L", len(data)) + checked + struct.pack(">L", zlib.crc32(checked))

        rows = b"".join(b"\0" + self.random.randbytes(width // 4) for _ in range(height))
        return (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">LLBBBBB", width, height, 2, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows, 0))
            + chunk(b"IEND", b"")
        )

    def _html(self):
        images = "".join(f'<img src="{path}" alt="" width="80" height="40">' for path in DRAWINGS)
        scripts = "".join(f'<script src="{path}"></script>\n' for path in SCRIPTS)
        start = (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>A page</title>\n'
            f'<link rel="icon" href="data:,">\n<link rel="stylesheet" href="{STYLE}">\n'
            "</head><body>\n"
            f"<h1>{self._words(4)}</h1>\n<nav>{images}</nav>\n<main>"
            f'<img src="{PICTURE}" alt="" width="720" height="560"><div>'
        )
        end = f"</div></main>\n{scripts}</body></html>\n"
        paragraphs = []
        while sum(map(len, paragraphs)) + len(start) + len(end) < HTML_BYTES - 600:
            tone = len(paragraphs)
            paragraphs.append(f'<p class="tone{tone}">{self._words(30)}</p>\n')
        return self._fill(start + "".join(paragraphs) + end, HTML_BYTES, "<!-- ", " -->")
