# SPDX-License-Identifier: Apache-2.0
"""What the HTTP source refuses, over a real socket: the status, the sentence, and where the fault is."""
import json
import socket

from harness import check, equal, event, post_event, raw, read_answer, request

STRUCTURED = {"Content-Type": "application/cloudevents+json"}


def listening(place):
    """A bus whose target is never needed: everything here is refused before it."""
    sink = place.sink()
    return sink, place.simple_bus(sink).start()


def refuse(place, status, body, headers=STRUCTURED, **expected):
    """Posts, and expects a refusal whose problem body has those members. The bus goes on, and nothing is delivered."""
    sink, bus = listening(place)
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    answer = request(bus.port, headers=headers, body=body)
    equal(answer.status, status, answer)
    problem = answer.problem()
    equal(problem["status"], status)
    check(problem["detail"], "the problem has a sentence", problem)
    for name, value in expected.items():
        equal(problem.get(name), value, f"{name} in {problem}")
    equal(bus.post(event("after")).status, 202, "the next event is taken")
    bus.stop()
    equal(sink.ids(), {"after"})
    return problem


def refuse_bytes(place, status, data, closes=True):
    """The same for bytes that are no proper request; the connection must end with it."""
    _, bus = listening(place)
    answer, closed = raw(bus.port, data)
    check(answer, "there is an answer")
    equal(answer.status, status, answer)
    equal(answer.problem()["status"], status)
    equal(closed, closes, "the connection was closed")
    equal(bus.post(event("after")).status, 202, "the next event is taken")


def post_head(*lines):
    return ("POST / HTTP/1.1\r\nHost: x\r\n" + "".join(line + "\r\n" for line in lines) + "\r\n").encode()


def binary_headers(**more):
    return {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", **more}


# --- What is not a CloudEvent ---

def test_an_unknown_event_format_is_415(place):
    refuse(place, 415, b"<x/>", {"Content-Type": "application/cloudevents+xml"}, error="unsupported_format")


def test_a_foreign_charset_is_415(place):
    refuse(place, 415, event("1"), {"Content-Type": "application/cloudevents+json; charset=utf-16"}, error="unsupported_charset")


def test_a_plain_request_is_400(place):
    refuse(place, 400, {"hello": "world"}, {"Content-Type": "application/json"}, error="not_a_cloudevent")


def test_another_method_is_405_with_allow(place):
    _, bus = listening(place)
    answer = request(bus.port, "GET")
    equal(answer.status, 405, answer)
    check("POST" in answer.headers.get("allow", ""), "Allow names POST", answer.headers)


# --- Attributes and data ---

def test_bad_base64_names_data_base64(place):
    problem = refuse(place, 400, event("1", data_base64="@@not base64@@"), error="invalid_base64")
    check("data_base64" in problem["detail"] and problem["offset"] > 0, problem)


def test_both_data_forms_are_a_conflict(place):
    refuse(place, 400, event("1", data={"a": 1}, data_base64="AAAA"), error="data_conflict")


def test_a_missing_id_is_named(place):
    value = event("1")
    del value["id"]
    refuse(place, 400, value, error="missing_attribute", attribute="id")


def test_a_missing_type_header_is_named(place):
    headers = binary_headers()
    del headers["ce-type"]
    refuse(place, 400, b"{}", headers, error="missing_attribute", attribute="type")


def test_an_attribute_name_with_capitals_is_named(place):
    refuse(place, 400, event("1", badName="x"), error="invalid_attribute_name", attribute="badName")


def test_an_old_specversion_is_refused(place):
    refuse(place, 400, {**event("1"), "specversion": "0.3"}, error="unsupported_specversion")


def test_duplicate_names_are_refused(place):
    refuse(place, 400, b'{"specversion":"1.0","id":"1","source":"/s","type":"t","type":"u"}', error="duplicate_attribute", attribute="type")


def test_a_repeated_header_is_named(place):
    _, bus = listening(place)
    answer, _ = raw(bus.port, post_head("ce-specversion: 1.0", "ce-id: 1", "ce-id: 1", "ce-source: /s", "ce-type: t", "Content-Length: 0"))
    equal(answer.status, 400, answer)
    equal(answer.problem().get("attribute"), "id")


def test_invalid_utf8_in_a_header_names_the_attribute(place):
    _, bus = listening(place)
    answer, _ = raw(bus.port, b"POST / HTTP/1.1\r\nHost: x\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: t\r\n"
                              b"ce-subject: \xff\xfe\r\nContent-Length: 0\r\n\r\n")
    equal(answer.status, 400, answer)
    equal(answer.problem().get("attribute"), "subject")


def test_invalid_utf8_in_the_body_has_its_offset(place):
    body = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":"\xff"}'
    refuse(place, 400, body, offset=body.index(b"\xff"))


def test_broken_json_has_its_offset(place):
    body = b'{"specversion":"1.0","id":}'
    refuse(place, 400, body, error="invalid_json", offset=body.index(b"}"))


def test_a_depth_bomb_is_refused(place):
    body = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":' + b"[" * 100000 + b"]" * 100000 + b"}"
    refuse(place, 400, body, error="invalid_json")


def test_a_batch_with_one_bad_member_is_refused_whole_with_its_index(place):
    batch = [event("1"), event("2"), {"specversion": "1.0", "source": "/s", "type": "t"}]
    refuse(place, 400, batch, {"Content-Type": "application/cloudevents-batch+json"}, index=2, attribute="id")


# --- Sizes ---

