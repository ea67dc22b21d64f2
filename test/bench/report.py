# SPDX-License-Identifier: Apache-2.0
"""Writes what scripts/bench has measured: a Markdown table and a picture."""

import html
import os
import pathlib
import platform
import re
import subprocess
import time

import peers
from works import FLOOR, OURS

TITLES = {
    "cpu": "Processor time of the proxy per unit of work (µs, user + system)",
    "memory": "Memory (PSS of all processes of the proxy)",
    "latency": "Latency (µs); at a rate: GET 1 KB over 50 connections, an open loop",
    "growth": "How the cost of a request grows (µs, user + system)",
}
COLOURS = {
    OURS: "#d1495b", "h2o": "#00798c", "haproxy": "#edae49", "nghttpx": "#30638e",
    "nginx": "#66a182", "apache": "#8d6a9f", FLOOR: "#999999",
}  # fmt: skip
OTHER_COLOUR = "#444444"


# ---- The machine --------------------------------------------------------------------------------


def read(path):
    return pathlib.Path(path).read_text()


def load_average():
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def describe(site, names, machine):
    """Pairs of what and how."""
    model = re.search(r"model name\s*:\s*(.*)", read("/proc/cpuinfo"))
    memory = int(re.search(r"MemTotal:\s+(\d+)", read("/proc/meminfo"))[1])
    command = ["openssl", "version"]
    openssl = subprocess.run(command, text=True, capture_output=True, timeout=10).stdout
    distribution = re.search(r'PRETTY_NAME="(.*)"', read("/etc/os-release"))
    cores = lambda some: ", ".join(map(str, some))
    yield "date", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    yield "processor", f"{model[1] if model else platform.machine()}, {len(machine.cores)} cores"
    yield "memory", f"{memory >> 20} GiB"
    yield "system", f"{distribution[1] if distribution else '?'}, Linux {platform.release()}"
    yield "OpenSSL", " ".join(openssl.split()[1:2])
    versions = (f"{peers.label(name)} {peers.version(name, site.outrider)}" for name in names)
    yield "versions", ", ".join(versions)
    yield "cores", (
        f"proxy on {cores(machine.proxy)}, load on {cores(machine.load)}, origin on "
        f"{cores(machine.origin)}" + (", all at nice -5" if machine.nice else "")
    )


# ---- Markdown -----------------------------------------------------------------------------------


def number(value, digits):
    return f"{value:,.{digits}f}" if value < 1000 else f"{value:,.0f}"


def cell(row, name):
    if name not in row.samples:
        return row.notes.get(name, "")
    values = row.samples[name]
    text = number(row.middle(name), row.digits)
    if len(values) > 1:
        text += f" <sub>{number(min(values), row.digits)}–{number(max(values), row.digits)}</sub>"
    return text


def verdict(row):
    """The ratio to the best peer, and what is asked of it."""
    other = row.best()
    if OURS not in row.samples or other is None:
        return "", ""
    ratio = row.ratio(other)
    said = ""
    if row.target:
        said = f"≤ {row.target:.2f}: " + ("met" if ratio <= row.target else "**not met**")
    return f"{ratio:.2f} ({other})", said


def full_title(row):
    return f"{row.title} ({row.unit})" if row.group == "memory" else row.title


def table(rows, names):
    yield "| | " + " | ".join(names) + " | outrider : best peer | target |"
    yield "|---|" + "---|" * (len(names) + 2)
    for row in rows:
        cells = [cell(row, name) for name in names]
        title = f"{row.title}, per {row.unit}" if row.group == "cpu" else full_title(row)
        yield f"| {' | '.join([title, *cells, *verdict(row)])} |"


