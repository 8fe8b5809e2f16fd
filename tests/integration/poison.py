# SPDX-License-Identifier: Apache-2.0
"""Events that end the process: struck at each start, quarantined at three strikes, dead-lettered unseen; all others flow.

The bus is `turnout-crashing`, the real binary with a planted fault: data with "crash:decode", "crash:thaw" or "crash:deliver" in it ends
the process when it is decoded, read from the store, or encoded for its target.
"""
import base64
import http.client
import json
import os

import batches
import harness
from harness import check, equal, event, wait_until

CRASHING = os.path.join(os.path.dirname(harness.TURNOUT), "..", "tests", "crashing", "turnout-crashing")
ENDED = -6  # abort


def crashing_bus(place, sink, **options):
    check(os.access(CRASHING, os.X_OK), f"{CRASHING} is not built")
    bus = place.simple_bus(sink, **options)
    bus.binary = CRASHING
    return bus


def ends(bus):
    """Waits until the planted fault ended it."""
    equal(bus.process.wait(), ENDED, "how the bus ended")


def post_until_answered(bus, value, tries=6):
    """A client that repeats; answers (how often it came, the answer). The bus is started again each time."""
    for count in range(1, tries + 1):
        try:
            return count, bus.post(value)
        except (ConnectionError, http.client.HTTPException, TimeoutError):
            ends(bus)
            bus.start()
    raise harness.Failure(f"not answered in {tries} tries")


def starts_until_alive(bus, tries=6):
    """Starts it again until it stays; answers how often it ended."""
    for count in range(tries):
        bus.launch()
        if survives(bus):
            return count
        ends(bus)
    raise harness.Failure(f"it ended {tries} times")


def survives(bus):
    """True when there is a dead letter; False when the process ended."""
    def question():
        if not bus.process.running():
            return "ended"
        return bus.metrics().get('turnout_store_rows{state="dead"}') == 1 and "alive"
    return wait_until(question, what="a dead letter, or the end") == "alive"


def dead_letters(place, bus):
    code, out, error = place.run("dlq", "list", "-c", bus.path("turnout.yaml"), "--json")
    equal(code, 0, error)
    return [json.loads(line) for line in out.splitlines()]


def one_crash_letter(place, bus):
    letters = wait_until(lambda: dead_letters(place, bus), what="the dead letter")
    equal([letter["error"]["code"] for letter in letters], ["POISON_CRASH"])
    return letters[0]


def check_mode(place, mode):
    sink = place.sink()
    bus = crashing_bus(place, sink, mode=mode).start()
    equal(bus.post(event("before")).status, 200 if mode == "sync" else 202)
    bad = event("bad", data={"text": "crash:decode"})
    count, answer = post_until_answered(bus, bad)
    equal((count, answer.status), (4, 202))
    letter = one_crash_letter(place, bus)
    equal(letter["error"]["class"], "poison")
    code, out, error = place.run("dlq", "show", "-c", bus.path("turnout.yaml"), "--json", letter["id"])
    equal(code, 0, error)
    record = json.loads(out)
    equal((record["error"]["code"], record["source"]["name"]), ("POISON_CRASH", "web"))
    head, _, body = base64.b64decode(record["event_raw_base64"]).partition(b"\r\n\r\n")
    equal((head.lower(), json.loads(body)), (b"content-type: application/cloudevents+json", bad), "the message as it came")
    equal(bus.post(event("after")).status, 200 if mode == "sync" else 202)
    wait_until(lambda: sink.ids() == {"before", "after"}, what="all others")
    equal(bus.metrics()["turnout_poison_crash_total"], 1)
    bus.check_books()
    equal(bus.stop(), 0)


def test_the_fourth_try_of_a_message_that_ends_the_process_is_a_dead_letter(place):
    check_mode(place, "durable")


def test_a_sync_sender_hears_202_so_that_it_does_not_come_again(place):
    check_mode(place, "sync")


def test_three_strikes_are_for_the_same_bytes_whatever_other_headers_say(place):
    sink = place.sink()
    bus = crashing_bus(place, sink).start()
    for number in range(3):
        try:
            harness.request(bus.port, headers={"Content-Type": "application/cloudevents+json", "X-Request-Id": str(number)},
                            body=json.dumps(event("bad", data="crash:decode")).encode())
            raise harness.Failure("it was answered")
        except (ConnectionError, http.client.HTTPException):
            ends(bus)
        bus.start()
    answer = harness.request(bus.port, headers={"Content-Type": "application/cloudevents+json", "X-Request-Id": "x"},
                             body=json.dumps(event("bad", data="crash:decode")).encode())
    equal(answer.status, 202)
    one_crash_letter(place, bus)


def test_a_journaled_event_that_ends_the_process_at_its_target_is_buried_under_its_rule(place):
    sink = place.sink()
    bus = crashing_bus(place, sink).start()
    try:
        bus.post(event("bad", data="crash:deliver"))
    except (ConnectionError, http.client.HTTPException):
        pass
    ends(bus)
    equal(starts_until_alive(bus), 2, "it ended once when it came and twice from the journal")
    letter = one_crash_letter(place, bus)
    equal((letter["rule"]["name"], letter["target"]["id"], letter["event"]["id"]), ("all", "sink", "bad"))
    equal(bus.post(event("after")).status, 202)
    wait_until(lambda: sink.ids() == {"after"}, what="the others")
    bus.check_books()


