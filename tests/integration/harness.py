# SPDX-License-Identifier: Apache-2.0
"""The real binary under test: starts and stops a bus, a sink and a sender in a folder of their own, and asks them questions.

Used by every test file beside it. A test is a function `test_*(place)`; place is a Place in a fresh folder, and whatever it started
is ended afterwards. Standard library only.
"""
import contextlib
import fcntl
import http.client
import http.server
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

TURNOUT = os.environ.get("TURNOUT", "build/tools/turnout")
READY_LIMIT = 20
# Sanitizer builds are slower; waits stretch by this.
SLOWNESS = float(os.environ.get("TURNOUT_TEST_SLOWNESS", "1"))


class Failure(AssertionError):
    """A test found what it should not have found; the text says what."""


def check(condition, *facts):
    if not condition:
        raise Failure(" ".join(str(fact) for fact in facts) or "check failed")


def equal(actual, expected, what=""):
    check(actual == expected, f"{what}: " if what else "", f"got {actual!r}, expected {expected!r}")


def wait_until(question, limit=10.0, what="condition"):
    """The first true answer of question(); asks every 20 ms."""
    end = time.monotonic() + limit * SLOWNESS
    while True:
        answer = question()
        if answer:
            return answer
        check(time.monotonic() < end, f"timed out after {limit * SLOWNESS:.0f} s waiting for {what}")
        time.sleep(0.02)


_claims = []


def free_port():
    """None of those that the system gives to outgoing connections, so that it is still free when a server comes back to it; and
    claimed, for as long as this test runs, against the tests beside it."""
    folder = os.path.join(tempfile.gettempdir(), "turnout-test-ports")
    os.makedirs(folder, exist_ok=True)
    for port in random.SystemRandom().sample(range(10000, 32000), 500):
        claim = open(os.path.join(folder, str(port)), "w", encoding="ascii")
        with socket.socket() as probe:
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
            except OSError:
                claim.close()
                continue
        _claims.append(claim)
        return port
    raise Failure("no free port between 10000 and 32000")


def event(id, type="order.created", source="/shop", **members):
    return {"specversion": "1.0", "id": id, "type": type, "source": source, **members}


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body

    def problem(self):
        check(self.headers.get("content-type", "").startswith("application/problem+json"),
              f"status {self.status} without a problem body: {self.headers} {self.body[:200]!r}")
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


def request(port, method="POST", path="/", headers=(), body=b"", timeout=15):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout * SLOWNESS)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        names = {name.lower() for name, _ in dict(headers).items()}
        for name, value in dict(headers).items():
            connection.putheader(name, value)
        if "content-length" not in names and "transfer-encoding" not in names and (body or method == "POST"):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheaders(), answer.read())
    finally:
        connection.close()


def post_event(port, value, **options):
    return request(port, headers={"Content-Type": "application/cloudevents+json"}, body=json.dumps(value).encode(), **options)


def read_answer(stream):
    """One answer from the file of a raw socket; None when the connection ended before one."""
    line = stream.readline()
    if not line:
        return None
    status = int(line.split()[1])
    headers = []
    while (line := stream.readline().strip()):
        name, _, value = line.partition(b":")
        headers.append((name.decode(), value.strip().decode()))
    answer = Answer(status, headers, b"")
    answer.body = stream.read(int(answer.headers.get("content-length", "0")))
    return answer


