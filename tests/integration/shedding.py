# SPDX-License-Identifier: Apache-2.0
"""More than can be done: senders wait for a moment, then they are turned away until there is room."""
import concurrent.futures
import time

from harness import check, equal, event, post_event, wait_until


def test_senders_hear_503_while_memory_is_full_and_are_let_in_again(place):
    sink = place.sink("--delay", "4s")
    bus = place.simple_bus(sink, limits={"memory": "4MiB", "settle_deadline": "60s"}).start()
    accepted, refused, slowest = 0, None, 0.0
    for number in range(60):
        begin = time.monotonic()
        answer = bus.post(event(str(number), data="x" * 200_000))
        slowest = max(slowest, time.monotonic() - begin)
        if answer.status != 202:
            refused = answer
            break
        accepted += 1
    check(refused is not None, f"all {accepted} were accepted")
    equal(refused.status, 503)
    check(int(refused.headers["retry-after"]) >= 1, refused.headers)
    check("limits.memory" in refused.problem()["detail"], refused)
    check(accepted >= 5, accepted)
    check(slowest < 3.5, f"nobody waits for the sink: {slowest:.1f} s")
    begin = time.monotonic()
    equal(bus.post(event("at the door")).status, 503)
    check(time.monotonic() - begin < 0.5, "at once")
    metrics = bus.metrics()
    equal(metrics['turnout_shedding{reason="memory"}'], 1)
    check(metrics['turnout_source_shed_total{source="web"}'] >= 1)
    check("senders are turned away: memory" in place.run("status", "-c", bus.path("turnout.yaml"))[1])
    wait_until(lambda: bus.post(event("later")).status == 202, 15, what="senders to be let in again")
    wait_until(bus.settled, 20, what="all deliveries")
    equal(len(sink.ids()), accepted + 1)
    log = bus.process.output()
    equal((log.count("senders are turned away"), log.count("senders are let in again")), (1, 1), "one episode, two lines")
    bus.check_books()


def test_a_burst_only_waits(place):
    sink = place.sink("--delay", "100ms")
    bus = place.simple_bus(sink, mode="sync", limits={"memory": "4MiB"}).start()
    with concurrent.futures.ThreadPoolExecutor(12) as senders:
        answers = senders.map(lambda number: post_event(bus.port, event(str(number), data="x" * 500_000)).status, range(12))
        equal(list(answers), [200] * 12)
    check(bus.metrics()["turnout_offers_full_total"] > 0, "there was not room for all at once")
    equal(bus.metrics()['turnout_source_shed_total{source="web"}'], 0)
