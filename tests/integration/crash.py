# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments under load: nothing acknowledged is lost, duplicates are few and recognisable.

TURNOUT_TEST_KILLS sets how often [200]; TURNOUT_TEST_SEED repeats a run's moments.
"""
import bisect
import json
import os
import random
import time
from datetime import datetime

from harness import SLOWNESS, check, equal, note, wait_until

TIMEOUT = 420
KILLS = int(os.environ.get("TURNOUT_TEST_KILLS", "200"))
CONNECTIONS = 8
IN_FLIGHT = 16
# Settlements that a crash may forget: those of the group commit under way, at most so many, and those that came meanwhile.
BATCH = 1024
FORGOTTEN_AGE = 2.0  # seconds; a settlement older than that must be on disk


def start_load(place, bus, rate):
    acks = place.path("acks")
    summary = place.start("sender", [bus.process.child.args[0], "send", bus.url(), "--count", "100000000", "--rate", str(rate),
                                     "--connections", str(CONNECTIONS), "--size", "500", "--retry", "--give-up", "60s",
                                     "--timeout", "5s", "--json", "--id-prefix", "e", "--ack-log", acks])
    return summary, acks


def kill_and_start(bus, rng):
    """Kills it after a random while, also in the middle of starting; answers when it was killed."""
    time.sleep(rng.uniform(0, 0.45) * SLOWNESS)
    killed = time.time()
    bus.kill()
    if rng.random() < 0.1:
        bus.launch()
        time.sleep(rng.uniform(0, 0.03))
        bus.kill()
    bus.start()
    return killed


def time_of(line):
    return datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp()


def duplicates_after(lines, kills):
    """How many duplicates came after each kill and before the next, and how long before its kill the oldest of them was accepted
    first. A duplicate that no kill explains is a failure."""
    counts, age, accepted = [0] * len(kills), 0.0, {}
    for line in lines:
        if line["status"] >= 300:
            continue
        if line["duplicate"]:
            kill = bisect.bisect_right(kills, time_of(line) + 0.001) - 1  # the log cuts off microseconds
            check(kill >= 0, "a duplicate without a kill before it:", line)
            counts[kill] += 1
            age = max(age, kills[kill] - accepted[line["id"]])
        accepted[line["id"]] = time_of(line)
    return counts, age


def test_kill_9_loses_nothing_and_duplicates_are_bounded(place):
    seed = int(os.environ.get("TURNOUT_TEST_SEED", str(random.randrange(1 << 32))))
    rng = random.Random(seed)
    sinks = [place.sink("--fail", "0.1", "--retry-after", "1s", "--retry-after-rate", "0.002", "--seed", seed + number, name=f"sink{number}")
             for number in (0, 1)]
    retry = {"profile": "fast", "base": "20ms", "cap": "200ms", "max_retries": 100}
    bus = place.bus([{"name": "all", "pattern": {"type": ["turnout.test"]}, "targets": ["t0", "t1"]}],
                    targets=[{"name": f"t{number}", "kind": "http", "url": sink.url(), "max_in_flight": IN_FLIGHT, "retry": retry}
                             for number, sink in enumerate(sinks)], log={"level": "warn"}).start()
    sender, acks = start_load(place, bus, 1500 / SLOWNESS)
    kills = [kill_and_start(bus, rng) for _ in range(KILLS)]
    time.sleep(0.3)
    sender.send(2)
    sender.wait()
    wait_until(bus.settled, 90, "all that was acknowledged to be delivered")
    bus.check_books()
    equal(bus.stop(), 0, bus.process.output()[-500:])

    sent = json.loads(sender.output().splitlines()[-1])
    acked = {line.strip() for line in open(acks)}
    check(len(acked) > KILLS, f"there was load: {sent}")
    total = 0
    for sink in sinks:
        lines = sink.lines()
        lost = acked - sink.ids()
        after, age = duplicates_after(lines, kills)
        bound = CONNECTIONS + IN_FLIGHT + BATCH
        keys = {}
        for line in lines:
            keys.setdefault(line["id"], set()).add(line["key"])
        total += sum(after)
        note(f"seed {seed}, {KILLS} kills, {sink.process.name}: {len(acked)} acknowledged, {len(lost)} lost, {sum(after)} duplicates, "
             f"at most {max(after)} after one kill (bound {bound}), first accepted at most {age * 1000:.0f} ms before it, "
             f"{sent['tries']['unanswered']} requests unanswered, {sum(line['status'] == 503 for line in lines)} attempts failed by the sink")
        equal(lost, set(), "lost")
        check(max(after) <= bound, f"{max(after)} duplicates after one kill, the bound is {bound}")
        check(age <= FORGOTTEN_AGE * SLOWNESS, f"a settlement {age:.1f} s old was forgotten")
        check(all(len(of_id) == 1 for of_id in keys.values()), "every duplicate has its first one's Idempotency-Key")
    note(f"{total / 2 / KILLS:.2f} duplicates a kill and target")
