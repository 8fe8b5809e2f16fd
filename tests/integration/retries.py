# SPDX-License-Identifier: Apache-2.0
"""Retry policies as a target sees them: how often, with which key, over restarts."""
import json
import time

from harness import check, equal, event, wait_until

FAST = {"profile": "fast", "base": "100ms", "cap": "400ms"}


def attempts(sink, id):
    return [line for line in sink.lines() if line["id"] == id]


def test_failures_are_repeated_with_the_same_key_and_a_rising_attempt(place):
    sink = place.sink("--fail-first", 2)
    bus = place.simple_bus(sink, target={"retry": FAST}).start()
    equal(bus.post(event("1")).status, 202)
    wait_until(lambda: "1" in sink.ids(), what="delivery")
    lines = attempts(sink, "1")
    equal([line["status"] for line in lines], [503, 503, 200])
    equal(len({line["key"] for line in lines}), 1, "one key")
    equal(len(lines[0]["key"]), 26)
    equal([line["attempt"] for line in lines], ["1", "2", "3"])


def test_sync_mode_answers_when_it_is_delivered(place):
    sink = place.sink()
    bus = place.simple_bus(sink, mode="sync").start()
    equal(bus.post(event("1")).status, 200)
    equal(sink.ids(), {"1"})


def test_sync_mode_answers_502_for_a_dead_letter(place):
    sink = place.sink("--fail", 1, "--status", 422)
    bus = place.simple_bus(sink, mode="sync").start()
    equal(bus.post(event("1")).status, 502)
    equal(len(sink.lines()), 1, "a permanent refusal is not repeated")


def test_sync_mode_answers_504_when_the_target_was_silent(place):
    sink = place.sink("--delay", "5s")
    bus = place.simple_bus(sink, mode="sync", target={"timeout": "200ms", "retry": {"max_retries": 0}}).start()
    equal(bus.post(event("1")).status, 504)
    equal(bus.metrics()["turnout_deliveries_dead_total"], 1)
    bus.check_books()


def test_sync_mode_answers_202_when_some_of_it_waits_in_the_store(place):
    sink = place.sink("--fail", 1)
    bus = place.simple_bus(sink, mode="sync", target={"retry": {"base": "1h", "cap": "1h"}}).start()
    equal(bus.post(event("1")).status, 202)
    metrics = bus.metrics()
    equal((metrics["turnout_deliveries_parked"], metrics["turnout_deliveries_dead_total"]), (1, 0))
    bus.kill()  # what was answered 202 is durable
    bus.start()
    equal(bus.metrics()["turnout_deliveries_parked"], 1)
    bus.check_books()


def test_max_retries_means_three_over_restarts(place):
    sink = place.sink("--fail", 1)
    bus = place.simple_bus(sink, target={"retry": {**FAST, "base": "700ms", "cap": "700ms", "max_retries": 3}}).start()
    equal(bus.post(event("1")).status, 202)
    for seen in (1, 2, 3):
        wait_until(lambda: len(sink.lines()) >= seen, what=f"attempt {seen}")
        wait_until(lambda: bus.metrics()["turnout_retries_total"] == 1, what="its failure")
        time.sleep(0.1)  # which is written before the next attempt may begin
        bus.kill()
        bus.start()
    wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] == 1, what="the dead letter")
    time.sleep(1)
    lines = sink.lines()
    # A crash may swallow the result of an attempt under way, which is then not counted: at most one more a crash. Here each crash
    # came while nothing was under way, so it is exact.
    equal(len(lines), 4, "1 attempt and 3 retries")
    equal(len({line["key"] for line in lines}), 1, "one key")


def test_retry_after_is_kept(place):
    sink = place.sink("--fail-first", 1, "--retry-after", "2s")
    bus = place.simple_bus(sink, target={"retry": FAST}).start()
    begin = time.monotonic()
    equal(bus.post(event("1")).status, 202)
    wait_until(lambda: "1" in sink.ids(), what="delivery")
    check(time.monotonic() - begin >= 1.9, "the second attempt waited", time.monotonic() - begin)


def test_retry_after_holds_the_whole_target(place):
    sink = place.sink("--fail-first", 1, "--retry-after", "2s")
    bus = place.simple_bus(sink, target={"retry": FAST}).start()
    equal(bus.post(event("1")).status, 202)
    wait_until(lambda: bus.metrics()['turnout_target_paused{target="sink"}'] == 1, what="the pause")
    begin = time.monotonic()
    equal(bus.post(event("2")).status, 202)
    wait_until(lambda: sink.ids() == {"1", "2"}, what="both deliveries")
    check(time.monotonic() - begin >= 1.5, "nothing else was tried meanwhile", sink.lines())


