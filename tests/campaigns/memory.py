#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""All targets down, a source at full rate: memory stays within its limit and does not creep.

Two targets, one whose port is closed and one that never answers; sixty-four connections that send as fast as they are answered. The
deliveries go to the store up to the park cap, after that senders are refused. RssAnon of the bus is at most limits.memory (64 MiB)
and 24 MiB more; over the second half its slope is about zero. Runs for 150 seconds, or TURNOUT_MEMORY_SECONDS.
"""
import os
import socket
import sys
import time

from campaign import Load, check, equal, main

NAME = "memory"
SECONDS, SHORT_SECONDS = float(os.environ.get("TURNOUT_MEMORY_SECONDS", "150")), 6.0
LIMIT_KB = (64 + 24) * 1024
SLOPE_LIMIT = 512  # KB a minute


def anonymous_kb(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon:"))


def slope(samples):
    """KB a minute, by least squares over (seconds, KB)."""
    mean_x = sum(x for x, _ in samples) / len(samples)
    mean_y = sum(y for _, y in samples) / len(samples)
    spread = sum((x - mean_x) ** 2 for x, _ in samples)
    return 60 * sum((x - mean_x) * (y - mean_y) for x, y in samples) / spread


def silent_port():
    """A port that takes connections and says nothing."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    return listener


def run(place, rng, short):
    closed = place.sink(name="closed")
    closed.process.kill()
    silent = silent_port()
    bus = place.bus([{"name": "all", "pattern": {"type": ["turnout.test"]}, "targets": ["closed", "silent"]}], log={"level": "error"},
                    store={"path": "store", "max_size": "4GiB"},
                    targets=[{"name": "closed", "kind": "http", "url": closed.url()},
                             {"name": "silent", "kind": "http", "url": f"http://127.0.0.1:{silent.getsockname()[1]}/", "timeout": "2s"}])
    bus.start()
    load = Load(place, bus, 0, connections=64, size=rng.choice((500, 2000)), repeat=False)
    begin, samples, seconds = time.monotonic(), [], SHORT_SECONDS if short else SECONDS
    while time.monotonic() - begin < seconds:
        samples.append((time.monotonic() - begin, anonymous_kb(bus.process.pid)))
        time.sleep(0.1)
    sent = load.stop()
    bus.check_books()
    metrics = bus.metrics()
    bus.kill()
    silent.close()
    highest, creep = max(kb for _, kb in samples), slope(samples[len(samples) // 2:])
    check(highest <= LIMIT_KB, f"RssAnon was {highest} KB, the limit is {LIMIT_KB}")
    check(short or creep <= SLOPE_LIMIT, f"RssAnon grows by {creep:.0f} KB a minute")
    check(metrics["turnout_deliveries_parked"] > 1000, metrics["turnout_deliveries_parked"])
    equal(metrics["turnout_deliveries_dead_total"], 0, "dead letters")
    return {"tries": 1, "requests": sent["requests"], "acknowledged": len(load.acknowledged()), "anonymous_kb_max": highest,
            "slope_kb_per_minute_max": round(creep, 1), "parked": int(metrics["turnout_deliveries_parked"])}


if __name__ == "__main__":
    main(sys.modules[__name__])
