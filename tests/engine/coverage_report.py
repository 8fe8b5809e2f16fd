#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""coverage_report.py - branches not taken, from gcovr's JSON; those named in the exclusion list are set apart.

Called by coverage.sh. A line of the exclusion list: FILE: TEXT OF THE LINE -- REASON. By its text, since numbers move."""
import json
import sys


def read_exclusions(path):
    exclusions = {}
    for number, line in enumerate(open(path), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, _, rest = line.partition(": ")
        text, dashes, reason = rest.partition(" -- ")
        if not dashes or not reason:
            sys.exit(f"{path}:{number}: wanted FILE: TEXT OF THE LINE -- REASON")
        exclusions[(name, text.strip())] = reason
    return exclusions


def main():
    coverage, exclusions = json.load(open(sys.argv[1])), read_exclusions(sys.argv[2])
    taken = total = excluded = lines = lines_run = 0
    missing, used = [], set()
    for file in coverage["files"]:
        name = file["file"].rsplit("/", 1)[-1]
        source = open(file["file"]).read().split("\n")
        for line in file["lines"]:
            if line["gcovr/noncode"]:
                continue
            branches = line["branches"]
            not_taken = sum(branch["count"] == 0 for branch in branches)
            text = source[line["line_number"] - 1].strip()
            lines += 1
            lines_run += line["count"] > 0
            total += len(branches)
            taken += len(branches) - not_taken
            if line["count"] > 0 and not_taken == 0:
                continue
            if (name, text) in exclusions:
                used.add((name, text))
                excluded += not_taken
            else:
                what = f"{not_taken} of {len(branches)} branches not taken" if line["count"] else "never run"
                missing.append(f"broker/engine/{name}:{line['line_number']}: {what}: {text}")
    print("\n".join(missing))
    for name, text in sorted(set(exclusions) - used):
        print(f"coverage-exclusions.txt: {name}: '{text}' is covered, or is gone: take it off the list")
    print(f"lines {lines_run} of {lines}; branches {taken} of {total}, {excluded} of the others excluded with a reason: "
          f"{100 * (taken + excluded) / max(total, 1):.2f}% ({len(missing)} lines to cover)")
    sys.exit(1 if missing or set(exclusions) - used else 0)


main()
