#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Puts the dashboard together: one document without anything outside of it, as a C file.

usage: embed.py INDEX.HTML OUT.C

Styles and scripts that the document names are put in their places, without comments and most of
the space. The policy that goes with the document allows exactly these styles and scripts, by their
hashes, and nothing else but questions to where it came from.
"""

import base64
import hashlib
import pathlib
import re
import sys

STYLE = re.compile(r'<link rel="stylesheet" href="([\w.]+)">')
SCRIPT = re.compile(r'<script src="([\w.]+)"></script>')
COMMENT = re.compile(r"\s*(//.*|/\*.*\*/)")
REMARK = re.compile(r"(?<=[;{,]) +// .*")
BYTES_PER_LINE = 16


def shrink(text):
    """Nothing here spans lines that are to keep their indentation."""
    kept = [line.strip() for line in text.splitlines() if not COMMENT.fullmatch(line)]
    return "\n".join(REMARK.sub("", line) for line in kept if line) + "\n"


def shrink_script(text):
    text = shrink(text)
    assert " // " not in text, "a comment that would take the next line with it"
    return re.sub(r"(?<=[{(\[,;])\n|\n(?=[})\]])", "", text)


def shrink_style(text):
    text = re.sub(r"\s*([{};,])\s*", r"\1", shrink(text))
    return re.sub(r":\s+", ":", text)


def source(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def build(index):
    """The document and its Content-Security-Policy."""
    styles, scripts = [], []

    def take(name, into, shrink):
        text = shrink((index.parent / name).read_text(encoding="utf-8"))
        assert not re.search(r"</?(style|script)|<!--", text, re.IGNORECASE), name
        into.append(source(text))
        return text

    html = shrink(index.read_text(encoding="utf-8"))
    html = STYLE.sub(lambda match: f"<style>{take(match[1], styles, shrink_style)}</style>", html)
    html = SCRIPT.sub(
        lambda match: f"<script>{take(match[1], scripts, shrink_script)}</script>", html
    )
    policy = {
        "default-src": "'none'",
        "style-src": " ".join(styles),
        "script-src": " ".join(scripts),
        "connect-src": "'self'",
        "img-src": "data:",  # its icon
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        # No script may turn text into HTML.
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return html, "; ".join(f"{name} {value}" for name, value in policy.items())


def write_c(html, policy):
    """An array of bytes: compilers need not take a string of that length."""
    page = html.encode()
    numbers = [str(byte if byte < 128 else byte - 256) for byte in page]
    lines = [
        "    " + ", ".join(numbers[at : at + BYTES_PER_LINE]) + ","
        for at in range(0, len(numbers), BYTES_PER_LINE)
    ]
    return "\n".join(
        [
            "// Made by proxy/admin/page/embed.py.",
            '#include "admin/admin_page.h"',
            "",
            f"const size_t admin_page_html_length = {len(page)};",
            "const char admin_page_html[] = {",
            *lines,
            "    0,",
            "};",
            f'const char admin_page_policy[] = "{policy}";',
            "",
        ]
    )


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    html, policy = build(pathlib.Path(sys.argv[1]))
    pathlib.Path(sys.argv[2]).write_text(write_c(html, policy), encoding="utf-8")


if __name__ == "__main__":
    main()
