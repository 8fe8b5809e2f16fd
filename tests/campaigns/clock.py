#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The wall clock steps, hours and days and years, forward and back, while the bus runs and between its runs: nothing is lost, nothing
expires by it, and retries come in time.

A preloaded library (clock_steps.c) adds a step to what the bus takes for the wall clock; the monotonic clock goes on as it does. Two
targets: one fails half of its attempts, whose retries are due 200 ms later and must come within seconds however the clock steps; one
is down for the whole run, so that its deliveries wait in the store over each restart, with a day to live. Between runs the clock goes
back, or forward by up to 20 hours altogether, or by ten years: then the engine's time stays where it was (delivery-semantics, section
14), with a warning. In the end the second target comes up, and every acknowledged event is at both.
"""
import struct
import sys
import time

from campaign import QUICK_BREAKER, SLOWNESS, Load, check, check_one_key_each, equal, main, preload, settle, time_of

NAME = "clock"
LIVES, SHORT_LIVES = 8, 3
STEPS = 6  # in each life
HOUR, DAY, YEAR = 3600, 86400, 365 * 86400
RETRY_LIMIT = 4.0  # seconds from a failed attempt to the next, where the schedule says 0.2


class Clock:
    """The file that the library reads."""

    def __init__(self, path):
        self.path = path
        self.step = 0
        self.set(0)

    def set(self, step):
        self.step = step
        with open(self.path, "r+b" if step else "wb") as file:
            file.write(struct.pack("<q", step))


def step_while_it_runs(clock, rng):
    """Answers how many steps."""
    before = clock.step
    for _ in range(STEPS):
        time.sleep(rng.uniform(0.05, 0.3) * SLOWNESS)
        clock.set(before + rng.choice((1, -1)) * rng.choice((rng.randint(1, HOUR), rng.randint(HOUR, DAY), rng.randint(DAY, 10 * YEAR))))
    clock.set(before)
    return STEPS


def restart(bus, clock, environment, rng, spent):
    """Steps between two runs. Answers the seconds that the engine's time goes forward by it: a day off is a day of age, rightly."""
    equal(bus.stop(), 0, bus.process.output()[-500:])
    way, before = rng.random(), clock.step
    if way < 0.4:
        clock.set(before - rng.randint(HOUR, YEAR))
    elif way < 0.7:
        clock.set(before + 10 * YEAR)
    else:
        clock.set(before + rng.randint(1, max(1, 20 * HOUR - spent)))
    bus.start(env=environment)
    warned = "wall clock is more than 7 days ahead" in bus.process.output()
    if clock.step - before == 10 * YEAR:
        check(warned, f"a warning of the clock, {clock.step} s ahead:", bus.process.output()[-800:])
    return max(0, clock.step - before) if clock.step - before < DAY else 0


def check_retries(lines):
    """Answers the longest wait between a failed attempt and the next one of that event, in ms, among those of one life of the bus."""
    failed, longest = {}, 0.0
    for line in lines:
        if line["id"] in failed:
            longest = max(longest, time_of(line) - failed.pop(line["id"]))
        if line["status"] >= 300:
            failed[line["id"]] = time_of(line)
    check(longest < RETRY_LIMIT * SLOWNESS, f"a retry {longest:.1f} s after the failure")
    return round(longest * 1000)


def run(place, rng, short):
    clock = Clock(place.path("clock"))
    environment = preload("clock_steps", CLOCK_STEPS_FILE=clock.path)
    shaky, down = place.sink("--fail", "0.5", "--seed", rng.randrange(1 << 31), name="shaky"), place.sink("--fail", 1, name="down")
    # A retry is looked for within seconds of its failure: a budget would rightly hold some back for longer.
    unhurried = {"breaker": {"enabled": False}, "retry_budget": {"enabled": False}}
    retry = {"base": "200ms", "multiplier": 1, "cap": "200ms", "max_retries": 1000, "max_age": "24h"}
    bus = place.bus([{"name": "all", "pattern": {"type": ["turnout.test"]}, "targets": ["shaky", "down"]}], log={"level": "warn"},
                    limits={"park_after": "150ms"},
                    targets=[{"name": "shaky", "kind": "http", "url": shaky.url(), "retry": retry, **unhurried},
                             {"name": "down", "kind": "http", "url": down.url(), "breaker": QUICK_BREAKER,
                              "retry": {**retry, "base": "500ms", "cap": "2s"}}])
    if rng.random() < 0.3:
        clock.set(10 * YEAR)  # a clock that was wrong from the first day on
    bus.start(env=environment)
    load = Load(place, bus, 150)
    steps = spent = 0
    for _ in range(SHORT_LIVES if short else LIVES):
        steps += step_while_it_runs(clock, rng) + 1
        spent += restart(bus, clock, environment, rng, spent)
    time.sleep(0.3)
    load.stop()
    down.process.kill()
    well = place.sink(name="well", port=down.port)
    settle(bus, 40)
    equal(bus.metrics()["turnout_deliveries_dead_total"], 0, "dead letters: the clock expired them")
    equal(bus.stop(), 0, bus.process.output()[-500:])
    acked = load.acknowledged()
    check(len(acked) > 50, f"there was load: {len(acked)}")
    equal(acked - shaky.ids(), set(), "lost")
    equal(acked - well.ids(), set(), "lost")
    check_one_key_each(shaky.lines())
    return {"tries": steps, "acknowledged": len(acked), "lost": 0, "expired": 0, "retry_ms_max": check_retries(shaky.lines())}


if __name__ == "__main__":
    main(sys.modules[__name__])
