# SPDX-License-Identifier: Apache-2.0
"""examples/sidecar and examples/router, run as their READMEs say; and what they are made of: start.wait_for, the service manager's socket."""
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time

from harness import TURNOUT, SLOWNESS, check, equal, event, free_port, note, post_event, request, wait_until

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples")
BINARY = os.path.abspath(TURNOUT)


def rewrite(path, changes):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for old, new in changes.items():
        check(old in text, f"{path} has {old}")
        text = text.replace(old, new)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def ready(port):
    try:
        return request(port, "GET", "/readyz").status == 200
    except OSError:
        return False


# --- Sidecar ---

class Sidecar:
    def __init__(self, place, **env):
        self.folder = place.path("sidecar")
        self.port, self.admin, self.service = free_port(), free_port(), free_port()
        self.log = place.path("done")
        shutil.copytree(os.path.join(EXAMPLES, "sidecar"), self.folder)
        rewrite(os.path.join(self.folder, "turnout.yaml"), {":9000/": f":{self.service}/", ":9180": f":{self.admin}", ":8080": f":{self.port}"})
        self.process = place.start("sidecar", [os.path.join(self.folder, "start.sh")],
                                   env={"TURNOUT": BINARY, "PORT": str(self.service), "LOG": self.log, **env})

    def done(self):
        if not os.path.exists(self.log):
            return []
        with open(self.log, encoding="utf-8") as log:
            return log.read().split()


def test_the_sidecar_takes_events_only_when_its_service_is_healthy_and_drains_before_it_goes(place):
    sidecar = Sidecar(place, WARM_UP="1.5", WORK="0.5")
    wait_until(lambda: "waiting for services" in sidecar.process.output(), what="the bus to wait")
    check(not ready(sidecar.admin), "not ready before its service")
    try:
        status = post_event(sidecar.port, event("early")).status
    except OSError:
        status = None
    equal(status, None, "nobody listens before the service is healthy")
    wait_until(lambda: ready(sidecar.admin), what="the bus to become ready")
    for number in range(10):
        equal(post_event(sidecar.port, event(f"e-{number}")).status, 202)
    equal(sidecar.process.stop(), 0, f"drained: {sidecar.process.output()}")
    equal(sorted(sidecar.done()), [f"e-{number}" for number in range(10)], "all of it was done before the service went")
    lines = sidecar.process.output()
    check(lines.index("drained=yes") < lines.index("service: stopped"), lines)


def test_the_sidecar_goes_with_its_service(place):
    sidecar = Sidecar(place, WARM_UP="0")
    wait_until(lambda: ready(sidecar.admin), what="the bus to become ready")
    pids = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(sidecar.process.pid)], capture_output=True, text=True, check=True).stdout
    service = int(next(line for line in pids.splitlines() if "service.py" in line).split()[0])
    os.kill(service, signal.SIGTERM)
    equal(sidecar.process.wait(), 0, sidecar.process.output())


def test_a_service_that_never_becomes_healthy_ends_the_start_by_name(place):
    sink = place.sink()
    url = f"http://127.0.0.1:{free_port()}/health"
    bus = place.simple_bus(sink, start={"wait_for": [sink.url(), url], "timeout": "1s"}).launch()
    equal(bus.process.wait(), 2)
    check(f"{url} was not ready within start.timeout" in bus.process.output(), bus.process.output())


def test_a_bus_that_still_waits_is_stopped_at_once(place):
    bus = place.simple_bus(place.sink(), start={"wait_for": [f"http://127.0.0.1:{free_port()}/"], "timeout": "1m"}).launch()
    wait_until(lambda: "waiting for services" in bus.process.output(), what="the bus to wait")
    began = time.monotonic()
    equal(bus.stop(), 0)
    check(time.monotonic() - began < 5 * SLOWNESS, "it did not wait for the minute")


def test_what_is_no_url_is_refused_with_its_place(place):
    bus = place.simple_bus(place.sink(), start={"wait_for": ["localhost:80"]})
    code, out, err = place.run("check", "-c", bus.path("turnout.yaml"))
    check(code == 2 and re.search(r"turnout.yaml:\d+:\d+.*start.wait_for", out + err), out + err)


# --- Router ---

UNIT = os.path.join(EXAMPLES, "router", "turnout.service")


def unit_lines(name):
    with open(UNIT, encoding="utf-8") as unit:
        return [line.split("=", 1)[1].strip() for line in unit if line.startswith(name + "=")]


def command_of(name, place, **known):
    """A command line of the unit, with its paths where this test has them."""
    words = shlex.split(unit_lines(name)[0])
    paths = {"/usr/bin/turnout": BINARY, "/etc/turnout/turnout.yaml": place.path("etc", "turnout.yaml"), **known}
    return [paths.get(word, word) for word in words]


