# SPDX-License-Identifier: Apache-2.0
"""Dead letters as operators need them: queues with retention and caps, selection, redrive as a task, export and import."""
import http.server
import json
import threading
import time

from harness import check, equal, event, note, request, wait_until

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
    wait_until(lambda: "expired dead letters purged" in bus.process.output(), 5, "one log line, at the end of the sweep")
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
    wait_until(lambda: "target rests" in bus.process.output(), 5, "an alarm in the log")
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
    wait_until(lambda: "oldest dead letters dropped" in bus.process.output(), what="its log line, at the end of the sweep")
    bus.check_books()


# --- Selection: the same answers from a running and from a stopped bus ---

def mixed(place):
    """Dead letters of two rules, three codes, two queues and one that is no event; the sinks, too."""
    refuses = broken(place, "refuses", 422)
    fails = broken(place, "fails", 503)
    bus = bus_of(place, {"a": {"url": refuses.url()}, "b": {"url": fails.url(), "dead_letter": "urgent"}},
                 [{"name": "urgent", "kind": "store"}]).start()
    post_letters(bus, "a", 1)
    time.sleep(0.01)
    post_letters(bus, "a", 3, first=1)
    post_letters(bus, "b", 3)
    return bus


def both_ways(place, bus, question):
    """question() of the running bus, then of its store; both must say the same."""
    running = question()
    equal(bus.stop(), 0)
    equal(question(), running, "the same when it is stopped")
    bus.start()
    return running


def ids_of(place, bus, *words):
    return sorted(record["event"]["id"] for record in listed(place, bus, *words))


def test_each_selection_answers_the_same_running_and_stopped(place):
    bus = mixed(place)
    second = min(record["dead_at"] for record in listed(place, bus)[1:4])  # of three under way at once any may die first
    cases = [
        ((), ["a-0", "a-1", "a-2", "a-3", "b-0", "b-1", "b-2"]),
        (("--rule", "a"), ["a-0", "a-1", "a-2", "a-3"]),
        (("--target", "b"), ["b-0", "b-1", "b-2"]),
        (("--error", "HTTP_503"), ["b-0", "b-1", "b-2"]),
        (("--class", "permanent"), ["a-0", "a-1", "a-2", "a-3"]),
        (("--class", "retry"), ["b-0", "b-1", "b-2"]),
        (("--class", "poison"), []),
        (("--queue", "urgent"), ["b-0", "b-1", "b-2"]),
        (("--queue", "default"), ["a-0", "a-1", "a-2", "a-3"]),
        (("--since", second), ["a-1", "a-2", "a-3", "b-0", "b-1", "b-2"]),
        (("--until", second), ["a-0"]),
        (("--since", "2h"), ["a-0", "a-1", "a-2", "a-3", "b-0", "b-1", "b-2"]),
        (("--until", "2h"), []),
        (("--pattern", '{"data":{"number":[{"numeric":[">",1]}]}}'), ["a-2", "a-3", "b-2"]),
        (("--pattern", '{"detail-type":["a"],"detail":{"number":[3]}}'), ["a-3"]),
        (("--rule", "a", "--pattern", '{"data":{"number":[2]}}', "--queue", "default"), ["a-2"]),
        (("--rule", "nobody"), []),
        (("--limit", "2"), ["a-0", "a-1"]),
    ]
    answers = both_ways(place, bus, lambda: [ids_of(place, bus, *words) for words, _ in cases])
    for (words, expected), answer in zip(cases, answers):
        equal(answer, expected, words)


def test_a_dry_run_counts_and_shows_five_and_moves_nothing(place):
    bus = mixed(place)

    def ask(*words):
        code, out, errors = dlq(place, bus, "redrive", "--all", "--dry-run", "--json", *words)
        equal(code, 0, errors)
        answer = json.loads(out)
        return {**answer, "sample": [record["event"]["id"] for record in answer["sample"]]}
    answer = both_ways(place, bus, ask)
    equal((answer["selected"], answer["would_move"], answer["no_target"]), (7, 7, 0))
    equal(answer["sample"], ["a-0", "a-1", "a-2", "a-3", "b-0"])
    code, out, _ = dlq(place, bus, "redrive", "--all", "--dry-run", "--target", "b")
    check(code == 0 and "3 dead letters would be redriven" in out and "b-2" in out, out)
    equal(len(listed(place, bus)), 7, "nothing moved")


