# SPDX-License-Identifier: Apache-2.0
"""scripts/acceptance, and the rows that it prints (test/data/acceptance.yaml)."""

import os
import pathlib
import re

import pytest
import yaml

import conftest
from tools import run

ROOT = pathlib.Path(os.environ["OUTRIDER_ROOT"])
E2E = ROOT / "test/e2e"
ROWS = yaml.safe_load((ROOT / "test/data/acceptance.yaml").read_text())


def test_all_rows_are_there():
    numbers = [row["row"].split()[0] for row in ROWS]
    assert set(map(str, range(41))) <= set(numbers) and len(set(numbers)) == len(numbers)
    for row in ROWS:
        kinds = {"tests", "long", "script", "elsewhere"} & set(row)
        assert kinds and ("limit" in row or kinds == {"elsewhere"}), row


def test_every_test_of_a_row_exists():
    for row in ROWS:
        for selector in row.get("tests", []) + row.get("long", []):
            file, _, begin = selector.partition("::")
            text = (E2E / f"test_{file}.py").read_text()
            begin = begin.partition("[")[0]
            assert re.search(rf"^def {begin or 'test_'}", text, re.M), selector
        for name in re.findall(r"\btest_\d{3}_\w+", row.get("elsewhere", "")):
            assert (E2E / f"{name}.py").exists(), name


def acceptance(*rows):
    words = [word for row in rows for word in ("--row", row)]
    return run(ROOT / "scripts/acceptance", "--binary", conftest.binary(), *words, limit=110)


@pytest.mark.limit(120)
def test_a_row_is_measured_and_printed():
    result = acceptance("17", "25")
    assert result.code == 0, result
    row, elsewhere = re.findall(r"^\| (?:17|25) .*", result.text, re.M)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:4] == ["refused", "1 tests passed", "pass"], cells
    assert "does not apply" in elsewhere and "| - |" in elsewhere
    assert "1 of 1 rows are met" in result.text


@pytest.mark.limit(120)
def test_a_row_that_is_not_met_is_shown_so(tmp_path):
    """Here, since what should be an outrider is none."""
    binary = tmp_path / "outrider"
    binary.write_text("#!/bin/sh\necho outrider 0\n")
    binary.chmod(0o755)
    result = run(ROOT / "scripts/acceptance", "--binary", binary, "--row", "17", limit=110)
    assert result.code == 1, result
    assert "**FAIL**" in result.text and "0 of 1 rows are met" in result.text
