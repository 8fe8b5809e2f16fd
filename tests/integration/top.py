# SPDX-License-Identifier: Apache-2.0
"""`turnout top`: a running bus, live; on a terminal and without one."""
import os
import pty
import re
import signal
import subprocess
import time

from harness import SLOWNESS, TURNOUT, check, equal, event, posting, wait_until


def top(bus, *options):
    return bus.place.run("top", "-c", bus.path("turnout.yaml"), *options)


def test_once_shows_rates_targets_and_sources(place):
    sink = place.sink()
    bus = place.simple_bus(sink).start()
    with posting(bus):
        code, out, err = top(bus, "--once", "--interval", "500ms")
    equal(code, 0, err)
    check("\x1b" not in out, "no terminal, no escapes")
    rates = re.search(r"a second +in ([0-9.]+) +delivered ([0-9.]+) +retried 0.0 +parked 0.0 +dead 0.0", out)
    check(rates and float(rates.group(1)) > 0 and float(rates.group(2)) > 0, out)
    check(re.search(r"^sink +\d+/64 .* closed$", out, re.M), out)
    check(re.search(r"^web +http +open +[0-9.]+", out, re.M), out)
    check(re.search(r"^memory .* of 64 MiB; process [0-9.]+ MiB$", out, re.M), out)


def test_an_open_breaker_and_what_is_parked_are_seen(place):
    sink = place.sink()
    bus = place.simple_bus(sink).start()
    code, out, err = place.run("target", "open", "sink", "-c", bus.path("turnout.yaml"))
    equal(code, 0, out + err)
    equal(bus.post(event("e-1")).status, 202)
    wait_until(lambda: bus.metrics()["turnout_deliveries_parked"] == 1, what="the event to be parked")
    code, out, err = top(bus, "--once", "--interval", "200ms")
    equal(code, 0, err)
    row = re.search(r"^sink +0/64 +0 +0 +1 +0.0 +0.0 +0.0  open by \w+$", out, re.M)
    check(row, out)


def test_without_a_terminal_it_prints_a_block_an_interval_until_it_is_ended(place):
    bus = place.simple_bus(place.sink()).start()
    process = place.start("top", [os.path.abspath(TURNOUT), "top", "-c", bus.path("turnout.yaml"), "-i", "200ms"])
    wait_until(lambda: process.output().count("a second") >= 3, what="three blocks")
    process.send(signal.SIGINT)
    equal(process.wait(), 0)


def test_on_a_terminal_it_paints_over_itself_and_ctrl_c_leaves(place):
    bus = place.simple_bus(place.sink()).start()
    master, slave = pty.openpty()
    process = subprocess.Popen([os.path.abspath(TURNOUT), "top", "-c", bus.path("turnout.yaml"), "--interval", "200ms"], stdin=slave, stdout=slave,
                               stderr=slave, start_new_session=True,
                               preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0))
    os.close(slave)
    seen, end = b"", time.monotonic() + 15 * SLOWNESS
    try:
        while seen.count(b"\x1b[H") < 3 and time.monotonic() < end:
            seen += os.read(master, 65536)
        check(seen.count(b"\x1b[H") >= 3 and b"TARGET" in seen, seen)
        os.write(master, b"\x03")
        equal(process.wait(10 * SLOWNESS), 0)
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_without_a_bus_it_says_so(place):
    bus = place.simple_bus(place.sink())
    code, _, err = top(bus, "--once")
    equal(code, 2)
    check("no bus is running" in err, err)
    equal(top(bus, "--interval", "1ms")[0], 2)
