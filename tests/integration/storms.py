# SPDX-License-Identifier: Apache-2.0
"""What a rough night brings: reloads all the time, stores in use, ports taken, letters named twice. Most of it pays off under a sanitizer."""
import json
import os
import random
import signal
import subprocess
import time

from harness import SLOWNESS, TURNOUT, check, equal, event, free_port, note, wait_until

ALL = {"source": [{"exists": True}]}
RETRY = {"profile": "fast", "base": "20ms", "cap": "200ms", "max_retries": 100}


def send(bus, *words):
    return [TURNOUT, "send", bus.url(), *map(str, words)]


# --- Reloads ---

def rewrite(bus, sinks, rng, number):
    """Changes rules and targets in one of the ways that files change; some of them are refused."""
    path = bus.path("rules", "rules.yaml")
    targets = rng.choice((1, 2, 2))
    rules = [{"name": f"r{i}", "pattern": ALL, "targets": [f"t{i}"]} for i in range(rng.randint(1, targets))]
    way = rng.random()
    if way < 0.6:
        bus.config["targets"] = [{"name": f"t{i}", "kind": "http", "url": f"{sinks[i].url()}?v={number}", "retry": RETRY,
                                  "max_in_flight": rng.choice((1, 8, 64))} for i in range(targets)]
        bus.write_config()
        bus.write_rules(rules)
    elif way < 0.7:
        open(path, "w").close()
    elif way < 0.8:
        bus.write_rules("rules: [")
    elif way < 0.9:
        bus.write_rules(rules, "fresh.tmp")
        os.rename(bus.path("rules", "fresh.tmp"), path)
    else:
        os.remove(path)
        bus.write_rules(rules, "elsewhere")
        os.symlink("elsewhere", path)


def test_reloads_under_load_with_targets_coming_and_going_lose_nothing(place):
    rng = random.Random(7)
    sinks = [place.sink("--fail", "0.1", "--seed", i, name=f"sink{i}") for i in (0, 1)]
    bus = place.bus([{"name": "r0", "pattern": ALL, "targets": ["t0"]}], workers=2,
                    targets=[{"name": "t0", "kind": "http", "url": sinks[0].url(), "retry": RETRY}]).start()
    acks = place.path("acks")
    sender = place.start("sender", send(bus, "--count", 10000000, "--rate", 1000 / SLOWNESS, "-c", 16, "--retry", "--id-prefix", "e",
                                        "--ack-log", acks))
    for number in range(50):
        rewrite(bus, sinks, rng, number)
        bus.reload()
        time.sleep(0.06)
    sender.send(signal.SIGINT)
    sender.wait()
    bus.config["targets"] = [{"name": f"t{i}", "kind": "http", "url": sinks[i].url(), "retry": RETRY} for i in (0, 1)]
    bus.write_config()
    bus.write_rules([{"name": f"r{i}", "pattern": ALL, "targets": [f"t{i}"]} for i in (0, 1)])
    bus.reload()
    wait_until(bus.settled, 20, "all that was accepted to be delivered")
    bus.check_books()
    acked = {line.strip() for line in open(acks)}
    metrics = bus.metrics()
    note(f"{metrics['turnout_reloads_total']:.0f} reloads, {metrics['turnout_reload_errors_total']:.0f} refused, {len(acked)} acknowledged")
    equal(acked - sinks[0].ids(), set(), "lost")
    equal(bus.stop(), 0, bus.process.output()[-2000:])


def test_a_reload_keeps_delivery_ids(place):
    sink = place.sink()
    bus = place.simple_bus(sink, workers=2).start()
    for number in range(5):
        bus.config["targets"][0]["url"] = f"{sink.url()}?v={number}"
        bus.write_config()
        bus.reload()
        wait_until(lambda: bus.metrics()["turnout_reloads_total"] >= number + 1, what="the reload")
        equal(bus.post(event("same")).status, 202)
    wait_until(lambda: len(sink.lines()) == 5, what="the deliveries")
    equal(len({line["key"] for line in sink.lines()}), 1)


def test_a_reload_applies_address_rules_to_targets_that_did_not_change(place):
    sink = place.sink()
    bus = place.simple_bus(sink, target={"retry": {"max_retries": 0}}).start()
    bus.config["addresses"] = {"deny": ["127.0.0.0/8"]}
    bus.write_config()
    bus.reload()
    wait_until(lambda: bus.metrics()["turnout_reloads_total"] >= 1, what="the reload")
    equal(bus.post(event("1")).status, 202)
    wait_until(lambda: bus.metrics()["turnout_deliveries_in_hand{state=\"pending\"}"] == 0 and "ADDRESS_BLOCKED" in bus.process.output(),
               what="the attempt to be blocked")
    equal(sink.lines(), [])


