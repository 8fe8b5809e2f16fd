#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Memory runs out: the bus refuses, or dies and recovers; what it acknowledged stays true.

Two ways, each under load with a target that fails one attempt in ten. First the delivery engine alone: a preloaded library
(failing_seam.c) makes its seam for memory answer NULL to a share of its requests, for a while and then not. The rule is that only
admission may fail: the bus stays up, answers 503, and goes on when there is memory again. Then the whole process: its address space is
limited to little more than it has (RLIMIT_AS). Small allocations abort by rule, so it may die; it is started again without the limit.
In the end every acknowledged event is delivered and the books are closed.
"""
import resource
import struct
import subprocess
import sys
import time

from campaign import (QUICK_BREAKER, QUICK_RETRY, SLOWNESS, TURNOUT, Load, check, check_one_key_each, count_duplicates, equal, main,
                      preload, settle)

NAME = "allocations"
SHARES = (200, 2000, 20000, 200000, 1000000)  # of a million requests
SQUEEZES, SHORT_SQUEEZES = 8, 2
MIB = 1 << 20


def seam_address():
    """Where the binary keeps tn_alloc_system, as the library wants to know it."""
    symbols = subprocess.run(["nm", TURNOUT], capture_output=True, text=True, check=True).stdout
    found = [line.split()[0] for line in symbols.splitlines() if line.endswith(" tn_alloc_system")]
    check(len(found) == 1, f"{TURNOUT} says where tn_alloc_system is (it must not be stripped)")
    return found[0]


class Seam:
    """The orders that the library reads, and what it counts."""

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as file:
            file.write(struct.pack("<QQ", 0, 0))

    def fail(self, per_million):
        with open(self.path, "r+b") as file:
            file.write(struct.pack("<Q", per_million))

    def failed(self):
        with open(self.path, "rb") as file:
            return struct.unpack("<QQ", file.read())[1]


def make_bus(place, rng):
    sink = place.sink("--fail", "0.1", "--seed", rng.randrange(1 << 31))
    bus = place.simple_bus(sink, target={"retry": QUICK_RETRY, "breaker": QUICK_BREAKER}, log={"level": "warn"},
                           limits={"park_after": "100ms"})
    return bus, sink


def starve_engine(place, bus, rng):
    """Answers the figures of it; the bus stays up all the time."""
    seam = Seam(place.path("seam"))
    bus.start(env=preload("failing_seam", FAILING_SEAM_AT=seam_address(), FAILING_SEAM_FILE=seam.path,
                          FAILING_SEAM_SEED=rng.randrange(1 << 31)))
    load = Load(place, bus, 3000, name="first", prefix="f", repeat=False)
    for share in rng.sample(SHARES, len(SHARES)):
        seam.fail(share)
        time.sleep(rng.uniform(0.2, 0.4) * SLOWNESS)
        seam.fail(0)
        time.sleep(0.1)
    check(bus.process.running(), "the bus stays up when its engine finds no memory:", bus.process.output()[-1500:])
    sent = load.stop()
    settle(bus)
    equal(bus.stop(), 0, bus.process.output()[-500:])
    check(seam.failed() > 100, f"{seam.failed()} requests failed")
    return load.acknowledged(), {"seam_failures": seam.failed(), "refused": sum_of(sent, "503")}


def sum_of(sent, status):
    """How often the sender was answered so."""
    return sum(count for name, count in sent["answers"].items() if name == status)


def mapped_bytes(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def squeeze_process(place, bus, rng, number):
    """Limits the address space of a bus under load; answers what was acknowledged, and whether it died."""
    bus.start()
    load = Load(place, bus, 0, name=f"second{number}", prefix=f"s{number}", connections=64, size=20000)
    time.sleep(rng.uniform(0.05, 0.2) * SLOWNESS)
    limit = mapped_bytes(bus.process.pid) + rng.randrange(0, 2 * MIB)
    resource.prlimit(bus.process.pid, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    time.sleep(rng.uniform(0.3, 0.8) * SLOWNESS)
    died = not bus.process.running()
    load.process.kill()
    bus.kill()
    return load.acknowledged(), died


def run(place, rng, short):
    bus, sink = make_bus(place, rng)
    acked, figures = starve_engine(place, bus, rng)
    died = 0
    squeezes = SHORT_SQUEEZES if short else SQUEEZES
    for number in range(squeezes):
        more, dead = squeeze_process(place, bus, rng, number)
        acked |= more
        died += dead
    bus.start()
    settle(bus)
    equal(bus.stop(), 0, bus.process.output()[-500:])
    check(len(acked) > 100, f"there was load: {len(acked)}")
    equal(acked - sink.ids(), set(), "lost")
    check_one_key_each(sink.lines())
    return {"tries": len(SHARES) + squeezes, "acknowledged": len(acked), "lost": 0, "duplicates": count_duplicates(sink.lines()),
            "died": died, **figures}


if __name__ == "__main__":
    main(sys.modules[__name__])
