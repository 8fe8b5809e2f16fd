#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs campaigns one after the other and shows what they found, over this run and, with --resume, those before it.

    tools/dev soak [--minutes N] [--resume] [--state FOLDER] [CAMPAIGN...]

Each campaign gets an equal share of the time, and always at least one run. Its figures go to FOLDER/CAMPAIGN.jsonl, a line a run:
{"seed", "at", "seconds", "failure", "figures"}. A failed run stays in the count for as long as the folder is kept.
"""
import argparse
import glob
import json
import os
import subprocess
import sys

import campaign

HERE = os.path.dirname(os.path.abspath(__file__))
NOT_CAMPAIGNS = {"campaign", "soak"}
OWN_COLUMNS = ("tries", "lost", "duplicates", "duplicates_max")


def names():
    found = (os.path.basename(path)[:-3] for path in glob.glob(os.path.join(HERE, "*.py")))
    return sorted(name for name in found if name not in NOT_CAMPAIGNS)


def read_runs(state, name):
    path = os.path.join(state, f"{name}.jsonl")
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return [json.loads(line) for line in file]


def row_of(name, runs):
    figures = campaign.merge(run["figures"] for run in runs)
    tries, failed = figures.get("tries", 0), sum(run["failure"] is not None for run in runs)
    mean = f"{figures['duplicates'] / tries:.2f}" if tries and "duplicates" in figures else "-"
    others = campaign.describe({key: value for key, value in figures.items() if key not in OWN_COLUMNS})
    return [name, len(runs), failed, tries, figures.get("lost", "-"), figures.get("duplicates_max", "-"), mean, others]


def print_table(state):
    heads = ["campaign", "runs", "failed", "tries", "lost", "dup. max", "mean", "other figures"]
    rows = [row_of(name, runs) for name in names() if (runs := read_runs(state, name))]
    widths = [max(len(str(row[column])) for row in [heads, *rows]) for column in range(len(heads) - 1)]
    for row in [heads, *rows]:
        cells = [str(cell).ljust(width) if column == 0 else str(cell).rjust(width) for column, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join([*cells, str(row[-1])]))
    for name in names():
        for run in read_runs(state, name):
            if run["failure"]:
                print(f"{name} failed at {run['at']}: {run['failure']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30, help="all campaigns together [30]")
    parser.add_argument("--resume", action="store_true", help="go on: add to the figures in the state folder")
    parser.add_argument("--state", default=os.path.join(HERE, "..", "..", "build", "soak"), help="folder of the figures [build/soak]")
    parser.add_argument("--table", action="store_true", help="only show the figures so far")
    parser.add_argument("campaigns", nargs="*", metavar="CAMPAIGN", help=", ".join(names()))
    options = parser.parse_args()
    chosen = options.campaigns or names()
    unknown = set(chosen) - set(names())
    if unknown:
        parser.error(f"no such campaign: {' '.join(sorted(unknown))}; there are {', '.join(names())}")
    state = os.path.abspath(options.state)
    if options.table:
        print_table(state)
        return 0
    if not os.access(campaign.TURNOUT, os.X_OK):
        sys.exit(f"{campaign.TURNOUT} is not there; build it first: tools/dev build")
    failed = 0
    for name in chosen:
        if not options.resume and os.path.exists(os.path.join(state, f"{name}.jsonl")):
            os.remove(os.path.join(state, f"{name}.jsonl"))
        done = subprocess.run([sys.executable, os.path.join(HERE, f"{name}.py"), "--minutes", str(options.minutes / len(chosen)),
                               "--state", state], stdin=subprocess.DEVNULL)
        failed += done.returncode != 0
    print()
    print_table(state)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
