#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# coverage.sh - branch coverage of the delivery engine by its unit tests, the simulation and the scenarios; with -DNDEBUG, as it ships.
#
#   tests/engine/coverage.sh [SEEDS]      how many seeds the simulation runs [10000]
#
# Builds in build-coverage. Prints each branch of broker/engine that was not taken as file:line, and the figures. Exit 1 when there is
# one that coverage-exclusions.txt does not name with its reason.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
seeds=${1:-10000}
build=$root/build-coverage
cd "$root"
[ -f "$build/build.ninja" ] || meson setup "$build" -Db_coverage=true -Db_ndebug=true -Dbuildtype=plain -Doptimization=0 >/dev/null
find "$build" -name '*.gcda' -delete
tests=$(for test in tests/engine/test_*.c; do
	echo "tests/engine/test_engine_$(basename "$test" .c | sed 's/^test_//')"
done)
# shellcheck disable=SC2086 # one word a target
ninja -C "$build" tests/sim/turnout-sim tests/scenarios/turnout-scenario $tests >"$build/ninja.log" 2>&1 || {
	tail -20 "$build/ninja.log"
	exit 1
}
for test in $tests; do
	"$build/$test" >"$build/test.log" 2>&1 || { tail -20 "$build/test.log"; exit 1; }
done
"$build/tests/scenarios/turnout-scenario" tests/scenarios >"$build/test.log" || { grep -v '^ok' "$build/test.log"; exit 1; }
"$build/tests/sim/turnout-sim" --runs "$seeds"
gcovr --root "$root" --filter broker/engine/ --branches --json "$build/coverage.json" --exclude-unreachable-branches \
	--exclude-throw-branches "$build/broker/engine" >/dev/null
python3 tests/engine/coverage_report.py "$build/coverage.json" tests/engine/coverage-exclusions.txt
