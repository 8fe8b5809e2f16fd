# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments under load: nothing acknowledged is lost, duplicates are few and recognisable.

TURNOUT_TEST_KILLS sets how often [200]; TURNOUT_TEST_SEED repeats a run's moments.
"""
import json
import os
import random
import time

from harness import SLOWNESS, check, equal, note, wait_until

TIMEOUT = 420
KILLS = int(os.environ.get("TURNOUT_TEST_KILLS", "200"))
CONNECTIONS = 8
IN_FLIGHT = 16
BATCH = 256  # operations in one group commit: settlements that a crash may forget


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


def duplicates_after(lines, kills):
    """How many duplicates fall between each kill and the next."""
    from datetime import datetime
    times = [datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp() for line in lines if line["duplicate"]]
    return [sum(1 for at in times if begin - 0.001 <= at < end) for begin, end in zip(kills, [*kills[1:], float("inf")])]


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
        after = duplicates_after(lines, kills)
        bound = CONNECTIONS + IN_FLIGHT + BATCH
        keys = {}
        for line in lines:
            keys.setdefault(line["id"], set()).add(line["key"])
        total += sum(after)
        note(f"seed {seed}, {KILLS} kills, {sink.process.name}: {len(acked)} acknowledged, {len(lost)} lost, {sum(after)} duplicates, "
             f"at most {max(after)} after one kill (bound {bound}), {sent['tries']['unanswered']} requests unanswered, "
             f"{sum(line['status'] == 503 for line in lines)} attempts failed by the sink")
        equal(lost, set(), "lost")
        check(max(after) <= bound, f"{max(after)} duplicates after one kill, the bound is {bound}")
        check(all(len(of_id) == 1 for of_id in keys.values()), "every duplicate has its first one's Idempotency-Key")
        equal(sum(line["duplicate"] for line in lines), sum(after), "no duplicate came without a kill before it")
    note(f"{total / 2 / KILLS:.2f} duplicates a kill and target")
