# SPDX-License-Identifier: Apache-2.0
"""What an operator does with a running bus, and with a stopped one: health, metrics, status, dead letters, stopping."""
import json
import os
import re
import socket
import stat
import struct
import time

from harness import check, equal, event, free_port, note, raw, request, wait_until

FAST = {"profile": "fast", "max_retries": 1}


# --- Health, metrics, status ---

def test_health_ready_and_metrics_are_served(place):
    sink = place.sink()
    bus = place.simple_bus(sink).start()
    equal(bus.admin("/healthz").status, 200)
    equal(bus.admin("/readyz").status, 200)
    bus.post(event("1"))
    wait_until(bus.settled, what="the event to settle")
    metrics = bus.metrics()
    equal(metrics["turnout_events_accepted_total"], 1)
    equal(metrics["turnout_deliveries_delivered_total"], 1)
    equal(metrics['turnout_target_delivered_total{target="sink"}'], 1)
    bus.check_books()


def test_metrics_have_help_and_type_for_each_name(place):
    bus = place.simple_bus(place.sink()).start()
    lines = bus.admin("/metrics").body.decode().splitlines()
    names = {line.split("{")[0].split(" ")[0] for line in lines if not line.startswith("#")}
    check("turnout_deliveries_delivered_total" in names, names)
    for name in names:
        check(any(line.startswith(f"# HELP {name} ") for line in lines), f"{name} has help")
        check(any(line.startswith(f"# TYPE {name} ") for line in lines), f"{name} has a type")


