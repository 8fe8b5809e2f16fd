# SPDX-License-Identifier: Apache-2.0
"""What a target may take: its circuit breaker opens, keeps attempts away, and closes by itself."""
import json
import time

from harness import check, equal, event, free_port, function, request, wait_until

FAST = {"profile": "fast", "base": "50ms", "cap": "200ms", "max_retries": 100}
BREAKER = {"failures": 3, "open": "400ms", "open_max": "400ms"}


def post_batch(bus, events):
    return request(bus.port, headers={"Content-Type": "application/cloudevents-batch+json"}, body=json.dumps(events).encode())


def target_of(place, bus, *verb):
    code, out, err = place.run("target", *(verb or ("status",)), "sink", "-c", bus.path("turnout.yaml"), "--json")
    equal(code, 0, err)
    return json.loads(out)


def test_a_dead_target_opens_its_breaker_which_closes_by_itself_when_it_is_back(place):
    port = free_port()
    sink = place.sink(port=port)
    sink.process.kill()
    bus = place.simple_bus(sink, target={"retry": FAST, "breaker": BREAKER}).start()
    for i in range(30):
        equal(bus.post(event(str(i))).status, 202)
    wait_until(lambda: target_of(place, bus)["breaker"]["state"] == "open", what="an open breaker")
    breaker = target_of(place, bus)["breaker"]
    check(breaker["opened"] >= 1 and breaker["code"] == "CONNECT", breaker)
    status = place.run("status", "-c", bus.path("turnout.yaml"))[1]
    check("breaker" in status, status)
    time.sleep(1)
    attempts = bus.metrics()["turnout_attempts_total"]
    check(attempts <= 30 + 10, "a probe now and then, instead of 30 deliveries every 200 ms", attempts)
    back = place.sink(port=port, name="sink-again")
    wait_until(lambda: len(back.ids()) == 30, what="all deliveries")
    wait_until(lambda: target_of(place, bus)["breaker"]["state"] == "closed", what="a closed breaker")
    wait_until(bus.settled, what="nothing in hand")
    bus.check_books()
    metrics = bus.metrics()
    equal(metrics["turnout_deliveries_delivered_total"], 30)
    equal(metrics["turnout_attempts_total"], metrics["turnout_retries_total"] + 30, "each attempt failed and was counted, or delivered")
    check("breaker of target closed" in bus.process.output(), bus.process.output()[-2000:])


def test_a_changed_credential_and_a_reload_end_the_hold_at_once(place):
    def is_right(call):
        return call.headers["Authorization"] == "Bearer right"

    with open(place.path("token-old"), "w") as file:
        file.write("wrong")
    with open(place.path("token-new"), "w") as file:
        file.write("right")
    with function(lambda call: (200 if is_right(call) else 401, {}, b"")) as (url, calls):
        bus = place.simple_bus(url, target={"auth": {"bearer": f"file:{place.path('token-old')}"}}).start()
        for i in range(5):
            equal(bus.post(event(str(i))).status, 202)
        wait_until(lambda: target_of(place, bus)["breaker"]["state"] == "open", what="the hold")
        equal(target_of(place, bus)["breaker"]["code"], "UNAUTHORIZED")
        check(len(calls) <= 10, "no more attempts than were under way", len(calls))
        begin = time.monotonic()
        bus.config["targets"][0]["auth"] = {"bearer": f"file:{place.path('token-new')}"}
        bus.write_config()
        bus.reload()
        wait_until(lambda: {call.headers["ce-id"] for call in calls if is_right(call)} == set("01234"), what="all deliveries")
        check(time.monotonic() - begin < 8, "not after the 30 s of the hold", time.monotonic() - begin)
        wait_until(bus.settled, what="nothing in hand")
        equal(bus.metrics()["turnout_deliveries_dead_total"], 0)
        bus.check_books()


def test_an_operator_opens_and_closes_a_breaker(place):
    sink = place.sink()
    bus = place.simple_bus(sink).start()
    equal(target_of(place, bus, "open")["breaker"], {"state": "open", "opened": 1, "code": "OPERATOR"})
    equal(bus.post(event("1")).status, 202)
    wait_until(lambda: bus.metrics()["turnout_deliveries_parked"] == 1, what="the delivery to be parked")
    equal(sink.lines(), [])
    equal(target_of(place, bus, "close")["breaker"]["state"], "closed")
    wait_until(lambda: sink.ids() == {"1"}, what="delivery")
    code, _, err = place.run("target", "open", "nobody", "-c", bus.path("turnout.yaml"))
    equal(code, 1)
    check("no target 'nobody'" in err, err)


