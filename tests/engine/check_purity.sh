#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check_purity.sh - the delivery engine stays sans-I/O: what it may leave undefined is written down here, and nothing else.
#
#   check_purity.sh CC ENGINE.a BASE.a
#
# Links the whole engine with the base objects it pulls in (-r) and lists what is still undefined: no clock, file, socket, thread,
# allocator or client library can hide from that.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/allowed" <<'LIST'
memcpy memmove memset memcmp bcmp memchr
__memcpy_chk __memmove_chk __memset_chk
strlen strcmp strncmp strchr
abort __assert_fail __stack_chk_fail
_GLOBAL_OFFSET_TABLE_
tn_event_ref tn_event_unref tn_event_cost
tn_ruleset_ref tn_ruleset_unref tn_ruleset_revision
LIST

"$1" -r -nostdlib -o "$work/engine.o" -Wl,--whole-archive "$2" -Wl,--no-whole-archive "$3"
nm -u "$work/engine.o" | awk '{ print $NF }' | sort -u >"$work/undefined"
tr ' ' '\n' <"$work/allowed" | sort -u >"$work/list"
strangers=$(comm -23 "$work/undefined" "$work/list")
if [ -n "$strangers" ]; then
	echo "the engine may not use:"
	echo "$strangers"
	exit 1
fi
echo "undefined, and allowed:" $(cat "$work/undefined")