def test_bad_selections_are_refused_with_what_is_wrong(place):
    bus = mixed(place)

    def ask():
        answers = []
        for words, says in [(("--pattern", '{"a":'), "pattern"), (("--pattern", '{"data":{"n":[{"odd":1}]}}'), "pattern"),
                            (("--class", "odd"), "class must be"), (("--since", "yesterday"), "--since takes"), (("--rule", "a b"), "one name")]:
            code, out, errors = dlq(place, bus, "list", *words)
            equal((code, out), (2, ""), words)
            check(says in errors, words, errors)
            answers.append(errors)
        return answers
    both_ways(place, bus, ask)


def test_purge_needs_yes_and_takes_only_what_was_meant(place):
    bus = mixed(place)
    code, _, errors = dlq(place, bus, "purge", "--all", "--target", "a")
    check(code == 2 and "--yes" in errors, errors)
    equal(len(listed(place, bus)), 7)
    code, out, errors = dlq(place, bus, "purge", "--all", "--target", "a", "--yes")
    equal(code, 0, errors)
    check("4 dead letters purged" in out, out)
    equal(ids_of(place, bus), ["b-0", "b-1", "b-2"])
    bus.check_books()
    equal(bus.stop(), 0)
    code, out, errors = dlq(place, bus, "purge", listed(place, bus)[0]["id"], "--yes")
    equal((code, out), (0, "1 dead letter purged\n"), errors)
    equal(ids_of(place, bus), ["b-1", "b-2"])


# --- Redrives as tasks ---

def many(place, count, target=None, **config):
    """A bus with so many dead letters of one target, and its sink, well again."""
    sick = broken(place, "sick")
    bus = bus_of(place, {"a": {"url": sick.url(), **(target or {})}}, **config).start()
    sender = place.start("sender", [bus.process.child.args[0], "send", bus.url(), "--count", str(count), "-c", "16", "--id-prefix", "e",
                                    "--type", "a"])
    equal(sender.wait(), 0)
    wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] == count, 60, "the dead letters")
    sick.process.stop()
    return bus, sick.port


def tasks(place, bus):
    code, out, errors = dlq(place, bus, "status", "--json")
    equal(code, 0, errors)
    return [json.loads(line) for line in out.splitlines()]


def test_a_rate_is_kept(place):
    bus, port = many(place, 300)
    place.sink(name="well", port=port)
    moved = {}
    for rate in (20, 100):
        code, _, errors = dlq(place, bus, "redrive", "--all", "--rate", str(rate), "--detach")
        equal(code, 0, errors)
        begin = time.monotonic()
        before = wait_until(lambda: tasks(place, bus)[0]["moved"], what="the first one")
        time.sleep(1.5)
        task = tasks(place, bus)[0]
        moved[rate] = (task["moved"] - before) / (time.monotonic() - begin)
        equal(dlq(place, bus, "cancel")[0], 0)
    check(2 < moved[100] / moved[20] < 10, f"five times the rate, roughly: {moved}")
    check(moved[20] < 40, moved)


def test_without_a_rate_fifty_a_second_are_redriven_and_more_than_500_are_refused(place):
    bus, port = many(place, 200)
    place.sink(name="well", port=port)
    for rate in ("501", "0", "-1", "fast"):
        code, _, errors = dlq(place, bus, "redrive", "--all", "--rate", rate)
        equal(code, 2, rate)
        check("1 to 500 a second" in errors, "it says what it takes", errors)
    equal(dlq(place, bus, "redrive", "--all", "--detach")[0], 0)
    before = wait_until(lambda: tasks(place, bus)[0]["moved"], what="the first one")
    begin = time.monotonic()
    time.sleep(1.5)
    moved = (tasks(place, bus)[0]["moved"] - before) / (time.monotonic() - begin)
    check(20 < moved < 80, f"about fifty a second: {moved}")