def install(place):
    shutil.copytree(os.path.join(EXAMPLES, "router"), place.path("etc"))
    with open(place.path("token"), "w", encoding="utf-8") as token:
        token.write("hunter2")
    port, admin = free_port(), free_port()
    sink = place.sink()
    rewrite(place.path("etc", "turnout.yaml"), {
        "/var/lib/turnout": place.path("state"), "/etc/turnout/rules": place.path("etc", "rules"), ":9180": f":{admin}", ":8080": f":{port}",
        "http://127.0.0.1:9001/": sink.url(), "/run/credentials/turnout.service/billing-token": place.path("token")})
    return port, admin, sink


def test_the_routers_unit_is_valid_and_little_exposed(place):
    analyze = shutil.which("systemd-analyze")
    check(analyze, "systemd-analyze is missing: Debian has it in the package systemd")
    rated = subprocess.run([analyze, "security", "--offline=true", UNIT], capture_output=True, text=True, timeout=60)
    found = re.search(r"Overall exposure level for turnout.service: ([0-9.]+)", rated.stdout)
    check(found, rated.stdout + rated.stderr)
    note(f"exposure of turnout.service: {found.group(1)}")
    check(float(found.group(1)) <= 1.5, rated.stdout)
    shutil.copy(UNIT, place.path("turnout.service"))
    rewrite(place.path("turnout.service"), {"/usr/bin/turnout": BINARY})
    verified = subprocess.run([analyze, "verify", place.path("turnout.service")], capture_output=True, text=True, timeout=60)
    equal([verified.returncode, verified.stderr], [0, ""])


def test_the_unit_waits_longer_than_a_drain_takes(place):
    with open(os.path.join(EXAMPLES, "router", "turnout.yaml"), encoding="utf-8") as config:
        drain = int(re.search(r"drain_timeout: (\d+)s", config.read()).group(1))
    check(int(unit_lines("TimeoutStopSec")[0]) > drain + 8, "and than sources and targets take to stop")
    equal([unit_lines("KillSignal"), unit_lines("Type")], [["SIGTERM"], ["notify"]])


def test_the_routers_check_refuses_a_bad_configuration_before_the_start(place):
    install(place)
    good = subprocess.run(command_of("ExecStartPre", place), capture_output=True, text=True, timeout=60)
    equal(good.returncode, 0, good.stdout + good.stderr)
    rewrite(place.path("etc", "turnout.yaml"), {"kind: http\n": "kind: htpt\n"})
    bad = subprocess.run(command_of("ExecStartPre", place), capture_output=True, text=True, timeout=60)
    check(bad.returncode != 0 and re.search(r"turnout.yaml:\d+:\d+", bad.stdout + bad.stderr), bad.stdout + bad.stderr)


def test_the_router_tells_its_manager_starts_reloads_and_drains(place):
    port, admin, sink = install(place)
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(place.path("notify"))
    manager.settimeout(20 * SLOWNESS)
    router = place.start("router", command_of("ExecStart", place), env={"NOTIFY_SOCKET": place.path("notify")})
    equal(manager.recv(4096), b"READY=1")
    check(ready(admin), "it said so when it was")
    equal(post_event(port, event("e-1")).status, 202)
    wait_until(lambda: "e-1" in sink.ids(), what="delivery")

    rewrite(place.path("etc", "turnout.yaml"), {"name: billing\n": "name: billing\n    timeout: 3s\n"})
    equal(subprocess.run(command_of("ExecReload", place, **{"$MAINPID": str(router.pid)}), timeout=10).returncode, 0)
    check(re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", manager.recv(4096)), "it says that it reloads")
    equal(manager.recv(4096), b"READY=1")
    equal(post_event(port, event("e-2")).status, 202)
    wait_until(lambda: "e-2" in sink.ids(), what="delivery after the reload")

    equal(router.stop(), 0, router.output())
    equal(manager.recv(4096), b"STOPPING=1")
    equal(sink.ids(), {"e-1", "e-2"})
    with open(sink.events_path, encoding="utf-8") as log:
        check("hunter2" not in router.output(), "no secret in the log", json.loads(log.readline())["id"])


def test_an_abstract_socket_and_none_and_one_that_is_gone_are_fine(place):
    name = f"turnout-test-{os.getpid()}-{free_port()}"
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind("\0" + name)
    manager.settimeout(20 * SLOWNESS)
    bus = place.simple_bus(place.sink()).start(env={"NOTIFY_SOCKET": "@" + name})
    equal(manager.recv(4096), b"READY=1")
    manager.close()
    equal(bus.stop(), 0, "nobody listens any more")
