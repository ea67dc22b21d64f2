# SPDX-License-Identifier: Apache-2.0
"""What a process uses, second by second, and what becomes of it over time."""

import os
import pathlib
import re
import statistics

TICKS = os.sysconf("SC_CLK_TCK")
MIB = 1 << 20
PARTS = 15  # of the time, each longer than memory goes up and down in


def cpu_seconds(pid):
    """User and system time that it has used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid):
    """(RSS, PSS) in bytes."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return tuple(int(re.search(rf"^{name}:\s+(\d+)", text, re.M)[1]) * 1024 for name in ("Rss", "Pss"))


def peak(pid):
    """The most that it had, in bytes."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmHWM:\s+(\d+)", text, re.M)[1]) * 1024


def take(pid, numbers):
    """One sample: what the kernel says, and the metrics of the admin listener, `numbers`."""
    rss, pss = memory(pid)

    def total(prefix):
        return sum(value for name, value in numbers.items() if name.startswith(prefix))

    sample = {
        "rss": rss,
        "pss": pss,
        "fds": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": len(os.listdir(f"/proc/{pid}/task")),
        "cpu": cpu_seconds(pid),
        "connections": total("outrider_connections{"),
        "origin_connections": total("outrider_origin_connections_idle")
        + total("outrider_origin_connections_active"),
        "exchanges": total("outrider_exchanges{"),
    }
    # Those that belong to nobody: a leak, once it grows.
    sample["own_fds"] = sample["fds"] - sample["connections"] - sample["origin_connections"]
    return sample


def slope(times, values):
    """(slope by least squares, its standard error). Neighbours are alike, so that the error is that of the
    means of PARTS parts, not of all values; infinite when there are too few."""
    if len(times) < 4 * PARTS:
        return fit(times, values)[0] if len(times) > 1 else 0.0, float("inf")
    size = len(times) // PARTS
    parts = [slice(at, at + size) for at in range(0, size * PARTS, size)]
    _, error = fit([statistics.fmean(times[part]) for part in parts],
                   [statistics.fmean(values[part]) for part in parts])  # fmt: skip
    return fit(times, values)[0], error


def fit(times, values):
    """(slope, its standard error if the values were independent)."""
    mean_time, mean = statistics.fmean(times), statistics.fmean(values)
    spread = sum((time - mean_time) ** 2 for time in times)
    steep = sum((t - mean_time) * (v - mean) for t, v in zip(times, values)) / spread
    rest = sum((v - mean - steep * (t - mean_time)) ** 2 for t, v in zip(times, values))
    return steep, (rest / max(len(times) - 2, 1) / spread) ** 0.5
