# SPDX-License-Identifier: Apache-2.0
"""Software nobody here wrote: the official CloudEvents SDK for JavaScript sends, Google's Functions Framework receives."""
import json
import os
import subprocess

from harness import SLOWNESS, Failure, equal, free_port, request, wait_until

NODE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node")

# The Functions Framework itself stumbles over bodies that are no JSON object; those are for the last test.
EVENTS = [
    {"id": "json-object", "source": "/shop/orders", "type": "order.created", "data": {"total": 12.5, "text": "grüße", "list": [1, None]}},
    {"id": "typed", "source": "urn:x:y", "type": "order.noted", "datacontenttype": "application/json", "data": {"nested": {"a": []}}},
    {"id": "attributes", "source": "https://example.com/a?b=c#d", "type": "order.created", "subject": "order/17",
     "time": "2026-01-02T03:04:05.678Z", "dataschema": "https://example.com/schema", "partitionkey": "k-1", "data": {"a": 1}},
]
# The Functions Framework does not show a function the datacontenttype of a binary event.
KEPT = ("id", "source", "type", "subject", "time", "dataschema", "partitionkey", "data")


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
            if name in value:
                equal(got.get(name), value[name], f"{name} of {value['id']}")
    wait_until(bus.settled, what="the books to settle")
    bus.check_books()


def test_binary_events_of_the_javascript_sdk_reach_a_functions_framework_function(place):
    exchange(place, "binary")


def test_structured_events_of_the_javascript_sdk_reach_a_functions_framework_function(place):
    exchange(place, "structured")


def test_all_kinds_of_data_of_the_javascript_sdk_arrive_unchanged(place):
    check_installed()
    sink = place.sink("--bodies")
    bus = place.simple_bus(sink).start()
    values = [
        {"id": "bytes", "datacontenttype": "application/octet-stream", "data_base64": "AAECA/7/"},
        {"id": "text", "datacontenttype": "text/plain", "data": "plain grüße"},
        {"id": "xml", "datacontenttype": "application/xml", "data": "<a>&lt;</a>"},
        {"id": "list", "datacontenttype": "application/json", "data": [1, "two", None]},
        {"id": "nothing"},
    ]
    for mode in ("binary", "structured"):
        lines = "".join(json.dumps({**value, "id": f"{value['id']}-{mode}", "source": "/s", "type": "t"}) + "\n" for value in values)
        sent = subprocess.run(["node", os.path.join(NODE, "sender.js"), bus.url(), mode], text=True, capture_output=True, input=lines,
                              timeout=60 * SLOWNESS)
        equal(sent.stdout, "".join(f"{value['id']}-{mode} 202\n" for value in values), sent.stderr)
    wait_until(lambda: len(sink.ids()) == 2 * len(values), what="all")
    for line in sink.lines():
        value = next(value for value in values if value["id"] == line["id"].split("-")[0])
        for name in ("data", "data_base64"):
            equal(line["event"].get(name), value.get(name), f"{name} of {line['id']}")
        if "datacontenttype" in value:  # else the SDK makes one up
            equal(line["event"]["datacontenttype"].split(";")[0], value["datacontenttype"], line["id"])
