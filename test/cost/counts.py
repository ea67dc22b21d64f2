# SPDX-License-Identifier: Apache-2.0
"""The counts that are stored, by system, and how others compare with them."""

import json
import pathlib
import platform
import subprocess

FILE = pathlib.Path(__file__).resolve().parent / "counts.json"
LIBRARIES = ("libuv", "libnghttp2", "openssl", "libllhttp", "yaml-0.1")


def system():
    """What decides which code runs: the distribution, with compiler and libraries, and the machine."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    return f"{release.get('ID', '?')} {release.get('VERSION_ID', '?')} {platform.machine()}"


def tools():
    """What the counts are made with. Updates within a release of the distribution may move them."""

    def version(*words):
        return subprocess.run(words, text=True, capture_output=True, check=True).stdout.strip()

    found = {"gcc": version("gcc", "-dumpfullversion"), "glibc": platform.libc_ver()[1]}
    found |= {name: version("pkg-config", "--modversion", name) for name in LIBRARIES}
    found["valgrind"] = version("valgrind", "--version").removeprefix("valgrind-")
    return found


def read(file=FILE):
    return json.loads(file.read_text())


def write(stored, name, found, made_with, file=FILE):
    stored["systems"][name] = {"made_with": made_with, "counts": found}
    file.write_text(json.dumps(stored, indent=2) + "\n")


def compare(stored, name, found):
    """Lines of a table, complaints, and notes, which are none."""
    counts, tolerances = stored["systems"][name]["counts"], stored["tolerance_percent"]
    lines, complaints, notes = [f"{'':10}{'stored':>12}{'now':>12}{'change':>10}"], [], []
    for scenario, now in found.items():
        if scenario not in counts or scenario not in tolerances:
            complaints.append(f"{scenario}: not stored")
            continue
        before, tolerance = counts[scenario], tolerances[scenario]
        change = 100 * (now - before) / before
        lines.append(f"{scenario:10}{before:12,}{now:12,}{change:+8.2f} %")
        what = f"{scenario}: {now:,} instructions instead of {before:,} ({change:+.1f} %)"
        if change > tolerance:
            complaints.append(f"{what}; {tolerance} % are tolerated")
        elif change < -tolerance:
            notes.append(f"{what}: store the better count (scripts/cost --write)")
    for scenario in sorted(counts.keys() - found.keys()):
        complaints.append(f"{scenario}: stored, but not counted")
    return lines, complaints, notes


def differences(stored, name, made_with):
    """What is of another version than when the counts were stored."""
    then = stored["systems"][name]["made_with"]
    return [
        f"{what} is {version} and was {then.get(what, 'not there')}"
        for what, version in made_with.items()
        if version != then.get(what)
    ]
