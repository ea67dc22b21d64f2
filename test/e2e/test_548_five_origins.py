# SPDX-License-Identifier: Apache-2.0
"""Node, nginx, Apache httpd, HAProxy and h11 see each forwarded request of the table as the client
meant it, or not at all, and nothing else."""

import pytest

import five_origins
import translation
from translation import (
    doubtful_last,
    joined,
    load,
    meant,
    pairs_of,
    told,
    wanted,
    whole_at_most,
)

ROWS = doubtful_last(row for row in load("requests") if {"forwarded", "abandoned"} & set(row))
KINDS = ["node", "h11", "nginx", "apache", "haproxy"]


def problems_of(origin, row, seen):
    """What was seen must be what was meant; the origin may have refused some of it."""
    expected = wanted(row) + whole_at_most(row)
    for view in seen:
        while expected and told(view) != meant(expected[0]):
            expected.pop(0)
        if not expected:
            yield f"saw {str(view)[:600]}, not {str(wanted(row))[:600]}"
            return
        trailers = joined(view["trailers"])
        if trailers not in ({}, joined(pairs_of(expected.pop(0)["trailers"]))):
            yield f"saw trailers {trailers}"


@pytest.mark.parametrize("kind", KINDS)
def test_an_origin_sees_what_the_client_meant(outrider, tmp_path, kind):
    if not five_origins.is_installed(kind):
        pytest.skip(f"{kind} is not installed (scripts/setup --test)")
    wrong, count = [], 0
    with five_origins.start(kind, tmp_path) as origin:
        proxy = outrider(origin.url, workers=1)
        with proxy.h2(tls=False) as canary:
            for number, row in enumerate(ROWS):
                try:
                    translation.send(proxy, row)
                    assert canary.get(f"/canary/{number}").status == 200
                except (AssertionError, ConnectionError) as error:
                    wrong.append(f"{row['name']}: {error!r}")
                seen = origin.take_until(f"/canary/{number}")
                wrong += [f"{row['name']}: {text}" for text in problems_of(origin, row, seen)]
                count += len(seen)
    assert not wrong, "\n".join(wrong)
    possible = sum(len(wanted(row)) for row in ROWS)
    assert count >= 0.9 * possible
