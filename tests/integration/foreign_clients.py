# SPDX-License-Identifier: Apache-2.0
"""Software nobody here wrote: the official CloudEvents SDK for JavaScript sends, Google's Functions Framework receives."""
import json
import os
import subprocess

from harness import SLOWNESS, Failure, check, equal, free_port, request, wait_until

NODE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node")

EVENTS = [
    {"id": "json-object", "source": "/shop/orders", "type": "order.created", "data": {"total": 12.5, "text": "grüße", "list": [1, None]}},
    {"id": "json-text", "source": "/shop", "type": "order.noted", "datacontenttype": "application/json", "data": "a text"},
    {"id": "plain-text", "source": "urn:x:y", "type": "order.noted", "datacontenttype": "text/plain", "data": "plain grüße"},
    {"id": "attributes", "source": "https://example.com/a?b=c#d", "type": "order.created", "subject": "order/17",
     "time": "2026-01-02T03:04:05.678Z", "dataschema": "https://example.com/schema", "partitionkey": "k-1", "data": {"a": 1}},
    {"id": "no-data", "source": "/shop", "type": "order.closed"},
]
KEPT = ("id", "source", "type", "subject", "time", "dataschema", "datacontenttype", "partitionkey", "data")


def check_installed():
    if not os.path.isdir(os.path.join(NODE, "node_modules", "cloudevents")):
        raise Failure("the Node packages are missing; install them: npm ci --prefix tests/integration/node")


def start_function(place):
    port, received = free_port(), place.path("received")
    place.start("function", ["node", os.path.join(NODE, "node_modules/@google-cloud/functions-framework/build/src/main.js"),
                             "--target=record", f"--source={os.path.join(NODE, 'function.js')}"],
                env={"PORT": str(port), "RECEIVED": received})

    def listening():
        try:
            return request(port, "GET").status
        except OSError:
            return 0
    wait_until(listening, 30, "the function to listen")
    return port, received


def exchange(place, mode):
    check_installed()
    port, received = start_function(place)
    bus = place.bus([{"name": "orders", "pattern": {"type": [{"prefix": "order."}]}, "targets": ["function"]}],
                    targets=[{"name": "function", "kind": "http", "url": f"http://127.0.0.1:{port}/"}]).start()
    sent = subprocess.run(["node", os.path.join(NODE, "sender.js"), bus.url(), mode], text=True, capture_output=True,
                          input="".join(json.dumps(value) + "\n" for value in EVENTS), timeout=60 * SLOWNESS)
    equal(sent.returncode, 0, sent.stderr)
    equal(sent.stdout.split("\n")[:-1], [f"{value['id']} 202" for value in EVENTS])

    def arrived():
        if not os.path.exists(received):
            return None
        with open(received) as file:
            values = {value["id"]: value for value in map(json.loads, file)}
        return values if len(values) == len(EVENTS) else None
    values = wait_until(arrived, 20, "the function to receive them")
    for value in EVENTS:
        got = values[value["id"]]
        for name in KEPT:
            # The SDK adds the current time itself, and JSON data may be labelled as such on the way.
            if name in value:
                equal(got.get(name), value[name], f"{name} of {value['id']}")
    wait_until(bus.settled, what="the books to settle")
    bus.check_books()


def test_binary_events_of_the_javascript_sdk_reach_a_functions_framework_function(place):
    exchange(place, "binary")


def test_structured_events_of_the_javascript_sdk_reach_a_functions_framework_function(place):
    exchange(place, "structured")


def test_bytes_of_the_javascript_sdk_arrive_unchanged(place):
    check_installed()
    sink = place.sink("--bodies")
    bus = place.simple_bus(sink).start()
    data = "AAECA/7/"
    for mode in ("binary", "structured"):
        value = {"id": mode, "source": "/s", "type": "t", "datacontenttype": "application/octet-stream", "data_base64": data}
        sent = subprocess.run(["node", os.path.join(NODE, "sender.js"), bus.url(), mode], text=True, capture_output=True,
                              input=json.dumps(value) + "\n", timeout=60 * SLOWNESS)
        equal(sent.stdout, f"{mode} 202\n", sent.stderr)
    wait_until(lambda: len(sink.ids()) == 2, what="both")
    check(all(line["event"].get("data_base64") == data for line in sink.lines()), sink.lines())
