#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# errors.sh - a scenario that is wrong, or that goes otherwise, says where and why.
#
#   errors.sh TURNOUT_SCENARIO
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

says() { # says LINE MESSAGE < scenario
	cat >"$work/case.scn"
	out=$("$scenario" "$work/case.scn") && { echo "passed, and should say: $2"; failures=$((failures + 1)); return; }
	echo "$out" | grep -qF "case.scn:$1: $2" || { echo "should say $1: $2"; echo "$out"; failures=$((failures + 1)); }
}

scenario=$1
says 1 "there is no verb 'sauce'" <<'END'
sauce web keeps
END
says 1 "usage: source NAME keeps|journaled" <<'END'
source web
END
says 1 "'lends' is none of: keeps, journaled" <<'END'
source web lends
END
says 2 "target: there is no setting 'max_in_flght'" <<'END'
# a comment
target billing max_in_flght 2
END
says 1 "target: 'timeout' needs a value" <<'END'
target billing timeout
END
says 1 "'2 s' is not a time" <<'END'
target billing timeout "2 s"
END
says 1 "a quote is not closed" <<'END'
target "billing
END
says 1 "there is no target 'billing'" <<'END'
rule orders -> billing
END
says 2 "there is no retry profile 'eventbrige'" <<'END'
target billing
rule orders -> billing retry profile eventbrige
END
says 1 "nothing happens in it" <<'END'
source web keeps
END
begin='source web keeps
target billing
rule orders -> billing
event e1 from web matches orders'
says 5 "before this line, nobody expected: start billing e1" <<END
$begin
advance 1s
END
says 4 "before this line, nobody expected: start billing e1" <<END
$begin
END
says 5 "it happened, but attempt is 1, not 2" <<END
$begin
expect start billing e1 attempt 2
END
says 5 "start has no field 'colour'" <<END
$begin
expect start billing e1 colour 2
END
says 6 "it did not happen. What did: nothing" <<END
$begin
expect start billing e1
expect ack e1
END
says 6 "no batch is out" <<END
$begin
expect start billing e1
store ok
END
says 6 "restart: the engine runs" <<END
$begin
expect start billing e1
restart
END
says 7 "result: the engine crashed; restart comes first" <<END
$begin
expect start billing e1
crash
result e1 delivered
END
says 7 "the books have delivered 0, not 1" <<END
$begin
expect start billing e1
result e1 rejected
expect books delivered 1
END
says 6 "the engine answered ok, not full" <<END
$begin
expect start billing e1
event e2 from web matches orders answered full
END
says 8 "attempt 2 was at 1s, not at 2s" <<END
$begin
expect start billing e1
answers billing retry
advance 1s
expect schedule billing e1 0s 2s
END
[ "$failures" -eq 0 ]
