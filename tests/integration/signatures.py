# SPDX-License-Identifier: Apache-2.0
"""Signed deliveries, as the Standard Webhooks library for JavaScript sees them; nobody here wrote it."""
import json
import os
import time

from harness import Failure, check, equal, event, free_port, wait_until

NODE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node")
OLD = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u"
NEW = "whsec_bmV3IG5ldyBuZXcgbmV3IG5ldyBuZXcgISEh"
# A second apart at least, so that the timestamps of two attempts differ.
SLOW = {"profile": "fast", "base": "2100ms", "cap": "2100ms"}


class Receiver:
    """node/webhook.js: knows the secrets `old` and `new`, and says of each request which of them verify it."""

    def __init__(self, place, **environment):
        if not os.path.isdir(os.path.join(NODE, "node_modules", "standardwebhooks")):
            raise Failure("the Node packages are missing; install them: npm ci --prefix tests/integration/node")
        self.port, self.path = free_port(), place.path("received")
        process = place.start("receiver", ["node", os.path.join(NODE, "webhook.js"), str(self.port)],
                              env={"SECRETS": f"old={OLD} new={NEW}", "RECEIVED": self.path, **environment})
        wait_until(lambda: "listening" in process.output(), 20, "the receiver to listen")

    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def lines(self):
        if not os.path.exists(self.path):
            return []
        with open(self.path) as file:
            return [json.loads(line) for line in file if line.endswith("\n")]

    def accepted(self):
        return [line for line in self.lines() if line["status"] == 200]


def start_bus(place, receiver, secrets, target=None, **environment):
    bus = place.simple_bus(receiver, target={"signing": {"secrets": secrets}, "retry": SLOW, **(target or {})})
    return bus.start(env={"OLD": OLD, "NEW": NEW, **environment})


def deliver(bus, receiver, count=1):
    for number in range(count):
        equal(bus.post(event(str(number), data={"text": "grüße", "number": number})).status, 202)
    wait_until(lambda: len(receiver.accepted()) >= count, 20, "deliveries")


def test_a_signature_verifies_with_its_secret_and_with_no_other(place):
    receiver = Receiver(place)
    bus = start_bus(place, receiver, ["env:OLD"], target={"idempotency_key": "bare"})
    deliver(bus, receiver, 5)
    lines = receiver.lines()
    equal([line["verified"] for line in lines], [["old"]] * 5)
    equal([line["id"] for line in lines], [line["key"] for line in lines], "webhook-id is the delivery id")
    equal(len({line["id"] for line in lines}), 5)
    check(all(abs(line["time"] - time.time()) < 60 for line in lines), "the time of the attempt", lines)


def test_structured_events_are_signed_too(place):
    receiver = Receiver(place)
    bus = start_bus(place, receiver, ["env:NEW"], target={"content_mode": "structured"})
    deliver(bus, receiver)
    equal([line["verified"] for line in receiver.lines()], [["new"]])


def test_a_retry_keeps_the_id_and_moves_the_timestamp(place):
    receiver = Receiver(place, FAIL_FIRST="2")
    bus = start_bus(place, receiver, ["env:OLD"])
    deliver(bus, receiver)
    lines = receiver.lines()
    equal([line["status"] for line in lines], [503, 503, 200])
    equal([line["verified"] for line in lines], [["old"]] * 3)
    equal(len({line["id"] for line in lines}), 1, "one webhook-id")
    check(lines[0]["time"] < lines[1]["time"] < lines[2]["time"], "a new time for each attempt", lines)


def test_while_secrets_are_rotated_both_verify(place):
    receiver = Receiver(place)
    bus = start_bus(place, receiver, ["env:NEW", "env:OLD"])
    deliver(bus, receiver)
    equal(sorted(receiver.lines()[0]["verified"]), ["new", "old"])


def test_a_restart_keeps_the_id(place):
    receiver = Receiver(place, FAIL_FIRST="1")
    bus = start_bus(place, receiver, ["env:OLD"])
    equal(bus.post(event("1", data={})).status, 202)
    wait_until(receiver.lines, what="the first attempt")
    bus.kill()
    bus.start(env={"OLD": OLD})
    wait_until(receiver.accepted, 20, "delivery")
    lines = receiver.lines()
    equal(len({line["id"] for line in lines}), 1, "one webhook-id")
    check(lines[0]["time"] < lines[-1]["time"], "a new time", lines)


def test_a_secret_changed_in_its_file_is_used_without_a_restart(place):
    receiver = Receiver(place, ACCEPT="new")
    secret = place.path("secret")
    with open(secret, "w", encoding="ascii") as file:
        file.write(OLD + "\n")
    bus = start_bus(place, receiver, [f"file:{secret}"])
    with open(secret, "w", encoding="ascii") as file:
        file.write(NEW + "\n")
    deliver(bus, receiver)
    lines = receiver.lines()
    equal([(line["verified"], line["status"], line["attempt"]) for line in lines], [(["old"], 401, "1"), (["new"], 200, "1")])


def test_a_secret_that_is_no_key_stops_the_bus_from_starting(place):
    bus = place.bus([{"name": "all", "pattern": {"type": ["t"]}, "targets": ["sink"]}],
                    targets=[{"name": "sink", "kind": "http", "url": "http://127.0.0.1:9/", "signing": {"secrets": ["env:BAD"]}}])
    bus.launch(env={"BAD": "hunter2hunter2"})
    check(bus.process.wait() != 0, "it does not run")
    check("signing.secrets: the value of env:BAD does not begin with whsec_" in bus.process.output(), bus.process.output())
    check("hunter2" not in bus.process.output(), "the value is not shown")