def test_a_small_memory_starts_over_more_parked_deliveries_than_fit_into_it(place):
    ports = [free_port() for _ in range(4)]
    names = [f"t{i}" for i in range(4)]
    bus = place.bus([{"name": "all", "pattern": {"source": [{"exists": True}]}, "targets": names}], limits={"memory": "1MiB"},
                    targets=[{"name": name, "kind": "http", "url": f"http://127.0.0.1:{port}/", "breaker": BREAKER, "retry": FAST,
                              **({"ordering": "key"} if name == "t3" else {})} for name, port in zip(names, ports)]).start()
    for i in range(40):
        events = [event(f"{i}-{j}", partitionkey=str(j)) for j in range(25)]
        wait_until(lambda: post_batch(bus, events).status == 202, what="room")
    wait_until(lambda: bus.metrics()["turnout_deliveries_parked"] >= 3500, what="parked deliveries")
    bus.kill()
    bus.start()
    bus.check_books()
    sinks = [place.sink(name=name, port=port) for name, port in zip(names, ports)]
    wait_until(bus.settled, 30, what="all of them delivered")
    equal([len(sink.ids()) for sink in sinks], [1000] * 4, "delivered")
    bus.check_books()


def test_a_rate_holds_a_target_to_it_and_delivers_all(place):
    sink = place.sink()
    bus = place.simple_bus(sink, target={"rate": "20/s", "burst": 5}).start()
    begin = time.monotonic()
    for i in range(35):
        equal(bus.post(event(str(i))).status, 202)
    wait_until(lambda: len(sink.ids()) == 35, what="all deliveries")
    took = time.monotonic() - begin
    check(took >= 1.45, "5 at once, and 30 at 20 a second", took)
    metrics = bus.metrics()
    equal(metrics["turnout_retries_total"], 0, "waiting is no failure")
    equal(metrics["turnout_attempts_total"], 35)


def test_what_broke_off_ramps_after_a_restart(place):
    sink = place.sink("--fail-first", 2)
    bus = place.simple_bus(sink, target={"retry": {**FAST, "base": "2s", "cap": "2s"}, "breaker": {"enabled": False},
                                         "retry_budget": {"percent": 0, "per_second": 2}}).start()
    for i in range(8):
        equal(bus.post(event(str(i))).status, 202)
    wait_until(lambda: bus.metrics()["turnout_retries_total"] == 8, what="eight failures")
    time.sleep(0.3)
    bus.kill()
    time.sleep(2)
    begin = time.monotonic()
    bus.start()
    wait_until(lambda: len(sink.lines()) >= 16, what="eight second attempts")
    took = time.monotonic() - begin
    check(took >= 1.9, "two at once, then two a second, as long as they fail", took)
    wait_until(lambda: len(sink.ids()) == 8, what="all deliveries")
    check(bus.metrics()['turnout_target_retry_budget_waits_total{target="sink"}'] > 0, "some waited for it")
    bus.check_books()


def status_text(place, bus):
    return place.run("status", "-c", bus.path("turnout.yaml"))[1]


def test_status_says_what_holds_each_target(place):
    well, sick, dead = place.sink(name="well"), place.sink("--fail", 1, name="sick"), place.sink("--fail", 1, name="dead")
    bus = place.bus([{"name": "all", "pattern": {"source": [{"exists": True}]}, "targets": ["rated", "budget", "parked", "adaptive"]}],
                    targets=[{"name": "rated", "kind": "http", "url": well.url(), "rate": "1/m"},
                             {"name": "budget", "kind": "http", "url": sick.url(), "retry": FAST, "breaker": {"enabled": False},
                              "retry_budget": {"percent": 1, "per_second": 1}},
                             {"name": "parked", "kind": "http", "url": dead.url(), "retry": FAST, "breaker": BREAKER,
                              "max_parked_size": "4KiB"},
                             {"name": "adaptive", "kind": "http", "url": well.url(), "concurrency": "adaptive"}]).start()
    number = 0
    while bus.post(event(str(number), data="x" * 500)).status == 202:
        number += 1
        check(number < 100, "the park cap of 4 KiB is reached")
    text = wait_until(lambda: "wait for the retry budget" in status_text(place, bus) and status_text(place, bus), what="the budget")
    check("what is pending waits for its rate, 1/m" in text, text)
    check("as much is parked as may be" in text and "of 4.0 KiB): senders of what it should get hear 503" in text, text)
    check("/200" not in text, "adaptive: what it may have now, not what it might", text)
    check("park full" in place.run("top", "--once", "--interval", "100ms", "-c", bus.path("turnout.yaml"))[1], "top says so too")
    metrics = bus.metrics()
    equal([metrics[f'turnout_target_park_full{{target="{name}"}}'] for name in ("rated", "budget", "parked", "adaptive")], [0, 0, 1, 0])
    well_known = target_of_name(place, bus, "rated")
    equal(well_known["rate"], {"count": 1, "period_ms": 60000, "tokens": 0})


def target_of_name(place, bus, name):
    code, out, err = place.run("target", "status", name, "-c", bus.path("turnout.yaml"), "--json")
    equal(code, 0, err)
    return json.loads(out)


def test_check_points_out_limits_that_cannot_be_meant(place):
    bus = place.simple_bus(place.sink(), target={"retry_budget": {"percent": 20, "per_second": 0}, "max_parked_size": "1TiB",
                                                 "concurrency": "adaptive", "max_in_flight": 1000})
    code, out, errors = place.run("check", "-c", bus.path("turnout.yaml"))
    equal(code, 1)
    for text in ("fewer than 5 first attempts in 10 s", "more than store.max_size", "never goes beyond 200"):
        check(text in out + errors, text, out, errors)
