# SPDX-License-Identifier: Apache-2.0
"""examples/incident: the script ends well, and its README says what it prints. And what `status`, `target` and `dlq` tell operators."""
import json
import os
import re
import subprocess

from harness import SLOWNESS, TURNOUT, check, equal, event, free_port, wait_until

EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "incident")
PORTS = {"WEB_PORT": "8081", "ADMIN_PORT": "9181", "BILLING_PORT": "9011", "SHIPPING_PORT": "9012"}


def masked(line):
    """Without what differs from run to run: times, ids, sizes, and how much is in flight."""
    for pattern, name in [(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"), (r"\b[0-9a-f]{16}-\d+", "ID"), (r'"[a-z2-7]{26}"', "KEY"), (r"(in|after) [\d.]+ (ms|s)\b", r"\1 SPAN"),
                          (r"[\d.]+ (B|KiB|MiB|GiB)", "SIZE"), (r"\+[\d.]+ (ms|s) +", "+SPAN ")]:
        line = re.sub(pattern, name, line)
    return line.rstrip()


def steps(lines):
    """[(command, what it printed)]"""
    found = []
    for line in map(masked, lines):
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found:
            found[-1][1].append(line)
    return found


def transcript(path):
    """What stands in the fences of a README."""
    with open(path) as file:
        fences = file.read().split("```")[1::2]
    return [line for fence in fences for line in fence.strip("\n").split("\n")]


def check_shortened(command, short, whole):
    """short is whole, with lines left out where it says '...'; a line that ends so stands for any ending."""
    at = 0
    left_out = False
    for line in short:
        if line == "...":
            left_out = True
            continue
        fits = [i for i in range(at, len(whole)) if whole[i] == line or (line.endswith(" ...") and whole[i].startswith(line[:-4]))]
        check(fits and (left_out or fits[0] == at), f"README says of '{command}':\n{line}\nbut it printed:\n" + "\n".join(whole[at:]))
        at = fits[0] + 1
        left_out = False
    check(left_out or not [line for line in whole[at:] if line and not line.startswith("# ")], f"'{command}' prints more", whole[at:])


def test_the_incident_ends_well_and_its_readme_says_what_happens(place):
    ports = {name: str(free_port()) for name in PORTS}
    played = subprocess.run([os.path.join(EXAMPLE, "incident.sh"), TURNOUT], env={**os.environ, **ports, "TMPDIR": place.folder}, text=True,
                            stdin=subprocess.DEVNULL, capture_output=True, timeout=100 * SLOWNESS)
    equal(played.returncode, 0, f"{played.stdout[-2500:]}\n{played.stderr[-2500:]}")
    printed = played.stdout
    for name, port in ports.items():
        printed = printed.replace(f":{port}", f":{PORTS[name]}")
    really, said = steps(printed.splitlines()), steps(transcript(os.path.join(EXAMPLE, "README.md")))
    equal([command for command, _ in said], [command for command, _ in really], "the README's commands are those of the script")
    for (command, short), (_, whole) in zip(said, really):
        check_shortened(command, short, whole)
    equal(os.listdir(place.folder), [], "it leaves nothing behind")


# --- What operators are told ---

def dead_bus(place, port, **target):
    """A bus whose target died of ten deliveries: ten dead letters, and an open breaker."""
    bus = place.bus([{"name": "orders", "pattern": {"type": ["order.created"]}, "targets": ["billing"]}],
                    targets=[{"name": "billing", "kind": "http", "url": f"http://127.0.0.1:{port}/", "retry": {"profile": "fast", "max_retries": 0},
                              "breaker": {"open": "5m"}, **target}]).start()
    for number in range(10):
        equal(bus.post(event(f"order-{number}")).status, 202)
    wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] == 10, what="the dead letters")
    return bus


def ask(place, bus, *words):
    code, out, errors = place.run(*words, "-c", bus.path("turnout.yaml"))
    return code, out + errors


def test_status_says_what_to_do_about_a_dead_target_with_commands_that_work(place):
    bus = dead_bus(place, free_port())
    code, out = ask(place, bus, "status")
    equal(code, 0, out)
    check("! breaker open by CONNECT" in out and "! 10 dead letters" in out, out)
    commands = re.findall(r"turnout ((?:dlq|target) .*)", out)
    equal(len(commands), 2, out)
    for command in commands:
        code, said, errors = place.run(*command.split())
        equal(code, 0, f"{command}: {said}{errors}")
    wait_until(lambda: "! breaker" not in ask(place, bus, "status")[1], what="it to be closed by hand")
    equal(bus.stop(), 0)
    code, out = ask(place, bus, "status")
    check(code == 0 and "! 10 dead letters" in out, out)
    code, said, errors = place.run(*re.search(r"turnout (dlq .*)", out)[1].split())
    check(code == 0 and "10 dead letters" in said, said, errors)


