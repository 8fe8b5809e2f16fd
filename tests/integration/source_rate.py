# SPDX-License-Identifier: Apache-2.0
"""A source's rate: what is more hears 429 with Retry-After, and nothing that was answered 202 is lost."""
import json
import os
import time

from harness import SLOWNESS, TURNOUT, check, equal, event, request, wait_until


def start_bus(place, sink, rate, **source):
    bus = place.simple_bus(sink, workers=2)
    bus.config["sources"][0].update({"rate": rate, **source})
    bus.write_config()
    return bus.start()


def post_batch(bus, ids):
    body = json.dumps([event(id) for id in ids]).encode()
    return request(bus.port, headers={"Content-Type": "application/cloudevents-batch+json"}, body=body)


def over_rate(bus):
    return bus.metrics()['turnout_source_over_rate_total{source="web"}']


def test_what_is_over_the_rate_hears_429_and_when_to_come_again(place):
    sink = place.sink()
    bus = start_bus(place, sink, "6/m", burst=3)
    answers = [bus.post(event(str(number))) for number in range(5)]
    equal([answer.status for answer in answers], [202, 202, 202, 429, 429])
    check(8 <= int(answers[3].headers["retry-after"]) <= 10, answers[3].headers)
    check("rate, 6/m" in answers[3].problem()["detail"], answers[3])
    wait_until(lambda: len(sink.ids()) == 3, what="the deliveries")
    wait_until(bus.settled, what="the end")
    equal(over_rate(bus), 2)
    equal(bus.metrics()['turnout_source_refused_total{source="web"}'], 2)
    status = json.loads(place.run("status", "-c", bus.path("turnout.yaml"), "--json")[1])
    equal((status["sources"][0]["rate"], status["sources"][0]["over_rate"]), ("6/m", 2))
    check("of them over 6/m 2" in place.run("status", "-c", bus.path("turnout.yaml"))[1])
    bus.check_books()


def test_a_batch_counts_its_events_and_one_larger_than_the_burst_passes_alone(place):
    sink = place.sink()
    bus = start_bus(place, sink, "20/s", burst=10)
    equal(post_batch(bus, [f"a{number}" for number in range(25)]).status, 202, "the bucket is full")
    begin = time.monotonic()
    answer = post_batch(bus, ["b"])
    equal(answer.status, 429)
    equal(int(answer.headers["retry-after"]), 1)
    wait_until(lambda: post_batch(bus, ["b"]).status == 202, 10, "what was too much to be made good")
    check(0.5 < time.monotonic() - begin < 5 * SLOWNESS, "16 events at 20 a second", time.monotonic() - begin)
    equal(post_batch(bus, [f"c{number}" for number in range(10)]).status, 429, "all or nothing")
    wait_until(lambda: len(sink.ids()) == 26, what="the deliveries")
    check(not any(id.startswith("c") for id in sink.ids()), sink.ids())


def test_a_sender_that_heeds_retry_after_gets_everything_in_at_the_rate(place):
    sink = place.sink()
    bus = start_bus(place, sink, "100/s", burst=50)
    begin = time.monotonic()
    code, out, errors = place.run("send", bus.url(), "--count", "350", "--connections", "8", "--retry", "--json", limit=60)
    seconds = time.monotonic() - begin
    equal(code, 0, errors)
    check(2.9 < seconds < 20 * SLOWNESS, "300 events at 100 a second after a burst of 50", seconds)
    wait_until(lambda: len(sink.ids()) == 350, what="the deliveries")
    check(over_rate(bus) > 0, "some were turned away")
    equal([line for line in sink.lines() if line["duplicate"]], [], "nothing was taken and then refused")
    bus.check_books()


def test_a_kill_and_a_rate_lose_nothing(place):
    sink = place.sink()
    bus = start_bus(place, sink, "500/s", burst=100)
    acks = place.path("acks")
    sender = place.start("sender", [TURNOUT, "send", bus.url(), "--count", "2000", "--connections", "8", "--retry", "--give-up", "60s",
                                    "--ack-log", acks])

    def acked():
        return {line.strip() for line in open(acks)} if os.path.exists(acks) else set()
    for _ in range(3):
        before = len(acked())
        wait_until(lambda: len(acked()) > before + 100, what="more to be acknowledged")
        check(sender.running(), "the kill comes in the middle")
        bus.kill()
        bus.start()
    sender.wait()
    wait_until(bus.settled, 20, "the end")
    equal(len(acked()), 2000)
    equal(acked() - sink.ids(), set(), "lost")


def test_a_changed_rate_needs_a_restart_and_says_so(place):
    sink = place.sink()
    bus = start_bus(place, sink, "6/m", burst=1)
    equal(bus.post(event("a")).status, 202)
    bus.config["sources"][0]["rate"] = "1000/s"
    bus.write_config()
    bus.reload()
    wait_until(lambda: "changed sources need a restart" in bus.process.output(), what="the warning")
    equal(bus.post(event("b")).status, 429)
