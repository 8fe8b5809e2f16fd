# SPDX-License-Identifier: Apache-2.0
"""What campaigns share: the loop of runs, their figures on disk, load, and the questions asked at the end of a run.

A campaign is a file beside this one with a function `run(place, rng, short)`: one run in a fresh folder, all of whose choices come
from rng, answering its figures as a dict. It raises harness.Failure when it finds what must not be; an event lost is always that.
`short` is the form that fits an ordinary test run (tests/integration/campaigns.py calls it so).

Figures of several runs are put together by their names: `..._max` is a maximum, a list is one long list (shown as p50, p99 and
maximum), everything else is a sum. `tries` counts what the campaign is about: kills, images, reloads.
"""
import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from datetime import datetime

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
os.environ["TURNOUT"] = os.path.abspath(os.environ.get("TURNOUT", os.path.join(HERE, "..", "..", "build", "tools", "turnout")))

import harness  # noqa: E402
from harness import SLOWNESS, TURNOUT, Place, check, equal, event, wait_until  # noqa: E402, F401

ALL = {"source": [{"exists": True}]}
QUICK_RETRY = {"profile": "fast", "base": "20ms", "cap": "200ms", "max_retries": 100}
QUICK_BREAKER = {"open": "200ms", "open_max": "500ms"}


# --- Figures ---

def merge(runs):
    """The figures of many runs as those of one."""
    merged = {}
    for figures in runs:
        for name, value in figures.items():
            if name not in merged:
                merged[name] = list(value) if isinstance(value, list) else value
            elif isinstance(value, list):
                merged[name] += value
            elif name.endswith("_max"):
                merged[name] = max(merged[name], value)
            else:
                merged[name] += value
    return merged


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0


def show(value):
    if isinstance(value, list):
        return f"p50 {percentile(value, 50):.4g}, p99 {percentile(value, 99):.4g}, max {max(value, default=0):.4g} of {len(value)}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def describe(figures):
    return ", ".join(f"{name} {show(value)}" for name, value in figures.items())


# --- Load ---

class Load:
    """`turnout send` at a steady rate: writes down what was acknowledged and, unless told otherwise, repeats what got no answer."""

    def __init__(self, place, bus, rate, *more, connections=8, size=500, name="sender", prefix="e", repeat=True):
        self.connections = connections
        self.acks = place.path(f"{name}.acks")
        rate = ["--rate", str(rate / SLOWNESS)] if rate else []
        repeat = ["--retry", "--give-up", "60s"] if repeat else []
        self.process = place.start(name, [TURNOUT, "send", bus.url(), "--count", "100000000", *rate, "--connections", str(connections),
                                          "--size", str(size), *repeat, "--timeout", "5s", "--json", "--id-prefix", prefix,
                                          "--ack-log", self.acks, *map(str, more)])

    def stop(self):
        """Ends it; answers what it says of itself."""
        self.process.send(signal.SIGINT)
        self.process.wait()
        return json.loads(self.process.output().splitlines()[-1])

    def acknowledged(self):
        if not os.path.exists(self.acks):
            return set()
        with open(self.acks) as log:
            return {line.strip() for line in log if line.endswith("\n")}


def time_of(line):
    """When the sink wrote it, in seconds; the log cuts off microseconds."""
    return datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp()


# --- Questions ---

def settle(bus, limit=90):
    """Waits until everything in hand has come to its end, and closes the books."""
    wait_until(bus.settled, limit, "all that was acknowledged to come to its end")
    bus.check_books()


def status(place, bus):
    code, out, errors = place.run("status", "-c", bus.path("turnout.yaml"), "--json")
    equal(code, 0, f"turnout status: {errors}")
    return json.loads(out)


def audit(place, bus):
    """`turnout audit`: everything in the store adds up."""
    code, out, errors = place.run("audit", "-c", bus.path("turnout.yaml"))
    equal(code, 0, f"turnout audit: {out}{errors}")


