#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One of twenty targets is a black hole, slow, or throttling: the other nineteen hardly notice. A measurement.

Each target has a rule of its own; events of twenty types come in turn, at half of the rate that the machine sustains. Runs in pairs, one
with twenty good targets and one with a bad one, one after the other on a fresh bus; the order changes. Events carry the time at which
they were handed to the sender, so the time to the sink can be told. Printed for each kind of badness: throughput of the nineteen and
their 99th percentile, bad through good, medians of five pairs. Goals: at least 0.95, and at most 1.2. Asserted is only that nothing is
lost and the books are closed: ratios on a machine that others use prove nothing.
"""
import json
import socket
import statistics
import subprocess
import sys
import threading
import time

from campaign import TURNOUT, check, equal, main, percentile, time_of, wait_until

NAME = "isolation"
TARGETS = 20
SECONDS, SHORT_SECONDS = 5.0, 1.5
PAIRS, SHORT_PAIRS = 5, 1
KINDS = ("black-hole", "slow", "throttling")
WARM_UP = 0.2  # of each run, not counted


class Feeder(threading.Thread):
    """Hands events to `turnout send` at a steady rate, by the clock."""

    def __init__(self, stream, rate, seconds):
        super().__init__()
        self.stream, self.rate, self.seconds, self.count = stream, rate, seconds, 0

    def run(self):
        begin = time.time()
        while (now := time.time()) - begin < self.seconds:
            due, lines = int((now - begin) * self.rate), []
            while self.count < due:
                lines.append(json.dumps({"specversion": "1.0", "id": str(self.count), "source": "/feeder",
                                         "type": f"type{self.count % TARGETS}", "data": {"at": now, "more": "x" * 200}}))
                self.count += 1
            if lines:
                self.stream.write("\n".join(lines) + "\n")
                self.stream.flush()
            time.sleep(0.002)
        self.stream.close()


def bad_target(place, kind, name):
    """Answers its port."""
    if kind == "slow":
        return place.sink("--delay", "5s", name=name).port, None
    if kind == "throttling":
        return place.sink("--fail", 1, "--status", 429, "--retry-after", "1s", name=name).port, None
    hole = socket.socket()
    hole.bind(("127.0.0.1", 0))
    hole.listen(4096)
    return hole.getsockname()[1], hole


def make_bus(place, name, sink, bad_port):
    rules = [{"name": f"r{i}", "pattern": {"type": [f"type{i}"]}, "targets": [f"t{i}"]} for i in range(TARGETS)]
    ports = [sink.port] * (TARGETS - 1) + [bad_port or sink.port]
    return place.bus(rules, name=name, log={"level": "error"}, store={"path": "store", "max_size": "1GiB"},
                     targets=[{"name": f"t{i}", "kind": "http", "url": f"http://127.0.0.1:{port}/"} for i, port in enumerate(ports)])


def send(bus, rate, seconds):
    """Answers how many events were sent, all of them accepted."""
    sender = subprocess.Popen([TURNOUT, "send", bus.url(), "-", "-c", "32", "--retry", "--json"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    feeder = Feeder(sender.stdin, rate, seconds)
    feeder.start()
    feeder.join()
    summary = json.loads(sender.stdout.read())
    equal(sender.wait(), 0, summary)
    equal(summary["accepted"], feeder.count, "accepted")
    return feeder.count


def measure(place, name, rate, seconds, kind):
    """Answers (deliveries a second, milliseconds to the 99th percentile) of the nineteen."""
    sink = place.sink("--bodies", name=f"{name}-sink")
    bad_port, hole = bad_target(place, kind, f"{name}-bad") if kind else (None, None)
    bus = make_bus(place, name, sink, bad_port).start()
    begin = time.time()
    sent = send(bus, rate, seconds)
    good = {str(number) for number in range(sent) if number % TARGETS != TARGETS - 1}
    wait_until(lambda: bus.metrics()["turnout_deliveries_delivered_total"] >= len(good), 20, "the deliveries to the nineteen")
    bus.check_books()
    metrics = bus.metrics()
    waiting = metrics["turnout_deliveries_parked"] + sum(value for key, value in metrics.items() if "deliveries_in_hand{" in key)
    bus.kill()
    lines = [line for line in sink.accepted() if line["type"] != f"type{TARGETS - 1}"]
    equal(good - {line["id"] for line in lines}, set(), "lost")
    equal(int(metrics["turnout_deliveries_delivered_total"] + waiting), sent, "delivered and waiting")
    if hole:
        hole.close()
    sink.process.close()
    counted = [line for line in lines if line["event"]["data"]["at"] >= begin + WARM_UP * seconds]
    took = [time_of(line) - line["event"]["data"]["at"] for line in counted]
    last = max(time_of(line) for line in counted)
    return len(counted) / (last - begin - WARM_UP * seconds), 1000 * percentile(took, 99)


def highest_rate(place):
    """Events a second that come in when they are sent as fast as they are answered, and are delivered meanwhile."""
    sink = place.sink(name="probe-sink")
    bus = make_bus(place, "probe", sink, None).start()
    begin = time.time()
    subprocess.run([TURNOUT, "send", bus.url(), "--count", "30000", "-c", "32", "--type", "type0", "--size", "200"], capture_output=True,
                   check=True)
    wait_until(lambda: bus.metrics()["turnout_deliveries_delivered_total"] == 30000, 30, "the deliveries of the probe")
    rate = 30000 / (time.time() - begin)
    bus.kill()
    sink.process.close()
    return rate


def run(place, rng, short):
    rate, seconds = min(highest_rate(place) / 2, 1000 if short else 1 << 20), SHORT_SECONDS if short else SECONDS
    figures = {"tries": 0, "lost": 0, "rate": [round(rate)]}
    for kind in [rng.choice(KINDS)] if short else KINDS:
        throughputs, latencies = [], []
        for number in range(SHORT_PAIRS if short else PAIRS):
            order = [None, kind]
            rng.shuffle(order)
            found = {way: measure(place, f"{kind}-{number}-{'bad' if way else 'good'}", rate, seconds, way) for way in order}
            throughputs.append(found[kind][0] / found[None][0])
            latencies.append(found[kind][1] / found[None][1])
            figures["tries"] += 1
        name = kind.replace("-", "_")
        figures[f"{name}_throughput"] = [round(statistics.median(throughputs), 3)]
        figures[f"{name}_p99"] = [round(statistics.median(latencies), 3)]
    check(figures["tries"] > 0)
    return figures


if __name__ == "__main__":
    main(sys.modules[__name__])
