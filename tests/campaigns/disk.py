#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A disk that is full: the bus refuses with 503 and comes back by itself, over and over, and over a kill as well.

The store lies on a small file system of its own (a tmpfs: needs root). Its target is down, so that whatever comes in stays, until the
disk is full of it, or of another file; then clients must see 503. At that point the bus is left alone,
killed, or stopped, and started again on the full disk. Then the target comes up, or the other file goes: what was acknowledged is
delivered, and clients see 202 again. In between some events are rejected for good, so that dead letters lie on the full disk too.
"""
import os
import sys
import time

from campaign import (QUICK_BREAKER, SLOWNESS, Load, check, check_one_key_each, count_duplicates, dead_letters, equal, event, main,
                      small_disk, wait_until)

NAME = "disk"
ROUNDS, SHORT_ROUNDS = 6, 2
RETRY = {"profile": "fast", "base": "200ms", "cap": "1s", "max_retries": 1000}


def answered(bus, id):
    """The status of one event, 0 for none; 503s of a bus that starts are none either."""
    try:
        return bus.post(event(id, type="turnout.test", data="x" * 3000)).status
    except OSError:
        return 0


def fill_with_file(folder):
    """Takes what room there is. Answers its path."""
    path = os.path.join(folder, "other")
    with open(path, "wb", buffering=0) as other:
        for block in (65536, 4096, 512):
            try:
                while True:
                    other.write(b"x" * block)
            except OSError:
                pass
    return path


def use_full_bus(bus, rng):
    """What happens to it while the disk is full. Answers whether it was killed."""
    way = rng.random()
    if way < 0.4:
        time.sleep(rng.uniform(0.1, 0.5))
    elif way < 0.8:
        bus.kill()
        bus.start()
    else:
        check(bus.stop() in (0, 3), "a drain on a full disk ends", bus.process.output()[-500:])
        bus.start()
    return 0.4 <= way < 0.8


class Round:
    """The target is down, the disk fills up, something happens, the target comes up."""

    def __init__(self, place, bus, folder, port, number):
        self.place, self.bus, self.folder, self.port, self.number = place, bus, folder, port, number
        self.sick = place.sink("--fail", 1, name=f"sick{number}", port=port)
        self.load = Load(place, bus, 0, name=f"sender{number}", prefix=f"e{number}", connections=16, size=3000)

    def is_full(self):
        return answered(self.bus, f"probe{self.number}") == 503

    def fill(self, rng):
        """Answers the path of the other file, if that fills it."""
        other = None
        if rng.random() < 0.5:
            time.sleep(rng.uniform(0.1, 0.4) * SLOWNESS)
            other = fill_with_file(self.folder)
        wait_until(self.is_full, 60, "503 on a full disk")
        return other

    def recover(self, other):
        """Answers what was acknowledged, and the sink that took it."""
        self.load.process.kill()
        acked = self.load.acknowledged()
        if other:
            os.remove(other)
        self.sick.process.kill()
        well = self.place.sink(name=f"well{self.number}", port=self.port)
        wait_until(lambda: acked <= well.ids(), 90, f"all {len(acked)} acknowledged events")
        wait_until(lambda: answered(self.bus, f"after{self.number}") == 202, 30, "intake to open again")
        wait_until(lambda: f"after{self.number}" in well.ids(), what="the event after it")
        self.bus.check_books()
        well.process.kill()
        return acked, well


def run(place, rng, short):
    size = rng.choice((8, 12, 16))
    bad = place.sink("--fail", 1, "--status", 422, name="bad")
    figures = {"tries": 0, "acknowledged": 0, "lost": 0, "duplicates": 0, "kills": 0}
    with small_disk(place, f"{size}m") as folder:
        port = place.sink(name="first").port
        place.processes[-1].kill()
        bus = place.bus([{"name": "all", "pattern": {"type": ["turnout.test"]}, "targets": ["sink"]},
                         {"name": "bad", "pattern": {"type": ["bad"]}, "targets": ["bad"]}],
                        store={"path": folder + "/store", "max_size": "64MiB"}, log={"level": "warn"},
                        limits={"park_after": "100ms", "drain_timeout": "2s"},
                        targets=[{"name": "sink", "kind": "http", "url": f"http://127.0.0.1:{port}/", "retry": RETRY,
                                  "breaker": rng.choice((QUICK_BREAKER, {"enabled": False}))},
                                 {"name": "bad", "kind": "http", "url": bad.url()}]).start()
        rejected = set()
        for number in range(SHORT_ROUNDS if short else ROUNDS):
            if bus.post(event(f"bad{number}", type="bad", data="x" * 2000)).status == 202:
                rejected.add(f"bad{number}")
            round = Round(place, bus, folder, port, number)
            other = round.fill(rng)
            figures["kills"] += use_full_bus(bus, rng)
            acked, well = round.recover(other)
            check_one_key_each(well.lines())
            figures["tries"] += 1
            figures["acknowledged"] += len(acked)
            figures["duplicates"] += count_duplicates(well.lines())
        equal({letter["event"]["id"] for letter in dead_letters(place, bus)}, rejected, "dead letters")
        equal(bus.stop(), 0, bus.process.output()[-500:])
    return figures


if __name__ == "__main__":
    main(sys.modules[__name__])
