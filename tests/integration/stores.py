# SPDX-License-Identifier: Apache-2.0
"""Stores that are damaged, newer, full, read-only or wanted by two; rules, targets and clocks that changed while deliveries waited.

What is stated in the table of tests/campaigns/README.md: each has a clear message, and nothing is lost.
"""
import contextlib
import json
import os
import re
import shutil
import subprocess
import time

from harness import check, equal, event, wait_until

QUICK = {"profile": "fast", "base": "200ms", "cap": "500ms", "max_retries": 100}
COUNT = 40


def bus_with_parked(place, store="store", **config):
    """A stopped bus with 40 parked deliveries (none in memory, waiting for a retry budget), and the port of its target, which is down."""
    sick = place.sink("--fail", 1, name="sick")
    bus = place.simple_bus(sick, store={"path": store, "max_size": "64MiB"}, limits={"park_after": "50ms", "removal_grace": "1s"},
                           target={"retry": QUICK, "breaker": {"enabled": False}, "retry_budget": {"enabled": False}}, **config).start()
    for number in range(COUNT):
        equal(bus.post(event(f"e{number}", data="x" * (number * 50))).status, 202)
    wait_until(lambda: bus.metrics()["turnout_deliveries_parked"] >= COUNT - 5, what="parked deliveries")
    equal(bus.stop(), 0, bus.process.output()[-500:])
    sick.process.kill()
    return bus, sick.port


def ids():
    return {f"e{number}" for number in range(COUNT)}


def check_all_delivered(place, bus, port):
    well = place.sink(name="well", port=port)
    if not bus.process.running():
        bus.start()
    wait_until(lambda: well.ids() == ids(), 20, "all that was acknowledged")
    wait_until(bus.settled, what="the end")
    bus.check_books()


def refused(bus):
    """Starts the bus, which must end with 2; answers what it said."""
    bus.launch()
    equal(bus.process.wait(), 2, bus.process.output()[-800:])
    return bus.process.output()


def data_file(bus):
    return bus.path("store", "data.mdb")


# --- What is on the disk ---

def test_a_store_written_by_a_newer_version_is_refused_and_left_as_it_is(place):
    bus, port = bus_with_parked(place)
    with open(data_file(bus), "rb") as file:
        before = file.read()
    at = [place for place in range(len(before)) if before.startswith(b"format\0\0\0", place)]
    check(at, "the store's format number is found")
    newer = bytearray(before)
    for place_of_name in at:
        newer[place_of_name + 9] = 99
    with open(data_file(bus), "wb") as file:
        file.write(newer)
    said = refused(bus)
    check("written by a newer version (format 99; this version knows" in said, said)
    for command in ("status", "audit"):
        code, out, errors = place.run(command, "-c", bus.path("turnout.yaml"))
        check(code == 2 and "newer version" in errors, command, code, out, errors)
    with open(data_file(bus), "r+b") as file:
        equal(file.read(), bytes(newer), "the store")
        file.seek(0)
        file.write(before)
    check_all_delivered(place, bus, port)


def test_a_store_that_was_cut_short_is_refused_with_advice(place):
    bus, port = bus_with_parked(place)
    shutil.copy(data_file(bus), bus.path("copy"))
    size = os.path.getsize(data_file(bus))
    for part in (0.9, 0.5, 0.1):
        shutil.copy(bus.path("copy"), data_file(bus))
        os.truncate(data_file(bus), int(size * part))
        said = refused(bus)
        check("is damaged: page" in said and "put a backup in its place" in said, part, said)
    shutil.copy(bus.path("copy"), data_file(bus))
    check_all_delivered(place, bus, port)


def test_a_flipped_bit_costs_its_record_and_no_other(place):
    bus, port = bus_with_parked(place)
    with open(data_file(bus), "r+b") as file:
        content = file.read()
        at = content.rindex(b"x" * 1900)
        while at >= 0:  # every copy that older pages still have
            file.seek(at + 100)
            file.write(b"y")
            at = content.rfind(b"x" * 1900, 0, at - 1900)
    code, out, _ = place.run("audit", "-c", bus.path("turnout.yaml"))
    check(code == 1 and "EVENT_DAMAGED" in out and "set aside" in out, code, out)
    bus.start()
    well = place.sink(name="well", port=port)
    wait_until(lambda: len(well.ids()) >= COUNT - 3, 20, "the others")
    wait_until(lambda: bus.metrics()["turnout_store_bad_records_total"] >= 1, what="the count of damaged records")
    wait_until(lambda: "set aside" in bus.process.output(), what="its line in the log")
    line = next(line for line in bus.process.output().splitlines() if "set aside" in line)
    check(re.search(r" warn .*send it again.*turnout audit.* record=(row:[0-9a-f]{16}-\d+|event:[0-9a-f]{16}) ", line), line)
    bus.check_books()
    bus.stop()
    code, out, _ = place.run("audit", "-c", bus.path("turnout.yaml"))
    check(code == 0 and "set aside earlier" in out, code, out)


@contextlib.contextmanager
def disk_of(place, size):
    folder = place.path("small")
    os.mkdir(folder)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", folder], capture_output=True, text=True)
    equal(done.returncode, 0, f"a tmpfs can be mounted (needs root): {done.stderr}")
    try:
        yield folder
    finally:
        for process in place.processes:
            process.kill()
        subprocess.run(["umount", folder], check=False)


def fill(folder):
    with contextlib.suppress(OSError), open(os.path.join(folder, "other"), "wb", buffering=0) as other:
        while True:
            other.write(b"x" * 512)


