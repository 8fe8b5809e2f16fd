# SPDX-License-Identifier: Apache-2.0
"""What a rough night brings: reloads all the time, stores in use, ports taken, letters named twice. Most of it pays off under a sanitizer."""
import json
import os
import random
import resource
import signal
import socket
import subprocess
import threading
import time

from harness import SLOWNESS, TURNOUT, check, equal, event, free_port, function, note, post_event, request, wait_until

ALL = {"source": [{"exists": True}]}
RETRY = {"profile": "fast", "base": "20ms", "cap": "200ms", "max_retries": 100}


def send(bus, *words):
    return [TURNOUT, "send", bus.url(), *map(str, words)]


# --- Reloads ---

def rewrite(bus, sinks, rng, number):
    """Changes rules and targets in one of the ways that files change; some of them are refused."""
    path = bus.path("rules", "rules.yaml")
    targets = rng.choice((1, 2, 2))
    rules = [{"name": f"r{i}", "pattern": ALL, "targets": [f"t{i}"]} for i in range(rng.randint(1, targets))]
    way = rng.random()
    if way < 0.6:
        bus.config["targets"] = [{"name": f"t{i}", "kind": "http", "url": f"{sinks[i].url()}?v={number}", "retry": RETRY,
                                  "max_in_flight": rng.choice((1, 8, 64))} for i in range(targets)]
        bus.write_config()
        bus.write_rules(rules)
    elif way < 0.7:
        open(path, "w").close()
    elif way < 0.8:
        bus.write_rules("rules: [")
    elif way < 0.9:
        bus.write_rules(rules, "fresh.tmp")
        os.rename(bus.path("rules", "fresh.tmp"), path)
    else:
        os.remove(path)
        bus.write_rules(rules, "elsewhere")
        os.symlink("elsewhere", path)


def test_reloads_under_load_with_targets_coming_and_going_lose_nothing(place):
    rng = random.Random(7)
    sinks = [place.sink("--fail", "0.1", "--seed", i, name=f"sink{i}") for i in (0, 1)]
    bus = place.bus([{"name": "r0", "pattern": ALL, "targets": ["t0"]}], workers=2,
                    targets=[{"name": "t0", "kind": "http", "url": sinks[0].url(), "retry": RETRY}]).start()
    acks = place.path("acks")
    sender = place.start("sender", send(bus, "--count", 10000000, "--rate", 1000 / SLOWNESS, "-c", 16, "--retry", "--id-prefix", "e",
                                        "--ack-log", acks))
    for number in range(50):
        rewrite(bus, sinks, rng, number)
        bus.reload()
        time.sleep(0.06)
    sender.send(signal.SIGINT)
    sender.wait()
    bus.config["targets"] = [{"name": f"t{i}", "kind": "http", "url": sinks[i].url(), "retry": RETRY} for i in (0, 1)]
    bus.write_config()
    bus.write_rules([{"name": f"r{i}", "pattern": ALL, "targets": [f"t{i}"]} for i in (0, 1)])
    bus.reload()
    wait_until(bus.settled, 20, "all that was accepted to be delivered")
    bus.check_books()
    acked = {line.strip() for line in open(acks)}
    metrics = bus.metrics()
    note(f"{metrics['turnout_reloads_total']:.0f} reloads, {metrics['turnout_reload_errors_total']:.0f} refused, {len(acked)} acknowledged")
    check(len(acked) > 100 and metrics["turnout_reloads_total"] > 5 and metrics["turnout_reload_errors_total"] > 0, "there was load, and reloads")
    equal(acked - sinks[0].ids(), set(), "lost")
    equal(bus.stop(), 0, bus.process.output()[-2000:])


