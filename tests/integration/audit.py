# SPDX-License-Identifier: Apache-2.0
"""`turnout audit`: the books recomputed from the store, of a running bus and of a stopped one, sound and damaged."""
import json
import os

from harness import check, equal, event, posting, wait_until

DEAD_AT_ONCE = {"retry": {"profile": "fast", "max_retries": 0}}


def audit(bus, *options):
    """(exit code, report)"""
    code, out, err = bus.place.run("audit", "-c", bus.path("turnout.yaml"), "--json", *options)
    check(out, f"no report: {err}")
    return code, json.loads(out)


def bus_with_dead_letters(place, count):
    sink = place.sink("--fail", 1)
    bus = place.simple_bus(sink, target=DEAD_AT_ONCE).start()
    for number in range(count):
        bus.post(event(f"dead-{number}", data={"marker": f"payload-{number:04}"}))
    wait_until(lambda: bus.metrics()['turnout_store_rows{state="dead"}'] == count, what="the dead letters")
    return bus


def flip(bus, text):
    """Turns a bit of the text over wherever it stands in the stopped bus's store."""
    path = bus.path("store", "data.mdb")
    with open(path, "rb") as file:
        data = bytearray(file.read())
    found = 0
    at = data.find(text)
    while at >= 0:
        data[at] ^= 16
        found += 1
        at = data.find(text, at + 1)
    with open(path, "r+b") as file:
        file.write(data)
    check(found, "the text is in the store")


def test_a_running_bus_adds_up_while_events_come_in(place):
    bus = bus_with_dead_letters(place, 5)
    with posting(bus):
        for _ in range(5):
            code, report = audit(bus)
            equal(report["listed"], [])
            equal(code, 0)
            check(report["books"]["closed"], "the books are closed")
    check(report["rows"]["dead"] >= 5, "it counted the dead letters")


def test_a_stopped_bus_adds_up(place):
    bus = bus_with_dead_letters(place, 3)
    equal(bus.stop(), 0)
    code, report = audit(bus)
    equal((code, report["adds_up"], report["rows"]["dead"], report["events"]), (0, True, 3, 3))
    check("books" not in report, "there are no books without an engine")
    code, out, _ = place.run("audit", "-c", bus.path("turnout.yaml"))
    equal(code, 0)
    check("everything adds up" in out, out)


def test_a_bus_that_was_killed_adds_up(place):
    bus = bus_with_dead_letters(place, 3)
    bus.kill()
    equal(audit(bus)[0], 0)


def test_damage_is_found_said_and_set_aside(place):
    bus = bus_with_dead_letters(place, 3)
    equal(bus.stop(), 0)
    flip(bus, b"payload-0001")
    code, report = audit(bus)
    equal((code, report["findings"], report["listed"][0]["code"]), (1, 1, "EVENT_DAMAGED"))
    code, out, _ = place.run("audit", "-c", bus.path("turnout.yaml"))
    equal(code, 1)
    check("EVENT_DAMAGED" in out and "--repair" in out and "does not add up" in out, out)

    code, report = audit(bus, "--repair")
    equal((code, report["findings"], report["aside"], report["rows"]["dead"]), (0, 0, 2, 2))
    bus.start()
    code, report = audit(bus)
    equal((code, report["aside"], report["rows"]["dead"]), (0, 2, 2))


def test_a_store_in_use_is_not_repaired(place):
    bus = bus_with_dead_letters(place, 1)
    code, _, err = place.run("audit", "--repair", "-c", bus.path("turnout.yaml"))
    equal(code, 2)
    check("stop it before a repair" in err, err)


def test_without_a_store_there_is_nothing_to_audit(place):
    bus = place.simple_bus(place.sink())
    code, _, err = place.run("audit", "-c", bus.path("turnout.yaml"))
    equal(code, 2)
    check("never ran" in err, err)
    check(not os.path.exists(bus.path("store")), "no store was made")
