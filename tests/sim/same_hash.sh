#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# same_hash.sh - two builds of the simulator do the same, step by step.
#
#   same_hash.sh SIM OTHER_SIM SEEDS
set -eu
a=$("$1" --runs "$3" --steps)
b=$("$2" --runs "$3" --steps)
if [ "$a" != "$b" ]; then
	echo "the builds part ways; first lines of each:"
	echo "$a" | head -3
	echo "$b" | head -3
	exit 1
fi
echo "$a" | tail -1
