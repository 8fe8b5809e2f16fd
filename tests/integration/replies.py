# SPDX-License-Identifier: Apache-2.0
"""Functions that answer with events (`reply: bus`): what they answer goes back to the bus, durable before its parent counts."""
import json
import random
import time

from harness import check, equal, event, function, note, wait_until


def checked(call):
    """Answers order N with an event checked-N, in binary mode."""
    return 200, {"ce-specversion": "1.0", "ce-id": "checked-" + call.headers["ce-id"], "ce-source": "/checker", "ce-type": "order.checked",
                 "content-type": "application/json"}, b'{"ok": true}'


def bus_with(place, url, sink, **config):
    """Orders go to the function, its answers to the sink."""
    rules = [{"name": "orders", "pattern": {"type": ["order.created"]}, "targets": ["checker"]},
             {"name": "checked", "pattern": {"type": ["order.checked"]}, "targets": ["sink"]}]
    targets = [{"name": "checker", "kind": "http", "url": url, "reply": "bus", "retry": {"profile": "fast", "max_retries": 50}},
               {"name": "sink", "kind": "http", "url": sink.url(), "retry": {"profile": "fast", "max_retries": 50}}]
    return place.bus(rules, targets=targets, **config)


def dead_letters(place, bus):
    code, out, err = place.run("dlq", "list", "-c", bus.path("turnout.yaml"), "--json")
    equal(code, 0, err)
    return [json.loads(line) for line in out.splitlines()]


def test_an_answer_that_is_an_event_goes_back_to_the_bus(place):
    sink = place.sink()
    with function(checked) as (url, calls):
        bus = bus_with(place, url, sink).start()
        equal(bus.post(event("1")).status, 202)
        wait_until(lambda: "checked-1" in sink.ids(), what="the reply")
        wait_until(bus.settled, what="all is settled")
        equal(len(calls), 1)
        equal(calls[0].headers.get("Prefer"), "reply")
        metrics = bus.metrics()
        equal(metrics["turnout_replies_total"], 1)
        equal(metrics["turnout_deliveries_delivered_total"], 2)
        bus.check_books()


def test_a_structured_answer_does_too_and_other_bodies_do_not(place):
    sink = place.sink()

    def answer(call):
        if call.number == 1:
            return 200, {"content-type": "application/json"}, b'{"id": "no event"}'
        value = {"specversion": "1.0", "id": "s-" + call.headers["ce-id"], "source": "/checker", "type": "order.checked", "data": [1]}
        return 201, {"content-type": "application/cloudevents+json"}, json.dumps(value).encode()

    with function(answer) as (url, calls):
        bus = bus_with(place, url, sink).start()
        equal(bus.post(event("1")).status, 202)
        wait_until(lambda: len(calls) == 1, what="the first call")
        equal(bus.post(event("2")).status, 202)
        wait_until(lambda: sink.ids() == {"s-2"}, what="the reply")
        wait_until(bus.settled, what="all is settled")
        equal(bus.metrics()["turnout_replies_total"], 1)


def test_a_call_that_is_repeated_repeats_the_keys_of_its_replies(place):
    sink = place.sink()
    with function(checked) as (url, calls):
        bus = bus_with(place, url, sink)
        bus.config["sources"][0]["dedup"] = "off"
        bus.write_config()
        bus.start()
        for _ in range(2):  # the same event twice: its delivery has the same id
            equal(bus.post(event("1")).status, 202)
        wait_until(lambda: len(sink.lines()) == 2, what="both replies")
        equal(calls[0].headers["Idempotency-Key"], calls[1].headers["Idempotency-Key"])
        equal(len({line["key"] for line in sink.lines()}), 1, "one key")


def test_a_loop_of_replies_ends_as_a_dead_letter(place):
    sink = place.sink()

    def again(call):
        return 200, {"ce-specversion": "1.0", "ce-id": f"again-{call.number}", "ce-source": "/loop", "ce-type": "order.created"}, b""

    with function(again) as (url, calls):
        bus = bus_with(place, url, sink).start()
        equal(bus.post(event("1")).status, 202)
        wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] == 1, what="the dead letter")
        wait_until(bus.settled, what="all is settled")
        equal(len(calls), 9, "the event and eight replies")
        equal([call.headers.get("ce-turnouthops") for call in calls], [None, *map(str, range(1, 9))])
        letter = dead_letters(place, bus)[0]
        equal(letter["error"]["code"], "REPLY_LOOP")
        equal(letter["event"]["id"], "again-9")
        equal(bus.metrics()["turnout_reply_loop_total"], 1)


def test_hops_that_an_event_brings_along_count(place):
    sink = place.sink()
    with function(checked) as (url, calls):
        bus = bus_with(place, url, sink, limits={"reply_hops": 3}).start()
        equal(bus.post(event("1", turnouthops=2)).status, 202)
        wait_until(lambda: sink.ids() == {"checked-1"}, what="the reply that is the third")
        equal(bus.post(event("2", turnouthops=3)).status, 202)
        wait_until(lambda: bus.metrics()["turnout_reply_loop_total"] == 1, what="the fourth, as a dead letter")
        letter = dead_letters(place, bus)[0]
        equal((letter["error"]["code"], letter["event"]["id"]), ("REPLY_LOOP", "checked-2"))
        equal(sink.ids(), {"checked-1"})


def test_an_answer_that_only_says_it_is_an_event_is_a_dead_letter_with_the_reason(place):
    sink = place.sink()
    with function(lambda call: (200, {"ce-specversion": "1.0", "ce-type": "x"}, b"")) as (url, calls):
        bus = bus_with(place, url, sink).start()
        equal(bus.post(event("1")).status, 202)
        wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] == 1, what="the dead letter")
        equal(len(calls), 1, "it is not called again")
        letter = dead_letters(place, bus)[0]
        equal(letter["error"]["code"], "REPLY_INVALID")
        code, out, _ = place.run("dlq", "show", letter["id"], "-c", bus.path("turnout.yaml"))
        equal(code, 0)
        check("ce-id" in out or '"id"' in out, "it names what is missing", out)


def test_no_reply_is_lost_when_the_bus_is_killed(place):
    sink = place.sink()
    with function(checked) as (url, calls):
        bus = bus_with(place, url, sink).start()
        sent, dice = set(), random.Random(7)
        for round in range(5):
            for i in range(40):
                id = f"{round}-{i}"
                if bus.post(event(id)).status == 202:
                    sent.add("checked-" + id)
            time.sleep(dice.random() * 0.1)
            bus.kill()
            bus.start()
        wait_until(lambda: sink.ids() >= sent, limit=30, what="all replies")
        wait_until(bus.settled, limit=30, what="all is settled")
        bus.check_books()
        note(f"{len(sent)} events, 5 kills: 0 replies lost, {len(sink.lines()) - len(sink.ids())} delivered twice")
        keys = {}
        for line in sink.lines():
            keys.setdefault(line["id"], set()).add(line["key"])
        check(all(len(of_one) == 1 for of_one in keys.values()), "a repeated reply has its first key")
