# SPDX-License-Identifier: Apache-2.0
"""Memory of the proxies (PSS of all their processes) with many connections, streams and readers
that have stopped, and what is left of it when they are gone."""

import time

import peers
from works import MB10, OURS, Check, Load, Row, h2load

FEW = 1000
MANY = 10000
REST_S = 60  # after a burst
SETTLE_S = 0.5


def warm(proxy):
    """The first connection's own costs are none of the thousand others'."""
    h2load("/bytes/1024", "-c2", "-m1")(proxy, 4)
    time.sleep(SETTLE_S)
    return proxy.pss_kib()


def each(bench, rows, run):
    """One proxy after the other, each fresh."""
    for name in bench.names:
        proxy = bench.start([name]).popitem()[1]
        with proxy:
            try:
                for row, value in zip(rows, run(proxy)):
                    row.samples[proxy.name] = [value]
            except RuntimeError as why:
                for row in rows:
                    row.notes[proxy.name] = bench.fail(name, row.key, why)
    bench.rows += rows


def per_idle(key, count):
    title = f"an idle TLS connection, of {count:,}"
    return Row("memory", key, title, "KiB", {}, target=1.0, against="h2o")


def idle(bench):
    def run(proxy):
        before = warm(proxy)
        with Load(proxy, "hold", f"-c{FEW}", "-m0"):
            time.sleep(SETTLE_S)
            return [before / 1024, (proxy.pss_kib() - before) / FEW]

    at_start = Row("memory", "idle", "after the start", "MiB", {})
    row = per_idle("idle", FEW)
    each(bench, [at_start, row], run)


def streams(bench):
    """500 requests that have no answer."""

    def run(proxy):
        warm(proxy)
        with Load(proxy, "hold", "-c25", "-m20", "-p/hang") as load:
            time.sleep(SETTLE_S)
            before = proxy.pss_kib()
            load.go()
            load.wait_ready()
            return [(proxy.pss_kib() - before) / 500]

    row = Row("memory", "streams", "an open stream, of 500, with its origin connection", "KiB", {})
    each(bench, [row], run)


def slow(bench):
    """Clients that ask for 10 MB and read nothing."""

    def run(proxy):
        warm(proxy)
        with Load(proxy, "hold", "-c100", "-m1", "-S", f"-p/bytes/{MB10}") as load:
            time.sleep(SETTLE_S)
            before = proxy.pss_kib()
            load.go()
            load.wait_ready()
            return [(proxy.pss_kib() - before) / 100]

    each(bench, [Row("memory", "slow", "a reader that has stopped, of 100", "KiB", {})], run)


def burst(bench):
    """As many connections as there may be, then none for a minute: all proxies rest together."""
    many = min(MANY, peers.connections() - 100) // 100 * 100
    full = per_idle("burst", many)
    title = f"{REST_S} s after {many:,} connections, to the start"
    left = Row("memory", "burst", title, "times", {}, digits=2)
    running = bench.start(bench.names)
    before = {}
    try:
        for name, proxy in running.items():
            try:
                before[name] = warm(proxy)
                with Load(proxy, "hold", f"-c{many}", "-m0"):
                    time.sleep(SETTLE_S)
                    full.samples[name] = [(proxy.pss_kib() - before[name]) / many]
            except RuntimeError as why:
                full.notes[name] = left.notes[name] = bench.fail(name, full.key, why)
        time.sleep(REST_S)
        for name in full.samples:
            left.samples[name] = [running[name].pss_kib() / before[name]]
    finally:
        for proxy in running.values():
            proxy.stop()
    bench.rows += [full, left]
    if OURS in left.samples:
        times = left.middle(OURS)
        check = Check(f"memory {title}", f"{times:.2f} ×", "≤ 1.20 ×", times <= 1.2)
        bench.checks.append(check)


WORKS = {"idle": idle, "streams": streams, "slow": slow, "burst": burst}