def test_a_reload_keeps_delivery_ids(place):
    sink = place.sink()
    bus = place.simple_bus(sink, workers=2)
    bus.config["sources"][0]["dedup"] = "off"
    bus.write_config()
    bus.start()
    for number in range(5):
        bus.config["targets"][0]["url"] = f"{sink.url()}?v={number}"
        bus.write_config()
        bus.reload()
        wait_until(lambda: bus.metrics()["turnout_reloads_total"] >= number + 1, what="the reload")
        equal(bus.post(event("same")).status, 202)
    wait_until(lambda: len(sink.lines()) == 5, what="the deliveries")
    equal(len({line["key"] for line in sink.lines()}), 1)


def test_a_reload_applies_address_rules_to_targets_that_did_not_change(place):
    sink = place.sink()
    bus = place.simple_bus(sink, target={"retry": {"max_retries": 0}}).start()
    bus.config["addresses"] = {"deny": ["127.0.0.0/8"]}
    bus.write_config()
    bus.reload()
    wait_until(lambda: bus.metrics()["turnout_reloads_total"] >= 1, what="the reload")
    equal(bus.post(event("1")).status, 202)
    wait_until(lambda: bus.metrics()["turnout_deliveries_in_hand{state=\"pending\"}"] == 0 and "ADDRESS_BLOCKED" in bus.process.output(),
               what="the attempt to be blocked")
    equal(sink.lines(), [])


# --- Ports, descriptors, locks ---

def refused_on(place, name, port, workers):
    other = place.bus([{"name": "all", "pattern": ALL, "targets": ["sink"]}], name=name, workers=workers,
                      targets=[{"name": "sink", "kind": "http", "url": "http://127.0.0.1:9/"}])
    other.config["sources"][0]["listen"] = f"127.0.0.1:{port}"
    other.write_config()
    other.launch()
    equal(other.process.wait(), 2, "it does not start")
    check("already in use" in other.process.output(), other.process.output())


def test_the_port_of_another_bus_is_not_shared_with_it(place):
    bus = place.simple_bus(place.sink(), workers=2).start()
    refused_on(place, "alone", bus.port, 1)
    refused_on(place, "sharing", bus.port, 2)


def test_two_sources_cannot_have_one_port(place):
    bus = place.simple_bus(place.sink(), workers=2)
    bus.config["sources"].append({**bus.config["sources"][0], "name": "again"})
    bus.write_config()
    bus.launch()
    equal(bus.process.wait(), 2)
    check("already in use" in bus.process.output(), bus.process.output())


def test_a_source_that_cannot_be_opened_says_why_in_a_json_log(place):
    first = place.simple_bus(place.sink()).start()
    bus = place.bus([{"name": "all", "pattern": ALL, "targets": ["sink"]}], name="second", log={"format": "json"},
                    targets=[{"name": "sink", "kind": "http", "url": "http://127.0.0.1:9/"}])
    bus.config["sources"][0]["listen"] = f"127.0.0.1:{first.port}"
    bus.write_config()
    bus.launch()
    bus.process.wait()
    lines = [json.loads(line) for line in bus.process.output().splitlines() if line.startswith("{")]
    check(any("already in use" in line.get("error", "") for line in lines), lines)


def limit_files(count):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


def test_senders_leave_descriptors_for_targets(place):
    """64 descriptors and 60 connections: half of them belong to the bus."""
    sink = place.sink()
    bus = place.simple_bus(sink).start(preexec_fn=limit_files(64))
    sender = place.start("sender", send(bus, "--count", 2000, "-c", 60, "--retry", "--id-prefix", "e", "--timeout", "2s"))
    wait_until(lambda: len(sink.ids()) >= 1500, 8, "deliveries meanwhile")
    sender.kill()
    equal([line for line in bus.process.output().splitlines() if "Too many open files" in line], [])


