# SPDX-License-Identifier: Apache-2.0
"""What each HTTP status of a target means for a delivery: section 5 of the delivery semantics, status by status, to the dead letter."""
import json

from harness import check, equal, event, function, wait_until

CONFIG = {401: "UNAUTHORIZED", 407: "UNAUTHORIZED", 402: "FORBIDDEN", 403: "FORBIDDEN", 404: "NOT_FOUND", 410: "GONE", 511: "FORBIDDEN"}
RETRY = {408, 409, 421, 423, 425, *range(500, 600)} - {501, 505, 506, 511}


def expected(status):
    """(class, code, condition) of the dead letter of a delivery that may not be repeated; None: it is delivered."""
    if status < 300:
        return None
    if status < 400:
        return "permanent", "REDIRECT", None
    if status in CONFIG:
        return "config", CONFIG[status], None
    if status == 429:
        return "throttle", "THROTTLED", "MaximumRetryAttempts"
    if status in RETRY:
        return "retry", f"HTTP_{status}", "MaximumRetryAttempts"
    return "permanent", f"HTTP_{status}", None


def test_every_status_is_what_the_table_says_down_to_the_dead_letter(place):
    with function(lambda call: (int(call.headers["ce-id"]), {}, b"no")) as (url, calls):
        target = {"name": "teller", "kind": "http", "url": url, "retry": {"max_retries": 0}, "breaker": {"enabled": False},
                  "on_config_error": "dead_letter"}
        rules = [{"name": "all", "pattern": {"source": [{"exists": True}]}, "targets": ["teller"]}]
        bus = place.bus(rules, targets=[target]).start()
        for status in range(200, 600):
            equal(bus.post(event(str(status))).status, 202)
        wait_until(bus.settled, what="all are delivered or dead")
        equal(sorted(int(call.headers["ce-id"]) for call in calls), list(range(200, 600)), "each was tried once")
        code, out, errors = place.run("dlq", "list", "-c", bus.path("turnout.yaml"), "--json", "--limit", 1000)
        equal(code, 0, errors)
        letters = [json.loads(line) for line in out.splitlines()]
        found = {letter["error"]["status"]: (letter["error"]["class"], letter["error"]["code"], letter["exhausted_retry_condition"])
                 for letter in letters}
        wanted = {status: expected(status) for status in range(200, 600) if expected(status)}
        equal({status: (found.get(status), wanted.get(status)) for status in found.keys() | wanted.keys()
               if found.get(status) != wanted.get(status)}, {}, "(found, wanted) by status")
        equal({letter["attempts"] for letter in letters}, {1})
        bus.check_books()


def one_target(place, url, **target):
    rules = [{"name": "all", "pattern": {"source": [{"exists": True}]}, "targets": ["billing"]}]
    return place.bus(rules, targets=[{"name": "billing", "kind": "http", "url": url, **target}])


def only_letter(place, bus):
    """The record of the one dead letter there is, when it is there."""
    wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] == 1, what="the dead letter")
    code, out, errors = place.run("dlq", "list", "-c", bus.path("turnout.yaml"), "--json")
    equal(code, 0, errors)
    code, out, errors = place.run("dlq", "show", json.loads(out)["id"], "-c", bus.path("turnout.yaml"), "--json")
    equal(code, 0, errors)
    return json.loads(out)


def test_a_target_that_declines_is_asked_once_and_the_record_says_so(place):
    with function(lambda call: (503, {"Retry-After": "-1"}, b"go away")) as (url, calls):
        bus = one_target(place, url).start()
        equal(bus.post(event("1")).status, 202)
        letter = only_letter(place, bus)
        equal((letter["exhausted_retry_condition"], letter["attempts"], letter["retry_attempts"]), ("TargetDeclined", 1, 0))
        equal((letter["error"]["code"], letter["error"]["class"], letter["error"]["status"]), ("THROTTLED", "throttle", 503))
        equal(len(calls), 1)


def test_a_wait_past_the_age_limit_is_not_begun(place):
    with function(lambda call: (429, {"Retry-After": "600"}, b"")) as (url, calls):
        bus = one_target(place, url, retry={"max_age": "5m"}).start()
        equal(bus.post(event("1")).status, 202)
        letter = only_letter(place, bus)
        equal((letter["exhausted_retry_condition"], letter["attempts"]), ("MaximumEventAgeInSeconds", 1))


def test_the_time_an_event_says_is_not_its_age(place):
    def second_time(call):
        return (500 if call.number == 1 else 200), {}, b""

    with function(second_time) as (url, calls):
        bus = one_target(place, url, retry={"profile": "fast"}).start()
        equal(bus.post(event("1", time="2001-02-03T04:05:06Z")).status, 202)
        wait_until(lambda: len(calls) == 2, what="the second attempt")
        wait_until(bus.settled, what="all is settled")
        equal(bus.metrics()["turnout_deliveries_delivered_total"], 1)


def test_a_record_names_its_target_without_the_secrets_of_its_url(place):
    with function(lambda call: (422, {}, b"")) as (url, calls):
        bus = one_target(place, url + "hook?token=s3cret").start()
        equal(bus.post(event("1")).status, 202)
        letter = only_letter(place, bus)
        equal(letter["target"], {"id": "billing", "kind": "http", "dest": url + "hook"})
        check("s3cret" not in json.dumps(letter), "the token is nowhere", letter)
        check("s3cret" not in bus.process.output(), "nor in the log")
