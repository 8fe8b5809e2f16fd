#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A reload every 60 ms under load, of rule files that are swapped, cut short, gone or never changed: no event sees half a revision.

Revision R of the rules is a pair: a-R sends everything to one target, b-R to the other. The delivery id that a target receives is made
of rule, target and event (delivery-semantics, section 10), so it tells which revision matched the event. In the end every acknowledged
event has come to both targets, once, and by the same revision. A file cut short is never a whole one: it is JSON.
"""
import base64
import hashlib
import json
import os
import sys
import time

from campaign import ALL, QUICK_BREAKER, Load, check, equal, main, settle

NAME = "reloads"
SECONDS = 20.0
SHORT_SECONDS = 6.0
PACE = 0.06
SOURCE = "/turnout/send"


def delivery_id(rule, target, event):
    digest = hashlib.sha256()
    for part in ("turnout-1", "test", rule, target, SOURCE, event):
        digest.update(len(part.encode()).to_bytes(8, "big") + part.encode())
    return base64.b32encode(digest.digest()[:16]).decode().lower().rstrip("=")


def rules_of(revision):
    return json.dumps({"rules": [{"name": f"{side}-{revision}", "pattern": ALL, "targets": [side]} for side in "ab"]}, indent=1)


def rewrite(bus, rng, revision):
    """Brings the next revision to where the bus reads it, or something that it must refuse."""
    path, text = bus.path("rules", "rules.yaml"), rules_of(revision)
    way = rng.random()
    if way < 0.15:
        bus.write_rules(text[:rng.randrange(len(text) - 2)])
    elif way < 0.2:
        if os.path.lexists(path):
            os.remove(path)
    elif way < 0.6:
        bus.write_rules(text)
    elif way < 0.8:
        bus.write_rules(text, f"new-{revision}")
        os.rename(bus.path("rules", f"new-{revision}"), path)
    else:  # as a ConfigMap is changed: the name becomes a link to another file
        bus.write_rules(text, f"data-{revision}")
        os.symlink(f"data-{revision}", bus.path("rules", "link"))
        os.rename(bus.path("rules", "link"), path)


def reload_for(bus, rng, seconds):
    """Answers how often it was told to reload."""
    revision, end = 0, time.monotonic() + seconds
    due = time.monotonic()
    while due < end:
        revision += 1
        rewrite(bus, rng, revision)
        bus.reload()
        due += PACE
        time.sleep(max(0, due - time.monotonic()))
    return revision


def revision_of(line, target, last):
    """Which revision's rule made this delivery; looked for around the last one found."""
    for distance in range(1 << 14):
        for revision in {last + distance, last - distance}:
            if revision >= 0 and delivery_id(f"{target}-{revision}", target, line["id"]) == line["key"]:
                return revision
    check(False, "a delivery that no rule explains:", line)


def revisions_seen(sink, target):
    """{event: revision}, and the number of duplicates."""
    seen, last, duplicates = {}, 0, 0
    for line in sink.accepted():
        last = revision_of(line, target, last)
        duplicates += line["id"] in seen
        seen[line["id"]] = last
    return seen, duplicates


def run(place, rng, short):
    sinks = {side: place.sink("--fail", "0.02", "--seed", rng.randrange(1 << 31), name=f"sink-{side}") for side in "ab"}
    retry = {"profile": "fast", "base": "10ms", "cap": "30ms", "max_retries": 100}
    bus = place.bus(rules_of(0), workers=2, log={"level": "error"},
                    targets=[{"name": side, "kind": "http", "url": sink.url(), "retry": retry, "breaker": QUICK_BREAKER}
                             for side, sink in sinks.items()]).start()
    load = Load(place, bus, 1500)
    tried = reload_for(bus, rng, SHORT_SECONDS if short else SECONDS)
    sent = load.stop()
    bus.write_rules(rules_of(tried + 1))
    bus.reload()
    settle(bus)
    metrics = bus.metrics()
    equal(bus.stop(), 0, bus.process.output()[-1000:])
    acked = load.acknowledged()
    (seen_a, again_a), (seen_b, again_b) = (revisions_seen(sinks[side], side) for side in "ab")
    equal(acked - seen_a.keys() | acked - seen_b.keys(), set(), "lost")
    mixed = {id: (seen_a[id], seen_b.get(id)) for id in seen_a if seen_a[id] != seen_b.get(id)}
    equal(mixed, {}, "events matched by two revisions at once")
    equal(again_a + again_b, 0, "duplicates; senders repeated " + str(sent["tries"]["unanswered"]))
    effective, refused = int(metrics["turnout_reloads_total"]), int(metrics["turnout_reload_errors_total"])
    check(effective >= tried / 4 and refused > 0, f"{tried} reloads asked for, {effective} took effect, {refused} were refused")
    return {"tries": tried, "effective": effective, "refused": refused, "acknowledged": len(acked), "lost": 0, "duplicates": 0,
            "mixed": 0, "revisions_seen": len(set(seen_a.values()))}


if __name__ == "__main__":
    main(sys.modules[__name__])
