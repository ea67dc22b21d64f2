# SPDX-License-Identifier: Apache-2.0
"""What config/ offers for deployment fits the program."""

import os
import pathlib
import shutil
import subprocess

import pytest
import yaml

CONFIG = pathlib.Path(os.environ["OUTRIDER_ROOT"]) / "config"


def unit_values():
    """Key to values of the unit file, whatever the section."""
    values = {}
    for line in (CONFIG / "outrider.service").read_text().splitlines():
        if line and not line.startswith(("#", "[")):
            key, _, value = line.partition("=")
            values.setdefault(key, []).append(value)
    return values


def test_unit_starts_what_there_is_and_waits_long_enough():
    values = unit_values()
    words = values["ExecStart"][0].split()
    binary = os.environ["OUTRIDER_BINARY"]
    assert words[0].endswith("/outrider") and words[1] == "-c"
    help_text = subprocess.run([binary, "--help"], capture_output=True, text=True, check=True).stdout
    assert f"outrider {words[1]} FILE" in help_text
    drain = yaml.safe_load((CONFIG / "outrider.yaml").read_text())["timeouts"]["drain"]
    assert int(values["TimeoutStopSec"][0]) > int(drain.removesuffix("s"))
    assert values["Type"] == ["notify"]  # test_710 has what it is told


def test_unit_is_a_good_unit(tmp_path):
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "outrider.service"
    text = (CONFIG / "outrider.service").read_text()
    unit.write_text(text.replace("/usr/local/bin/outrider", os.environ["OUTRIDER_BINARY"]))
    result = subprocess.run([verify, "verify", unit], capture_output=True, text=True, timeout=30)
    assert [line for line in result.stderr.splitlines() if "outrider.service" in line] == []
