#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs the service and the bus beside it, without containers, until SIGTERM or SIGINT; then the bus drains before the service goes, so that
# nothing under way loses who works on it. Ends with the bus's exit code: 0 drained, 2 could not start, 3 the drain timed out.
# TURNOUT names the binary [turnout], CONFIG the configuration [turnout.yaml beside this script].
set -u
here=$(cd "$(dirname "$0")" && pwd)
config=${CONFIG:-$here/turnout.yaml}

python3 "$here/service.py" &
service=$!
"${TURNOUT:-turnout}" run -c "$config" &   # opens its sources when the service is healthy: start.wait_for
bus=$!
trap 'kill -TERM "$bus" 2>/dev/null' TERM INT

# A service that ends takes the bus with it: someone else (systemd, a supervisor) starts both again.
( while kill -0 "$service" 2>/dev/null && kill -0 "$bus" 2>/dev/null; do sleep 0.2; done
  kill -TERM "$bus" 2>/dev/null ) &
watcher=$!

# wait returns early for each signal that the trap takes.
wait "$bus"; code=$?
while kill -0 "$bus" 2>/dev/null; do wait "$bus"; code=$?; done
kill "$watcher" 2>/dev/null
kill -TERM "$service" 2>/dev/null
wait "$service" 2>/dev/null
exit "$code"
