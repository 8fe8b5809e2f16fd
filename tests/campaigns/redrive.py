#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Dead letters redriven at full rate, with kills in the middle: each is delivered or still in the queue, never both, never neither.

Two targets reject everything until there are 100,000 dead letters (10,000 in the short form); then the one of nine in ten takes them,
the other goes on rejecting. They are redriven at --rate max. Again and again the bus is killed in the middle, or the command, or both;
or the bus is stopped and the command works on its store, and is killed. Then the redrive is taken up again. In the end, when nothing
moves any more, what the targets took and what the queue holds are all of them, without overlap; every repetition has its first one's
key.
"""
import sys
import time

from campaign import (QUICK_BREAKER, QUICK_RETRY, SLOWNESS, TURNOUT, audit, check, check_one_key_each, count_duplicates, dead_letters,
                      equal, main, settle, wait_until)

NAME = "redrive"
LETTERS, SHORT_LETTERS = 100_000, 10_000
KILLS, SHORT_KILLS = 12, 4


def make_dead_letters(place, count):
    """Answers the bus with them, and the port of the target that will be well."""
    sick, never = (place.sink("--fail", 1, "--status", 422, name=name) for name in ("sick", "never"))
    bus = place.bus([{"name": type, "pattern": {"type": [type]}, "targets": [type]} for type in ("sick", "never")], log={"level": "error"},
                    store={"path": "store", "max_size": "1GiB"},
                    targets=[{"name": sink.process.name, "kind": "http", "url": sink.url(), "breaker": QUICK_BREAKER, "max_in_flight": 128,
                              "retry": QUICK_RETRY} for sink in (sick, never)]).start()
    senders = [place.start(f"send-{type}", [TURNOUT, "send", bus.url(), "--count", str(share), "-c", str(connections), "--size", "200",
                                            "--id-prefix", type, "--type", type, "--retry"])
               for type, share, connections in (("sick", count * 9 // 10, 27), ("never", count // 10, 3))]
    for sender in senders:
        equal(sender.wait(300), 0, sender.output())
    wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] == count, 120, f"{count} dead letters")
    sick.process.kill()
    return bus, sick.port


def start_redrive(place, bus, number):
    """Takes up the last one, or begins another when there is none to take up."""
    config = bus.path("turnout.yaml")
    code, _, _ = place.run("dlq", "redrive", "--resume", "--detach", "-c", config) if number else (1, "", "")
    if code == 0:
        return None
    return place.start(f"redrive{number}", [TURNOUT, "dlq", "redrive", "--all", "--rate", "max", "-c", config])


def kill_in_the_middle(place, bus, rng, number):
    command = start_redrive(place, bus, number)
    time.sleep(rng.uniform(0.02, 0.6) * SLOWNESS)
    if command and rng.random() < 0.3:
        command.kill()
        time.sleep(rng.uniform(0, 0.2))
    bus.kill()
    if command:
        command.kill()
    if rng.random() < 0.3:  # meanwhile somebody redrives what lies in the store
        offline = start_redrive(place, bus, number + 1000)
        if offline:
            time.sleep(rng.uniform(0, 0.3))
            offline.kill()
    bus.start()


def finish(place, bus):
    """Redrives without a kill what is left, once."""
    wait_until(lambda: not is_running(place, bus), 120, "the task under way to end")
    code, out, errors = place.run("dlq", "redrive", "--all", "--rate", "max", "-c", bus.path("turnout.yaml"), limit=300)
    check(code in (0, 1, 3), f"the last redrive: {code} {out}{errors}")


def is_running(place, bus):
    code, out, errors = place.run("dlq", "status", "-c", bus.path("turnout.yaml"), "--json")
    check(code in (0, 1), f"dlq status: {out}{errors}")
    return '"running"' in out


def run(place, rng, short):
    count = SHORT_LETTERS if short else LETTERS
    bus, port = make_dead_letters(place, count)
    well = place.sink(name="well", port=port)
    kills = SHORT_KILLS if short else KILLS
    for number in range(kills):
        kill_in_the_middle(place, bus, rng, number)
    finish(place, bus)
    settle(bus, 120)
    letters = dead_letters(place, bus)
    equal(bus.stop(), 0, bus.process.output()[-500:])
    audit(place, bus)
    everything = {f"sick-{number}" for number in range(count * 9 // 10)} | {f"never-{number}" for number in range(count // 10)}
    queued, taken = {letter["event"]["id"] for letter in letters}, well.ids()
    equal(len(letters), len(queued), "letters of different events")
    equal(everything - queued - taken, set(), "neither delivered nor in the queue")
    equal(queued & taken, set(), "both delivered and in the queue")
    check(all(id.startswith("sick") for id in taken) and len(queued) >= count // 10, f"{len(taken)} taken, {len(queued)} queued")
    check_one_key_each(well.lines())
    return {"tries": kills, "letters": count, "lost": 0, "both": 0, "duplicates": count_duplicates(well.lines()), "delivered": len(taken),
            "queued": len(queued)}


if __name__ == "__main__":
    main(sys.modules[__name__])
