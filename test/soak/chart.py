# SPDX-License-Identifier: Apache-2.0
"""A chart of several panels above each other over one axis of time, as SVG that is readable on light
and on dark ground."""

import html
import statistics

WIDTH, PANEL, GAP, LEFT, RIGHT, TOP = 860, 150, 46, 58, 16, 44
POINTS = 400  # a line needs no more

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #3d444d; }
  .title { font-size: 15px; font-weight: 600; }
  .grid { stroke: #d8dee4; }
  .warm { fill: #afb8c1; fill-opacity: .18; }
  path { fill: none; stroke-width: 1.5; stroke-linejoin: round; }
  .line0 { stroke: #0969da; } .line1 { stroke: #bc4c00; }
  .name0 { fill: #0969da; } .name1 { fill: #bc4c00; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; }
    text { fill: #c9d1d9; }
    .grid { stroke: #30363d; }
    .line0 { stroke: #58a6ff; } .line1 { stroke: #f0883e; }
    .name0 { fill: #58a6ff; } .name1 { fill: #f0883e; }
  }"""


def steps(most, count):
    """Round numbers from 0 to at least `most`, some `count` of them."""
    step = 10.0 ** -3
    while step * count < most:
        for factor in (2, 2.5, 2):
            if step * count < most:
                step *= factor
    return [step * number for number in range(int(-(-most // step)) + 1)]


def thin(values):
    """Means of neighbours, at most POINTS of them."""
    size = max(1, -(-len(values) // POINTS))
    return [statistics.fmean(values[at : at + size]) for at in range(0, len(values), size)]


def label(x, y, value, anchor):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{value:g}</text>'


class Panel:
    def __init__(self, unit, **series):
        """`series`: name of a line = its values, two at most."""
        self.unit = unit
        self.series = series


def draw(title, minutes, panels, warm_minutes):
    """`minutes` are the times of the values. The first `warm_minutes` are marked."""
    height = TOP + len(panels) * (PANEL + GAP)
    end = max(minutes[-1], 1e-9)

    def x(minute):
        return LEFT + (WIDTH - LEFT - RIGHT) * minute / end

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{html.escape(title)}</title>",
        f"<style>{STYLE}\n</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text class="title" x="{LEFT}" y="24">{html.escape(title)}</text>',
    ]
    at_times = [round(x(minute), 1) for minute in thin(minutes)]
    for row, panel in enumerate(panels):
        bottom = TOP + row * (PANEL + GAP) + PANEL + 16
        marks = steps(max(max(values) for values in panel.series.values()) or 1, 4)

        def y(value, bottom=bottom, marks=marks):
            return bottom - PANEL * value / marks[-1]

        parts.append(f'<rect class="warm" x="{LEFT}" y="{y(marks[-1]):.1f}" height="{PANEL}" '
                     f'width="{x(min(warm_minutes, end)) - LEFT:.1f}"/>')  # fmt: skip
        for mark in marks:
            parts.append(f'<path class="grid" d="M{LEFT} {y(mark):.1f}H{WIDTH - RIGHT}"/>')
            parts.append(label(LEFT - 6, y(mark) + 4, mark, "end"))
        for mark in steps(end, 10):
            if mark <= end:
                parts.append(label(x(mark), bottom + 15, mark, "middle"))
        names = "".join(
            f'<tspan class="name{index}"> — {html.escape(name)}</tspan>'
            for index, name in enumerate(panel.series)
        )
        parts.append(f'<text x="{LEFT}" y="{y(marks[-1]) - 6:.1f}">{html.escape(panel.unit)}{names}</text>')
        for index, values in enumerate(panel.series.values()):
            points = " ".join(f"{left},{y(value):.1f}" for left, value in zip(at_times, thin(values)))
            parts.append(f'<path class="line{index}" d="M{points}"/>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="24" text-anchor="end">minutes; grey: warm-up</text>')
    return "\n".join([*parts, "</svg>", ""])
