# SPDX-License-Identifier: Apache-2.0
"""A wall clock that is far ahead when the bus starts: nothing expires by it until an operator says that it is right."""
import os
import struct

import harness
from harness import check, equal, event, wait_until

DAY = 86400
LIBRARY = os.path.join(os.path.dirname(harness.TURNOUT), "..", "tests", "campaigns", "libclock_steps.so")
TIMEOUT = 60


def clock_bus(place, url):
    """A bus under a wall clock of our own; answers it, its environment, and what sets the clock to so many seconds ahead."""
    steps = place.path("clock")

    def set_clock(ahead):
        with open(steps, "wb") as file:
            file.write(struct.pack("<q", ahead))
    set_clock(0)

    bus = place.simple_bus(url, target={"retry": {"base": "200ms", "cap": "200ms", "max_retries": 1000, "max_age": "24h"}},
                           limits={"park_after": "100ms"})
    return bus, {"LD_PRELOAD": LIBRARY, "CLOCK_STEPS_FILE": steps}, set_clock


def test_a_clock_ten_years_ahead_expires_nothing_until_it_is_accepted(place):
    if not os.path.exists(LIBRARY):
        harness.note("not in a sanitizer build: its runtime wants to come first")
        return
    port = harness.free_port()
    bus, environment, set_clock = clock_bus(place, f"http://127.0.0.1:{port}/")
    config = bus.path("turnout.yaml")
    bus.start(env=environment)
    equal(bus.post(event("1")).status, 202)
    wait_until(lambda: bus.metrics()["turnout_deliveries_parked"] == 1, what="the parked delivery")
    equal(place.run("clock", "show", "-c", config)[0], 0)
    equal(bus.stop(), 0)

    set_clock(3650 * DAY)
    bus.start(env=environment)
    check("more than 7 days ahead" in bus.process.output(), bus.process.output())
    check(bus.metrics()["turnout_clock_ahead_seconds"] > 3649 * DAY)
    code, out, _ = place.run("clock", "show", "-c", config)
    equal(code, 1)
    check("3649d" in out or "3650d" in out, out)
    check("clock " in place.run("status", "-c", config)[1])
    equal(bus.metrics()["turnout_deliveries_dead_total"], 0, "nothing expired")

    code, out, error = place.run("clock", "accept", "-c", config)
    equal(code, 0, out + error)
    wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] == 1, what="the delivery to be too old")
    equal(bus.metrics()["turnout_clock_ahead_seconds"], 0)
    equal(place.run("clock", "accept", "-c", config)[0], 1, "there is nothing left to accept")
    equal(bus.stop(), 0)
    bus.start(env=environment)
    equal(bus.metrics()["turnout_clock_ahead_seconds"], 0, "it stays accepted over a restart")
    bus.check_books()


def test_no_bus_no_clock(place):
    bus = place.simple_bus(place.sink())
    equal(place.run("clock", "accept", "-c", bus.path("turnout.yaml"))[0], 2)
    equal(place.run("clock", "-c", bus.path("turnout.yaml"))[0], 2)
