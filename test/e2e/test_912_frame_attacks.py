# SPDX-License-Identifier: Apache-2.0
"""Frames that bring nobody anything, beside well-behaved clients. See besieged.py."""

import struct

import pytest

import attacks
import besieged
from attacks import (
    ENHANCE_YOUR_CALM,
    FLOODS,
    INITIAL_WINDOW_SIZE,
    INTERNAL_ERROR,
    SETTINGS,
    frame,
)

siege = besieged.fixture()

CALM = [ENHANCE_YOUR_CALM]


def flood(siege, name, **options):
    with siege.watch() as seen:
        siege.flood(FLOODS[name], CALM, **options)
    seen.expect(limits=["frames"], connections=["abuse"])


def test_cve_2019_9512_ping_flood(siege):
    """Answers pile up, however fast they are taken: at most 256 of them."""
    flood(siege, "ping")


def test_cve_2019_9512_ping_flood_by_who_reads_nothing(siege):
    with siege.watch() as seen:
        siege.flood(FLOODS["ping"], CALM, reads=False, within=3)
    seen.expect(limits=["frames"], connections=["abuse"])


@pytest.mark.parametrize("kind", ["settings", "settings of windows", "settings of tables"])
def test_cve_2019_9515_settings_flood(siege, kind):
    flood(siege, kind)


def test_settings_of_too_many_entries(siege):
    """33 in one frame."""
    entries = struct.pack("!HI", INITIAL_WINDOW_SIZE, 65535) * 33
    with siege.watch() as seen:
        siege.flood(attacks.repeated(frame(SETTINGS, 0, 0, entries), 1), CALM)
    seen.expect(connections=["abuse"])


@pytest.mark.parametrize("kind", ["priority", "priority of new streams", "priority update"])
def test_cve_2019_9513_resource_loop(siege, kind):
    flood(siege, kind)


def test_cve_2019_9514_resets_of_nothing(siege):
    """The library has a limit of its own for these, and another word for it."""
    with siege.watch() as seen:
        siege.flood(FLOODS["resets of a closed stream"], [*CALM, INTERNAL_ERROR])
    assert "resets" in seen.limits
    seen.expect(limits=seen.limits.keys() & {"resets", "frames"}, connections=["abuse"])


def test_cve_2019_9518_empty_frames(siege):
    flood(siege, "empty data")


@pytest.mark.parametrize(
    "kind", ["window of the connection", "window of a stream", "window of a closed stream"]
)
def test_window_update_flood(siege, kind):
    flood(siege, kind)


@pytest.mark.parametrize("kind", ["unknown frames", "large unknown frames"])
def test_frames_of_unknown_types(siege, kind):
    flood(siege, kind)


def test_goaway_games(siege):
    """A client that leaves, again and again, has left: its connection ends, politely."""
    with siege.watch() as seen:
        siege.flood(attacks.goaway_games, [attacks.NO_ERROR, attacks.PROTOCOL_ERROR])
    seen.expect()


def test_cve_2019_9511_data_dribble(siege):
    """A byte of window for each of a hundred streams, again and again."""
    settings = {INITIAL_WINDOW_SIZE: 0}
    with siege.watch() as seen, siege.enemy(settings=settings) as enemy:
        enemy.flood(attacks.data_dribble(enemy), 3 * besieged.SECONDS, is_in_step=True)
        assert enemy.reader.bytes > 10_000
    seen.expect(limits=seen.limits.keys() & {"frames"})


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
    seen.expect(limits=seen.limits.keys() & {"frames"}, memory_mb=4 * enemies)


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