def test_of_a_batch_that_ends_the_process_only_the_one_that_did_it_is_buried(place):
    with batches.batch_function(lambda batch, number: (200, b"{}")) as (url, taken, _):
        bus = crashing_bus(place, url, target={"max_in_flight": 1, "batch": {"max_items": 10},
                                               "retry": {"profile": "fast", "max_retries": 0}}).start()
        body = json.dumps([event(str(i), data="crash:deliver" if i == 2 else "good") for i in range(6)]).encode()
        try:
            harness.request(bus.port, headers=[("content-type", "application/cloudevents-batch+json")], body=body)
        except (ConnectionError, http.client.HTTPException):
            pass
        ends(bus)
        equal(starts_until_alive(bus), 3, "it ended once for all of them and three times for the one")
        letter = one_crash_letter(place, bus)
        equal(letter["event"]["id"], "2")
        wait_until(bus.settled, what="the end")
        equal({one["id"] for batch in taken for one in batch}, {"0", "1", "3", "4", "5"}, "all others")
        strikes = json.loads(place.run("quarantine", "list", "-c", bus.path("turnout.yaml"), "--json")[1])["strikes"]
        equal([(strike["strikes"], strike["quarantined"]) for strike in strikes], [(3, True)])
        bus.check_books()


def test_a_journal_row_that_cannot_be_read_alive_is_buried_unread(place):
    sink = place.sink("--delay", "20s")
    bus = crashing_bus(place, sink).start()
    equal(bus.post(event("bad", data="crash:thaw")).status, 202)
    bus.kill()
    equal(starts_until_alive(bus), 3)
    letter = one_crash_letter(place, bus)
    equal((letter["rule"]["name"], letter["target"]["id"]), ("all", "sink"))
    equal(letter["error"]["class"], "poison")


def park_one(place, port):
    """A bus that is down, with one parked event that ends whoever reads it."""
    bus = crashing_bus(place, f"http://127.0.0.1:{port}/", target={"retry": {"profile": "fast", "base": "400ms", "cap": "400ms"}},
                       limits={"park_after": "1ms"}).start()
    equal(bus.post(event("bad", data="crash:thaw")).status, 202)
    ends(bus)
    return bus


def test_a_parked_row_that_cannot_be_read_alive_is_buried_and_may_be_redriven(place):
    port = harness.free_port()
    bus = park_one(place, port)
    equal(starts_until_alive(bus), 2)
    letter = one_crash_letter(place, bus)
    equal(letter["rule"]["name"], "all")
    bus.check_books()
    equal(place.run("audit", "-c", bus.path("turnout.yaml"))[0], 0, "the audit does not look at it either")
    equal(bus.stop(), 0)
    # The fault is mended: a redrive finds the event whole.
    bus.binary = harness.TURNOUT
    bus.start()
    sink = place.sink(port=port)
    code, out, error = place.run("dlq", "redrive", "-c", bus.path("turnout.yaml"), letter["id"])
    equal(code, 0, out + error)
    wait_until(lambda: "bad" in sink.ids(), what="the redriven event")
    wait_until(bus.settled, what="the end")
    equal(json.loads(place.run("quarantine", "list", "-c", bus.path("turnout.yaml"), "--json")[1]), {"strikes": []})
    bus.check_books()


def test_strikes_are_listed_and_released_running_or_not(place):
    sink = place.sink()
    bus = crashing_bus(place, sink).start()
    equal(post_until_answered(bus, event("bad", data="crash:decode"))[0], 4)
    for running in (True, False):
        code, out, error = place.run("quarantine", "list", "-c", bus.path("turnout.yaml"), "--json")
        equal(code, 0, error)
        strikes = json.loads(out)["strikes"]
        equal([(strike["strikes"], strike["quarantined"]) for strike in strikes], [(3, True)])
        equal(strikes[0]["where"]["name"], "web")
        said = [line for line in bus.process.output().splitlines() if "dead-lettered unseen" in line]
        check(len(said) == 1 and "hash=" + strikes[0]["hash"] in said[0] and "where=" in said[0] and
              f'undo="turnout quarantine release {strikes[0]["hash"]}"' in said[0], said)
        check(strikes[0]["hash"] in place.run("quarantine", "list", "-c", bus.path("turnout.yaml"))[1])
        if running:
            bus.stop()
    code, out, error = place.run("quarantine", "release", "-c", bus.path("turnout.yaml"), strikes[0]["hash"])
    equal(code, 0, error)
    bus.binary = harness.TURNOUT
    bus.start()
    equal(bus.post(event("bad", data="crash:decode")).status, 202)
    wait_until(lambda: sink.ids() == {"bad"}, what="the event that was released")


def test_a_release_takes_effect_at_once(place):
    sink = place.sink()
    bus = crashing_bus(place, sink).start()
    equal(post_until_answered(bus, event("bad", data="crash:decode"))[0], 4)
    equal(bus.metrics()["turnout_quarantined"], 1)
    code, out, error = place.run("quarantine", "release", "-c", bus.path("turnout.yaml"), "--all")
    equal(code, 0, error)
    equal(bus.metrics()["turnout_quarantined"], 0)
    try:
        bus.post(event("bad", data="crash:decode"))
        raise harness.Failure("it was answered")
    except (ConnectionError, http.client.HTTPException):
        ends(bus)


def test_a_slot_file_full_of_garbage_or_a_folder_in_its_place_hurts_nobody(place):
    sink = place.sink()
    bus = crashing_bus(place, sink).start()
    equal(bus.stop(), 0)
    guard = bus.path("store", "crash.guard")
    for garbage in (b"", b"x", os.urandom(20000), b"turnout guard 1\0" + os.urandom(20000)):
        with open(guard, "wb") as out:
            out.write(garbage)
        bus.start()
        equal(bus.post(event("1")).status, 202)
        equal(bus.stop(), 0)
    os.unlink(guard)
    os.mkdir(guard)
    bus.start()
    check("there is no crash guard" in bus.process.output(), bus.process.output())
    equal(bus.post(event("2")).status, 202)
    equal(bus.stop(), 0)
