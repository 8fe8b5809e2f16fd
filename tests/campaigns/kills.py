#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments under load: nothing acknowledged is lost, duplicates are few and recognisable.

Two targets that fail now and then, eight connections that repeat what got no answer. The bus is killed after a random while, now and
then again while it starts. In the end every acknowledged event is at both targets; a duplicate comes only after a kill, with its first
one's Idempotency-Key, and what it repeats was accepted shortly before that kill: no settlement that had time to be committed was
forgotten. After one kill a target sees at most as many as requests were unanswered, attempts under way, and settlements not yet
committed: of these there are at most 1,024 with which an attempt may start (engine.h: max_uncommitted; attempts wait beyond).
"""
import bisect
import sys
import time

from campaign import QUICK_BREAKER, QUICK_RETRY, SLOWNESS, Load, check, check_one_key_each, equal, main, settle, time_of

NAME = "kills"
KILLS = 50
SHORT_KILLS = 100
IN_FLIGHT = 16
# tn_engine_config_default.max_uncommitted: with so many settlements that are not on disk yet no attempt starts. So at any instant those
# and the attempts under way are together at most this and IN_FLIGHT.
UNCOMMITTED = 1024
FORGOTTEN_AGE = 2.0  # seconds; a settlement older than that must be on disk


def kill_and_start(bus, rng):
    """Kills it after a random while, now and then a long one, and also in the middle of starting; answers when it was killed."""
    time.sleep(rng.uniform(1, 3) if rng.random() < 0.03 else rng.uniform(0, 0.45) * SLOWNESS)
    kills = [time.time()]
    bus.kill()
    if rng.random() < 0.1:
        bus.launch()
        time.sleep(rng.uniform(0, 0.03))
        kills.append(time.time())
        bus.kill()
    bus.start()
    return kills


def forgotten_age(accepted, again, kills):
    """How old the settlement of what was accepted then was when a kill had it forgotten: the first one after it."""
    kill = bisect.bisect_right(kills, accepted)
    return kills[kill] - accepted if kill < len(kills) and kills[kill] < again else 0.0


def duplicates_after(lines, kills):
    """How many duplicates came after each kill and before the next, and the age of the oldest settlement forgotten. A duplicate that
    no kill explains is a failure."""
    counts, age, accepted = [0] * len(kills), 0.0, {}
    for line in lines:
        if line["status"] >= 300:
            continue
        if line["duplicate"]:
            kill = bisect.bisect_right(kills, time_of(line) + 0.001) - 1  # the log cuts off microseconds
            check(kill >= 0, "a duplicate without a kill before it:", line)
            counts[kill] += 1
            age = max(age, forgotten_age(accepted[line["id"]], time_of(line), kills))
        accepted[line["id"]] = time_of(line)
    return counts, age


def start_bus(place, rng):
    sinks = [place.sink("--fail", "0.1", "--retry-after", "1s", "--retry-after-rate", "0.002", "--seed", rng.randrange(1 << 31),
                        name=f"sink{number}") for number in (0, 1)]
    bus = place.bus([{"name": "all", "pattern": {"type": ["turnout.test"]}, "targets": ["t0", "t1"]}],
                    targets=[{"name": f"t{number}", "kind": "http", "url": sink.url(), "max_in_flight": IN_FLIGHT,
                              "retry": QUICK_RETRY, "breaker": QUICK_BREAKER} for number, sink in enumerate(sinks)],
                    log={"level": "warn"}).start()
    return bus, sinks


def check_sink(sink, acked, kills, connections):
    """Answers the duplicates after each kill, and the age of the oldest settlement forgotten."""
    lines = sink.lines()
    equal(acked - sink.ids(), set(), f"lost at {sink.process.name}")
    after, age = duplicates_after(lines, kills)
    bound = connections + IN_FLIGHT + UNCOMMITTED
    check(max(after) <= bound, f"{max(after)} duplicates after one kill, the bound is {bound}")
    check(age <= FORGOTTEN_AGE * SLOWNESS, f"a settlement {age:.1f} s old was forgotten")
    check_one_key_each(lines)
    return after, age


def run(place, rng, short):
    bus, sinks = start_bus(place, rng)
    load = Load(place, bus, 1500)
    kills = []
    while len(kills) < (SHORT_KILLS if short else KILLS):
        kills += kill_and_start(bus, rng)
    time.sleep(0.3)
    sent = load.stop()
    settle(bus)
    equal(bus.stop(), 0, bus.process.output()[-500:])
    acked = load.acknowledged()
    check(len(acked) > len(kills), f"there was load: {sent}")
    found = [check_sink(sink, acked, kills, load.connections) for sink in sinks]
    return {"tries": len(kills), "acknowledged": len(acked), "lost": 0, "duplicates": sum(sum(after) for after, _ in found),
            "duplicates_max": max(max(after) for after, _ in found), "unanswered": sent["tries"]["unanswered"],
            "forgotten_ms_max": round(max(age for _, age in found) * 1000)}


if __name__ == "__main__":
    main(sys.modules[__name__])
