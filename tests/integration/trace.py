# SPDX-License-Identifier: Apache-2.0
"""`turnout trace ID`: one event's story, of a running bus and of a stopped one."""
import json

from harness import check, equal, event, wait_until

FAST = {"profile": "fast", "base": "100ms", "cap": "200ms"}
DEAD_ROWS = 'turnout_store_rows{state="dead"}'
DEAD_AT_ONCE = {"retry": {"profile": "fast", "max_retries": 0}}


def trace(bus, id):
    """(exit code, report)"""
    code, out, err = bus.place.run("trace", "-c", bus.path("turnout.yaml"), "--json", id)
    check(out, f"no report: {err}")
    return code, json.loads(out)


def told(bus, id):
    code, report = trace(bus, id)
    equal(code, 0)
    return report["stories"]


def only_delivery(bus, id):
    stories = told(bus, id)
    equal(len(stories), 1, "stories")
    equal(len(stories[0]["deliveries"]), 1, "deliveries")
    return stories[0]["deliveries"][0]


def words(delivery):
    return [step["what"] for step in delivery["steps"]]


def test_the_story_of_a_delivery_that_failed_twice(place):
    sink = place.sink("--fail-first", 2)
    bus = place.simple_bus(sink, target={"retry": FAST}).start()
    bus.post(event("e-1"))
    wait_until(lambda: "e-1" in sink.ids(), what="delivery")
    delivery = wait_until(lambda: (found := only_delivery(bus, "e-1"))["state"] == "delivered" and found, what="its end")
    equal(words(delivery), ["attempt", "retry", "attempt", "retry", "delivered"])
    equal([delivery["rule"], delivery["target"], delivery["delivery"]], ["all", "sink", sink.lines()[0]["key"]])
    equal([step.get("status") for step in delivery["steps"]], [503, 503, 503, 503, 200])
    equal([step["attempt"] for step in delivery["steps"] if "attempt" in step], [1, 2, 3])
    check(all(step["latency_ms"] >= 0 for step in delivery["steps"] if step["what"] in ("attempt", "delivered")), delivery)
    check(all("next_at" in step for step in delivery["steps"] if step["what"] == "retry"), delivery)
    story = told(bus, "e-1")[0]
    equal([story["id"], story["source"], story["type"], story["origin"]["name"]], ["e-1", "/shop", "order.created", "web"])
    check("event" not in story, "payloads are off by default")
    equal(only_delivery(bus, delivery["delivery"]), delivery, "by its delivery id")


def test_it_is_told_after_the_bus_stopped_and_after_a_kill(place):
    sink = place.sink("--fail-first", 1)
    bus = place.simple_bus(sink, target={"retry": FAST}).start()
    bus.post(event("e-1"))
    wait_until(lambda: "e-1" in sink.ids() and only_delivery(bus, "e-1")["state"] == "delivered", what="its end")
    before = only_delivery(bus, "e-1")
    bus.stop()
    equal(words(only_delivery(bus, "e-1")), words(before))
    bus.start()
    bus.kill()
    equal(words(only_delivery(bus, "e-1")), words(before))
    code, out, _ = place.run("audit", "-c", bus.path("turnout.yaml"))
    equal(code, 0, out)


def test_what_went_well_at_once_is_not_kept_by_default(place):
    sink = place.sink()
    bus = place.simple_bus(sink).start()
    bus.post(event("e-1"))
    wait_until(lambda: "e-1" in sink.ids(), what="delivery")
    wait_until(bus.settled, what="rest")
    code, report = trace(bus, "e-1")
    equal([code, report["stories"]], [1, []])
    code, out, _ = place.run("trace", "-c", bus.path("turnout.yaml"), "e-1")
    check(code == 1 and "trace.events: all" in out, out)


def test_all_keeps_that_too_and_what_no_rule_matched_and_payloads(place):
    sink = place.sink()
    bus = place.bus([{"name": "orders", "pattern": {"type": ["order.created"]}, "targets": ["sink"]}],
                    targets=[{"name": "sink", "kind": "http", "url": sink.url()}],
                    trace={"events": "all", "payloads": True}).start()
    bus.post(event("e-1", data={"total": 7}))
    bus.post(event("e-2", type="nobody.wants"))
    wait_until(lambda: trace(bus, "e-1")[0] == 0 and trace(bus, "e-2")[0] == 0, what="the stories")
    equal(words(only_delivery(bus, "e-1")), ["delivered"])
    equal(told(bus, "e-1")[0]["event"]["data"], {"total": 7})
    check("unmatched_at" in told(bus, "e-2")[0], told(bus, "e-2"))
    _, out, _ = place.run("trace", "-c", bus.path("turnout.yaml"), "e-2")
    check("by no rule" in out, out)


def test_off_keeps_nothing(place):
    sink = place.sink("--fail", 1)
    bus = place.simple_bus(sink, target=DEAD_AT_ONCE, trace={"events": "off"}).start()
    bus.post(event("e-1"))
    wait_until(lambda: bus.metrics().get(DEAD_ROWS) == 1, what="the dead letter")
    equal(trace(bus, "e-1")[0], 1)


def test_an_id_that_two_sources_use_has_two_stories(place):
    sink = place.sink("--fail", 1)
    bus = place.simple_bus(sink, target=DEAD_AT_ONCE).start()
    for source in ("/shop", "/office"):
        bus.post(event("e-1", source=source))
    wait_until(lambda: len(told(bus, "e-1")) == 2, what="both stories")
    equal({story["source"] for story in told(bus, "e-1")}, {"/shop", "/office"})


def test_a_dead_letter_that_is_redriven_says_so(place):
    sink = place.sink("--fail-first", 1)
    bus = place.simple_bus(sink, target=DEAD_AT_ONCE).start()
    bus.post(event("e-1"))
    wait_until(lambda: bus.metrics().get(DEAD_ROWS) == 1, what="the dead letter")
    equal(only_delivery(bus, "e-1")["state"], "dead")
    code, out, err = place.run("dlq", "redrive", "-c", bus.path("turnout.yaml"), "--all", "--yes")
    equal(code, 0, out + err)
    wait_until(lambda: only_delivery(bus, "e-1")["state"] == "delivered", what="delivery")
    equal(words(only_delivery(bus, "e-1")), ["attempt", "dead", "redriven", "delivered"])


def test_a_story_for_people_is_aligned_and_has_its_times(place):
    sink = place.sink("--fail-first", 1)
    bus = place.simple_bus(sink, target={"retry": FAST}).start()
    bus.post(event("e-1"))
    wait_until(lambda: "e-1" in sink.ids() and only_delivery(bus, "e-1")["state"] == "delivered", what="its end")
    code, out, _ = place.run("trace", "-c", bus.path("turnout.yaml"), "e-1")
    equal(code, 0)
    lines = out.splitlines()
    check(lines[0].startswith("event    e-1  source /shop  type order.created"), out)
    check("rule all -> target sink: delivered" in out and "from web (http)" in out, out)
    steps = [line for line in lines if line.startswith("  20")]
    equal([line[39:52].strip() for line in steps], ["attempt 1", "retry", "delivered"], out)
    check("next try in" in steps[1] and "503" in steps[0] and "at attempt 2" in steps[2], out)


def test_bad_use_is_refused(place):
    sink = place.sink()
    bus = place.simple_bus(sink, trace={"events": "some"})
    code, _, err = place.run("trace", "-c", bus.path("turnout.yaml"), "x")
    check(code == 2 and "failed" in err, err)
    equal(place.run("trace")[0], 2)