def dead_letters(place, bus):
    """The dead letters that `turnout dlq list` knows, running or stopped."""
    code, out, errors = place.run("dlq", "list", "-c", bus.path("turnout.yaml"), "--json")
    equal(code, 0, f"turnout dlq list: {errors}")
    return [json.loads(line) for line in out.splitlines()]


def check_one_key_each(lines, what="every duplicate has its first one's Idempotency-Key"):
    keys = {}
    for line in lines:
        keys.setdefault(line["id"], set()).add(line["key"])
    several = {id: found for id, found in keys.items() if len(found) != 1}
    check(not several, what, list(several.items())[:3])


def count_duplicates(lines):
    return sum(line["duplicate"] for line in lines if line["status"] < 300)


# --- Surroundings ---

def preload(library, **settings):
    """The environment that preloads one of the libraries built beside these files."""
    folder = os.environ.get("TURNOUT_LIBRARIES") or os.path.join(os.path.dirname(TURNOUT), "..", "tests", "campaigns")
    path = os.path.abspath(os.path.join(folder, f"lib{library}.so"))
    check(os.path.exists(path), f"{path} is not there; build it (tools/dev build), or name its folder in TURNOUT_LIBRARIES")
    return {"LD_PRELOAD": path, **{name: str(value) for name, value in settings.items()}}


@contextlib.contextmanager
def small_disk(place, size="16m", name="small"):
    """A folder on a file system of that size; what was started in the place is ended before it goes."""
    folder = place.path(name)
    os.mkdir(folder)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", folder], capture_output=True, text=True)
    check(mounted.returncode == 0, "a tmpfs can be mounted (this needs root):", mounted.stderr)
    try:
        yield folder
    finally:
        for process in place.processes:
            process.kill()
        subprocess.run(["umount", folder], check=False)


# --- Running a campaign ---

def run_once(module, seed, short=False):
    """One run in a folder of its own, which stays when it fails. Answers (figures, failure or None)."""
    folder = tempfile.mkdtemp(prefix=f"turnout-{module.NAME}-")
    place = Place(folder)
    try:
        figures = module.run(place, random.Random(seed), short)
    except Exception as error:
        if not isinstance(error, harness.Failure):
            traceback.print_exc()
        return {}, f"{error} (seed {seed}, its folder is {folder})"
    finally:
        place.close()
    shutil.rmtree(folder, ignore_errors=True)
    return figures, None


def append(state, name, line):
    os.makedirs(state, exist_ok=True)
    with open(os.path.join(state, f"{name}.jsonl"), "a") as file:
        file.write(json.dumps(line) + "\n")


def main(module):
    """The command line of a campaign file."""
    parser = argparse.ArgumentParser(description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, help="stop after so many runs [1, or as many as --minutes has room for]")
    parser.add_argument("--minutes", type=float, help="begin no run after so many minutes")
    parser.add_argument("--seed", type=int, help="of the first run; each later one adds 1 [random]")
    parser.add_argument("--short", action="store_true", help="the form of the ordinary test run")
    parser.add_argument("--state", help="folder to which the figures of each run are appended")
    options = parser.parse_args()
    runs = options.runs or (1 << 30 if options.minutes else 1)
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    begin, done, failed = time.monotonic(), [], 0
    while len(done) < runs and (not done or options.minutes is None or time.monotonic() - begin < options.minutes * 60):
        started = time.monotonic()
        figures, failure = run_once(module, seed, options.short)
        seconds = round(time.monotonic() - started, 1)
        print(f"{module.NAME}: seed {seed}, {seconds} s: {failure or describe(figures)}", flush=True)
        if options.state:
            at = datetime.now().astimezone().isoformat(timespec="seconds")
            append(options.state, module.NAME, {"seed": seed, "at": at, "seconds": seconds, "failure": failure, "figures": figures})
        done.append(figures)
        failed += failure is not None
        seed += 1
    if len(done) > 1:
        print(f"{module.NAME}: {len(done)} runs, {failed} failed: {describe(merge(done))}")
    sys.exit(1 if failed else 0)
