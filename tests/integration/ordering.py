# SPDX-License-Identifier: Apache-2.0
"""Ordering by key with the real binary: first successes keep the order of acceptance, over failures and kill -9."""
import json
import random
import time

from harness import check, equal, event, wait_until

FAST = {"profile": "fast", "base": "50ms", "cap": "200ms", "max_retries": 100, "max_age": "10m"}


def first_successes(sink):
    """{key: [number, ...]} in the order in which each event was accepted for the first time; ids are KEY-NUMBER."""
    seen, order = set(), {}
    for line in sink.accepted():
        if line["id"] in seen:
            continue
        seen.add(line["id"])
        key, _, number = line["id"].partition("-")
        order.setdefault(key, []).append(int(number))
    return order


def check_order(sink):
    for key, numbers in first_successes(sink).items():
        equal(numbers, sorted(numbers), f"first successes of key {key}")


def keyed(key, number):
    return event(f"{key}-{number}", partitionkey=key)


def test_keys_keep_their_order_over_failures_and_kills(place):
    sink = place.sink("--fail", 0.2)
    bus = place.simple_bus(sink, target={"ordering": "key", "retry": FAST}).start()
    random.seed(1)
    keys, sent = [f"k{i}" for i in range(6)], 0
    for run in range(4):
        for _ in range(60):
            equal(bus.post(keyed(keys[sent % 6], sent)).status, 202)
            sent += 1
        time.sleep(random.uniform(0.05, 0.4))
        if run < 3:
            bus.kill()
            bus.start()
    wait_until(lambda: len(sink.ids()) == sent, 60, "all deliveries")
    check_order(sink)
    wait_until(bus.settled, what="the bus to settle")
    bus.check_books()
    equal(bus.metrics()['turnout_target_lanes_waiting{target="sink"}'], 0)


def test_parked_keys_come_back_in_order_after_a_kill(place):
    sink = place.sink()
    port = sink.port
    sink.process.stop()
    bus = place.simple_bus(sink, target={"ordering": "key", "breaker": {"enabled": False}, "retry": {**FAST, "base": "1s", "cap": "1s"}},
                           limits={"park_after": "100ms"}).start()
    for number in range(40):
        equal(bus.post(keyed(f"k{number % 4}", number)).status, 202)
    wait_until(lambda: bus.metrics()["turnout_deliveries_parked"] == 40, 20, "all to be parked")
    bus.kill()
    again = place.sink(name="again", port=port)
    bus.start()
    wait_until(lambda: len(again.ids()) == 40, 40, "all deliveries")
    check_order(again)
    wait_until(bus.settled, what="the bus to settle")
    bus.check_books()


def test_a_failing_key_does_not_hold_up_others(place):
    slow, fine = place.sink("--fail", 1, name="slow"), None
    bus = place.simple_bus(slow, target={"ordering": "key", "breaker": {"enabled": False}, "retry": {**FAST, "base": "2s", "cap": "2s"}}).start()
    equal(bus.post(keyed("bad", 0)).status, 202)
    wait_until(lambda: len(slow.lines()) == 1, what="the first attempt")
    port = slow.port
    slow.process.stop()
    fine = place.sink(name="fine", port=port)
    equal(bus.post(keyed("bad", 1)).status, 202)
    began = time.monotonic()
    for number in range(20):
        equal(bus.post(keyed("good", number)).status, 202)
    wait_until(lambda: sum(id.startswith("good") for id in fine.ids()) == 20, what="the other key")
    check(time.monotonic() - began < 1.5 or "bad-0" in fine.ids(), "the other key waited for the one that backs off")
    wait_until(lambda: len(fine.ids()) == 22, what="the rest")
    check_order(fine)


def test_a_blocked_key_is_listed_and_released(place):
    sink = place.sink("--fail-first", 1, "--status", 422)
    target = {"ordering": {"key": "partitionkey"}, "retry": {**FAST, "on_exhausted": "dead_letter_and_block"}}
    bus = place.simple_bus(sink, target=target).start()
    config = ("-c", bus.path("turnout.yaml"))
    for number in range(3):
        equal(bus.post(keyed("a", number)).status, 202)
    wait_until(lambda: bus.metrics()['turnout_target_lanes_blocked{target="sink"}'] == 1, what="the block")
    bus.kill()
    bus.start()
    time.sleep(0.5)
    equal(len(sink.lines()), 1, "nothing starts in a blocked lane, after a kill neither")
    code, out, _ = place.run("lanes", "list", "--json", *config)
    equal(code, 0)
    lane = json.loads(out)["lanes"][0]
    equal(lane["target"], "sink")
    code, _, error = place.run("lanes", "release", "no-such-id", *config)
    equal(code, 1, error)
    code, out, error = place.run("lanes", "release", lane["dead_letter"], *config)
    equal((code, out), (0, "1 released\n"), error)
    wait_until(lambda: len(sink.lines()) == 2, what="the next of its key")  # which dies and blocks, too
    wait_until(lambda: bus.metrics()['turnout_target_lanes_blocked{target="sink"}'] == 1, what="the next block")
    code, out, _ = place.run("lanes", "list", "--json", *config)
    letter = json.loads(out)["lanes"][0]["dead_letter"]
    code, _, error = place.run("dlq", "redrive", letter, *config)
    equal(code, 0, error)
    wait_until(lambda: "a-1" in sink.ids(), what="the one that was redriven, before the one behind it")
    wait_until(lambda: len([line for line in sink.lines() if line["id"] == "a-2"]) == 1, what="the last")
    code, out, error = place.run("lanes", "release", "--all", *config)
    equal(code, 0, error)
    bus.check_books()


def test_turning_ordering_off_frees_blocked_and_parked_keys(place):
    sink = place.sink("--fail-first", 1, "--status", 422)
    ordered = {"ordering": "key", "retry": {**FAST, "on_exhausted": "dead_letter_and_block"}}
    bus = place.simple_bus(sink, target=ordered).start()
    for number in range(4):
        equal(bus.post(keyed("a", number)).status, 202)
    wait_until(lambda: bus.metrics()['turnout_target_lanes_blocked{target="sink"}'] == 1, what="the block")

    def configure(target):
        bus.config["targets"] = [{"name": "sink", "kind": "http", "url": sink.url(), **target}]
        bus.write_config()
        bus.reload()

    configure({"retry": FAST})
    wait_until(lambda: len(sink.lines()) == 4, what="those behind the block")
    check("target orders no more" in bus.process.output(), "the log says it")
    equal(bus.metrics()['turnout_target_lanes_blocked{target="sink"}'], 0)
    configure({"ordering": "key", "retry": FAST})
    wait_until(lambda: "orders by key from now on" in bus.process.output(), what="the reload")
    equal(bus.post(keyed("a", 4)).status, 202)
    wait_until(lambda: len(sink.lines()) == 5, what="the next of that key: ordering began afresh")
    bus.kill()
    bus.start()
    equal(bus.post(keyed("a", 5)).status, 202)
    wait_until(lambda: len(sink.lines()) >= 6, what="the same after a kill")  # and the one before, if the kill came before its end
    bus.check_books()
