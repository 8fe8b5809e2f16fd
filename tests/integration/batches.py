# SPDX-License-Identifier: Apache-2.0
"""Targets that take several events in one request, and say which of them they did not do (`batch:`)."""
import contextlib
import json
import time

from harness import check, equal, event, function, request, wait_until


@contextlib.contextmanager
def batch_function(answer):
    """answer(the batch, number of the call) gives (status, body). Yields (url, the batches, the calls)."""
    batches = []

    def take(call):
        batches.append(json.loads(call.body))
        status, body = answer(batches[-1], call.number)
        return status, {}, body

    with function(take) as (url, calls):
        yield url, batches, calls


def bus_to(place, url, **target):
    bus = place.bus([{"name": "all", "pattern": {"source": [{"exists": True}]}, "targets": ["f"]}],
                    targets=[{"name": "f", "kind": "http", "url": url, "max_in_flight": 1, "batch": {"max_items": 10},
                              "retry": {"profile": "fast", "max_retries": 20}, **target}])
    return bus.start()


def post_many(bus, count):
    """All in one request, so that they stand in line together."""
    body = json.dumps([event(str(i)) for i in range(count)]).encode()
    answer = request(bus.port, headers=[("content-type", "application/cloudevents-batch+json")], body=body)
    equal(answer.status, 202)


def failing(batch, positions):
    failures = [{"itemIdentifier": batch[i]["turnoutdeliveryid"]} for i in positions]
    return 200, json.dumps({"batchItemFailures": failures}).encode()


def test_of_ten_events_with_three_failed_exactly_these_three_come_again(place):
    def answer(batch, number):
        return failing(batch, (2, 5, 9)) if len(batch) == 10 else (200, b"")

    with batch_function(answer) as (url, batches, calls):
        bus = bus_to(place, url)
        post_many(bus, 10)
        wait_until(bus.settled, what="all is settled")
        whole = next(batch for batch in batches if len(batch) == 10)
        again = [one for batch in batches for one in batch if one["turnoutattempt"] == 2]
        equal(sorted(one["id"] for one in again), sorted(whole[i]["id"] for i in (2, 5, 9)))
        ids = {one["id"]: one["turnoutdeliveryid"] for one in whole}
        check(all(ids[one["id"]] == one["turnoutdeliveryid"] for one in again), "the same delivery id again")
        equal(sum(len(batch) for batch in batches), 13)
        equal(bus.metrics()["turnout_deliveries_delivered_total"], 10)
        check(all(call.headers["content-type"].startswith("application/cloudevents-batch+json") for call in calls), "batches")
        bus.check_books()


def test_an_answer_nobody_understands_fails_the_whole_batch_and_a_status_does_too(place):
    answers = {1: (200, b'{"batchItemFailures":[{"itemIdentifier":"nobody"}]}'), 2: (503, b"")}

    with batch_function(lambda batch, number: answers.get(number, (200, b""))) as (url, batches, _):
        bus = bus_to(place, url)
        post_many(bus, 4)
        wait_until(bus.settled, what="all is settled")
        equal(bus.metrics()["turnout_deliveries_delivered_total"], 4)
        attempts = [one["turnoutattempt"] for batch in batches for one in batch]
        check(max(attempts) >= 2, "failed and came again", attempts)
        bus.check_books()


def test_a_kill_in_the_middle_of_a_batch_loses_none_of_it(place):
    with batch_function(lambda batch, number: (time.sleep(0.3), (200, b""))[1]) as (url, batches, _):
        bus = bus_to(place, url)
        post_many(bus, 30)
        wait_until(lambda: batches, what="the first batch")
        bus.kill()
        bus.start()
        wait_until(bus.settled, limit=30, what="all is settled")
        got = {}
        for batch in batches:
            for one in batch:
                got.setdefault(one["id"], set()).add(one["turnoutdeliveryid"])
        equal(set(got), {str(i) for i in range(30)})
        check(all(len(keys) == 1 for keys in got.values()), "each with one delivery id")


def test_replies_and_batches_do_not_go_together(place):
    bus = place.bus([{"name": "all", "pattern": {"source": [{"exists": True}]}, "targets": ["f"]}],
                    targets=[{"name": "f", "kind": "http", "url": "http://127.0.0.1:9/", "batch": {"max_items": 2}, "reply": "bus"}])
    code, out, err = place.run("check", "-c", bus.path("turnout.yaml"))
    equal(code, 2)
    check("reply: bus and batch cannot be together" in out + err, out, err)
