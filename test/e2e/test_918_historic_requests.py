# SPDX-License-Identifier: Apache-2.0
"""The table test/data/translation/historic_requests.yaml: requests that other proxies turned into
something else, each by the number of its CVE. Refused, or forwarded as meant; and a canary after it."""

import pytest

from test_540_translation import check
from translation import load, tell_target

ROWS = load("historic_requests")


@pytest.mark.parametrize("cve", sorted({cve for row in ROWS for cve in row["cve"]}))
def test_historic_request(outrider, origin, cve):
    origin.on("*", tell_target())
    check(outrider, origin, [row for row in ROWS if cve in row["cve"]])
