#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# mutants.sh - plants each bug into an engine of its own and says how many seeds the simulator needed to see it: the median of five runs
# from different first seeds.
#
#   tests/sim/mutants.sh [SEEDS [MUTANT...]]      how many seeds each run may have [2000]; which bugs [all that are planted]
#
# A bug is planted where the engine says TN_PLANT(n). Compiles the engine and the simulator only. Numbers of delivery-semantics section 23
# that are planted nowhere are listed as not built. Exit 1 when a mutant survives one of its runs.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)

compile() { # compile FOLDER FLAGS... : of each file on standard input an object in FOLDER
	folder=$1
	shift
	(cd "$folder" && xargs "${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -O1 "$@" -I"$root/include" -I"$root/broker/engine" -c)
}

# How many seeds it took from the first one on; nothing when it survived. What was said last is in $work/out.
seeds_taken() { # seeds_taken FIRST
	timeout 120 "$work/sim" --seed "$1" --runs "$seeds" --no-shrink >"$work/out" 2>&1 && return 0
	seed=$(sed -n 's/^seed \([0-9]*\) step .*/\1/p' "$work/out" | head -1)
	[ -n "$seed" ] && echo $((seed - $1 + 1)) && return 0
	grep -q . "$work/out" && echo 1 || true # it died
}

try_mutant() { # try_mutant NUMBER
	printf '%s\n' "$root"/broker/engine/*.c | compile "$work" -DTN_MUTANT="$1"
	"${CC:-cc}" -o "$work/sim" "$work"/*.o "$common"/parts/*/*.o
	: >"$work/taken"
	for first in 1 100001 200001 300001 400001; do
		seeds_taken $first >>"$work/taken"
	done
	runs=$(wc -l <"$work/taken")
	median=$(sort -n "$work/taken" | sed -n 3p)
	how=$(sed -n 's/^seed [0-9]* step [0-9]*: //p' "$work/out" | head -1)
	if [ "$runs" -eq 5 ]; then
		printf 'mutant %-3s median %-5s all %-28s e.g. %s\n' "$1" "$median" "$(sort -n "$work/taken" | tr '\n' ' ')" "$how"
	else
		echo "mutant $1: survived $((5 - runs)) of 5 runs of $seeds seeds"
	fi
}

if [ "${1:-}" = --one ]; then # by xargs below: --one COMMON SEEDS MUTANT
	common=$2 seeds=$3 work=$2/of-$4
	mkdir "$work"
	try_mutant "$4" >"$work/said"
	rm -f "$work"/*.o "$work/sim"
	exit 0
fi

seeds=${1:-2000}
[ $# -gt 0 ] && shift
planted=$(cat "$root"/broker/engine/*.c | grep -o 'TN_PLANT([0-9]*)' | tr -cd '0-9\n' | sort -n | uniq)
common=$(mktemp -d)
trap 'rm -rf "$common"' EXIT
mkdir -p "$common/parts/sim" "$common/parts/base" "$common/parts/event" # some files have one name
printf '%s\n' "$root"/tests/sim/*.c | compile "$common/parts/sim"
for name in alloc arena base64 buf error heap json map random str utf8; do
	echo "$root/broker/base/$name.c"
done | compile "$common/parts/base"
printf '%s\n' "$root"/broker/event/*.c | compile "$common/parts/event"
printf '%s\n' ${*:-$planted} | xargs -P "$(nproc)" -n 1 sh "$0" --one "$common" "$seeds"
for mutant in ${*:-$planted}; do
	cat "$common/of-$mutant/said"
done | tee "$common/all"
survivors=$(grep -c survived "$common/all" || true)
missing=$(for number in $(seq 1 25); do echo "$planted" | grep -qx "$number" || printf ' %s' "$number"; done)
echo "caught $(($(wc -l <"$common/all") - survivors)), survived $survivors; of section 23 not built:${missing:- none}"
[ "$survivors" -eq 0 ]
