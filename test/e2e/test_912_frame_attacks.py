# SPDX-License-Identifier: Apache-2.0
"""Frames that bring nobody anything, beside well-behaved clients. See besieged.py."""

import struct
import time

import pytest
from hyperframe import frame as hf

import attacks
import besieged
from attacks import (
    ENHANCE_YOUR_CALM,
    FLOODS,
    FLOW_CONTROL_ERROR,
    INITIAL_WINDOW_SIZE,
    INTERNAL_ERROR,
    SETTINGS,
    frame,
    window,
)
from besieged import shortly

siege = besieged.fixture()
short = pytest.mark.short

CALM = [ENHANCE_YOUR_CALM]


def flood(siege, name, **options):
    with siege.watch() as seen:
        siege.flood(FLOODS[name], CALM, **options)
    seen.expect(limits=["frames"], connections=["abuse"])


@short
def test_cve_2019_9512_ping_flood(siege):
    """Answers pile up, however fast they are taken: at most 256 of them."""
    flood(siege, "ping")


def test_cve_2019_9512_ping_flood_by_who_reads_nothing(siege):
    with siege.watch() as seen:
        siege.flood(FLOODS["ping"], CALM, reads=False, within=3)
    seen.expect(limits=["frames"], connections=["abuse"])


@pytest.mark.parametrize(
    "kind", shortly(["settings", "settings of windows", "settings of tables"], "settings of windows")
)
def test_cve_2019_9515_settings_flood(siege, kind):
    flood(siege, kind)


def test_settings_of_too_many_entries(siege):
    """33 in one frame."""
    entries = struct.pack("!HI", INITIAL_WINDOW_SIZE, 65535) * 33
    with siege.watch() as seen:
        siege.flood(attacks.repeated(frame(SETTINGS, 0, 0, entries), 1), CALM)
    seen.expect(connections=["abuse"])


@pytest.mark.parametrize(
    "kind", shortly(["priority", "priority of new streams", "priority update"], "priority of new streams")
)
def test_cve_2019_9513_resource_loop(siege, kind):
    flood(siege, kind)


@short
def test_cve_2019_9514_resets_of_nothing(siege):
    """The library has a limit of its own for these, and another word for it."""
    with siege.watch() as seen:
        siege.flood(FLOODS["resets of a closed stream"], [*CALM, INTERNAL_ERROR])
    assert "resets" in seen.limits
    seen.expect(limits=seen.limits.keys() & {"resets", "frames"}, connections=["abuse"])


@short
def test_cve_2019_9518_empty_frames(siege):
    flood(siege, "empty data")


@pytest.mark.parametrize(
    "kind",
    shortly(
        ["window of the connection", "window of a stream", "window of a closed stream"],
        "window of a stream",
    ),
)
def test_window_update_flood(siege, kind):
    flood(siege, kind)


@pytest.mark.parametrize("kind", ["unknown frames", "large unknown frames"])
def test_frames_of_unknown_types(siege, kind):
    """10,000 large ones are 160 MB, which takes its time."""
    flood(siege, kind, within=40)


def test_goaway_games(siege):
    """A client that leaves, again and again, spends its credit for frames."""
    with siege.watch() as seen:
        siege.flood(attacks.goaway_games, [attacks.ENHANCE_YOUR_CALM])
    seen.expect(limits=["frames"])


@short
def test_cve_2019_9511_data_dribble(siege):
    """A byte of window for each of a hundred streams, again and again."""
    settings = {INITIAL_WINDOW_SIZE: 0}
    with siege.watch() as seen, siege.enemy(settings=settings) as enemy:
        enemy.flood(attacks.data_dribble(enemy), 3 * besieged.SECONDS, is_in_step=True)
        assert enemy.reader.bytes > 5_000
    seen.expect(limits=seen.limits.keys() & {"frames"})


@short
def test_cve_2019_9517_internal_buffering(siege):
    """The windows are open and nothing is read: what is held of each connection is bounded, and so
    is what is read of one that says more and more meanwhile."""
    enemies = besieged.ENEMIES
    with siege.watch() as seen:
        siege_time = 3 * besieged.SECONDS
        options = {"reads": False, "small_buffers": True, "settings": {INITIAL_WINDOW_SIZE: 2**30}}
        held = [siege.enemy(**options) for _ in range(enemies)]
        for enemy in held:
            enemy.flood(attacks.internal_buffering(enemy), siege_time / enemies)
        for enemy in held:
            enemy.close()
    # with many of them the origin's connections run out, and who takes nothing gives them up
    may_be = {"frames", "write_time", "origin_line"}
    seen.expect(limits=seen.limits.keys() & may_be, memory_mb=4 * enemies)