def test_a_redrive_behind_an_open_breaker_says_that_nothing_is_sent_yet(place):
    port = free_port()
    bus = dead_bus(place, port)
    code, out = ask(place, bus, "dlq", "redrive", "--all", "--dry-run")
    check(code == 0 and "10 dead letters would be redriven" in out and "the breaker of target billing is open" in out, out)
    code, out = ask(place, bus, "dlq", "redrive", "--all", "--target", "billing")
    equal(code, 0, out)
    check("10 dead letters will be delivered again" in out and "the breaker of target billing is open" in out, out)
    code, out = ask(place, bus, "dlq", "status")
    check("10 to come" in out and "redrive of all queues, target billing, started" in out and "the breaker of target billing is open" in out, out)
    sink = place.sink(port=port)
    equal(ask(place, bus, "target", "close", "billing")[0], 0)
    wait_until(lambda: len(sink.ids()) == 10, what="their deliveries")
    out = wait_until(lambda: (lambda text: "0 to come" in text and text)(ask(place, bus, "dlq", "status")[1]), what="their results")
    check("10 delivered, 0 failed" in out and "breaker" not in out, out)


def test_dlq_count_tells_rules_targets_and_errors_apart(place):
    refuses, fails = place.sink("--fail", 1, "--status", 422, name="refuses"), place.sink("--fail", 1, "--status", 503, name="fails")
    bus = place.bus([{"name": "a", "pattern": {"type": [{"prefix": "order."}]}, "targets": ["refuses", "fails"]},
                     {"name": "b", "pattern": {"type": ["order.paid"]}, "targets": ["refuses"]}],
                    targets=[{"name": sink.process.name, "kind": "http", "url": sink.url(), "retry": {"profile": "fast", "max_retries": 0}}
                             for sink in (refuses, fails)]).start()
    for number, type in enumerate(["order.created", "order.created", "order.paid"]):
        equal(bus.post(event(str(number), type=type)).status, 202)
    wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] == 7, what="the dead letters")

    def count(*words):
        code, out = ask(place, bus, "dlq", "count", "--json", *words)
        equal(code, 0, out)
        lines = [json.loads(line) for line in out.splitlines()]
        check(all(line["first_dead_at"] <= line["last_dead_at"] for line in lines), lines)
        return sorted((line["count"], line["rule"], line["target"], line["error"]) for line in lines)
    everything = [(1, "b", "refuses", "HTTP_422"), (3, "a", "fails", "HTTP_503"), (3, "a", "refuses", "HTTP_422")]
    equal(count(), everything)
    equal(count("--error", "HTTP_422"), [everything[0], everything[2]])
    code, out = ask(place, bus, "dlq", "count")
    check(code == 0 and out.endswith("7 dead letters\n") and out.split()[0] == "3", out)
    equal(bus.stop(), 0)
    equal(count(), everything, "with the bus stopped, too")


def test_a_name_that_the_configuration_does_not_have_is_pointed_out(place):
    bus = dead_bus(place, free_port())
    code, out = ask(place, bus, "dlq", "list", "--target", "biling")
    check(code == 0 and "0 dead letters" in out and "no target 'biling' (did you mean billing?)" in out, out)
    for word in ("status", "open", "close"):
        code, out = ask(place, bus, "target", word, "biling")
        check(code == 1 and "no target 'biling' (did you mean billing?)" in out, out)
    code, out = ask(place, bus, "dlq", "redrive", "--all", "--target", "biling")
    check(code == 1 and "no dead letter was selected" in out and "no target 'biling'" in out, out)
    code, out = ask(place, bus, "dlq", "count", "--queue", "urgent")
    check(code == 0 and "no queue 'urgent'" in out, out)


def test_a_dead_letter_died_at_the_same_time_whoever_asks(place):
    bus = dead_bus(place, free_port())
    answers = {ask(place, bus, "dlq", "list")[1] for _ in range(15)}
    equal(bus.stop(), 0)
    answers.add(ask(place, bus, "dlq", "list")[1])
    equal(len(answers), 1, answers)


def test_a_log_line_says_only_what_there_is_to_say(place):
    bus = dead_bus(place, free_port())
    lines = bus.process.output().splitlines()
    opened = next(line for line in lines if "breaker of target opened" in line)
    check(re.search(r"is probed  target=billing code=CONNECT next_ms=\d+$", opened), opened)
    dead = next(line for line in lines if "delivery dead-lettered" in line)
    check(re.search(r"dead-lettered  rule=orders target=billing delivery=[a-z2-7]{26} attempts=1 code=CONNECT why=\"Failed to connect .*\"$", dead), dead)
