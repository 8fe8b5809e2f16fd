#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# mutants.sh - plants each bug into an engine of its own and says how many seeds the simulator needed to see it.
#
#   tests/sim/mutants.sh [SEEDS]      how many seeds each may have [2000]
#
# Compiles the engine and the simulator only. Exit 1 when a mutant survives.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
seeds=${1:-2000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
survivors=0

build() { # build OUT FLAGS...
	out=$1
	shift
	"${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -O1 "$@" -I"$root/include" -o "$out" "$root"/tests/sim/*.c "$root"/broker/engine/*.c \
		"$root"/broker/event/*.c $(for name in alloc arena base64 buf error heap json map random str utf8; do
			echo "$root/broker/base/$name.c"
		done)
}

for mutant in 1 2 3 4 5 10 11 12 13 14 15 16 21 22 23 24 25 26 27 28 29; do
	build "$work/sim" -DTN_MUTANT=$mutant
	if timeout 300 "$work/sim" --runs "$seeds" >"$work/out" 2>&1; then
		echo "mutant $mutant: survived $seeds seeds"
		survivors=$((survivors + 1))
	else
		echo "mutant $mutant: $(grep -m1 '^seed ' "$work/out" || tail -1 "$work/out")"
	fi
done
[ "$survivors" -eq 0 ]