def test_content_byte_by_byte(siege):
    """As fast as the windows allow."""
    with siege.watch() as seen:
        with siege.enemy() as enemy:
            enemy.flood(attacks.small_data(enemy), besieged.SECONDS)
            assert enemy.code is None and enemy.sent > 1_000_000
    seen.expect()


def test_one_window_for_all(siege):
    """1000 streams that wait, and SETTINGS that change the window of all of them each time."""
    with siege.watch() as seen:
        enemies = [siege.enemy(settings={INITIAL_WINDOW_SIZE: 0}) for _ in range(10)]
        for enemy in enemies:
            enemy.send(*[enemy.headers(i, path="/held") for i in range(1, 200, 2)])
        siege.wait_number('exchanges{kind="request"}', lambda open_now: open_now >= 1000)
        for enemy in enemies:
            sizes = (struct.pack("!HI", INITIAL_WINDOW_SIZE, 3 * size) * 30 for size in range(100))
            enemy.flood((frame(SETTINGS, 0, 0, size) for size in sizes), 10, is_in_step=True)
            assert enemy.code is None
        for enemy in enemies:
            enemy.close()
    seen.expect(memory_mb=64)


# --- windows that wrap (RFC 9113 sections 6.9.1 and 6.9.2) ----------------------------------------

LARGEST = 2**31 - 1


def settings_of(size):
    return frame(SETTINGS, 0, 0, struct.pack("!HI", INITIAL_WINDOW_SIZE, size))


OVERFLOWS = {  # behind a request whose response has not begun
    "of the connection": lambda: window(0, LARGEST),
    "by one and one": lambda: window(0, LARGEST - 65535) + window(0, 1),
    "settings beyond the largest": lambda: settings_of(2**31),
    "all bits": lambda: settings_of(2**32 - 1),
}


@short
@pytest.mark.parametrize("kind", OVERFLOWS)
def test_cve_2026_123007_windows_that_overflow(siege, kind):
    """They end the connection."""
    with siege.watch() as seen, siege.enemy(settings={INITIAL_WINDOW_SIZE: 0}) as enemy:
        enemy.send(enemy.headers(1))
        enemy.wait_read(time.monotonic() + 5)
        enemy.send(OVERFLOWS[kind]())
        assert enemy.wait_ended(5) and enemy.code == FLOW_CONTROL_ERROR
    seen.expect(connections=["protocol"])


@short
def test_cve_2026_123007_a_stream_window_that_overflows(siege):
    """By WINDOW_UPDATE or by SETTINGS: the library resets the stream, the others stay."""
    with siege.watch() as seen, siege.enemy(settings={INITIAL_WINDOW_SIZE: 0}) as enemy:
        enemy.send(enemy.headers(1), enemy.headers(3))
        enemy.wait_read(time.monotonic() + 5)
        enemy.send(window(1, LARGEST) + window(1, 1))
        enemy.send(window(3, LARGEST - 100) + settings_of(200))
        enemy.wait_read(time.monotonic() + 5)
        assert enemy.reader.resets == 2 and not enemy.has_ended
    seen.expect()


WINDOWS_BELOW_ZERO = [  # what the client sends, and how much it must have got then, not a byte more
    (settings_of(0), 65_535),
    (window(1, 65_535), 65_535),
    (settings_of(1), 65_536),
    (settings_of(0) + window(1, 1) + settings_of(0), 65_536),
    (settings_of(30_000) + settings_of(10) + settings_of(0), None),
    (window(1, LARGEST - 100_000), 200_000),
]


@short
def test_cve_2026_123007_windows_below_zero(siege):
    """SETTINGS take away a window that was used already; exactly what there is room for comes."""
    with siege.watch() as seen, siege.proxy.raw_h2(tls=False) as raw:

        def received():
            raw.send(raw.ping())
            raw.expect(hf.PingFrame)
            return sum(len(item.data) for item in raw.frames if isinstance(item, hf.DataFrame))

        raw.send(window(0, 2**30), raw.headers(1, raw.request("/medium")))
        while received() < 65_535:
            time.sleep(0.01)
        for change, expected in WINDOWS_BELOW_ZERO:
            raw.send(change)
            end = time.monotonic() + 5
            while expected is not None and received() < expected:
                assert time.monotonic() < end, (received(), expected)
            time.sleep(0.05)
            assert expected in (None, received())
    seen.expect()
