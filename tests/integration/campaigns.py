# SPDX-License-Identifier: Apache-2.0
"""Each campaign of tests/campaigns in its short form, one run. `tools/dev soak` runs them for as long as one likes.

TURNOUT_TEST_SEED repeats a run's choices.
"""
import importlib
import os
import random
import sys

from harness import note

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "campaigns"))
TIMEOUT = 300


def play(place, name):
    campaign = importlib.import_module("campaign")
    seed = int(os.environ.get("TURNOUT_TEST_SEED", str(random.randrange(1 << 32))))
    note(f"{name}: seed {seed}")
    figures = importlib.import_module(name).run(place, random.Random(seed), True)
    note(f"{name}: {campaign.describe(figures)}")


def test_kill_9_loses_nothing_and_duplicates_are_bounded(place):
    play(place, "kills")


def test_a_kill_at_a_write_or_sync_of_the_store_loses_nothing(place):
    play(place, "syscalls")


def test_sigterm_under_load_drains_and_repeats_nothing(place):
    play(place, "sigterm")


def test_no_event_is_matched_by_a_mixed_revision(place):
    play(place, "reloads")


def test_a_power_cut_loses_nothing(place):
    play(place, "power")


def test_a_full_disk_refuses_and_recovers_over_a_kill_too(place):
    play(place, "disk")


def test_memory_that_runs_out_loses_nothing(place):
    play(place, "allocations")


def test_redrives_that_are_cut_off_deliver_or_keep_each_dead_letter(place):
    play(place, "redrive")


def test_all_targets_down_leaves_memory_within_its_limit(place):
    play(place, "memory")


def test_one_bad_target_of_twenty_loses_nothing_for_the_others(place):
    play(place, "isolation")


def test_a_wall_clock_that_steps_expires_and_loses_nothing(place):
    play(place, "clock")
