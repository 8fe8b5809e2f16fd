# SPDX-License-Identifier: Apache-2.0
"""Dead letters as operators need them: queues with retention and caps, selection, redrive as a task, export and import."""
import json

from harness import check, equal, event, wait_until

ONE_TRY = {"profile": "fast", "max_retries": 0}


def broken(place, name="broken", status=422, **options):
    """A sink that refuses everything, for good."""
    return place.sink("--fail", 1, "--status", status, name=name, **options)


def bus_of(place, targets, queues=(), **config):
    """A bus whose rule NAME sends events of type NAME to the target NAME; targets: {name: settings}."""
    rules = [{"name": name, "pattern": {"type": [name]}, "targets": [name]} for name in targets]
    return place.bus(rules, targets=[{"name": name, "kind": "http", "retry": ONE_TRY, **settings} for name, settings in targets.items()],
                     dead_letters=list(queues), **config)


def post_letters(bus, type, count, first=0, **members):
    """Posts events that will die, and waits until they have."""
    dead = bus.metrics()["turnout_deliveries_dead_total"]
    for number in range(first, first + count):
        equal(bus.post(event(f"{type}-{number}", type=type, data={"number": number}, **members)).status, 202)
    wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] >= dead + count, what="the dead letters")


def dlq(place, bus, *words, **options):
    return place.run("dlq", words[0], "-c", bus.path("turnout.yaml"), *words[1:], **options)


def listed(place, bus, *words):
    code, out, errors = dlq(place, bus, "list", "--json", *words)
    equal(code, 0, errors)
    return [json.loads(line) for line in out.splitlines()]


# --- Queues, retention, caps ---

def test_dead_letters_go_to_the_queue_of_their_target(place):
    sick = broken(place)
    bus = bus_of(place, {"a": {"url": sick.url(), "dead_letter": "urgent"}, "b": {"url": sick.url()}},
                 [{"name": "urgent", "kind": "store"}]).start()
    post_letters(bus, "a", 2)
    post_letters(bus, "b", 1)
    metrics = bus.metrics()
    equal(metrics['turnout_dead_letters{queue="urgent",target="a"}'], 2)
    equal(metrics['turnout_dead_letters{queue="default",target="b"}'], 1)
    equal(sorted(record["queue"] for record in listed(place, bus)), ["default", "urgent", "urgent"])
    wait_until(lambda: any("oldest" in name and value > 0 for name, value in bus.metrics().items()), 10, "the oldest one's age")


def test_dead_letters_expire_with_their_queues_retention(place):
    sick = broken(place)
    bus = bus_of(place, {"a": {"url": sick.url(), "dead_letter": "short"}, "b": {"url": sick.url()}},
                 [{"name": "short", "kind": "store", "retention": "2s"}]).start()
    post_letters(bus, "a", 5)
    post_letters(bus, "b", 1)
    wait_until(lambda: bus.metrics()["turnout_dead_letters_expired_total"] == 5, 15, "retention")
    equal([record["rule"]["name"] for record in listed(place, bus)], ["b"])
    check("expired dead letters purged" in bus.process.output(), "one log line")
    bus.check_books()


def test_a_full_queue_rests_the_target_and_answers_503(place):
    sick = broken(place)
    bus = bus_of(place, {"a": {"url": sick.url(), "dead_letter": "small"}, "b": {"url": sick.url()}},
                 [{"name": "small", "kind": "store", "max_size": "5KiB"}]).start()
    answers = []
    for number in range(50):
        answers.append(bus.post(event(f"a-{number}", type="a")).status)
        if answers[-1] == 503:
            break
        wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] == number + 1, what="its death")
    equal(answers[-1], 503, f"after {len(answers)} dead letters")
    check(2 < len(answers) < 12, answers)
    equal(bus.post(event("b-1", type="b")).status, 202, "other targets go on")
    metrics = bus.metrics()
    equal(metrics['turnout_dead_letters_full{queue="small",target="a"}'], 1)
    equal(metrics['turnout_target_paused{target="a"}'], 1)
    check("target rests" in bus.process.output(), "an alarm in the log")
    code, out, _ = place.run("status", "-c", bus.path("turnout.yaml"))
    check("DEAD_LETTERS_FULL" in out, out)
    bus.kill()
    bus.start()
    check(bus.metrics()['turnout_dead_letter_bytes{queue="small",target="a"}'] > 1000, "they are counted after a restart, too")


def test_drop_oldest_keeps_the_newest(place):
    sick = broken(place)
    bus = bus_of(place, {"a": {"url": sick.url()}},
                 [{"name": "default", "kind": "store", "max_size": "10KiB", "overflow": "drop_oldest"}]).start()
    post_letters(bus, "a", 60)
    wait_until(lambda: bus.metrics()['turnout_dead_letter_bytes{queue="default",target="a"}'] <= 10240, 10, "the oldest to go")
    numbers = [record["event"]["id"] for record in listed(place, bus)]
    check(0 < len(numbers) < 30, len(numbers))
    equal(numbers, [f"a-{number}" for number in range(60 - len(numbers), 60)], "the newest are left")
    equal(bus.metrics()["turnout_dead_letters_dropped_total"], 60 - len(numbers))
    check("oldest dead letters dropped" in bus.process.output(), "it is said")
    bus.check_books()