def raw(port, data, timeout=15, half_close=False):
    """Sends bytes as they are and answers (first answer or None, whether the connection was closed after it)."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout * SLOWNESS) as connection:
        try:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before all of it was read; the answer is waiting all the same
        stream = connection.makefile("rb")
        try:
            answer = read_answer(stream)
            if answer is None:
                return None, True
            connection.settimeout(1.0 * SLOWNESS)
            return answer, stream.read(1) == b""
        except TimeoutError:
            return answer, False
        except ConnectionError:
            return None, True


class Process:
    """A child with its output in a file, ended with the test."""

    def __init__(self, name, argv, folder, env=None, preexec_fn=None):
        self.name = name
        self.log_path = os.path.join(folder, f"{name}.log")
        self.log = open(self.log_path, "ab")
        self.child = subprocess.Popen(argv, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, cwd=folder,
                                      env={**os.environ, **(env or {})}, preexec_fn=preexec_fn)
        self.pid = self.child.pid

    def output(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def running(self):
        return self.child.poll() is None

    def send(self, number):
        self.child.send_signal(number)

    def wait(self, limit=40):
        try:
            return self.child.wait(limit * SLOWNESS)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} did not end within {limit * SLOWNESS:.0f} s") from None

    def stop(self):
        """SIGTERM; answers the exit code."""
        if self.running():
            self.send(signal.SIGTERM)
        return self.wait()

    def kill(self):
        """SIGKILL, and waits until it is gone."""
        if self.running():
            self.child.kill()
        self.child.wait()

    def close(self):
        self.kill()
        self.log.close()


class Sink:
    """`turnout sink`: what it received is in its log, a JSON line an event, written before the event is answered."""

    def __init__(self, place, name, options, port):
        self.events_path = place.path(f"{name}.events")
        self.port = port or free_port()
        self.process = place.start(name, [TURNOUT, "sink", "--listen", f"127.0.0.1:{self.port}", "--quiet",
                                          "--log", self.events_path, *map(str, options)])
        wait_until(self.listening, what=f"{name} to listen")

    def listening(self):
        check(self.process.running(), f"{self.process.name} ended: {self.process.output()}")
        return "listening on" in self.process.output()

    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def lines(self):
        """All attempts so far, oldest first. A last line still being written is left out."""
        if not os.path.exists(self.events_path):
            return []
        with open(self.events_path) as log:
            return [json.loads(line) for line in log if line.endswith("\n")]

    def accepted(self):
        return [line for line in self.lines() if line["status"] < 300]

    def ids(self):
        return {line["id"] for line in self.accepted()}


class Call:
    """A request that a function got."""

    def __init__(self, headers, body, number):
        self.headers = headers
        self.body = body
        self.number = number


@contextlib.contextmanager
def function(answer):
    """An HTTP target in this process: answer(call) gives (status, headers, body), for several calls at once. Yields (url, calls so far)."""
    calls, lock = [], threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            with lock:
                call = Call(self.headers, body, len(calls) + 1)
                calls.append(call)
            status, headers, body = answer(call)
            bodiless = status in (204, 304)
            self.send_response(status)
            for name, value in {**headers, **({} if bodiless else {"content-length": str(len(body))})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"" if bodiless else body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", calls
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def posting(bus):
    """Posts event after event, without a pause, while the block runs."""
    ending = threading.Event()

    def post():
        number = 0
        while not ending.is_set():
            bus.post(event(f"posted-{number}"))
            number += 1

    poster = threading.Thread(target=post)
    poster.start()
    try:
        yield
    finally:
        ending.set()
        poster.join()


class Bus:
    """`turnout run` with a configuration made of Python values (JSON is YAML)."""

    def __init__(self, place, name, config, rules):
        self.place = place
        self.name = name
        self.port = free_port()
        self.admin_port = free_port()
        self.process = None
        self.runs = 0
        self.binary = TURNOUT
        os.makedirs(place.path(name, "rules"), exist_ok=True)
        self.config = {
            "bus": "test",
            "store": {"path": "store", "max_size": "256MiB"},
            "admin": {"listen": f"127.0.0.1:{self.admin_port}"},
            "log": {"level": "info"},
            "rules": ["rules/*.yaml"],
            "sources": [{"name": "web", "kind": "http", "listen": f"127.0.0.1:{self.port}", "mode": "durable"}],
            "targets": [],
            **config,
        }
        self.write_config()
        self.write_rules(rules)

    def path(self, *parts):
        return self.place.path(self.name, *parts)

    def write_config(self):
        with open(self.path("turnout.yaml"), "w") as file:
            json.dump(self.config, file, indent=1)

    def write_rules(self, rules, file="rules.yaml"):
        with open(self.path("rules", file), "w") as out:
            out.write(rules if isinstance(rules, str) else json.dumps({"rules": rules}, indent=1))

    def launch(self, **options):
        """Starts it without waiting."""
        self.runs += 1
        self.process = self.place.start(f"{self.name}-{self.runs}" if self.runs > 1 else self.name,
                                        [self.binary, "run", "-c", self.path("turnout.yaml")], **options)
        return self

    def start(self, **options):
        self.launch(**options)
        wait_until(self.is_ready, READY_LIMIT, "the bus to become ready")
        return self

    def is_ready(self):
        check(self.process.running(), f"the bus ended with {self.process.child.returncode}: {self.process.output()[-2000:]}")
        return self.admin("/readyz").status == 200

    def admin(self, path):
        try:
            return request(self.admin_port, "GET", path)
        except OSError:
            return Answer(0, [], b"")

    def post(self, value, **options):
        return post_event(self.port, value, **options)

    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def metrics(self):
        """{name or name{labels}: number}"""
        found = {}
        for line in self.admin("/metrics").body.decode().splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                found[name] = float(value)
        return found

    def settled(self):
        """True when nothing is in hand and nothing waits in the store."""
        metrics = self.metrics()
        hand = sum(value for name, value in metrics.items() if name.startswith("turnout_deliveries_in_hand"))
        waiting = sum(value for name, value in metrics.items() if re.match(r'turnout_store_rows\{state="(open|tried|parked)"', name))
        return bool(metrics) and hand == 0 and waiting == 0 and metrics["turnout_deliveries_parked"] == 0

    def check_books(self):
        metrics = self.metrics()
        equal(metrics.get("turnout_books_closed"), 1, f"the books are closed: {metrics}")

    def kill(self):
        self.process.kill()

    def stop(self):
        return self.process.stop()

    def reload(self):
        self.process.send(signal.SIGHUP)


class Place:
    """A folder and the processes started in it."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def start(self, name, argv, **options):
        process = Process(name, argv, self.folder, **options)
        self.processes.append(process)
        return process

    def sink(self, *options, name="sink", port=None):
        return Sink(self, name, options, port)

    def bus(self, rules, name="bus", **config):
        return Bus(self, name, config, rules)

    def simple_bus(self, sink, mode="durable", target=None, **config):
        """One source, one rule that takes everything, one target: a Sink, or the URL of something else."""
        url = sink if isinstance(sink, str) else sink.url()
        bus = self.bus([{"name": "all", "pattern": {"source": [{"exists": True}]}, "targets": ["sink"]}],
                       targets=[{"name": "sink", "kind": "http", "url": url, **(target or {})}], **config)
        bus.config["sources"][0]["mode"] = mode
        bus.write_config()
        return bus

    def run(self, *argv, input=None, limit=60):
        """Runs `turnout ...` to its end; answers (exit code, standard output, standard error)."""
        done = subprocess.run([TURNOUT, *map(str, argv)], input=input, capture_output=True, text=True, cwd=self.folder,
                              timeout=limit * SLOWNESS)
        return done.returncode, done.stdout, done.stderr

    def close(self):
        for process in reversed(self.processes):
            process.close()


def note(text):
    """A figure for the record; the runner prints it under the test's line."""
    print(f"# {text}", file=sys.stderr, flush=True)
