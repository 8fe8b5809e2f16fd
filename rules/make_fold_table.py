#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes fold_table.h from Unicode's CaseFolding.txt: simple case folding, statuses C and S.

    python3 make_fold_table.py < CaseFolding.txt > fold_table.h

Neighbours with one distance are joined into a range; a stride of 2 is for alternating upper and lower case.
"""
import sys


def read(lines):
    version, pairs = "?", {}
    for line in lines:
        if line.startswith("# CaseFolding-"):
            version = line[len("# CaseFolding-"):].split(".txt")[0]
        fields = [field.strip() for field in line.split("#")[0].split(";")]
        if len(fields) >= 3 and fields[1] in ("C", "S"):
            pairs[int(fields[0], 16)] = int(fields[2], 16)
    return version, sorted(pairs.items())


def ranges(pairs):
    out = []
    for code, folded in pairs:
        delta = folded - code
        if out:
            first, last, last_delta, stride = out[-1]
            step = code - last
            if delta == last_delta and (step == stride or (first == last and step in (1, 2))):
                out[-1] = (first, code, delta, step)
                continue
        out.append((code, code, delta, 1))
    return out


def main():
    version, pairs = read(sys.stdin)
    print("/* SPDX-License-Identifier: Apache-2.0\n *")
    print(" * fold_table.h - simple case folding of Unicode %s (CaseFolding.txt, statuses C and S)." % version)
    print(" * Made by make_fold_table.py; %d code points. Included by fold.c alone.\n */" % len(pairs))
    print("static const struct fold_range fold_ranges[] = {")
    for first, last, delta, stride in ranges(pairs):
        print("\t{0x%04x, 0x%04x, %d, %d}," % (first, last, delta, stride))
    print("};")


main()