def test_a_stopped_store_opens_on_a_disk_that_became_full(place):
    with disk_of(place, "8m") as folder:
        bus, port = bus_with_parked(place, store=folder + "/store")
        fill(folder)
        for command in (["status"], ["dlq", "list"], ["audit"]):
            code, out, errors = place.run(*command, "-c", bus.path("turnout.yaml"))
            equal(code, 0, f"{command}: {out}{errors}")
        bus.start()
        equal(bus.post(event("more")).status, 503)
        well = place.sink(name="well", port=port)
        wait_until(lambda: well.ids() == ids(), 20, "all that was acknowledged")
        os.remove(os.path.join(folder, "other"))
        wait_until(bus.settled, what="the end")
        equal(len(well.lines()), COUNT, "none twice")
        bus.check_books()


def test_a_new_store_on_a_full_disk_is_refused(place):
    with disk_of(place, "1m") as folder:
        fill(folder)
        bus = place.simple_bus(place.sink(), store={"path": folder + "/store", "max_size": "64MiB"})
        said = refused(bus)
        check("No space left on device" in said and folder in said, said)
        os.remove(os.path.join(folder, "other"))
        bus.start()
        equal(bus.post(event("1")).status, 202)


def test_a_store_on_a_read_only_disk_is_refused(place):
    with disk_of(place, "8m") as folder:
        bus, port = bus_with_parked(place, store=folder + "/store")
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        said = refused(bus)
        check("Read-only file system" in said and folder in said, said)
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
        check_all_delivered(place, bus, port)


def test_a_second_configuration_cannot_have_a_store_in_use(place):
    first = place.simple_bus(place.sink()).start()
    second = place.bus([{"name": "all", "pattern": {"type": ["x"]}, "targets": ["t"]}], name="second", store={"path": first.path("store")},
                       targets=[{"name": "t", "kind": "http", "url": "http://127.0.0.1:9/"}])
    said = refused(second)
    check(f"is in use by process {first.process.pid}" in said and "admin.sock" in said, said)
    equal(first.post(event("1")).status, 202)


# --- What changed while deliveries waited ---

def dead_letters(place, bus):
    code, out, errors = place.run("dlq", "list", "-c", bus.path("turnout.yaml"), "--json")
    equal(code, 0, errors)
    return [json.loads(line) for line in out.splitlines()]


def check_dead_for_want_of_a_target(place, bus):
    """All are dead letters for want of a target, and stay so when they are redriven to nowhere."""
    wait_until(lambda: {letter["event"]["id"] for letter in dead_letters(place, bus)} == ids(), 20, "dead letters")
    equal({letter["error"]["code"] for letter in dead_letters(place, bus)}, {"NO_TARGET"})
    code, out, errors = place.run("dlq", "redrive", "--all", "-c", bus.path("turnout.yaml"))
    check(code == 1 and "NO_TARGET" in out + errors, "a redrive to what is gone leaves them", code, out, errors)
    equal(len(dead_letters(place, bus)), COUNT)


def test_parked_deliveries_of_a_removed_target_are_dead_letters_and_can_be_redriven(place):
    bus, port = bus_with_parked(place)
    target, rules = bus.config["targets"][0], [{"name": "all", "pattern": {"source": [{"exists": True}]}, "targets": ["sink"]}]
    bus.config["targets"] = [{"name": "other", "kind": "http", "url": "http://127.0.0.1:9/"}]
    bus.write_config()
    bus.write_rules([{"name": "other", "pattern": {"type": ["none"]}, "targets": ["other"]}])
    bus.start()
    check_dead_for_want_of_a_target(place, bus)
    bus.config["targets"] = [target]
    bus.write_config()
    bus.write_rules(rules)
    bus.stop()
    bus.start()
    well = place.sink(name="well", port=port)
    code, out, errors = place.run("dlq", "redrive", "--all", "--rate", "max", "-c", bus.path("turnout.yaml"))
    equal(code, 0, f"{out}{errors}")
    wait_until(lambda: well.ids() == ids(), 20, "the deliveries")
    bus.check_books()


def test_parked_deliveries_of_a_removed_rule_are_dead_letters_and_can_be_redriven(place):
    bus, port = bus_with_parked(place)
    rules = [{"name": "all", "pattern": {"source": [{"exists": True}]}, "targets": ["sink"]}]
    bus.write_rules([{"name": "renamed", "pattern": {"type": ["none"]}, "targets": ["sink"]}])
    bus.start()
    check_dead_for_want_of_a_target(place, bus)
    bus.write_rules(rules)
    bus.reload()
    wait_until(lambda: bus.metrics()["turnout_reloads_total"] >= 1, what="the reload")
    well = place.sink(name="well", port=port)
    code, out, errors = place.run("dlq", "redrive", "--all", "--rate", "max", "-c", bus.path("turnout.yaml"))
    equal(code, 0, f"{out}{errors}")
    wait_until(lambda: well.ids() == ids(), 20, "the deliveries")


def test_a_target_that_is_back_within_its_grace_goes_on(place):
    bus, port = bus_with_parked(place)
    bus.config["limits"]["removal_grace"] = "1m"
    target = bus.config["targets"][0]
    rules = [{"name": "all", "pattern": {"source": [{"exists": True}]}, "targets": ["sink"]}]
    bus.write_config()
    bus.start()
    bus.config["targets"] = [{"name": "other", "kind": "http", "url": "http://127.0.0.1:9/"}]
    bus.write_config()
    bus.write_rules([{"name": "other", "pattern": {"type": ["none"]}, "targets": ["other"]}])
    bus.reload()
    wait_until(lambda: bus.metrics()["turnout_reloads_total"] >= 1, what="the reload")
    time.sleep(0.5)
    equal(dead_letters(place, bus), [])
    bus.config["targets"] = [target]
    bus.write_config()
    bus.write_rules(rules)
    bus.reload()
    check_all_delivered(place, bus, port)
