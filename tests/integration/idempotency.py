# SPDX-License-Identifier: Apache-2.0
"""Events that are sent more than once: known by their id, by a header or by what is in them; within their window, over restarts."""
import json
import os
import subprocess
import threading
import time

from harness import SLOWNESS, check, equal, event, note, request, wait_until
from foreign_clients import NODE, check_installed


def replayed(answer):
    return answer.headers.get("idempotency-replayed") == "true"


def dedup_bus(place, sink, dedup=None, mode="durable", **options):
    bus = place.simple_bus(sink, mode=mode, **options)
    if dedup is not None:
        bus.config["sources"][0]["dedup"] = dedup
        bus.write_config()
    return bus


def check_delivered_once(bus, sink, ids):
    wait_until(bus.settled, what="the books to settle")
    bus.check_books()
    equal(sorted(line["id"] for line in sink.accepted()), sorted(ids), "each delivered once")


def test_a_repeated_event_is_accepted_again_and_delivered_once(place):
    sink = place.sink()
    bus = place.simple_bus(sink).start()  # by event is what HTTP sources do unless told otherwise
    first, again = bus.post(event("1", data={"n": 1})), bus.post(event("1", data={"n": 1}))
    equal([first.status, replayed(first)], [202, False])
    equal([again.status, replayed(again)], [202, True])
    equal(bus.post(event("1", source="/other", data={"n": 1})).status, 202)  # another event
    check_delivered_once(bus, sink, ["1", "1"])
    equal(bus.metrics()["turnout_deduplicated_total"], 1)
    code, out, _ = place.run("status", "-c", bus.path("turnout.yaml"))
    check(code == 0 and "1 not taken again" in out, out)


def test_a_key_with_another_payload_is_answered_422(place):
    sink = place.sink()
    bus = place.simple_bus(sink).start()
    equal(bus.post(event("1", data={"n": 1})).status, 202)
    answer = bus.post(event("1", data={"n": 2}))
    equal(answer.status, 422)
    check("another payload" in answer.problem()["detail"], answer)
    equal(bus.metrics()["turnout_dedup_conflict_total"], 1)
    check_delivered_once(bus, sink, ["1"])


def test_after_its_window_a_repeated_event_is_a_new_one(place):
    sink = place.sink()
    bus = dedup_bus(place, sink, {"window": "1s"}).start()
    begin = time.monotonic()
    equal(bus.post(event("1")).status, 202)
    wait_until(lambda: not replayed(bus.post(event("1"))), what="the event to be taken again")
    check(time.monotonic() - begin >= 1, "within the window it is known", time.monotonic() - begin)
    check_delivered_once(bus, sink, ["1", "1"])


def test_without_dedup_every_event_is_taken(place):
    sink = place.sink()
    bus = dedup_bus(place, sink, "off").start()
    for _ in range(3):
        answer = bus.post(event("1"))
        equal([answer.status, replayed(answer)], [202, False])
    check_delivered_once(bus, sink, ["1", "1", "1"])
    equal(bus.metrics()["turnout_store_keys"], 0)


def test_a_kill_between_two_copies_loses_nothing_and_repeats_nothing(place):
    sink = place.sink()
    bus = place.simple_bus(sink).start()
    ids = [str(number) for number in range(30)]
    for number, id in enumerate(ids):
        equal(bus.post(event(id)).status, 202)
        if number % 10 == 9:
            wait_until(bus.settled, what="delivery")
            bus.kill()
            bus.start()
    for id in ids:
        check(replayed(bus.post(event(id))), f"{id} is known over the kills")
    check_delivered_once(bus, sink, ids)


def test_a_request_that_a_kill_left_unanswered_is_sent_again_and_delivered(place):
    """Whatever the kill hit, its sender repeats it: accepted once or found, and delivered with one key."""
    sink = place.sink()
    bus = place.simple_bus(sink).start()
    accepted, stop = set(), threading.Event()

    def send(worker):
        for number in range(100000):
            id = f"{worker}-{number}"
            while not stop.is_set():
                try:
                    if bus.post(event(id), timeout=2).status == 202:
                        accepted.add(id)
                        break
                except OSError:
                    time.sleep(0.05)
            if stop.is_set():
                return
    workers = [threading.Thread(target=send, args=(worker,)) for worker in range(4)]
    for worker in workers:
        worker.start()
    for _ in range(3):
        taken = len(accepted)
        wait_until(lambda: len(accepted) > taken + 20, what="more to be accepted")
        bus.kill()
        bus.start()
    stop.set()
    for worker in workers:
        worker.join()
    wait_until(bus.settled, 20, "the books to settle")
    bus.check_books()
    lines = sink.accepted()
    check(accepted <= {line["id"] for line in lines}, "everything that was accepted arrives")
    keys = {}
    for line in lines:
        keys.setdefault(line["id"], set()).add(line["key"])
    check(all(len(found) == 1 for found in keys.values()), "one key an event")
    note(f"{len(accepted)} accepted, {len(lines) - len(keys)} delivered twice over 3 kills")


