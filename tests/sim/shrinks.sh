#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# shrinks.sh - a simulator with a planted bug says the seed, the last steps, and a smaller world; and that world fails again.
#
#   shrinks.sh SIM_WITH_A_BUG
set -u
out=$("$1" --runs 1000 2>&1) && { echo "the planted bug was not seen"; exit 1; }
echo "$out" | grep -q '^seed [0-9]* step [0-9]*: ' || { echo "no seed and step"; exit 1; }
[ "$(echo "$out" | grep -c '^ *[0-9]*  *[0-9]* ms  ')" -eq 50 ] || { echo "not the last 50 steps"; exit 1; }
command=$(echo "$out" | sed -n 's/^  turnout-sim //p')
[ -n "$command" ] || { echo "no smaller world"; exit 1; }
inputs=$(echo "$command" | sed -n 's/.*--inputs \([0-9]*\) .*/\1/p')
[ "$inputs" -lt 300 ] || { echo "$inputs inputs are not fewer than any seed draws"; exit 1; }
# shellcheck disable=SC2086 # its words are arguments
"$1" $command --no-shrink >/dev/null 2>&1 && { echo "the smaller world does not fail: $command"; exit 1; }
echo "$command"
