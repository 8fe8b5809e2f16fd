#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Plays the incident of README.md: a target dies, its breaker opens, dead letters gather, it is mended, and everything is delivered.
# Each command is printed before it runs; a step that does not end as it should ends the script with exit code 1.
#
#   incident.sh [BINARY]      BINARY: turnout, if that is on the PATH
#
# Works in a folder of its own under TMPDIR, on the loopback ports of turnout.yaml unless WEB_PORT, ADMIN_PORT, BILLING_PORT and
# SHIPPING_PORT say others.
set -u

binary=$(command -v "${1:-turnout}") || { echo "incident.sh: there is no ${1:-turnout}; say where the binary is" >&2; exit 2; }
binary=$(readlink -f "$binary")
here=$(cd "$(dirname "$0")" && pwd)
WEB_PORT=${WEB_PORT:-8081} ADMIN_PORT=${ADMIN_PORT:-9181} BILLING_PORT=${BILLING_PORT:-9011} SHIPPING_PORT=${SHIPPING_PORT:-9012}

folder=$(mktemp -d)
started=()
finish() {
  local pid
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null; done
  wait
  rm -rf "$folder"
}
trap finish EXIT
cp "$here"/*.yaml "$here"/*.jsonl "$folder" && cd "$folder" || exit 2
sed -i "s/:8081/:$WEB_PORT/; s/:9181/:$ADMIN_PORT/; s/:9011/:$BILLING_PORT/; s/:9012/:$SHIPPING_PORT/" turnout.yaml

turnout() { "$binary" "$@"; }

fail() {
  echo "incident.sh: $*" >&2
  tail -n 20 bus.log >&2
  exit 1
}

# show CODE COMMAND...: prints and runs it; it must end with that exit code. What it said is in $said.
show() {
  local expected=$1 code
  shift
  printf '\n$ %s\n' "$*"
  said=$("$@" 2>&1)
  code=$?
  printf '%s\n' "$said"
  [ "$code" = "$expected" ] || fail "'$*' ended with $code, not with $expected"
}

# expect TEXT: it must stand in what was said last.
expect() { [[ "$said" == *"$1"* ]] || fail "expected '$1' in the output above"; }

# start NAME COMMAND...: in the background, its output in NAME.log; its process id is in $NAME.
start() {
  local name=$1
  shift
  printf '\n$ %s > %s.log &\n' "$*" "$name"
  "$binary" "${@:2}" >>"$name.log" 2>&1 &
  started+=($!)
  printf -v "$name" %s $!
}

# await WHAT COMMAND...: until it succeeds, at most 60 s.
await() {
  local what=$1
  shift
  for _ in $(seq 600); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.1
  done
  fail "waited 60 s for $what"
}

say() { printf '\n# %s\n' "$*"; }
listens() { grep -q 'listening on' "$1.log"; }
is_ready() { turnout status | grep -q ', ready since'; }
billing_has() { turnout target status billing | grep -q "$1"; }
story_has() { turnout trace "$1" | grep -q "$2"; }
first_dead_letter() { turnout dlq list --json --limit 1 | sed 's/^{"id":"\([^"]*\)".*/\1/'; }

say "Billing's new release answers 500 to everything"
start billing turnout sink --listen 127.0.0.1:$BILLING_PORT --fail 1 --status 500
start shipping turnout sink --listen 127.0.0.1:$SHIPPING_PORT
start bus turnout run
await "billing" listens billing
await "shipping" listens shipping
await "the bus" is_ready
show 0 turnout send http://127.0.0.1:$WEB_PORT/ orders.jsonl
await "the breaker" billing_has 'breaker open by HTTP_500'
await "the dead letters" billing_has '! 5 dead letters'

say "Orders go on coming, and are taken"
show 0 turnout send http://127.0.0.1:$WEB_PORT/ later.jsonl
expect "202: 5"
await "them to be parked" billing_has 'parked 5'
await "shipping" test "$(grep -c -- '-> 200' shipping.log)" = 10

say "What is wrong?"
show 0 turnout status
expect "breaker open by HTTP_500"
expect "5 dead letters: turnout dlq count --target billing"
expect "(closed)"

say "What died of it?"
show 0 turnout dlq count --since 1h
expect "5  bill-orders -> billing  HTTP_500"
show 0 turnout dlq list --target billing --since 1h --limit 2
show 0 turnout dlq show "$(first_dead_letter)"
expect '"message": "the target answered 500"'

show 0 turnout trace order-1
expect "rule bill-orders -> target billing: dead"

say "What would a redrive send?"
show 0 turnout dlq redrive --all --target billing --since 1h --dry-run
expect "5 dead letters would be redriven"
expect "! the breaker of target billing is open"

say "Billing is mended; the breaker would find out within a minute, we tell it"
printf '\n$ kill %%1\n'
kill "$billing"
wait "$billing"
grep -c -- '-> 500' billing.log | grep -qx 10 || fail "billing was tried $(grep -c -- '-> 500' billing.log) times, not 10"
: >billing.log
start billing turnout sink --listen 127.0.0.1:$BILLING_PORT
await "billing" listens billing
show 0 turnout target close billing
expect "breaker closed"
await "what waited" billing_has 'delivered 5, died 5'

say "The dead letters, not faster than billing likes"
show 0 turnout dlq redrive --all --target billing --since 1h --rate 10
expect "5 dead letters will be delivered again"
await "the redriven ones" billing_has 'delivered 10, died 5'
show 0 turnout dlq status
expect "5 delivered, 0 failed, 0 to come"
show 0 turnout dlq count
expect "0 dead letters"

await "the end of order-1's story" story_has order-1 ' delivered '
show 0 turnout trace order-1
expect "redriven"
expect "rule bill-orders -> target billing: delivered"

say "Does everything add up?"
show 0 turnout status
expect "(closed)"
[[ "$said" != *'!'* ]] || fail "somebody still has something to do"
show 0 turnout audit
expect "everything adds up"
show 0 grep -c key=.*200$ billing.log shipping.log
expect "billing.log:10"
expect "shipping.log:10"
