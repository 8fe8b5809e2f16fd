#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One kill at each write and each sync of the store: what was acknowledged before it is delivered, waiting, or a dead letter after it.

The same script runs again and again, on a fresh store: start, post events to a target that takes them, to one that fails once and to
one that refuses, redrive the dead letters, drain, start again. A preloaded library (store_calls.c) ends the process in place of the
N-th write or sync on a file of the store, N = 1, 2, ... until the script ends before that; and once more half-way through it, where it
is a write. After each kill: `turnout audit` finds nothing, the other offline commands read the store, a bus starts on it, every
acknowledged event comes to its end, the books close. The short form takes every eleventh N, from a random one on.
"""
import itertools
import os
import sys

from campaign import QUICK_BREAKER, audit, check, check_one_key_each, dead_letters, equal, event, main, preload, settle, status, wait_until
from harness import READY_LIMIT

NAME = "syscalls"
SHORT_STEP = 11
TARGETS = {"good": [], "shaky": ["--fail-first", 1], "bad": ["--fail", 1, "--status", 422]}
EVENTS = 4


class Killed(Exception):
    """The bus met its N-th call."""


class Script:
    """The scripted load: does one step after the other until the bus is gone."""

    def __init__(self, place, name, environment):
        self.place = place
        self.sinks = {target: place.sink(*options, name=f"{name}-{target}") for target, options in TARGETS.items()}
        rules = [{"name": f"to-{target}", "pattern": {"type": [target]}, "targets": [target]} for target in TARGETS]
        retry = {"profile": "fast", "base": "60ms", "cap": "60ms", "max_retries": 10}
        self.bus = place.bus(rules, name=name, log={"level": "warn"}, limits={"park_after": "50ms"},
                             store={"path": "store", "max_size": "16MiB"},
                             targets=[{"name": target, "kind": "http", "url": sink.url(), "retry": retry, "breaker": QUICK_BREAKER}
                                      for target, sink in self.sinks.items()])
        self.environment = environment
        self.acked = set()

    def alive(self):
        return self.bus.process.running()

    def start(self):
        self.bus.launch(env=self.environment)
        wait_until(lambda: not self.alive() or self.bus.admin("/readyz").status == 200, READY_LIMIT, "the bus to become ready")

    def post(self, id, type):
        try:
            if self.bus.post(event(id, type=type)).status == 202:
                self.acked.add((id, type))
        except OSError:
            pass  # killed before it answered

    def quiet(self):
        wait_until(lambda: not self.alive() or self.bus.settled(), what="the deliveries")

    def step(self, do, *arguments):
        if not self.alive():
            raise Killed
        do(*arguments)
        if not self.alive():
            raise Killed

    def play(self):
        """Answers whether it came to its end."""
        try:
            self.start()
            for number, type in itertools.product(range(EVENTS), TARGETS):
                self.step(self.post, f"{type}-{number}", type)
            self.step(self.quiet)
            self.step(self.place.run, "dlq", "redrive", "--all", "-c", self.bus.path("turnout.yaml"))
            self.step(self.quiet)
            if self.bus.stop() != 0:
                raise Killed
            self.start()
            self.step(self.post, "last", "good")
            return self.bus.stop() == 0
        except Killed:
            return False


def check_store(script):
    """After the kill: readable while it is stopped, and everything acknowledged is somewhere."""
    place, bus = script.place, script.bus
    if os.path.exists(bus.path("store", "data.mdb")):
        audit(place, bus)
        status(place, bus)
        dead_letters(place, bus)
    bus.start()
    settle(bus, 20)
    letters = dead_letters(place, bus)
    equal(status(place, bus)["books"]["closed"], True, "the books")
    equal(bus.stop(), 0, bus.process.output()[-1000:])
    bus.process.close()
    there = {(letter["event"]["id"], "bad") for letter in letters}
    for type, sink in script.sinks.items():
        there |= {(id, type) for id in sink.ids()}
        check_one_key_each(sink.lines())
    equal(script.acked - there, set(), "lost")
    return sum(line["duplicate"] for sink in script.sinks.values() for line in sink.accepted())


def kill_at(place, number, half):
    """Answers (whether the script ended without it, duplicates)."""
    name = f"n{number}{'half' if half else ''}"
    script = Script(place, name, {})
    script.environment = preload("store_calls", STORE_CALLS_FOLDER=script.bus.path("store"), STORE_CALLS_KILL=number,
                                 **({"STORE_CALLS_HALF": 1} if half else {}))
    ended = script.play()
    try:
        duplicates = check_store(script)
    except Exception as error:
        raise type(error)(f"killed at call {number}{', half-way' if half else ''}: {error}") from None
    for sink in script.sinks.values():
        sink.process.close()
    return ended, duplicates


def run(place, rng, short):
    figures = {"tries": 0, "lost": 0, "duplicates": 0, "duplicates_max": 0, "calls_max": 0}
    number = rng.randint(1, SHORT_STEP) if short else 1
    while True:
        for half in (False, True):
            ended, duplicates = kill_at(place, number, half)
            if ended:
                break
            figures["tries"] += 1
            figures["duplicates"] += duplicates
            figures["duplicates_max"] = max(figures["duplicates_max"], duplicates)
            figures["calls_max"] = number
        if ended:
            break
        number += SHORT_STEP if short else 1
    check(figures["tries"] >= 3, "the script writes to its store", figures)
    return figures


if __name__ == "__main__":
    main(sys.modules[__name__])
