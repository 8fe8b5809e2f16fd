#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""SIGTERM under load, again and again: the bus drains in time, ends with 0, and does none of its drained work twice.

A target that takes 5 to 40 ms and fails one attempt in ten; senders that send each event once, on sixteen connections. After a random
while the bus gets SIGTERM; how long it takes to end is the drain time; then it starts again. In the end every acknowledged event was
delivered, and nothing was delivered twice.
"""
import signal
import sys
import time

from campaign import QUICK_BREAKER, QUICK_RETRY, SLOWNESS, Load, check, check_one_key_each, count_duplicates, equal, main, settle

NAME = "sigterm"
TERMS = 20
SHORT_TERMS = 10
DRAIN_LIMIT = 10.0  # seconds; attempts take 40 ms at most, their retries are parked


def drain_under_load(place, bus, rng, number):
    """Answers what was acknowledged meanwhile, and how many milliseconds the drain took."""
    load = Load(place, bus, 3000, connections=16, name=f"sender{number}", prefix=f"e{number}", repeat=False)
    time.sleep(rng.uniform(0.1, 0.5) * SLOWNESS)
    begin = time.monotonic()
    bus.process.send(signal.SIGTERM)
    equal(bus.process.wait(), 0, f"exit code: {bus.process.output()[-500:]}")
    took_ms = round((time.monotonic() - begin) * 1000, 1)
    load.process.kill()
    return load.acknowledged(), took_ms


def run(place, rng, short):
    sink = place.sink("--fail", "0.1", "--delay", f"{rng.randint(5, 40)}ms", "--seed", rng.randrange(1 << 31))
    bus = place.simple_bus(sink, target={"retry": QUICK_RETRY, "breaker": QUICK_BREAKER}, log={"level": "warn"}).start()
    acked, times = set(), []
    for number in range(SHORT_TERMS if short else TERMS):
        more, took_ms = drain_under_load(place, bus, rng, number)
        check(more, "there was load")
        acked |= more
        times.append(took_ms)
        bus.start()
    settle(bus)
    equal(bus.stop(), 0, bus.process.output()[-500:])
    lines = sink.lines()
    equal(acked - sink.ids(), set(), "lost")
    equal(count_duplicates(lines), 0, "duplicates")
    check_one_key_each(lines)
    check(max(times) < DRAIN_LIMIT * 1000 * SLOWNESS, f"drained in {max(times)} ms")
    return {"tries": len(times), "acknowledged": len(acked), "lost": 0, "duplicates": 0, "drain_ms": times}


if __name__ == "__main__":
    main(sys.modules[__name__])