def test_sync_mode_answers_409_while_the_first_copy_is_at_work(place):
    sink = place.sink("--delay", "1500ms")
    bus = dedup_bus(place, sink, mode="sync").start()
    first = []
    sender = threading.Thread(target=lambda: first.append(bus.post(event("1"))))
    sender.start()
    wait_until(lambda: bus.metrics().get("turnout_dedup_in_progress") == 1, what="the first to be at work")
    busy = bus.post(event("1"))
    equal([busy.status, busy.headers.get("retry-after")], [409, "1"])
    sender.join()
    equal(first[0].status, 200)
    again = bus.post(event("1"))
    equal([again.status, replayed(again)], [202, True])
    check_delivered_once(bus, sink, ["1"])


def test_a_strict_source_knows_a_settled_event_after_a_kill(place):
    sink = place.sink()
    bus = dedup_bus(place, sink, {"strict": True}, mode="sync").start()
    equal(bus.post(event("1")).status, 200)
    bus.kill()
    bus.start()
    check(replayed(bus.post(event("1"))), "its key was on disk before it was answered")
    check_delivered_once(bus, sink, ["1"])


def post_batch(bus, values, **headers):
    return request(bus.port, headers={"Content-Type": "application/cloudevents-batch+json", **headers}, body=json.dumps(values).encode())


def test_of_a_batch_only_what_is_new_is_delivered(place):
    sink = place.sink()
    bus = place.simple_bus(sink).start()
    equal(bus.post(event("1")).status, 202)
    partly = post_batch(bus, [event("1"), event("2"), event("3"), event("2")])
    equal([partly.status, replayed(partly)], [202, False])
    whole = post_batch(bus, [event("3"), event("1")])
    equal([whole.status, replayed(whole)], [202, True])
    equal(post_batch(bus, [event("4"), event("1", data="other")]).status, 422)
    check_delivered_once(bus, sink, ["1", "2", "3"])


def test_the_header_says_what_a_copy_is(place):
    sink = place.sink()
    bus = dedup_bus(place, sink, "header").start()

    def send(id, key=None, data=1):
        headers = {"Content-Type": "application/cloudevents+json", **({"Idempotency-Key": key} if key else {})}
        return request(bus.port, headers=headers, body=json.dumps(event(id, data=data)).encode())
    equal(send("1", '"k-1"').status, 202)
    check(replayed(send("2", '"k-1"')), "another id, the same key")
    check(replayed(send("2", "k-1")), "without quotes")
    check(not replayed(send("3", '"k-2"')), "another key")
    equal(send("4", '"k-1"', data=2).status, 422)
    for _ in range(2):
        check(not replayed(send("5")), "no header, no key")
    check_delivered_once(bus, sink, ["1", "3", "5", "5"])


def test_a_batch_with_one_header_is_repeated_as_a_whole(place):
    sink = place.sink()
    bus = dedup_bus(place, sink, "header").start()
    batch = [event("1", data=1), event("2", data=2)]
    check(not replayed(post_batch(bus, batch, **{"Idempotency-Key": '"b"'})), "the first time")
    check(replayed(post_batch(bus, batch, **{"Idempotency-Key": '"b"'})), "the second time")
    check_delivered_once(bus, sink, ["1", "2"])


def test_paths_say_what_a_copy_is(place):
    sink = place.sink()
    bus = dedup_bus(place, sink, {"by": ["subject", "data.order.id"]}).start()

    def send(id, subject, order):
        return bus.post(event(id, subject=subject, data={"order": order}))
    check(not replayed(send("1", "a", {"id": 7})), "new")
    check(replayed(send("2", "a", {"id": 7})), "the same subject and order")
    check(not replayed(send("3", "b", {"id": 7})), "another subject")
    for _ in range(2):
        check(not replayed(send("4", "a", {})), "no order, no key")
    check_delivered_once(bus, sink, ["1", "3", "4", "4"])


def test_the_javascript_sdk_may_send_twice_in_either_mode(place):
    check_installed()
    sink = place.sink()
    bus = place.simple_bus(sink).start()
    line = json.dumps({"id": "twice", "source": "/s", "type": "order.noted", "data": {"a": 1}}) + "\n"
    for mode in ("binary", "binary", "structured"):
        sent = subprocess.run(["node", os.path.join(NODE, "sender.js"), bus.url(), mode], text=True, capture_output=True, input=line,
                              timeout=60 * SLOWNESS)
        equal(sent.stdout, "twice 202\n", sent.stderr)
    check_delivered_once(bus, sink, ["twice"])


def test_check_says_what_a_window_costs_and_what_is_wrong(place):
    bus = dedup_bus(place, place.sink(), {"by": "header", "window": "24h"})
    code, out, _ = place.run("check", "-c", bus.path("turnout.yaml"))
    equal(code, 0, out)
    check("source 'web'" in out and "more than 3 a second" in out, out)
    for wrong, why in (("always", "off, event, header"), (["data"], "a path is"), ({"by": "event", "windw": "1s"}, "did you mean 'window'"),
                       ({"window": "1ms"}, "window")):
        bus.config["sources"][0]["dedup"] = wrong
        bus.write_config()
        code, out, _ = place.run("check", "-c", bus.path("turnout.yaml"))
        check(code == 2 and why in out, wrong, out)
