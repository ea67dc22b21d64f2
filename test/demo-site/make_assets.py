# SPDX-License-Identifier: Apache-2.0
"""The two binary files of the demo site, made when it starts: a small TrueType font drawn from the
letters below, and a picture of the sea at dusk."""

import math
import struct
import zlib

# Five by seven dots per letter, a row per number, the highest bit on the left.
LETTERS = {
    " ": (0, 0, 0, 0, 0, 0, 0), ".": (0, 0, 0, 0, 0, 12, 12), ",": (0, 0, 0, 0, 12, 4, 8),
    "-": (0, 0, 0, 31, 0, 0, 0), ":": (0, 12, 12, 0, 12, 12, 0), "'": (4, 4, 8, 0, 0, 0, 0),
    "0": (14, 17, 19, 21, 25, 17, 14), "1": (4, 12, 4, 4, 4, 4, 14), "2": (14, 17, 1, 6, 8, 16, 31),
    "3": (31, 2, 4, 2, 1, 17, 14), "4": (2, 6, 10, 18, 31, 2, 2), "5": (31, 16, 30, 1, 1, 17, 14),
    "6": (6, 8, 16, 30, 17, 17, 14), "7": (31, 1, 2, 4, 8, 8, 8), "8": (14, 17, 17, 14, 17, 17, 14),
    "9": (14, 17, 17, 15, 1, 2, 12), "A": (4, 10, 17, 17, 31, 17, 17), "B": (30, 17, 17, 30, 17, 17, 30),
    "C": (14, 17, 16, 16, 16, 17, 14), "D": (28, 18, 17, 17, 17, 18, 28), "E": (31, 16, 16, 30, 16, 16, 31),
    "F": (31, 16, 16, 30, 16, 16, 16), "G": (14, 17, 16, 23, 17, 17, 15), "H": (17, 17, 17, 31, 17, 17, 17),
    "I": (14, 4, 4, 4, 4, 4, 14), "J": (7, 2, 2, 2, 2, 18, 12), "K": (17, 18, 20, 24, 20, 18, 17),
    "L": (16, 16, 16, 16, 16, 16, 31), "M": (17, 27, 21, 21, 17, 17, 17), "N": (17, 17, 25, 21, 19, 17, 17),
    "O": (14, 17, 17, 17, 17, 17, 14), "P": (30, 17, 17, 30, 16, 16, 16), "Q": (14, 17, 17, 17, 21, 18, 13),
    "R": (30, 17, 17, 30, 20, 18, 17), "S": (15, 16, 16, 14, 1, 1, 30), "T": (31, 4, 4, 4, 4, 4, 4),
    "U": (17, 17, 17, 17, 17, 17, 14), "V": (17, 17, 17, 17, 17, 10, 4), "W": (17, 17, 17, 21, 21, 21, 10),
    "X": (17, 17, 10, 4, 10, 17, 17), "Y": (17, 17, 10, 4, 4, 4, 4), "Z": (31, 1, 2, 4, 8, 16, 31),
}  # fmt: skip
DOT = 100
ADVANCE = 6 * DOT
EM = 1000
FAMILY = "Signal Lamp"


def _pad(data):
    return data + b"\0" * (-len(data) % 4)


def _glyph(rows):
    """One outline per run of dots: four corners each."""
    boxes = []
    for number, row in enumerate(rows):
        dots = f"{row:05b}"
        column = 0
        while column < 5:
            if dots[column] == "1":
                start = column
                while column < 5 and dots[column] == "1":
                    column += 1
                boxes.append((start * DOT, (6 - number) * DOT, column * DOT, (7 - number) * DOT))
            column += 1
    if not boxes:
        return b""
    points = [p for x0, y0, x1, y1 in boxes for p in ((x0, y0), (x0, y1), (x1, y1), (x1, y0))]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    data = struct.pack(">hhhhh", len(boxes), min(xs), min(ys), max(xs), max(ys))
    data += b"".join(struct.pack(">H", 4 * n + 3) for n in range(len(boxes)))
    data += struct.pack(">H", 0) + b"\1" * len(points)  # no instructions; every point on the curve
    for values in (xs, ys):
        data += b"".join(struct.pack(">h", b - a) for a, b in zip([0] + values, values))
    return _pad(data)


def _cmap(codes):
    """Format 4 with one segment per letter; capitals serve for small letters too."""
    glyphs = {code: index for index, code in enumerate(codes, 1)}
    glyphs.update({code + 32: glyphs[code] for code in codes if 65 <= code <= 90})
    ordered = sorted(glyphs)
    count = len(ordered) + 1
    ends = b"".join(struct.pack(">H", code) for code in ordered) + b"\xff\xff"
    deltas = b"".join(struct.pack(">H", (glyphs[code] - code) & 0xFFFF) for code in ordered)
    power = 2 ** int(math.log2(count))
    search = struct.pack(">HHHH", 2 * count, 2 * power, int(math.log2(power)), 2 * (count - power))
    body = search + ends + b"\0\0" + ends + deltas + b"\0\1" + b"\0\0" * count
    table = struct.pack(">HHH", 4, len(body) + 6, 0) + body
    return struct.pack(">HHHHL", 0, 1, 3, 1, 12) + table


