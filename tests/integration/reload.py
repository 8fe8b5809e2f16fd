# SPDX-License-Identifier: Apache-2.0
"""Rules change while the bus runs, in every way that files change; bad ones change nothing."""
import os

from harness import check, equal, event, wait_until


def rule(type):
    return [{"name": type, "pattern": {"type": [type]}, "targets": ["sink"]}]


def running(place):
    sink = place.sink()
    bus = place.bus(rule("old"), targets=[{"name": "sink", "kind": "http", "url": sink.url()}]).start()
    return sink, bus


def delivers(bus, sink, type):
    """Whether an event of that type arrives, or no rule takes it; asks with a fresh one."""
    def unmatched():
        return bus.metrics()["turnout_events_unmatched_total"]

    before, delivers.count = unmatched(), getattr(delivers, "count", 0) + 1
    id = f"probe-{delivers.count}"
    equal(bus.post(event(id, type=type)).status, 202)
    wait_until(lambda: id in sink.ids() or unmatched() > before, what="the probe's end")
    return id in sink.ids()


def check_switched(bus, sink):
    wait_until(lambda: bus.metrics()["turnout_reloads_total"] >= 1, what="the reload")
    check(delivers(bus, sink, "new"), "the new rule is in force")
    check(not delivers(bus, sink, "old"), "the old rule is gone")


def check_kept(bus, sink, *words):
    wait_until(lambda: bus.metrics()["turnout_reload_errors_total"] >= 1, what="the refused reload")
    equal(bus.metrics()["turnout_reload_failing"], 1)
    check(delivers(bus, sink, "old"), "the old rule goes on")
    for word in words:
        check(word in bus.process.output(), f"the log says {word}:", bus.process.output())


def test_sighup_reloads(place):
    sink, bus = running(place)
    bus.write_rules(rule("new"))
    bus.reload()
    check_switched(bus, sink)


def test_an_edited_file_is_noticed(place):
    sink, bus = running(place)
    bus.write_rules(rule("new"))
    check_switched(bus, sink)


def test_a_file_renamed_over_is_noticed(place):
    sink, bus = running(place)
    bus.write_rules(rule("new"), "fresh.tmp")
    os.rename(bus.path("rules", "fresh.tmp"), bus.path("rules", "rules.yaml"))
    check_switched(bus, sink)


def test_a_new_file_is_noticed(place):
    sink, bus = running(place)
    bus.write_rules(rule("new"), "more.yaml")
    wait_until(lambda: bus.metrics()["turnout_reloads_total"] >= 1, what="the reload")
    check(delivers(bus, sink, "new") and delivers(bus, sink, "old"), "both are in force")


def test_a_config_map_swap_is_noticed(place):
    """As Kubernetes does it: rules/ holds links through ..data, and ..data is a link that is renamed over."""
    sink = place.sink()
    bus = place.bus([], targets=[{"name": "sink", "kind": "http", "url": sink.url()}])
    os.remove(bus.path("rules", "rules.yaml"))
    for version, type in (("..v1", "old"), ("..v2", "new")):
        os.mkdir(bus.path("rules", version))
        bus.write_rules(rule(type), f"{version}/rules.yaml")
    os.symlink("..v1", bus.path("rules", "..data"))
    os.symlink("..data/rules.yaml", bus.path("rules", "rules.yaml"))
    bus.start()
    check(delivers(bus, sink, "old"), "the first version is in force")
    os.symlink("..v2", bus.path("rules", "..next"))
    os.rename(bus.path("rules", "..next"), bus.path("rules", "..data"))
    check_switched(bus, sink)


def test_a_bad_rule_file_keeps_the_old_rules_and_names_its_place(place):
    sink, bus = running(place)
    bus.write_rules("rules:\n  - name: new\n    pattern: {type: [{prefx: a}]}\n    targets: [sink]\n")
    check_kept(bus, sink, "rules.yaml:3")


def test_a_rule_with_an_unknown_target_keeps_the_old_rules(place):
    sink, bus = running(place)
    bus.write_rules("rules:\n  - name: new\n    pattern: {type: [new]}\n    targets: [snik]\n")
    check_kept(bus, sink, "rules.yaml:4", "snik")


def test_an_empty_rule_set_keeps_the_old_rules(place):
    sink, bus = running(place)
    bus.write_rules("rules: []\n")
    check_kept(bus, sink)


def test_a_vanished_rule_file_keeps_the_old_rules(place):
    sink, bus = running(place)
    os.remove(bus.path("rules", "rules.yaml"))
    check_kept(bus, sink)


def test_a_mended_file_takes_effect_after_a_bad_one(place):
    sink, bus = running(place)
    bus.write_rules("rules: [")
    check_kept(bus, sink)
    bus.write_rules(rule("new"))
    check_switched(bus, sink)
    equal(bus.metrics()["turnout_reload_failing"], 0)


def test_a_changed_target_takes_effect_on_sighup(place):
    sink, bus = running(place)
    second = place.sink(name="second")
    bus.config["targets"][0]["url"] = second.url()
    bus.write_config()
    bus.reload()
    wait_until(lambda: bus.metrics()["turnout_reloads_total"] >= 1, what="the reload")
    bus.post(event("1", type="old"))
    wait_until(lambda: second.ids() == {"1"}, what="delivery to the new address")


def test_a_bad_configuration_changes_nothing_on_sighup(place):
    sink, bus = running(place)
    bus.config["targets"][0]["url"] = "ftp://nowhere"
    bus.write_config()
    bus.reload()
    check_kept(bus, sink, "turnout.yaml")
