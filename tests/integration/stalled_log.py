# SPDX-License-Identifier: Apache-2.0
"""Standard error as a pipe that nobody reads: deliveries go on, and what the log lost is counted."""
import os
import subprocess

from harness import TURNOUT, check, equal, event, wait_until


def test_a_stalled_log_stops_no_delivery(place):
    sink = place.sink("--fail-first", 3)
    target = {"retry": {"base": "20ms", "cap": "20ms"}, "breaker": {"enabled": False}, "retry_budget": {"enabled": False}}
    bus = place.simple_bus(sink, target=target, log={"level": "debug"})
    read_end, write_end = os.pipe()
    child = subprocess.Popen([TURNOUT, "run", "-c", bus.path("turnout.yaml")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=write_end)
    os.close(write_end)
    try:
        wait_until(lambda: bus.admin("/readyz").status == 200, 20, "the bus to become ready")
        # Each reload says a few hundred bytes; together more than pipe and buffer hold.
        with open(bus.path("rules", "bad.yaml"), "w") as out:
            out.write("rules: [{name: " + "x" * 800 + "}]")
        sent = 0
        def dropping():
            nonlocal sent
            for _ in range(20):
                child.send_signal(1)
                equal(bus.post(event(str(sent))).status, 202)
                sent += 1
            return bus.metrics()["turnout_log_dropped_total"] > 0
        wait_until(dropping, 60, "the log to drop lines")
        wait_until(lambda: len(sink.ids()) == sent, 30, "all deliveries")
        os.set_blocking(read_end, False)
        said = b""
        def flows():
            nonlocal said
            try:
                said += os.read(read_end, 1 << 20)
            except BlockingIOError:
                pass
            return b"log lines were dropped" in said
        wait_until(flows, 10, "the log to say what was lost")
        child.terminate()
        os.set_blocking(read_end, True)
        while (more := os.read(read_end, 65536)):
            said += more
        equal(child.wait(20), 0)
        check(b"stopped  drained=yes" in said, "the last line came through", said[-300:])
    finally:
        child.kill()
        child.wait()
        os.close(read_end)