def _name():
    texts = {1: FAMILY, 2: "Regular", 3: FAMILY + " 1", 4: FAMILY, 5: "Version 1.0", 6: "SignalLamp"}
    records, strings = b"", b""
    for number, text in texts.items():
        data = text.encode("utf-16-be")
        records += struct.pack(">HHHHHH", 3, 1, 0x409, number, len(data), len(strings))
        strings += data
    return struct.pack(">HHH", 0, len(texts), 6 + len(records)) + records + strings


def _checksum(data):
    words = struct.unpack(f">{len(_pad(data)) // 4}L", _pad(data))
    return sum(words) & 0xFFFFFFFF


def make_font():
    """The bytes of a TrueType font with the letters above."""
    codes = sorted(map(ord, LETTERS))
    outlines = [_glyph((31, 17, 17, 17, 17, 17, 31))]  # glyph 0: what is missing
    outlines += [_glyph(LETTERS[chr(code)]) for code in codes]
    offsets = [sum(map(len, outlines[:n])) for n in range(len(outlines) + 1)]
    count = len(outlines)
    most = max(len(rows) for rows in outlines)
    head = struct.pack(
        ">LLLLHHQQhhhhHHhhh", 0x10000, 0x10000, 0, 0x5F0F3CF5, 0x000B, EM, 0, 0,
        0, 0, 5 * DOT, 7 * DOT, 0, 8, 2, 1, 0,
    )  # fmt: skip
    tables = {
        b"OS/2": struct.pack(
            ">HhHHHhhhhhhhhhhh10sLLLL4sHHHhhhHHLLhhHHH", 4, ADVANCE, 400, 5, 0,
            300, 300, 0, 0, 300, 300, 0, 300, 50, 300, 0, b"\0" * 10, 1, 0, 0, 0, b"OUTR", 64,
            codes[0], 122, 800, -200, 0, 800, 200, 1, 0, 500, 700, 0, 32, 1,
        ),
        b"cmap": _cmap(codes),
        b"glyf": b"".join(outlines),
        b"head": head,
        b"hhea": struct.pack(">LhhhHhhhhhhhhhhhH", 0x10000, 800, -200, 0, ADVANCE, 0, DOT, 5 * DOT,
                             1, 0, 0, 0, 0, 0, 0, 0, count),
        b"hmtx": struct.pack(">Hh", ADVANCE, 0) * count,
        b"loca": b"".join(struct.pack(">L", offset) for offset in offsets),
        b"maxp": struct.pack(">LHHHHHHHHHHHHHH", 0x10000, count, most, most, 0, 0, 2, 0, 0, 0, 0, 0,
                             0, 0, 0),
        b"name": _name(),
        b"post": struct.pack(">LLhhLLLLL", 0x30000, 0, -100, 50, 1, 0, 0, 0, 0),
    }  # fmt: skip
    power = 2 ** int(math.log2(len(tables)))
    start = struct.pack(
        ">LHHHH", 0x10000, len(tables), 16 * power, int(math.log2(power)), 16 * (len(tables) - power)
    )
    directory, body = b"", b""
    base = 12 + 16 * len(tables)
    for tag, data in sorted(tables.items()):
        directory += tag + struct.pack(">LLL", _checksum(data), base + len(body), len(data))
        body += _pad(data)
    font = start + directory + body
    adjustment = (0xB1B0AFBA - _checksum(font)) & 0xFFFFFFFF
    at = font.index(head) + 8
    return font[:at] + struct.pack(">L", adjustment) + font[at + 4 :]


def _chunk(kind, data):
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def make_picture(width=720, height=400):
    """The bytes of a PNG: dusk over water, with a lighthouse beam."""
    rows = bytearray()
    noise = 1
    horizon = height * 3 // 5
    for y in range(height):
        rows.append(0)
        sky = min(y, horizon) / horizon
        for x in range(width):
            noise = (noise * 1103515245 + 12345) & 0x7FFFFFFF
            grain = (noise >> 16) % 7
            beam = 60 if 0 < (x - width // 5) and abs(y - horizon // 2) * 6 < x - width // 5 else 0
            if y < horizon:
                red, green, blue = 40 + 190 * sky, 50 + 90 * sky, 90 + 30 * sky
            else:
                wave = 14 * math.sin(x / 23 + y * y / 900) + 10 * math.sin(y / 3)
                red, green, blue = 40 + wave, 66 + wave, 104 + wave
            rows += bytes(
                (
                    int(min(255, max(0, red + beam + grain))),
                    int(min(255, max(0, green + beam + grain))),
                    int(min(255, max(0, blue + beam / 2 + grain))),
                )
            )
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0))
        + _chunk(b"IDAT", zlib.compress(bytes(rows), 6))
        + _chunk(b"IEND", b"")
    )
