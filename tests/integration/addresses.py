# SPDX-License-Identifier: Apache-2.0
"""Where HTTP targets may connect to: judged on the address, at each connect, whatever name led there."""
import socket

from harness import check, equal, event, function, wait_until


def blocked(place, url, **config):
    """A bus with that target: its delivery must become a dead letter, or be held, with ADDRESS_BLOCKED, and nothing may connect."""
    bus = place.bus([{"name": "all", "pattern": {"type": ["order.created"]}, "targets": ["there"]}],
                    targets=[{"name": "there", "kind": "http", "url": url, "retry": {"profile": "fast"}}], **config).start()
    equal(bus.post(event("1")).status, 202)
    wait_until(lambda: "ADDRESS_BLOCKED" in bus.process.output() or "ADDRESS_BLOCKED" in place.run("dlq", "list", "-c", bus.path("turnout.yaml"))[1],
               what="the refusal")
    return bus


def test_the_metadata_address_is_denied(place):
    blocked(place, "http://169.254.169.254/latest/meta-data")


def test_a_mapped_metadata_address_is_denied(place):
    blocked(place, "http://[::ffff:169.254.169.254]/")


def test_the_unspecified_address_is_denied(place):
    blocked(place, "http://0.0.0.0:1/")


def test_a_name_that_resolves_to_a_denied_address_is_denied(place):
    """localhost is allowed by default; with loopback denied, the name does not help."""
    sink = place.sink()
    blocked(place, f"http://localhost:{sink.port}/", addresses={"deny": ["127.0.0.0/8", "::1/128"]})
    equal(sink.lines(), [], "nothing reached it")


def test_this_hosts_own_name_is_judged_by_its_address(place):
    sink = place.sink()
    name = socket.gethostname()
    try:
        found = {info[4][0] for info in socket.getaddrinfo(name, sink.port, type=socket.SOCK_STREAM)}
    except OSError:
        found = set()
    deny = [f"{address}/{128 if ':' in address else 32}" for address in found] or ["127.0.0.0/8"]
    blocked(place, f"http://{name if found else 'localhost'}:{sink.port}/", addresses={"deny": [*deny, "::1/128"]})
    equal(sink.lines(), [], "nothing reached it")


def test_an_allowed_block_overrides_the_default(place):
    bus = place.bus([{"name": "all", "pattern": {"type": ["order.created"]}, "targets": ["there"]}],
                    targets=[{"name": "there", "kind": "http", "url": "http://169.254.169.254:9/", "timeout": "500ms",
                              "retry": {"profile": "fast", "max_retries": 1}}],
                    addresses={"allow": ["169.254.169.254/32"]}).start()
    equal(bus.post(event("1")).status, 202)
    wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] == 1, 20, "the end of its retries")
    check("ADDRESS_BLOCKED" not in bus.process.output(), "it was tried", bus.process.output())


def test_proxy_variables_are_ignored(place):
    sink, proxy = place.sink(), place.sink(name="proxy")
    bus = place.simple_bus(sink).start(env={"http_proxy": proxy.url(), "HTTP_PROXY": proxy.url(), "ALL_PROXY": proxy.url()})
    equal(bus.post(event("1")).status, 202)
    wait_until(lambda: sink.ids() == {"1"}, what="delivery")
    equal(proxy.lines(), [])


def test_redirects_are_not_followed(place):
    sink = place.sink()
    with function(lambda call: (302, {"location": sink.url()}, b"")) as (url, calls):
        bus = place.simple_bus(url).start()
        equal(bus.post(event("1")).status, 202)
        wait_until(lambda: bus.metrics()["turnout_deliveries_dead_total"] == 1, what="the dead letter")
        equal((len(calls), sink.lines()), (1, []))