def test_a_cancelled_redrive_leaves_each_in_one_place_and_can_be_resumed(place):
    bus, port = many(place, 400)
    well = place.sink(name="well", port=port)
    equal(dlq(place, bus, "redrive", "--all", "--rate", "100", "--detach")[0], 0)
    wait_until(lambda: tasks(place, bus)[0]["moved"] >= 50, what="some of it")
    code, _, errors = dlq(place, bus, "redrive", "--all")
    check(code == 1 and "under way" in errors, "one task a queue", errors)
    code, out, _ = dlq(place, bus, "cancel")
    check(code == 0 and "cancelled" in out, out)
    wait_until(bus.settled, what="what was moved")
    left = listed(place, bus)
    equal(len(left) + len(well.ids()), 400, "each in one place")
    check(0 < len(left) < 400, len(left))
    bus.check_books()
    code, out, errors = dlq(place, bus, "redrive", "--resume", "--json")
    equal(code, 0, errors)
    equal(json.loads(out)["moved"], 400)
    wait_until(lambda: len(well.ids()) == 400, 20, "the rest")
    equal(len(well.lines()), 400, "none twice")


def test_a_redrive_goes_on_after_the_bus_was_killed(place):
    count = 4000
    bus, port = many(place, count)
    well = place.sink("--delay", "20ms", name="well", port=port)
    equal(dlq(place, bus, "redrive", "--all", "--rate", "max", "--detach")[0], 0)
    kills = 0
    while kills < 3:
        before = len(well.ids())
        if before > count * 0.8:
            break
        wait_until(lambda: len(well.ids()) >= before + 300, 60, "some of it")
        bus.kill()
        kills += 1
        bus.start()
        state = tasks(place, bus)
        if not state:
            break
        equal(state[0]["state"], "interrupted")
        code, _, errors = dlq(place, bus, "redrive", "--resume", "--detach")
        equal(code, 0, errors)
    wait_until(lambda: not [task for task in tasks(place, bus) if task["state"] == "running"], 60, "its end")
    for task in tasks(place, bus): # none, if it had just ended when the bus was killed
        equal((task["selected"], task["moved"]), (count, count), "what moved before the kills counts too")
    wait_until(bus.settled, 60, "all deliveries")
    lines = well.lines()
    note(f"redrive of {count} with {kills} kills: {len(listed(place, bus))} left, {len(lines) - len(well.ids())} duplicates")
    equal(listed(place, bus), [], "none is left")
    equal(len(well.ids()), count, "each was delivered")
    check(kills >= 1, "it was killed in the middle of it")
    check(len(lines) - len(well.ids()) <= kills * (64 + 512), "only what was in flight or not yet settled came twice", len(lines))
    bus.check_books()


def check_numbers_after_kills(place, count, words, done):
    """Kills a bus in the middle of it, again and again; each time the numbers of its task are those of the store. Answers how often."""
    bus, port = many(place, count)
    place.sink(name="well", port=port)
    equal(dlq(place, bus, *words, "--detach")[0], 0)
    seen = set()
    for kill in range(6):
        before = len(seen) and max(seen)
        wait_until(lambda: [task for task in tasks(place, bus) if task[done] > before or task["state"] != "running"], 20, "some of it")
        time.sleep(0.05 * kill)
        bus.kill()
        left = len(listed(place, bus, "--limit", str(count)))
        state = tasks(place, bus)
        if not state: # it was done, so it is forgotten
            equal(left, 0)
            break
        task = state[0]
        equal((task["state"], task["total"]), ("interrupted", count))
        equal((task["selected"], task[done], task["looked_at"]), (count - left,) * 3, f"kill {kill}: what is not in the queue any more")
        equal(tasks(place, bus), state, "the same when asked again")
        seen.add(task[done])
        bus.start()
        equal([(task["state"], task[done]) for task in tasks(place, bus)], [("interrupted", count - left)], "a bus says so, too")
        equal(dlq(place, bus, words[0], "--resume", "--detach")[0], 0)
    check([number for number in seen if 0 < number < count], "a kill in the middle of it", seen)
    note(f"{' '.join(words)}: {count} dead letters, killed at {sorted(seen)}")


