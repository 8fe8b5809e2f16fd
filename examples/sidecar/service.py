#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The service that the bus stands beside: it takes events at POST /events and says at GET /health whether it can.

Standard library only. Settings by environment: PORT, WARM_UP (seconds until it is healthy), WORK (seconds an event takes), LOG (a file: the
ids it has done, a line each).
"""
import http.server
import json
import os
import signal
import sys
import threading
import time

READY_AT = time.monotonic() + float(os.environ.get("WARM_UP", "1"))
WORK = float(os.environ.get("WORK", "0"))
LOG = os.environ.get("LOG", "/dev/stdout")
done = set()  # idempotency keys: an event may come twice, and is worked on once
lock = threading.Lock()


def is_ready():
    return time.monotonic() >= READY_AT


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        self.answer(404 if self.path != "/health" else 200 if is_ready() else 503)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if not is_ready():
            return self.answer(503)
        key, id = self.headers.get("Idempotency-Key", ""), self.headers.get("ce-id") or json.loads(body)["id"]
        time.sleep(WORK)
        with lock:
            if key not in done:
                done.add(key)
                with open(LOG, "a", encoding="utf-8") as log:
                    log.write(f"{id}\n")
        return self.answer(204)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Service)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print("service: listening", file=sys.stderr, flush=True)
server.serve_forever()
print("service: stopped", file=sys.stderr, flush=True)
