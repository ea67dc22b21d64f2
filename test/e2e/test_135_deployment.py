# SPDX-License-Identifier: Apache-2.0
"""What config/ offers for deployment fits the program."""

import os
import pathlib
import shutil
import subprocess

import pytest
import yaml

CONFIG = pathlib.Path(os.environ["OUTRIDER_ROOT"]) / "config"


def unit_values(name="outrider.service"):
    """Key to values of the unit file, whatever the section."""
    values = {}
    for line in (CONFIG / name).read_text().splitlines():
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


def test_socket_fits_the_configurations_that_come_with_it():
    values = unit_values("outrider.socket")
    for name in "minimal.yaml", "outrider.yaml":
        listeners = yaml.safe_load((CONFIG / name).read_text())["listeners"]
        addresses = [listener["address"].rpartition("//")[2] for listener in listeners]
        assert set(values["ListenStream"]) <= set(addresses), name
    assert "Service" not in values and "Accept" not in values  # outrider.service, and all at once


@pytest.mark.parametrize("name", ["outrider.service", "outrider.socket"])
def test_unit_is_a_good_unit(tmp_path, name):
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not installed")
    for unit in "outrider.service", "outrider.socket":
        text = (CONFIG / unit).read_text()
        text = text.replace("/usr/local/bin/outrider", os.environ["OUTRIDER_BINARY"])
        (tmp_path / unit).write_text(text)
    command = [verify, "verify", "--man=no", tmp_path / name]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert [line for line in result.stderr.splitlines() if "outrider." in line] == []