def test_silent_connections_do_not_shut_senders_out(place):
    sink = place.sink()
    bus = place.simple_bus(sink, workers=2)
    bus.config["sources"][0]["max_connections"] = 8
    bus.write_config()
    bus.start()
    silent = [socket.create_connection(("127.0.0.1", bus.port), timeout=15) for _ in range(200)]
    for number in range(20):
        equal(bus.post(event(f"e{number}"), timeout=10).status, 202)
    wait_until(lambda: len(sink.ids()) == 20, what="the deliveries")
    check(bus.metrics()['turnout_source_idle_closed_total{source="web"}'] >= 200 - 2 * 8, bus.metrics())
    for connection in silent:
        connection.close()


def test_a_start_waits_for_a_command_that_reads_the_store(place):
    bus = place.simple_bus(place.sink()).start()
    equal(bus.stop(), 0)
    commands = [subprocess.Popen([TURNOUT, "status", "-c", bus.path("turnout.yaml")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 text=True) for _ in range(12)]
    bus.start()
    for command in commands:
        output, _ = command.communicate()
        equal(command.returncode, 0, output)


def test_commands_and_a_bus_that_start_at_the_same_moment_do_not_keep_each_other_out(place):
    """Nobody holds the store when a command looks, and a bus does when it opens it: then the bus is there to be asked."""
    rng = random.Random(11)
    bus = place.simple_bus(place.sink()).start()
    equal(bus.stop(), 0)
    words = [("status",), ("trace", "no-such-event"), ("dlq", "list"), ("dlq", "redrive", "--all", "--dry-run"), ("quarantine", "list")]
    words = [("audit",), *words * 3]
    for _ in range(15):
        commands, launch_at = [], rng.randrange(8, 16)
        for number, word in enumerate(rng.sample(words, len(words))):
            if number == launch_at:
                bus.launch()
            commands.append((word, subprocess.Popen([TURNOUT, *word, "-c", bus.path("turnout.yaml")], stdout=subprocess.PIPE,
                                                    stderr=subprocess.STDOUT, text=True)))
        for word, command in commands:
            output, _ = command.communicate()
            check(command.returncode in (0, 1), word, command.returncode, output)
        wait_until(bus.is_ready, what="the bus to become ready")
        equal(bus.stop(), 0)


def test_a_hang_up_while_it_starts_does_not_end_it(place):
    bus = place.simple_bus(place.sink()).launch()
    wait_until(lambda: os.path.exists(bus.path("store")), what="the store to be made")
    for _ in range(30):
        bus.reload()
        time.sleep(0.002)
    wait_until(bus.is_ready, what="the bus to become ready")


# --- Dead letters ---

def dead_letters(place, bus):
    code, out, errors = place.run("dlq", "list", "-c", bus.path("turnout.yaml"), "--json")
    equal(code, 0, errors)
    return [json.loads(line) for line in out.splitlines()]


def with_dead_letter(place, **members):
    sink = place.sink("--fail", 1, "--status", 422)
    bus = place.simple_bus(sink).start()
    equal(bus.post(event("1", **members)).status, 202)
    wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] == 1, what="the dead letter")
    return bus


def test_a_dead_letter_named_twice_is_redriven_once(place):
    bus = with_dead_letter(place)
    id = dead_letters(place, bus)[0]["id"]
    code, out, errors = place.run("dlq", "redrive", "-c", bus.path("turnout.yaml"), id, id, id)
    equal((code, out.split()[0]), (0, "1"), errors)
    wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] == 2, what="it to die again")
    equal(bus.metrics()["turnout_deliveries_redriven_total"], 1)
    equal(bus.metrics()["turnout_deliveries_parked"], 0)
    bus.stop()
    code, out, errors = place.run("dlq", "redrive", "-c", bus.path("turnout.yaml"), id, id)
    equal((code, out.split()[0]), (0, "1"), errors)


