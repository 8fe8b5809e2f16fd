#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The power goes: whatever a disk may hold then, what was acknowledged before is delivered or still there.

A bus works under load while a preloaded library (store_calls.c) writes down every write and sync of its store with its time; clients
write down when each 202 reached them, the sinks when they took each event. From that, images of the store are made: a cut at a random
call; everything synced before it is there; of what was written since, each write is dropped, there, or torn, each sector of 512 bytes
by itself; a new file that nobody synced the folder for may be missing altogether. Each image is opened by `turnout audit`, which must
find nothing, and by `turnout status` and `turnout dlq list`, which must find at least as many rows as deliveries were acknowledged and
not made; a bus starts on every fifth of them, and then each delivery must be made or be a dead letter.
"""
import os
import shutil
import struct
import sys
import threading
import time
from dataclasses import dataclass

from campaign import QUICK_BREAKER, audit, check, dead_letters, equal, event, main, preload, settle, status, time_of
from harness import post_event

NAME = "power"
SECONDS, SHORT_SECONDS = 6.0, 2.0
IMAGES, SHORT_IMAGES = 250, 40
BUS_EVERY = 5
CLIENTS = 6
SECTOR = 512
FATES = ("whole", "none", "torn")
TARGETS = {"good": ["--fail", "0.15"], "bad": ["--fail", "0.3", "--status", "422"]}
HEAD = struct.Struct("<qqqIIIi")


@dataclass
class Call:
    """One call on a file of the store: 'w' a write, 'd' a durable one (O_DSYNC), 's' a sync, 't' a truncation."""
    begin_ns: int
    kind: str
    name: str
    offset: int
    content: bytes


def read_calls(path):
    with open(path, "rb") as file:
        record, calls, at = file.read(), [], 0
    while at < len(record):
        begin_ns, _, offset, kind, name_len, length, answer = HEAD.unpack_from(record, at)
        at += HEAD.size
        name, content = record[at:at + name_len].decode(), record[at + name_len:at + name_len + length]
        at += name_len + length
        check(answer == length if chr(kind) in "wd" else answer == 0, f"call {chr(kind)} on {name or 'the folder'} answered {answer}")
        calls.append(Call(begin_ns, chr(kind), name, offset, content))
    return calls


# --- What happened ---

class Client(threading.Thread):
    """Posts one event after the other; knows when each was acknowledged (CLOCK_MONOTONIC, as the library's times)."""

    def __init__(self, bus, number, end):
        super().__init__()
        self.bus, self.number, self.end, self.acked_ns = bus, number, end, {}

    def run(self):
        count = 0
        while time.monotonic() < self.end:
            id = f"{self.number}-{count}"
            try:
                if post_event(self.bus.port, event(id, data="x" * (count * 37 % 3000))).status == 202:
                    self.acked_ns[id] = time.monotonic_ns()
            except OSError:
                pass
            count += 1


@dataclass
class History:
    calls: list
    acked_ns: dict     # event: when its 202 arrived
    taken_ns: dict     # (event, target): when the sink took it
    bus: object

    def owed(self, cut_ns):
        """The deliveries acknowledged but not made when the power went. The sink's clock is coarse: in doubt, made."""
        acked = (id for id, at in self.acked_ns.items() if at < cut_ns)
        return {(id, target) for id in acked for target in TARGETS if self.taken_ns.get((id, target), 1 << 62) > cut_ns + 2_000_000}


def make_bus(place, name, sinks, path="store"):
    retry = {"profile": "fast", "base": "100ms", "cap": "300ms", "max_retries": 100}
    return place.bus([{"name": "all", "pattern": {"type": ["order.created"]}, "targets": list(TARGETS)}], name=name,
                     log={"level": "warn"}, limits={"park_after": "150ms"}, store={"path": path, "max_size": "64MiB"},
                     targets=[{"name": target, "kind": "http", "url": sink.url(), "retry": retry, "breaker": QUICK_BREAKER}
                              for target, sink in sinks.items()])


def record(place, rng, seconds):
    """Lets a bus work for a while, with one drain and start in between."""
    sinks = {target: place.sink(*options, "--seed", rng.randrange(1 << 31), name=target) for target, options in TARGETS.items()}
    bus = make_bus(place, "bus", sinks)
    calls = place.path("calls")
    environment = preload("store_calls", STORE_CALLS_FOLDER=bus.path("store"), STORE_CALLS_RECORD=calls)
    bus.start(env=environment)
    clients = [Client(bus, number, time.monotonic() + seconds) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    time.sleep(seconds / 2)
    equal(bus.stop(), 0, bus.process.output()[-500:])
    bus.start(env=environment)
    for client in clients:
        client.join()
    bus.kill()
    ahead_ns = time.time_ns() - time.monotonic_ns()
    taken = {}
    for target, sink in sinks.items():
        for line in sink.accepted():
            taken.setdefault((line["id"], target), int(time_of(line) * 1e9) - ahead_ns)
        sink.process.close()
    acked = {id: at for client in clients for id, at in client.acked_ns.items()}
    return History(read_calls(calls), acked, taken, bus)


# --- What a disk may hold ---

class Image:
    """The files of a store as they may be after a cut: what is certain, and calls that may have had any effect."""

    def __init__(self):
        self.files, self.pending, self.entries = {}, {}, set()  # entries: names that the folder certainly has

    def do(self, call):
        """The call has come to its end."""
        if call.kind != "s":
            self.pending.setdefault(call.name, []).append(call)
        elif call.name == "":
            self.entries |= self.files.keys() | self.pending.keys()
        else:
            for earlier in self.pending.pop(call.name, []):
                self.apply(earlier, "whole")
            self.files.setdefault(call.name, bytearray())

    def lose_power(self, rng, during):
        """Decides what was still open; during is the call that was under way."""
        for name, calls in self.pending.items():
            for call in calls:
                self.apply(call, "whole" if call.kind == "d" else rng.choice(FATES), rng)
        if during.kind != "s":
            self.apply(during, rng.choice(FATES), rng)
        for name in self.files.keys() - self.entries:
            if rng.random() < 0.5:
                del self.files[name]

    def apply(self, call, fate, rng=None):
        file = self.files.setdefault(call.name, bytearray())
        if call.kind == "t":
            if fate == "whole":
                del file[call.offset:]
                file.extend(bytes(call.offset - len(file)))
            return
        at, end = call.offset, call.offset + len(call.content)
        while at < end:
            next_at = min(end, at - at % SECTOR + SECTOR)
            if fate == "whole" or (fate == "torn" and rng.random() < 0.5):
                if len(file) < at:
                    file.extend(bytes(at - len(file)))
                file[at:next_at] = call.content[at - call.offset:next_at - call.offset]
            at = next_at

    def save(self, folder):
        os.makedirs(folder, mode=0o700)
        for name, content in self.files.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)


def image_at(calls, cut, rng):
    image = Image()
    for call in calls[:cut]:
        image.do(call)
    image.lose_power(rng, calls[cut])
    return image


# --- What a bus makes of it ---

def check_offline(place, bus, owed):
    """The commands of a stopped bus; answers how many rows the store has."""
    if "data.mdb" not in os.listdir(bus.path("store")):
        equal(owed, set(), "the store's file is gone, and with it")
        return 0
    audit(place, bus)
    rows = status(place, bus)["store"]
    dead_letters(place, bus)
    found = rows["open"] + rows["tried"] + rows["parked"] + rows["dead"]
    check(found >= len(owed), f"{found} rows for {len(owed)} deliveries that were acknowledged and not made")
    return found


def check_with_bus(place, bus, sinks, owed):
    for sink in sinks.values():
        open(sink.events_path, "w").close()
    bus.start()
    settle(bus, 30)
    there = {(letter["event"]["id"], letter["target"]["id"]) for letter in dead_letters(place, bus)}
    equal(bus.stop(), 0, bus.process.output()[-500:])
    for target, sink in sinks.items():
        there |= {(id, target) for id in sink.ids()}
    equal(owed - there, set(), "lost")


def run(place, rng, short):
    history = record(place, rng, SHORT_SECONDS if short else SECONDS)
    check(len(history.acked_ns) > 100 and len(history.calls) > 100, f"{len(history.acked_ns)} events, {len(history.calls)} calls")
    sinks = {target: place.sink(name=f"well-{target}") for target in TARGETS}
    bus = make_bus(place, "after", sinks)
    images = SHORT_IMAGES if short else IMAGES
    figures = {"tries": images, "lost": 0, "calls": len(history.calls), "acknowledged": len(history.acked_ns), "with_bus": 0, "rows": 0}
    for number in range(images):
        cut = rng.randrange(len(history.calls)) if number % 10 else rng.randrange(min(40, len(history.calls)))
        owed = history.owed(history.calls[cut].begin_ns)
        shutil.rmtree(bus.path("store"), ignore_errors=True)
        image_at(history.calls, cut, rng).save(bus.path("store"))
        try:
            figures["rows"] += check_offline(place, bus, owed)
            if number % BUS_EVERY == 0:
                check_with_bus(place, bus, sinks, owed)
                figures["with_bus"] += 1
        except Exception as error:
            raise type(error)(f"power lost in call {cut} of {len(history.calls)}, image {number}: {error}") from None
    return figures


if __name__ == "__main__":
    main(sys.modules[__name__])