def markdown(bench, facts):
    yield "# outrider beside its peers"
    yield ""
    yield f"By `scripts/bench`: medians of {bench.rounds} rounds in turns of {bench.seconds:g} s"
    yield "(small: least and most). [README.md](../README.md) says what is measured, and how."
    yield ""
    yield "![picture](bench.svg)"
    yield ""
    yield "| | |"
    yield "|---|---|"
    for what, how in facts:
        yield f"| {what} | {how} |"
    names = [peers.label(name) for name in bench.names]
    for group, title in TITLES.items():
        rows = [row for row in bench.rows if row.group == group]
        if rows:
            used = names + [FLOOR] * any(FLOOR in row.samples for row in rows)
            used = [n for n in used if any(n in row.samples or n in row.notes for row in rows)]
            yield from ["", f"## {title}", ""]
            yield from table(rows, used)
    if bench.checks:
        yield from ["", "## Other targets", "", "| | outrider | target | |", "|---|---|---|---|"]
        for check in bench.checks:
            met = "met" if check.is_met else "**not met**"
            yield f"| {check.title} | {check.value} | {check.target} | {met} |"
    missed = list(unmet(bench))
    if missed:
        yield from ["", f"Not met: {'; '.join(missed)}."]
    elif bench.checks or any(verdict(row)[1] for row in bench.rows):
        yield from ["", "Every target measured is met."]
    if bench.faults:
        yield from ["", "Failed:", ""]
        yield from (f"- {' '.join(fault.split())[:300]}" for fault in bench.faults)


def unmet(bench):
    for row in bench.rows:
        other = row.best()
        if row.target and OURS in row.samples and other and row.ratio(other) > row.target:
            yield f"{row.title} ({row.ratio(other):.2f}, ≤ {row.target:.2f})"
    for check in bench.checks:
        if not check.is_met:
            yield f"{check.title} ({check.value}, {check.target})"


# ---- The picture --------------------------------------------------------------------------------

WIDTH, LEFT, RIGHT = 900, 300, 70
BAR, GAP = 11, 16
MOST = 2.5  # times the best peer; longer bars are cut


def picture(bench):
    """Bars: each proxy to the best peer of its row, which is 1."""
    rows = [row for row in bench.rows if row.group in ("cpu", "memory") and row.best()]
    names = [peers.label(name) for name in bench.names]
    names += [FLOOR] * any(FLOOR in row.samples for row in rows)
    scale = (WIDTH - LEFT - RIGHT) / MOST
    parts, y = [], 64
    for row in rows:
        shown = [name for name in names if name in row.samples]
        best = row.middle(row.best())
        middle = y + len(shown) * BAR / 2
        parts.append(text(LEFT - 10, middle + 4, full_title(row), "end", 11))
        for name in shown:
            value = row.middle(name)
            times = value / best if best > 0 else 0
            length = max(min(times, MOST), 0.005) * scale
            parts.append(bar(LEFT, y, length, BAR - 1, name))
            label = number(value, row.digits) + (" →" if times > MOST else "")
            parts.append(text(LEFT + length + 4, y + BAR - 2, label, size=9))
            y += BAR
        if row.target:
            at = LEFT + row.target * scale
            parts.append(line(at, y - len(shown) * BAR - 3, at, y + 3, "#000", "3 2"))
        y += GAP
    parts.insert(0, line(LEFT + scale, 50, LEFT + scale, y, "#bbb"))
    parts.insert(0, text(LEFT + scale, 46, "the best peer (h2o for idle connections)", "middle", 10))
    x = 10
    for name in names:
        parts.append(bar(x, 12, 12, 12, name))
        parts.append(text(x + 16, 22, name))
        x += 34 + 8 * len(name)
    legend = "µs of processor time, or memory; shorter is better; dashed: outrider's target"
    parts.append(text(WIDTH - 10, 22, legend, "end", 10))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" '
        f'viewBox="0 0 {WIDTH} {y}" font-family="sans-serif">\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
    )


def bar(x, y, width, height, name):
    colour = COLOURS.get(name, OTHER_COLOUR)
    return f'<rect x="{x}" y="{y}" width="{width:.1f}" height="{height}" fill="{colour}"/>'


def text(x, y, words, anchor="start", size=12):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">'
        f"{html.escape(words)}</text>"
    )


def line(x1, y1, x2, y2, colour, dashes=None):
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{dashed}/>'
    )


def write(bench, facts, folder):
    folder.mkdir(parents=True, exist_ok=True)
    words = "\n".join(markdown(bench, facts)) + "\n"
    (folder / "bench.md").write_text(words)
    (folder / "bench.svg").write_text(picture(bench))
    return words
