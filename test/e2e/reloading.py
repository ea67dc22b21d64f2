# SPDX-License-Identifier: Apache-2.0
"""Another configuration for a running outrider."""

import os
import pathlib
import re
import signal
import time

import yaml


def wait_for(condition, limit=10):
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def change(proxy, **sections):
    """Another configuration file in one step, and a reload."""
    path = pathlib.Path(proxy.arguments[1])
    config = yaml.safe_load(path.read_text())
    config.update(sections)
    fresh = path.with_suffix(".new")
    fresh.write_text(yaml.safe_dump(config, sort_keys=False))
    os.replace(fresh, path)
    proxy.send_signal(signal.SIGHUP)


def reloads(proxy):
    return len(re.findall(r"reloaded file=", proxy.stderr))


def reload(proxy, **sections):
    before = reloads(proxy)
    change(proxy, **sections)
    wait_for(lambda: reloads(proxy) > before)