def test_a_long_wait_is_parked_and_survives_a_kill(place):
    sink = place.sink("--fail-first", 1)
    bus = place.simple_bus(sink, target={"retry": {"profile": "fast", "base": "2s", "cap": "2s"}}, limits={"park_after": "500ms"}).start()
    equal(bus.post(event("1")).status, 202)
    wait_until(lambda: bus.metrics()["turnout_deliveries_parked"] == 1, what="parking")
    bus.kill()
    bus.start()
    wait_until(lambda: "1" in sink.ids(), what="delivery")
    equal([line["attempt"] for line in sink.lines()], ["1", "2"])
    wait_until(bus.settled, what="the books to settle")
    bus.check_books()


def test_what_is_dropped_by_policy_is_counted_by_rule_and_target_and_answered_200(place):
    sink = place.sink("--fail", 1)
    drop = {"retry": {**FAST, "max_retries": 0, "on_exhausted": "drop"}}
    rules = [{"name": name, "pattern": {"type": [f"order.{name}"]}, "targets": ["sink"]} for name in ("one", "two", "none")]
    bus = place.bus(rules, targets=[{"name": "sink", "kind": "http", "url": sink.url(), **drop}])
    bus.config["sources"][0]["mode"] = "sync"
    bus.write_config()
    bus.start()
    for id, type in (("1", "one"), ("2", "two"), ("3", "two")):
        equal(bus.post(event(id, type=f"order.{type}")).status, 200)
    metrics = bus.metrics()
    dropped = {name: value for name, value in metrics.items() if name.startswith("turnout_rule_dropped_total") and value}
    equal(dropped, {f'turnout_rule_dropped_total{{rule="{rule}",target="sink"}}': value for rule, value in (("one", 1), ("two", 2))})
    equal(metrics["turnout_deliveries_dropped_total"], 3)
    equal(metrics["turnout_deliveries_dead_total"], 0)
    bus.check_books()


def test_a_target_that_is_gone_may_be_held(place):
    sink = place.sink("--fail-first", 1, "--status", 410)
    bus = place.simple_bus(sink, target={"disable_on_gone": True}).start()
    equal(bus.post(event("1")).status, 202)
    wait_until(lambda: bus.metrics()['turnout_target_breaker{target="sink"}'] == 2, what="the hold")
    equal(bus.post(event("2")).status, 202)
    wait_until(lambda: bus.metrics()["turnout_deliveries_parked"] == 2, what="both to be parked")
    equal([line["id"] for line in sink.lines()], ["1"], "nothing else was tried")
    equal(bus.metrics()["turnout_deliveries_dead_total"], 0)


def test_a_target_that_is_gone_makes_dead_letters_otherwise(place):
    sink = place.sink("--fail-first", 1, "--status", 410)
    bus = place.simple_bus(sink).start()
    equal(bus.post(event("1")).status, 202)
    wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] == 1, what="the dead letter")


def test_a_dead_target_does_not_slow_another(place):
    good, dead = place.sink(), place.sink("--delay", "10s", name="dead")
    bus = place.bus([{"name": "all", "pattern": {"type": ["order.created"]}, "targets": ["good", "dead"]}],
                    targets=[{"name": "good", "kind": "http", "url": good.url()},
                             {"name": "dead", "kind": "http", "url": dead.url(), "timeout": "1s", "max_in_flight": 2}]).start()
    for number in range(200):
        equal(bus.post(event(str(number))).status, 202)
    wait_until(lambda: len(good.ids()) == 200, 5, "the good target")


def test_each_target_has_its_own_key(place):
    sink = place.sink()
    bus = place.bus([{"name": "all", "pattern": {"type": ["order.created"]}, "targets": ["a", "b"]}],
                    targets=[{"name": name, "kind": "http", "url": sink.url()} for name in "ab"]).start()
    bus.post(event("1"))
    wait_until(lambda: len(sink.lines()) == 2, what="both deliveries")
    equal(len({line["key"] for line in sink.lines()}), 2)


def test_an_event_arrives_as_it_was_sent(place):
    sink = place.sink("--bodies")
    bus = place.simple_bus(sink).start()
    sent = event("1", subject="a b/ü", time="2026-01-02T03:04:05.123456789+01:00", datacontenttype="application/json",
                 dataschema="https://example.com/s#x", myext="50%", flag=True, number=-7,
                 data={"text": "ü\n", "number": 1.50, "list": [None, True]})
    equal(bus.post(sent).status, 202)
    wait_until(lambda: sink.ids(), what="delivery")
    got = sink.lines()[0]["event"]
    # Header values have no types: a boolean arrives as text.
    expected = {**sent, "flag": got["flag"], "number": got["number"]}
    equal((str(got["flag"]).lower(), str(got["number"])), ("true", "-7"))
    equal(json.dumps(got, sort_keys=True), json.dumps(expected, sort_keys=True))