def test_after_a_kill_the_numbers_of_a_redrive_are_those_of_the_store(place):
    check_numbers_after_kills(place, 3000, ("redrive", "--all", "--rate", "500"), "moved")


def test_after_a_kill_the_numbers_of_a_redrive_to_the_bus_are_those_of_the_store(place):
    check_numbers_after_kills(place, 3000, ("redrive", "--all", "--to", "bus", "--rate", "500"), "moved")


def test_after_a_kill_the_numbers_of_a_purge_are_those_of_the_store(place):
    check_numbers_after_kills(place, 6000, ("purge", "--all", "--yes"), "purged")


def text_of(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except FileNotFoundError:
        return None


def await_pages(path, count):
    """Waits until the numbers there were written so many times more."""
    texts, end = {text_of(path)}, time.monotonic() + 10
    while len(texts) <= count and time.monotonic() < end:
        texts.add(text_of(path))
        time.sleep(0.0005)


def test_after_a_kill_of_the_command_the_numbers_are_those_of_the_store(place):
    count = 10000
    bus, port = many(place, count)
    place.sink(name="well", port=port)
    equal(dlq(place, bus, "redrive", "--all", "--detach")[0], 0)
    wait_until(lambda: tasks(place, bus)[0]["moved"], what="some of it")
    bus.kill()
    seen = [tasks(place, bus)[0]["moved"]]
    while len(seen) < 5:
        command = place.start("stopped", [bus.process.child.args[0], "dlq", "redrive", "-c", bus.path("turnout.yaml"), "--resume"])
        await_pages(bus.path("store/redrive_at.json"), len(seen))
        command.kill()
        left = len(listed(place, bus, "--limit", str(count)))
        state = tasks(place, bus)
        if not state: # it was quick
            equal(left, 0)
            break
        equal((state[0]["moved"], state[0]["selected"], state[0]["looked_at"]), (count - left,) * 3, f"after {seen}")
        seen.append(count - left)
    check(len(set(seen)) > 1, "a kill in the middle of it", seen)
    note(f"redrive of {count} by the command, killed at {seen}")


def test_a_cancelled_redrive_is_still_cancelled_when_the_bus_was_stopped(place):
    bus, port = many(place, 200)
    place.sink(name="well", port=port)
    equal(dlq(place, bus, "redrive", "--all", "--rate", "50", "--detach")[0], 0)
    wait_until(lambda: tasks(place, bus)[0]["moved"] >= 20, what="some of it")
    equal(dlq(place, bus, "cancel")[0], 0)
    moved = wait_until(lambda: 200 - len(listed(place, bus, "--limit", "200")), what="what was on its way")
    both_ways(place, bus, lambda: [(task["state"], task["why"], task["moved"]) for task in tasks(place, bus)])
    equal([(task["state"], task["moved"]) for task in tasks(place, bus)], [("cancelled", moved)])


def test_a_kept_redrive_that_cannot_be_read_is_named_running_or_not(place):
    bus, _ = many(place, 3)
    equal(bus.stop(), 0)
    file = bus.path("store/redrive.json")
    with open(file, "w", encoding="utf-8") as kept:
        kept.write('{"version": 1, "request"')
    for word in (("status",), ("redrive", "--resume")):
        code, _, errors = dlq(place, bus, *word)
        check(code == 2 and "redrive.json" in errors and "is not JSON" in errors, word, code, errors)
    bus.start()
    check("cannot be resumed" in bus.process.output() and "redrive.json" in bus.process.output(), bus.process.output())
    equal(tasks(place, bus), [])


def test_a_killed_command_leaves_the_task_to_the_bus(place):
    bus, port = many(place, 200)
    well = place.sink(name="well", port=port)
    command = place.start("redrive", [bus.process.child.args[0], "dlq", "redrive", "-c", bus.path("turnout.yaml"), "--all", "--rate", "100"])
    wait_until(lambda: well.lines(), what="its beginning")
    command.kill()
    wait_until(lambda: len(well.ids()) == 200, 20, "the rest")


def test_an_interrupted_redrive_is_finished_by_a_stopped_bus_too(place):
    bus, port = many(place, 300)
    well = place.sink(name="well", port=port)
    equal(dlq(place, bus, "redrive", "--all", "--rate", "50", "--detach")[0], 0)
    wait_until(lambda: tasks(place, bus)[0]["moved"] >= 20, what="some of it")
    equal(bus.stop(), 0)
    equal([task["state"] for task in tasks(place, bus)], ["interrupted"])
    code, out, errors = dlq(place, bus, "redrive", "--resume", "--json")
    equal((code, json.loads(out)["moved"]), (0, 300), errors)
    equal(tasks(place, bus), [])
    bus.start()
    wait_until(lambda: len(well.ids()) == 300, 20, "all of them")
    equal(len(well.lines()), 300, "none twice")


def test_a_redrive_to_a_target_that_is_gone_leaves_the_record(place):
    sick = broken(place)
    bus = bus_of(place, {"a": {"url": sick.url()}, "b": {"url": sick.url()}}).start()
    post_letters(bus, "a", 3)
    post_letters(bus, "b", 2)
    bus.config["targets"] = bus.config["targets"][1:]
    bus.write_config()
    bus.write_rules([{"name": "b", "pattern": {"type": ["b"]}, "targets": ["b"]}])
    bus.reload()
    wait_until(lambda: bus.metrics()["turnout_reloads_total"] >= 1, what="the reload")

    def ask():
        code, out, _ = dlq(place, bus, "redrive", "--all", "--target", "a", "--json")
        answer = json.loads(out)
        return code, answer["state"], answer["selected"], answer["moved"], answer["no_target"]
    equal(both_ways(place, bus, ask), (1, "done", 3, 0, 3))
    code, out, _ = dlq(place, bus, "redrive", "--all", "--target", "a")
    check("NO_TARGET" in out, out)
    equal(ids_of(place, bus), ["a-0", "a-1", "a-2", "b-0", "b-1"])


def test_a_redrive_stops_itself_when_most_of_it_fails(place):
    bus, port = many(place, 1500, target={"breaker": {"enabled": False}})
    place.sink("--fail", 1, "--status", 500, name="still-sick", port=port)
    code, _, errors = dlq(place, bus, "redrive", "--all", "--rate", "max")
    equal(code, 3, errors)
    check("first attempts" in errors and "resume" in errors, errors)
    task = tasks(place, bus)[0]
    equal(task["state"], "stopped")
    check(100 <= task["moved"] < 1500, task["moved"])
    wait_until(bus.settled, 20, "what was moved to die again")
    equal(len(listed(place, bus)), 1500, "all are dead letters again")
    bus.check_books()


def test_a_redrive_stops_itself_when_a_breaker_opens(place):
    bus, port = many(place, 1500)
    sick = place.sink("--fail", 1, "--status", 500, name="still-sick", port=port)
    code, _, errors = dlq(place, bus, "redrive", "--all")
    equal(code, 3, errors)
    check("the breaker of target a opened" in errors, errors)
    left = len(listed(place, bus))
    check(1000 < left, left)
    sick.process.stop()
    well = place.sink(name="well", port=port)
    equal(place.run("target", "close", "-c", bus.path("turnout.yaml"), "a")[0], 0)
    code, _, errors = dlq(place, bus, "redrive", "--resume", "--json")
    equal(code, 0, errors)
    wait_until(lambda: len(well.ids()) + len(listed(place, bus)) == 1500, 60, "the rest")
    bus.check_books()


def test_what_was_redriven_ten_times_needs_force(place):
    sick = broken(place)
    bus = bus_of(place, {"a": {"url": sick.url()}}).start()
    post_letters(bus, "a", 1)
    for turn in range(10):
        dead = bus.metrics()["turnout_deliveries_dead_total"]
        equal(dlq(place, bus, "redrive", "--all")[0], 0, turn)
        wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] > dead, what="it to die again")
    code, out, _ = dlq(place, bus, "redrive", "--all")
    check(code == 1 and "--force" in out, out)
    equal(dlq(place, bus, "redrive", "--all", "--force")[0], 0)