def test_a_dead_letter_is_shown_with_its_numbers_as_they_were_sent(place):
    sink = place.sink("--fail", 1, "--status", 422)
    bus = place.simple_bus(sink).start()
    body = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"n":123456789012345678901234567890,"m":1.50,"o":1e999,"e":[]}}'
    equal(request(bus.port, headers={"Content-Type": "application/cloudevents+json"}, body=body).status, 202)
    wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] == 1, what="the dead letter")
    for _ in ("running", "stopped"):
        code, out, errors = place.run("dlq", "show", "-c", bus.path("turnout.yaml"), dead_letters(place, bus)[0]["id"])
        equal(code, 0, errors)
        for text in ('"n": 123456789012345678901234567890', '"m": 1.50', '"o": 1e999', '"e": []'):
            check(text in out, text, "is in", out)
        bus.stop()


def test_a_filter_that_can_match_nothing_is_an_error(place):
    bus = with_dead_letter(place)
    code, _, errors = place.run("dlq", "list", "-c", bus.path("turnout.yaml"), "--rule", "a b")
    equal(code, 2)
    check("--rule" in errors, errors)


def test_dead_letters_that_filled_the_disk_are_redriven(place):
    """A batch that does not fit on the disk must not be tried for ever in front of those that make room."""
    store = place.path("small")
    os.mkdir(store)
    check(os.system(f"mount -t tmpfs -o size=4m,mode=0700 tmpfs {store}") == 0, "a tmpfs can be mounted (needs root)")
    try:
        redrive_a_full_disk(place, store)
    finally:
        for process in place.processes:
            process.kill()
        os.system(f"umount {store}")


def redrive_a_full_disk(place, store):
    sick = place.sink("--fail", 1, "--status", 422)
    bus = place.simple_bus(sick, store={"path": store + "/store", "max_size": "1GiB"}).start()
    statuses = [bus.post(event(f"e{number}", data="x" * 3000)).status for number in range(1500)]
    acked = {f"e{number}" for number, status in enumerate(statuses) if status == 202}
    equal(statuses[-1], 503, "the disk is full")
    wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] == len(acked), what="the dead letters")
    sick.process.kill()
    well = place.sink(name="well", port=sick.port)
    code, _, errors = place.run("dlq", "redrive", "-c", bus.path("turnout.yaml"), "--all", "--rate", "max", limit=20)
    equal(code, 0, errors)
    wait_until(lambda: well.ids() == acked, 10, "their deliveries")
    wait_until(lambda: bus.post(event("after")).status == 202, 10, "intake to open again")
    bus.check_books()


# --- Refused before anything is opened ---

def test_each_source_has_a_window_of_its_own(place):
    """A function that counts how many calls run at once sees two of the source with window 2, and all of the other's."""
    running, most, lock = [0], [0], threading.Lock()

    def count(_):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.4)
        with lock:
            running[0] -= 1
        return 200, {}, b""

    narrow, seen = free_port(), {}
    with function(count) as (url, _):
        bus = place.simple_bus(url, mode="sync")
        bus.config["sources"].append({**bus.config["sources"][0], "name": "narrow", "listen": f"127.0.0.1:{narrow}", "window": 2})
        bus.write_config()
        bus.start()
        for name, port in (("narrow", narrow), ("wide", bus.port)):
            most[0] = 0
            senders = [threading.Thread(target=post_event, args=(port, event(f"{name}{i}"))) for i in range(6)]
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join()
            seen[name] = most[0]
    equal(seen["narrow"], 2)
    check(seen["wide"] > 2, seen)


def test_a_store_path_too_long_for_a_socket_is_named(place):
    path = place.path("deep", *["x" * 20] * 6)
    os.makedirs(os.path.dirname(path))
    bus = place.simple_bus(place.sink(), store={"path": path}).launch()
    equal(bus.process.wait(), 2)
    check("store.path is too long" in bus.process.output(), bus.process.output())


def test_a_configuration_path_that_is_too_long_is_named(place):
    folder = place.path("x" * 100, "y" * 100, "z" * 100)
    os.makedirs(folder)
    code, out, errors = place.run("check", "-c", os.path.join(folder, "turnout.yaml"))
    equal(code, 2)
    check("path of the configuration" in out + errors, out, errors)
