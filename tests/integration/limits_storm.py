# SPDX-License-Identifier: Apache-2.0
"""Everything a target may be held to, turned on and off by reloads under load, with extremes, kills, keys and batches."""
import os
import random
import threading
import time

from harness import SLOWNESS, check, equal, event, note, wait_until
from ordering import check_order

RETRY = {"profile": "fast", "base": "20ms", "cap": "100ms", "max_retries": 1000, "max_age": "10m"}
KEYS = 5
RUNS = 3


def draw_limits(rng):
    """One of the many ways to hold a target down, or to let it go."""
    limits = {"max_in_flight": rng.choice((1, 16, 64)), "concurrency": rng.choice(("fixed", "adaptive")),
              "breaker": rng.choice(({"enabled": False}, {"open": "100ms", "open_max": "200ms"})),
              "max_parked": rng.choice((1, 100, 100000)), "max_parked_broker": rng.choice((1, 10000))}
    rate = rng.choice((None, "5/s", "300/s", "60000/m", "1000000/s", "1000000/h"))
    if rate:
        limits["rate"] = rate
        if rng.random() < 0.5:
            limits["burst"] = rng.choice((1, 3, 1000000))
    budget = rng.choice((None, {"enabled": False}, {"percent": 0, "per_second": 1}, {"percent": 1000, "per_second": 0},
                         {"percent": 1, "per_second": 1000000}))
    if budget:
        limits["retry_budget"] = budget
    size = rng.choice((None, "1KiB", "64KiB", "1GiB"))
    if size:
        limits["max_parked_size"] = size
    return limits


def targets(sinks, limits):
    own = ({"ordering": "key"}, {"batch": {"max_items": 20}}, {})
    return [{"name": f"t{i}", "kind": "http", "url": sink.url(), "retry": RETRY, "timeout": "2s", **own[i], **limits[i]}
            for i, sink in enumerate(sinks)]


def configure(bus, sinks, limits):
    bus.config["targets"] = targets(sinks, limits)
    bus.write_config()


class Sender(threading.Thread):
    """Posts keyed events one after another, each until it is acknowledged."""

    def __init__(self, bus):
        super().__init__(daemon=True)
        self.bus, self.acked, self.over, self.odd = bus, [], False, set()

    def run(self):
        number = 0
        while not self.over:
            id = f"k{number % KEYS}-{number}"
            while not self.over and not self.post(id):
                time.sleep(0.02)
            number += 1

    def post(self, id):
        try:
            status = self.bus.post(event(id, partitionkey=id.partition("-")[0]), timeout=10).status
        except OSError:
            return False
        if status not in (202, 503):
            self.odd.add(status)
        if status == 202:
            self.acked.append(id)
        return status == 202


def reload_for(bus, sinks, rng, seconds):
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        configure(bus, sinks, [draw_limits(rng) for _ in sinks])
        bus.reload()
        count += 1
        time.sleep(0.05)
        metrics = bus.metrics()
        equal(metrics["turnout_books_closed"], 1)
        for i in range(len(sinks)):
            check(metrics[f'turnout_target_limit{{target="t{i}"}}'] <= 64, metrics)
            check(metrics[f'turnout_target_in_flight{{target="t{i}"}}'] <= 64, metrics)
    return count


def test_limits_turned_on_and_off_under_load_and_kills_lose_nothing_and_keep_order(place):
    seed = int(os.environ.get("TURNOUT_TEST_SEED", str(random.randrange(1 << 32))))
    rng = random.Random(seed)
    sinks = [place.sink("--fail", "0.2", "--seed", i, name=f"sink{i}") for i in range(3)]
    bus = place.bus([{"name": "all", "pattern": {"source": [{"exists": True}]}, "targets": ["t0", "t1", "t2"]}],
                    targets=targets(sinks, [{}, {}, {}]), limits={"park_after": "50ms"}).start()
    sender = Sender(bus)
    sender.start()
    for run in range(RUNS):
        reload_for(bus, sinks, rng, 1.5)
        if run < RUNS - 1:
            bus.kill()
            bus.start()
    open_wide = {"retry_budget": {"enabled": False}, "breaker": {"open": "100ms", "open_max": "100ms"}}
    configure(bus, sinks, [open_wide] * 3)
    before = bus.metrics()["turnout_reloads_total"]
    bus.reload()
    wait_until(lambda: bus.metrics()["turnout_reloads_total"] > before, what="the last reload")
    sender.over = True
    sender.join()
    wait_until(bus.settled, 60 * SLOWNESS, "all that was acknowledged to come to its end")
    bus.check_books()
    equal(sender.odd, set(), "acknowledged, or no room")
    check(len(sender.acked) > 100, "there was load", len(sender.acked))
    note(f"{len(sender.acked)} events, seed {seed}")
    for sink in sinks:
        equal(set(sender.acked) - sink.ids(), set(), "lost")
    check_order(sinks[0])
    metrics = bus.metrics()
    equal(metrics["turnout_deliveries_dead_total"], 0, "waiting for a limit is no failure")
    for i in range(3):
        label = f'{{target="t{i}"}}'
        equal((metrics[f"turnout_target_limit{label}"], metrics[f"turnout_target_rate_tokens{label}"],
               metrics[f"turnout_target_over_retry_budget{label}"], metrics[f"turnout_target_parked_bytes{label}"]), (64, 0, 0, 0))
    equal(metrics["turnout_store_uncommitted"], 0)
    code, out, errors = place.run("audit", "-c", bus.path("turnout.yaml"))
    equal(code, 0, out + errors)
