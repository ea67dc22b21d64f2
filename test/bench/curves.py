# SPDX-License-Identifier: Apache-2.0
"""Latency at fixed rates, and how the cost of a request grows with what there is more of."""

import peers
import works
from works import OURS, Check, Row, measure, requests

SHARES = (25, 50, 75)
QUANTILES = (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9"))
FLAT = 1.10
ROUNDS = 3  # at most, where many connections are opened each time


def latency(bench):
    """An open loop: requests are due at their time, and latency counts from there."""
    running = bench.start(bench.names)
    try:
        rates = {}
        for name, proxy in running.items():
            rates[name] = requests("/bytes/1024", *works.PLAIN)(proxy, 5000).rate
        slowest = min(rates, key=rates.get)
        for share in SHARES:
            at_share(bench, running, share, rates[slowest] * share / 100, slowest)
    finally:
        for proxy in running.values():
            proxy.stop()


def at_share(bench, running, share, rate, slowest):
    where = f"at {rate:,.0f} a second ({share} % of {slowest}'s most)"
    rows = {
        key: Row("latency", "latency", f"{text} {where}", "µs", {}, digits=0)
        for key, text in QUANTILES
    }
    rows["p99"].target = 1.0
    seconds = 2 * bench.seconds
    for _ in range(bench.rounds):
        for name, proxy in running.items():
            proxy.cut_log()
            words = ("rate", "-c50", f"-r{rate:.3f}", f"-s{seconds}", "-p/bytes/1024")
            try:
                found = measure(proxy, 1, *words).found
            except RuntimeError as why:
                rows["p50"].notes[name] = bench.fail(name, "latency", why)
                continue
            for key, row in rows.items():
                row.samples.setdefault(name, []).append(found[key])
    bench.rows += rows.values()


def grow(bench, key, steps, names=None, **options):
    """Steps are (title, run, first, options). Returns the rows."""
    rows = [Row("growth", key, title, "µs", {}) for title, *_ in steps]
    for row, (_, run, first, more) in zip(rows, steps):
        rounds = min(bench.rounds, ROUNDS)
        bench.in_turns(row, run, first, names=names, rounds=rounds, **options, **more)
    return rows


def ours_and_one(bench):
    """Growth is asked of outrider; one other shows what is the machine's part."""
    ours = [name for name in bench.names if peers.kind_of(name) == OURS]
    return ours + [name for name in bench.names if name == "h2o"]


def check_flat(bench, rows, title):
    costs = [row.middle(OURS) for row in rows if OURS in row.samples]
    if len(costs) > 1:
        times = max(costs) / min(costs)
        bench.checks.append(Check(title, f"{times:.2f} ×", f"≤ {FLAT:.2f} ×", times <= FLAT))


def connections(bench):
    """Ten requests in flight, each on another connection."""
    many = min(10000, peers.connections() - 100) // 100 * 100
    steps = [
        (f"GET 1 KB, 10 in flight over {count:,} connections",
         requests("/bytes/1024", f"-c{count}", "-f10"), 2000, {})
        for count in (10, 100, 1000, many)
    ]  # fmt: skip
    rows = grow(bench, "connections", steps, ours_and_one(bench))
    check_flat(bench, rows, f"cost of a request from 10 to {many:,} connections, most to least")


def multiplex(bench):
    steps = [
        (f"GET 1 KB, 10 connections × {count} streams",
         requests("/bytes/1024", "-c10", f"-f{10 * count}"), 2000, {})
        for count in (1, 10, 100)
    ]  # fmt: skip
    grow(bench, "multiplex", steps, ours_and_one(bench))


def heads(bench):
    """HPACK's table takes fields up to 4 KB, so that larger ones are sent in full each time."""
    steps = [
        (f"GET 1 KB with a field of {size:,} bytes",
         requests("/bytes/1024", "-c50", "-f1000", f"-Hx-fill: {'f' * size}"), 2000, {})
        for size in (10, 1000, 4000, 15000)
    ]  # fmt: skip
    grow(bench, "heads", steps, ours_and_one(bench))


def workers(bench):
    """Where load and origin leave no core free, two workers can't show what they carry; but what a
    request costs with two, against one, says how much of two cores would be left for it."""
    run = requests("/bytes/1024", *works.PLAIN)
    steps = [(f"GET 1 KB, workers: {count}", run, 5000, {"workers": count}) for count in (1, 2)]
    rows = grow(bench, "workers", steps, ours_and_one(bench))
    if all(OURS in row.samples for row in rows):
        times = 2 * rows[0].middle(OURS) / rows[1].middle(OURS)
        title = "two workers to one: twice the cost of a request with one, by that with two"
        bench.checks.append(Check(title, f"{times:.2f} ×", "≥ 1.80 ×", times >= 1.8))


def learned(bench):
    """Each page is known, hinted and learned again, in a table that holds all."""

    def run(pages):
        words = ("requests", "-c50", "-f1000", f"-k{pages}", *works.NAVIGATION, "-p/learn/%")

        def once(proxy, count):
            if count == 0:
                measure(proxy, max(3 * pages, 2000), *words)  # seen twice, it is known
            sample = measure(proxy, count or 2000, *words)
            if sample.found["hints"] < 0.99 * sample.found["done"]:
                raise works.CannotDo("no 103")
            return sample

        return once

    names = [name for name in bench.names if peers.kind_of(name) == OURS]
    steps = [
        (f"GET 1 KB with a learned 103, {pages:,} pages in the table", run(pages), 0, {})
        for pages in (10, 1000, 100000)
    ]
    rows = grow(bench, "learned", steps, names, extra={OURS: "learned: {pages: 100000}\n"})
    check_flat(bench, rows, "cost of a request with 10 to 100,000 learned pages, most to least")


WORKS = {
    "latency": latency, "connections": connections, "multiplex": multiplex, "heads": heads,
    "workers": workers, "learned": learned,
}  # fmt: skip