# --- Elsewhere: --to rule, --to bus ---

def moved_house(place, count, rules, **sinks):
    """A bus with so many dead letters of rule a and target a, and then: these rules, and these targets beside it."""
    bus, _ = many(place, count)
    bus.config["targets"] += [{"name": name, "kind": "http", "url": sink.url(), "retry": ONE_TRY} for name, sink in sinks.items()]
    bus.write_config()
    bus.write_rules(rules)
    bus.reload()
    wait_until(lambda: bus.metrics()["turnout_reloads_total"] >= 1, what="the reload")
    return bus


def rule(name, type, *targets, **more):
    return {"name": name, "pattern": {"type": [type]}, "targets": list(targets), **more}


def keys_of(sink):
    """{event id: its key}; every repetition has the first one's."""
    keys = {}
    for line in sink.lines():
        equal(keys.setdefault(line["id"], line["key"]), line["key"], line["id"])
    return keys


def check_each_way(place, bus, to, sinks, count):
    """Half of them by the running bus, and half by the command when it is stopped: each sink gets every one, once."""
    code, out, errors = dlq(place, bus, "redrive", "--all", "--to", to, "--dry-run", "--json")
    equal((code, json.loads(out)["would_move"]), (0, count), errors)
    letters = listed(place, bus)
    half = [letter["id"] for letter in letters[:count // 2]]
    code, out, errors = dlq(place, bus, "redrive", *half, "--to", to, "--json", "--rate", "max")
    equal((code, json.loads(out)["moved"]), (0, count // 2), errors)
    for sink in sinks:
        wait_until(lambda: len(sink.ids()) == count // 2, 20, "the first half")
    equal(len(listed(place, bus)), count - count // 2)
    bus.check_books()
    equal(bus.stop(), 0)
    code, out, errors = dlq(place, bus, "redrive", "--all", "--to", to, "--json")
    equal((code, json.loads(out)["moved"]), (0, count - count // 2), errors)
    equal(listed(place, bus), [])
    equal(place.run("audit", "-c", bus.path("turnout.yaml"))[0], 0)
    bus.start()
    for sink in sinks:
        wait_until(lambda: len(sink.ids()) == count, 20, "the other half")
        equal(len(sink.lines()), count, "each once")
    bus.check_books()
    return letters


def test_to_rule_sends_to_the_targets_the_rule_has_now(place):
    new, newer = place.sink(name="new"), place.sink(name="newer")
    bus = moved_house(place, 300, [rule("a", "nothing-of-this-kind", "new", "newer")], new=new, newer=newer)
    letters = check_each_way(place, bus, "rule", [new, newer], 300)
    old = {letter["event"]["id"]: letter["delivery_id"] for letter in letters}
    first, second = keys_of(new), keys_of(newer)
    check(not (set(first.values()) & set(second.values())) and not (set(old.values()) & set(first.values())), "other deliveries, other ids")
    equal(bus.post(event("e0", type="a")).status, 202, "no rule matches it, so it goes nowhere")
    equal(bus.metrics()["turnout_events_unmatched_total"], 1)


def test_to_bus_matches_again_and_the_same_rule_and_target_keep_their_id(place):
    other = place.sink(name="other")
    bus = moved_house(place, 300, [rule("a", "a", "a"), rule("b", "a", "other")], other=other)
    port = int(bus.config["targets"][0]["url"].rsplit(":", 1)[1].split("/")[0])
    well = place.sink(name="well", port=port)
    letters = check_each_way(place, bus, "bus", [well, other], 300)
    equal(keys_of(well), {letter["event"]["id"]: letter["delivery_id"] for letter in letters}, "the ids they had")


def test_to_another_target_has_the_id_its_event_would_have_today(place):
    sick, other = broken(place), place.sink(name="other")
    bus = bus_of(place, {"a": {"url": sick.url()}})
    bus.config["sources"][0]["dedup"] = "off"
    bus.config["targets"].append({"name": "other", "kind": "http", "url": other.url()})
    bus.write_config()
    bus.start()
    post_letters(bus, "a", 1)
    bus.write_rules([rule("b", "a", "other")])
    bus.reload()
    wait_until(lambda: bus.metrics()["turnout_reloads_total"] >= 1, what="the reload")
    equal(dlq(place, bus, "redrive", "--all", "--to", "bus")[0], 0)
    wait_until(lambda: other.lines(), what="its delivery")
    equal(bus.post(event("a-0", type="a", data={"number": 0})).status, 202)
    wait_until(lambda: len(other.lines()) == 2, what="the same event, sent today")
    equal(len(keys_of(other)), 1)


def test_what_has_no_way_to_go_stays_and_is_counted(place):
    other = place.sink(name="other")
    bus = moved_house(place, 3, [rule("b", "b", "other")], other=other)

    def ask():
        answers = []
        for to in ("rule", "bus"):
            code, out, _ = dlq(place, bus, "redrive", "--all", "--to", to, "--json")
            answer = json.loads(out)
            answers.append((code, answer["state"], answer["selected"], answer["moved"], answer["no_target"], answer["no_match"]))
        return answers
    equal(both_ways(place, bus, ask), [(1, "done", 3, 0, 3, 0), (1, "done", 3, 0, 0, 3)])
    code, out, _ = dlq(place, bus, "redrive", "--all", "--to", "bus")
    check("3 stay: NO_MATCH" in out, out)
    code, out, _ = dlq(place, bus, "redrive", "--all", "--to", "bus", "--dry-run")
    check(code == 1 and "0 dead letters would be redriven" in out and "3 stay: NO_MATCH" in out, out)
    equal(len(listed(place, bus)), 3, "they stay")
    code, _, errors = dlq(place, bus, "redrive", "--all", "--to", "moon")
    check(code == 2 and "--to takes target, rule or bus" in errors, errors)


def test_what_was_sent_elsewhere_counts_its_redrives(place):
    other = broken(place, "other")
    bus = moved_house(place, 1, [rule("b", "a", "other")], other=other)
    for turn in range(10):
        dead = bus.metrics()["turnout_deliveries_dead_total"]
        equal(dlq(place, bus, "redrive", "--all", "--to", "bus")[0], 0, turn)
        wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] > dead, what="it to die again")
        letters = listed(place, bus)
        equal([(letter["redrive"]["count"], letter["target"]["id"]) for letter in letters], [(turn + 1, "other")])
    code, out, _ = dlq(place, bus, "redrive", "--all", "--to", "bus")
    check(code == 1 and "--force" in out, out)
    equal(len(keys_of(other)), 1, "one key all the time")


def test_a_redrive_to_the_bus_with_kills_in_the_middle_leaves_each_in_one_place(place):
    count = 3000
    one, two = place.sink("--delay", "5ms", name="one"), place.sink(name="two")
    bus = moved_house(place, count, [rule("b", "a", "one", "two")], one=one, two=two)
    everything = {letter["event"]["id"] for letter in listed(place, bus, "--limit", str(count))}
    equal(len(everything), count)
    equal(dlq(place, bus, "redrive", "--all", "--to", "bus", "--rate", "500", "--detach")[0], 0)
    kills = 0
    while kills < 4:
        before = len(one.ids())
        wait_until(lambda: len(one.ids()) >= before + 200, 60, "some of it")
        if [task for task in tasks(place, bus) if task["state"] == "done"]:
            break
        bus.kill()
        kills += 1
        if kills == 2:
            command = place.start("stopped", [bus.process.child.args[0], "dlq", "redrive", "-c", bus.path("turnout.yaml"), "--resume"])
            time.sleep(0.05)
            command.kill()
        bus.start()
        if [task for task in tasks(place, bus) if task["state"] == "interrupted"]:
            equal(dlq(place, bus, "redrive", "--resume", "--detach")[0], 0)
    wait_until(lambda: not [task for task in tasks(place, bus) if task["state"] == "running"], 60, "its end")
    wait_until(bus.settled, 60, "all deliveries")
    for task in tasks(place, bus): # none, if the command or the bus that was killed had just ended it
        equal((task["selected"], task["moved"]), (count, count))
    left = {letter["event"]["id"] for letter in listed(place, bus, "--limit", str(count))}
    for sink in (one, two):
        equal(sink.ids() | left, everything, "neither moved nor left")
        equal(sink.ids() & left, set(), "moved, and left too")
        keys_of(sink)
    check(kills >= 1, "it was killed in the middle of it")
    bus.check_books()
    equal(bus.stop(), 0)
    equal(place.run("audit", "-c", bus.path("turnout.yaml"))[0], 0)


# --- Export and import ---

class Exact:
    """A target that keeps bodies as they came, by event id."""

    def __init__(self):
        received = self.received = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received[self.headers["ce-id"]] = {"body": body, "key": self.headers["Idempotency-Key"].strip('"'), "ext": self.headers["ce-ext"]}
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}/"


def test_an_export_comes_back_whole_in_another_bus(place):
    sick = broken(place)
    bus = bus_of(place, {"a": {"url": sick.url()}}).start()
    pretty = b'{\n  "number": 1.00,\r\n  "big": 12345678901234567890\n}\n'
    binary = bytes(range(256))
    for number, (type, body) in enumerate([("application/json", pretty), ("application/octet-stream", binary), ("text/plain", b"line\nline")]):
        equal(request(bus.port, headers={"ce-specversion": "1.0", "ce-id": str(number), "ce-type": "a", "ce-source": "/s", "ce-ext": "kept",
                                         "Content-Type": type}, body=body).status, 202)
    wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] == 3, what="the dead letters")
    before = listed(place, bus)
    code, exported, errors = dlq(place, bus, "export")
    equal((code, len(exported.splitlines())), (0, 3), errors)
    for line in exported.splitlines():
        letter = json.loads(line)
        equal((letter["specversion"], letter["type"], letter["data"]["rule"]["name"]), ("1.0", "turnout.deadletter", "a"))
    equal(bus.stop(), 0)
    equal([json.loads(line)["id"] for line in dlq(place, bus, "export")[1].splitlines()], [json.loads(line)["id"] for line in exported.splitlines()],
          "a stopped bus exports the same")

    well = Exact()
    other = bus_of(place, {"a": {"url": well.url()}}, name="other").start()
    code, out, errors = dlq(place, other, "import", input=exported)
    equal((code, out), (0, "3 dead letters imported\n"), errors)
    after = listed(place, other)
    for name in ("delivery_id", "error", "attempts", "queue"):
        equal([record[name] for record in after], [record[name] for record in before], name)
    equal(dlq(place, other, "redrive", "--all")[0], 0)
    wait_until(lambda: len(well.received) == 3, what="their deliveries")
    equal({letter["key"] for letter in well.received.values()}, {record["delivery_id"] for record in before}, "with the keys they had")
    equal({id: letter["body"] for id, letter in well.received.items()}, {"0": pretty, "1": binary, "2": b"line\nline"}, "byte for byte")
    equal({letter["ext"] for letter in well.received.values()}, {"kept"})
    other.check_books()
    equal(other.stop(), 0)
    code, out, errors = dlq(place, other, "import", input=exported)
    equal((code, out), (0, "3 dead letters imported\n"), errors)
    equal([record["delivery_id"] for record in listed(place, other)], [record["delivery_id"] for record in before])


def test_a_bad_line_is_named_and_its_batch_is_left_out(place):
    bus = mixed(place)
    exported = dlq(place, bus, "export")[1]
    with open(place.path("letters"), "w") as file:
        file.write(exported + '{"specversion":"1.0","data":{"dlqversion":"1"}}\n')

    def ask():
        code, out, errors = dlq(place, bus, "import", place.path("letters"))
        check(f"{place.path('letters')}:8: rule.name is missing" in errors, errors)
        return code, out, len(listed(place, bus))
    equal(both_ways(place, bus, ask), (2, "0 dead letters imported\n", 7))