def test_a_body_of_two_mebibytes_is_413(place):
    refuse(place, 413, event("1", data="x" * (2 << 20)))


def test_headers_of_100_kibibytes_are_431(place):
    _, bus = listening(place)
    answer, closed = raw(bus.port, post_head(*[f"ce-x{i}: {'y' * 1000}" for i in range(100)], "Content-Length: 0"))
    equal(answer.status, 431, answer)
    check(closed, "the connection was closed")


def test_64_kibibytes_of_attributes_pass(place):
    sink, bus = listening(place)
    headers = binary_headers(**{f"ce-x{i}": "y" * 1013 for i in range(64)})
    check(sum(len(value) for value in headers.values()) > 64000)
    equal(request(bus.port, headers=headers, body=b"").status, 202)
    bus.stop()
    equal(sink.ids(), {"1"})


# --- HTTP itself ---

def test_two_lengths_are_smuggling(place):
    refuse_bytes(place, 400, post_head("Content-Length: 4", "Content-Length: 5") + b"body!")


def test_length_and_chunked_are_smuggling(place):
    refuse_bytes(place, 400, post_head("Content-Length: 4", "Transfer-Encoding: chunked") + b"0\r\n\r\n")


def test_a_signed_length_is_smuggling(place):
    refuse_bytes(place, 400, post_head("Content-Length: +4") + b"body")


def test_a_bare_line_feed_is_refused(place):
    refuse_bytes(place, 400, b"POST / HTTP/1.1\nHost: x\nContent-Length: 0\n\n")


def test_a_blank_before_the_colon_is_refused(place):
    refuse_bytes(place, 400, post_head("Content-Length : 0"))


def test_a_folded_header_is_refused(place):
    refuse_bytes(place, 400, post_head("ce-id: 1", " 2", "Content-Length: 0"))


def test_an_unknown_transfer_coding_is_refused(place):
    _, bus = listening(place)
    answer, closed = raw(bus.port, post_head("Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n")
    check(answer.status in (400, 501), answer)
    check(closed, "the connection was closed")


def test_chunk_sizes_that_are_none_are_refused(place):
    refuse_bytes(place, 400, post_head("Transfer-Encoding: chunked", *[f"{n}: {v}" for n, v in binary_headers().items()]) + b"zz\r\n")


def test_a_chunked_body_cut_short_is_never_an_event(place):
    sink, bus = listening(place)
    head = post_head("Transfer-Encoding: chunked", *[f"{n}: {v}" for n, v in binary_headers().items()])
    answer, closed = raw(bus.port, head + b"5\r\nhel", half_close=True)
    check(answer is None or answer.status == 400, answer)
    check(closed, "the connection was closed")
    equal(bus.post(event("after")).status, 202)
    bus.stop()
    equal(sink.ids(), {"after"})


def test_a_chunked_body_is_an_event(place):
    sink, bus = listening(place)
    head = post_head("Transfer-Encoding: chunked", *[f"{n}: {v}" for n, v in binary_headers().items()])
    answer, _ = raw(bus.port, head + b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n")
    equal(answer.status, 202, answer)
    bus.stop()
    equal(sink.ids(), {"1"})


def test_pipelined_requests_are_answered_in_order(place):
    _, bus = listening(place)
    good = post_head("Content-Length: 2", *[f"{n}: {v}" for n, v in binary_headers().items()]) + b"{}"
    bad = post_head("Content-Length: 2", "Content-Type: application/cloudevents+json") + b"{}"
    with socket.create_connection(("127.0.0.1", bus.port), timeout=15) as connection:
        connection.sendall(good + bad + good)
        stream = connection.makefile("rb")
        equal([read_answer(stream).status for _ in range(3)], [202, 400, 202])


def test_a_batch_is_taken_whole(place):
    sink, bus = listening(place)
    batch = json.dumps([event(str(i)) for i in range(10)]).encode()
    equal(request(bus.port, headers={"Content-Type": "application/cloudevents-batch+json"}, body=batch).status, 202)
    bus.stop()
    equal(sink.ids(), {str(i) for i in range(10)})


# --- Starting ---

def test_a_second_process_on_the_same_store_is_refused(place):
    _, bus = listening(place)
    second = place.start("second", [bus.process.child.args[0], "run", "-c", bus.path("turnout.yaml")])
    equal(second.wait(), 2)
    check("store" in second.output(), "it says why", second.output())
    equal(post_event(bus.port, event("1")).status, 202, "the first goes on")


def test_a_port_in_use_is_refused_with_its_address(place):
    sink = place.sink()
    bus = place.simple_bus(sink)
    bus.config["sources"][0]["listen"] = f"127.0.0.1:{sink.port}"
    bus.write_config()
    equal(bus.launch().process.wait(), 2)
    check(str(sink.port) in bus.process.output(), "it names the address", bus.process.output())


def test_an_unreadable_configuration_is_refused_with_its_name(place):
    code, _, errors = place.run("run", "-c", place.path("nowhere.yaml"))
    equal(code, 2)
    check("nowhere.yaml" in errors, errors)


def test_a_misspelt_setting_is_refused_with_its_place_and_a_suggestion(place):
    sink = place.sink()
    bus = place.simple_bus(sink)
    bus.config["targets"][0]["max_inflight"] = 3
    bus.write_config()
    equal(bus.launch().process.wait(), 2)
    output = bus.process.output()
    check("max_in_flight" in output, "it suggests the right name", output)
    check("turnout.yaml:" in output, "it names file and line", output)