def reset(connection):
    """Ends it so that the other side notices at once."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_what_senders_do_is_counted_over_all_workers(place):
    """Two sources with the same counters: each name is shown once, with a line for each source."""
    bus = place.simple_bus(place.sink("--delay", "60s"), mode="sync", workers=2)
    bus.config["sources"][0]["dedup"] = "off"
    bus.config["sources"].append({**bus.config["sources"][0], "name": "other", "listen": f"127.0.0.1:{free_port()}"})
    bus.write_config()
    bus.start()
    body = json.dumps(event("1")).encode()
    whole = (f"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/cloudevents+json\r\nContent-Length: {len(body)}\r\n\r\n").encode()
    impatient = [socket.create_connection(("127.0.0.1", bus.port)) for _ in range(16)]
    for connection in impatient:
        connection.sendall(whole + body)
    for _ in range(16):
        equal(raw(bus.port, b"nonsense\r\n\r\n")[0].status, 400)
    wait_until(lambda: bus.metrics()['turnout_source_requests_total{source="web"}'] == 16, what="the requests")
    for connection in impatient:
        reset(connection)
    wait_until(lambda: bus.metrics()['turnout_source_gone_total{source="web"}'] == 16, what="the senders that left")
    metrics = bus.metrics()
    equal(metrics['turnout_source_accepted_total{source="web"}'], 32)
    equal(metrics['turnout_source_bad_requests_total{source="web"}'], 16)
    equal(metrics['turnout_source_gone_total{source="other"}'], 0)
    equal(bus.admin("/metrics").body.count(b"# TYPE turnout_source_gone_total "), 1)


def test_ages_of_what_waits_are_served_by_source_and_target(place):
    slow, dead = place.sink("--delay", "4s", name="slow"), place.sink("--fail", 1, name="dead")
    bus = place.bus([{"name": "a", "pattern": {"source": [{"exists": True}]}, "targets": ["slow", "dead"]}],
                    targets=[{"name": "slow", "kind": "http", "url": slow.url()},
                             {"name": "dead", "kind": "http", "url": dead.url(), "retry": {"base": "1m"}}]).start()
    waiting = 'turnout_source_unsettled_oldest_seconds{source="web"}'
    parked = 'turnout_target_parked_oldest_seconds{target="dead"}'
    equal((bus.metrics()[waiting], bus.metrics()[parked]), (0, 0))
    equal(bus.post(event("1")).status, 202)
    wait_until(lambda: bus.metrics()[waiting] >= 1, what="the age of what the slow one has")
    wait_until(lambda: bus.metrics()[parked] >= 1, what="the age of what the dead one has not")
    equal(bus.metrics()['turnout_target_parked_oldest_seconds{target="slow"}'], 0)
    wait_until(lambda: bus.metrics()[waiting] == 0, what="the slow one's answer")
    check(bus.metrics()[parked] >= 3, "parked deliveries go on ageing")


def test_every_metric_is_documented(place):
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "..", "..", "broker", "admin", "METRICS.md"), encoding="utf-8") as file:
        documented = set(re.findall(r"^\| `(\w+)`", file.read(), re.M))
    bus = place.simple_bus(place.sink()).start()
    served = {name.partition("{")[0] for name in bus.metrics()}
    equal(served - documented, set(), "served but not documented")
    equal(documented - served, set(), "documented but not served")


def test_the_tcp_listener_shows_no_payloads(place):
    bus = place.simple_bus(place.sink()).start()
    for path in ("/status", "/dlq", "/dlq/redrive"):
        equal(bus.admin(path).status, 404, path)
    equal(request(bus.admin_port, "POST", "/dlq/redrive", body=b'{"all":true}').status in (404, 405), True)


def test_the_store_is_private(place):
    bus = place.simple_bus(place.sink()).start()
    equal(stat.S_IMODE(os.stat(bus.path("store")).st_mode), 0o700)
    for name in os.listdir(bus.path("store")):
        equal(stat.S_IMODE(os.stat(bus.path("store", name)).st_mode) & 0o077, 0, name)


def test_status_tells_the_books(place):
    sink = place.sink()
    bus = place.simple_bus(sink).start()
    bus.post(event("1"))
    wait_until(bus.settled, what="the event to settle")
    code, out, errors = place.run("status", "-c", bus.path("turnout.yaml"), "--json")
    equal(code, 0, errors)
    books = json.loads(out)["books"]
    equal((books["matched"], books["delivered"], books["closed"]), (1, 1, True))


def test_status_of_a_stopped_bus_reads_its_store(place):
    sink = place.sink("--fail", 1)
    bus = place.simple_bus(sink, target={"retry": {"max_retries": 0}}).start()
    equal(bus.post(event("1")).status, 202)
    wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] == 1, what="the dead letter")
    bus.stop()
    code, output, _ = place.run("status", "-c", bus.path("turnout.yaml"), "--json")
    equal(code, 0)
    status = json.loads(output)
    equal((status["phase"], status["store"]["dead"]), ("stopped", 1))


def test_status_of_a_bus_that_never_ran_says_so(place):
    bus = place.simple_bus(place.sink())
    code, _, errors = place.run("status", "-c", bus.path("turnout.yaml"))
    equal(code, 2)
    check("never ran" in errors, "it says what to do", errors)


def test_no_rule_matching_is_counted_and_answered(place):
    sink = place.sink()
    bus = place.bus([{"name": "one", "pattern": {"type": ["x"]}, "targets": ["sink"]}],
                    targets=[{"name": "sink", "kind": "http", "url": sink.url()}]).start()
    equal(bus.post(event("1")).status, 202)
    wait_until(lambda: bus.metrics()["turnout_events_unmatched_total"] == 1, what="the count")


# --- Dead letters ---

def with_dead_letters(place, count):
    """A bus with so many dead letters, and a sink that is healthy again."""
    port = place.sink("--fail", 1, "--status", 422, name="broken").port
    sick = place.processes[-1]
    bus = place.bus([{"name": "all", "pattern": {"type": ["order.created"]}, "targets": ["sink"]}],
                    targets=[{"name": "sink", "kind": "http", "url": f"http://127.0.0.1:{port}/", "retry": FAST}]).start()
    for number in range(count):
        equal(bus.post(event(f"dead-{number}", data={"number": number})).status, 202)
    wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] == count, what="the dead letters")
    sick.stop()
    return bus, place.sink("--bodies", port=port)


def dlq(place, bus, *words):
    return place.run("dlq", words[0], "-c", bus.path("turnout.yaml"), *words[1:])


def listed(place, bus):
    code, out, errors = dlq(place, bus, "list", "--json")
    equal(code, 0, errors)
    return [json.loads(line) for line in out.splitlines()]


def check_dead_letters(place, bus):
    records = listed(place, bus)
    equal(len(records), 3)
    first = records[0]
    equal((first["rule"]["name"], first["target"]["id"]), ("all", "sink"))
    equal((first["error"]["code"], first["error"]["status"]), ("HTTP_422", 422))
    code, out, errors = dlq(place, bus, "show", first["id"])
    equal(code, 0, errors)
    shown = json.loads(out)
    equal(shown["event"]["data"], {"number": 0}, "the original event is kept")


def test_dead_letters_are_listed_and_shown_while_it_runs(place):
    bus, _ = with_dead_letters(place, 3)
    check_dead_letters(place, bus)


def test_dead_letters_are_listed_and_shown_while_it_is_stopped(place):
    bus, _ = with_dead_letters(place, 3)
    equal(bus.stop(), 0)
    check_dead_letters(place, bus)


def test_one_dead_letter_is_redriven_with_its_key(place):
    bus, sink = with_dead_letters(place, 3)
    record = listed(place, bus)[1]
    code, _, errors = dlq(place, bus, "redrive", record["id"])
    equal(code, 0, errors)
    wait_until(lambda: sink.ids(), what="its delivery")
    equal([line["key"] for line in sink.lines()], [record["delivery_id"]], "the same delivery")
    wait_until(lambda: len(listed(place, bus)) == 2, what="its row to go")
    bus.check_books()


def test_all_dead_letters_are_redriven_while_it_runs(place):
    bus, sink = with_dead_letters(place, 20)
    code, _, errors = dlq(place, bus, "redrive", "--all")
    equal(code, 0, errors)
    wait_until(lambda: len(sink.ids()) == 20, what="their deliveries")
    equal(listed(place, bus), [])
    bus.check_books()


def test_all_dead_letters_are_redriven_while_it_is_stopped(place):
    bus, sink = with_dead_letters(place, 20)
    equal(bus.stop(), 0)
    code, _, errors = dlq(place, bus, "redrive", "--all")
    equal(code, 0, errors)
    equal(sink.lines(), [], "nothing is sent while it is stopped")
    bus.start()
    wait_until(lambda: len(sink.ids()) == 20, what="their deliveries")
    equal(listed(place, bus), [])


def test_a_dead_letter_that_does_not_exist_is_an_error(place):
    bus, _ = with_dead_letters(place, 1)
    code, _, errors = dlq(place, bus, "show", "nonsense")
    check(code in (1, 2), code)
    check("nonsense" in errors, errors)


def test_dead_letters_survive_a_kill(place):
    bus, _ = with_dead_letters(place, 3)
    bus.kill()
    equal(len(listed(place, bus)), 3, "read from the store")
    bus.start()
    equal(len(listed(place, bus)), 3, "and by the bus")


# --- Stopping ---

def test_a_drain_under_load_loses_nothing_and_ends_with_0(place):
    sink = place.sink("--delay", "20ms")
    bus = place.simple_bus(sink).start()
    acks = place.path("acks")
    sender = place.start("sender", [bus.process.child.args[0], "send", bus.url(), "--count", "100000", "-c", "8", "--id-prefix", "e",
                                    "--ack-log", acks])
    wait_until(lambda: len(sink.lines()) > 200, what="load")
    equal(bus.stop(), 0, bus.process.output()[-500:])
    sender.wait()
    acked = {line.strip() for line in open(acks)}
    check(len(acked) > 200, len(acked))
    bus.start()
    wait_until(bus.settled, 30, "what was left to be delivered")
    lines = sink.accepted()
    note(f"drain under load: {len(acked)} acknowledged, {len(acked - sink.ids())} lost, {len(lines) - len(sink.ids())} duplicates")
    equal(acked - sink.ids(), set(), "lost")
    equal(len(lines), len(sink.ids()), "no duplicates")


def test_a_draining_bus_is_not_ready(place):
    sink = place.sink("--delay", "1s")
    bus = place.simple_bus(sink).start()
    equal(bus.post(event("1")).status, 202)
    wait_until(lambda: sink.lines(), what="the attempt to begin")
    bus.process.send(15)
    wait_until(lambda: bus.admin("/readyz").status != 200, 1, "readiness to fail")
    equal(bus.process.wait(), 0)
    equal(sink.ids(), {"1"})


def test_a_second_sigterm_ends_it_at_once(place):
    sink = place.sink("--delay", "20s")
    bus = place.simple_bus(sink, target={"timeout": "60s"}).start()
    equal(bus.post(event("1")).status, 202)
    wait_until(lambda: sink.lines(), what="the attempt to begin")
    bus.process.send(15)
    wait_until(lambda: bus.admin("/readyz").status != 200, what="the drain to begin")
    check(bus.process.running(), "it waits for its attempt")
    begin = time.monotonic()
    bus.process.send(15)
    bus.process.wait()
    check(time.monotonic() - begin < 3, "it ended at once")


# --- Limits ---

def on_small_disk(place, test):
    """Runs test(place, folder) with a folder on a file system of 16 MB."""
    folder = place.path("small")
    os.mkdir(folder)
    check(os.system(f"mount -t tmpfs -o size=16m,mode=0700 tmpfs {folder}") == 0, "a tmpfs can be mounted (this test needs root)")
    try:
        test(place, folder)
    finally:
        for process in place.processes:
            process.kill()
        os.system(f"umount {folder}")


def fill_up(bus, limit=20000):
    """Posts until it is refused; answers the ids that were acknowledged, and checks the refusal."""
    acked = set()
    for number in range(limit):
        answer = bus.post(event(f"e{number}", data="x" * 4000))
        if answer.status != 202:
            equal(answer.status, 503, answer)
            check(int(answer.headers.get("retry-after", "0")) > 0, "Retry-After", answer.headers)
            answer.problem()
            return acked
        acked.add(f"e{number}")
    check(False, "the disk never filled up")


def check_recovery(place, bus, acked, sick):
    check(bus.process.running(), "no crash", bus.process.output()[-1000:])
    for number in range(50):
        check(bus.post(event(f"more{number}", data="x" * 4000)).status in (202, 503), "it goes on answering")
    sick.process.stop()
    well = place.sink(name="well", port=sick.port)
    wait_until(lambda: acked <= well.ids(), 60, f"all {len(acked)} acknowledged events")
    wait_until(lambda: bus.post(event("again", data="x" * 4000)).status == 202, 30, "intake to open again")
    wait_until(lambda: "again" in well.ids(), what="the event after it")
    note(f"disk full: {len(acked)} acknowledged before it was full, {len(acked - well.ids())} lost")
    bus.check_books()


def small_bus(place, folder, sick):
    return place.simple_bus(sick, store={"path": folder + "/store", "max_size": "64MiB"},
                            target={"retry": {"profile": "fast", "base": "1s", "cap": "2s", "max_retries": 1000}},
                            limits={"park_after": "100ms"}).start()


def test_a_disk_filled_by_the_store_refuses_and_recovers(place):
    def run(place, folder):
        sick = place.sink("--fail", 1, name="sick")
        bus = small_bus(place, folder, sick)
        acked = fill_up(bus)
        check(len(acked) > 100, f"{len(acked)} were taken before")
        check_recovery(place, bus, acked, sick)
    on_small_disk(place, run)


def test_a_disk_filled_by_others_refuses_and_recovers_when_there_is_room(place):
    def run(place, folder):
        sick = place.sink("--fail", 1, name="sick")
        bus = small_bus(place, folder, sick)
        acked = set()
        for number in range(100):
            equal(bus.post(event(f"early{number}")).status, 202)
            acked.add(f"early{number}")
        with open(folder + "/other", "wb") as other:
            try:
                while True:
                    other.write(b"x" * 65536)
                    other.flush()
            except OSError:
                pass
        acked |= fill_up(bus)
        os.remove(folder + "/other")
        check_recovery(place, bus, acked, sick)
    on_small_disk(place, run)


def test_a_dead_sinks_park_cap_pauses_intake(place):
    sink = place.sink("--fail", 1)
    bus = place.simple_bus(sink, target={"max_parked": 20, "retry": {"profile": "fast", "base": "30s", "cap": "30s"}},
                           limits={"park_after": "100ms"}).start()
    statuses = [bus.post(event(str(number))).status for number in range(200)]
    check(503 in statuses, "beyond the cap it answers 503", statuses[-5:])
    check(bus.metrics()["turnout_deliveries_parked"] <= 20 + 64, bus.metrics()["turnout_deliveries_parked"])


# --- Several workers ---

def test_several_workers_deliver_all_while_rules_reload(place):
    sink = place.sink("--fail", "5%", "--seed", 3)
    bus = place.simple_bus(sink, workers=3, target={"retry": {"profile": "fast", "base": "20ms", "cap": "100ms", "max_retries": 100}}).start()
    sender = place.start("sender", [bus.process.child.args[0], "send", bus.url(), "--count", "3000", "-c", "12", "--id-prefix", "e",
                                    "--rate", "1500", "--json"])
    for reloads in range(1, 6):
        sent = len(sink.ids())
        wait_until(lambda: len(sink.ids()) >= sent + 200, what="more deliveries")
        bus.reload()
        wait_until(lambda: bus.metrics()["turnout_reloads_total"] == reloads, what="the reload")
    equal(sender.wait(), 0)
    wait_until(bus.settled, 30, "all to be delivered")
    equal(sink.ids(), {f"e-{number}" for number in range(3000)})
    equal(sum(line["duplicate"] for line in sink.lines()), 0, "duplicates")
    bus.check_books()
    equal(bus.stop(), 0)
