# SPDX-License-Identifier: Apache-2.0
"""The binary as a person at a terminal meets it: help, mistakes, send and sink."""
import glob
import json
import os
import re

from harness import check, equal, wait_until

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def commands(place):
    _, out, _ = place.run("help")
    return re.findall(r"^  (\w+) ", out, re.M)


def test_every_command_has_help_that_names_it(place):
    for command in commands(place):
        if command in ("help", "version"):
            continue
        for words in (("help", command), (command, "--help")):
            code, out, errors = place.run(*words)
            equal((code, errors), (0, ""), words)
            check(f"turnout {command}" in out, out)


def test_help_names_every_command_of_the_design(place):
    equal(set(commands(place)), {"run", "check", "match", "explain", "decode", "send", "sink", "dlq", "quarantine", "clock", "status", "top", "audit",
                                 "trace", "target", "lanes", "bench", "help", "version"})


def test_help_config_names_every_setting(place):
    code, out, _ = place.run("help", "config")
    equal(code, 0)
    names = set()
    for path in glob.glob(f"{TOP}/broker/host/*.c") + glob.glob(f"{TOP}/connectors/*.c"):
        with open(path, encoding="utf-8") as source:
            names |= set(re.findall(r'\{(?:\.name = )?"([a-z_.]+)", (?:\.type = )?TN_OPTION_(?!LATER)', source.read()))
    check(names > {"admin.listen", "max_in_flight", "listen", "dead_letter"}, sorted(names))
    equal([name for name in sorted(names) if not re.search(rf"^  {re.escape(name)} ", out, re.M)], [], "not in the help")


def test_a_misspelt_command_is_answered_with_the_right_one(place):
    code, out, errors = place.run("chekc")
    equal((code, out), (2, ""))
    check("'check'" in errors, errors)


def test_a_misspelt_option_is_answered_with_the_right_one(place):
    code, _, errors = place.run("send", "http://127.0.0.1:1/", "--conections", "3")
    equal(code, 2)
    check("--connections" in errors, errors)


def test_send_to_nobody_says_so(place):
    code, _, errors = place.run("send", "http://127.0.0.1:1/", "--count", "1")
    equal(code, 2)
    check("running" in errors, errors)


def test_send_refuses_https_with_a_way_out(place):
    code, _, errors = place.run("send", "https://127.0.0.1:1/", "--count", "1")
    equal(code, 2)
    check("curl" in errors, errors)


def test_send_tells_the_line_that_is_no_event(place):
    sink = place.sink()
    lines = '{"specversion":"1.0","id":"1","source":"/s","type":"t"}\n\n{"specversion":"1.0","id":"2"}\n'
    code, out, errors = place.run("send", sink.url(), "--json", input=lines)
    equal(code, 1)
    check("standard input:3:" in errors, errors)
    summary = json.loads(out)
    equal((summary["accepted"], summary["bad_lines"]), (1, 1))


def test_send_and_sink_agree_in_every_mode(place):
    for mode in ("binary", "structured", "batched"):
        sink = place.sink("--bodies", name=mode)
        code, out, errors = place.run("send", sink.url(), "--count", "250", "--mode", mode, "--id-prefix", mode, "--json",
                                      "--type", "order.created", "--data", '{"total":1.50}')
        equal(code, 0, errors)
        equal(json.loads(out)["accepted"], 250)
        equal(sink.ids(), {f"{mode}-{number}" for number in range(250)})
        equal({line["event"]["type"] for line in sink.lines()}, {"order.created"})


def test_send_repeats_until_it_is_accepted(place):
    sink = place.sink("--fail-first", 2)
    code, out, _ = place.run("send", sink.url(), "--count", "20", "--retry", "--json", "--ack-log", "acks")
    equal(code, 0)
    equal(json.loads(out)["tries"]["sent"], 60)
    equal(len(set(open(place.path("acks")).read().split())), 20)


def test_send_without_retry_tells_refusals(place):
    sink = place.sink("--fail", 1)
    code, out, errors = place.run("send", sink.url(), "--count", "3", "--json")
    equal(code, 1)
    equal(json.loads(out)["refused"], 3)
    check("503" in errors, errors)


def test_send_keeps_its_rate(place):
    sink = place.sink()
    code, out, _ = place.run("send", sink.url(), "--count", "100", "--rate", "100", "--json")
    equal(code, 0)
    check(0.9 < json.loads(out)["seconds"] < 3, out)


def test_progress_is_shown_only_when_asked_for_without_a_terminal(place):
    sink = place.sink()
    _, _, quiet = place.run("send", sink.url(), "--count", "10")
    equal(quiet, "")
    _, _, told = place.run("send", sink.url(), "--count", "10", "--progress")
    check("accepted" in told, told)


def test_a_sink_fails_the_same_attempts_for_the_same_seed(place):
    failed = []
    for name in ("one", "two"):
        sink = place.sink("--fail", "30%", "--seed", 7, name=name)
        place.run("send", sink.url(), "--count", "200", "--id-prefix", "e")
        failed.append([line["id"] for line in sink.lines() if line["status"] != 200])
    equal(failed[0], failed[1])
    check(30 < len(failed[0]) < 90, len(failed[0]))


def test_a_sink_on_a_port_in_use_says_so(place):
    sink = place.sink()
    code, _, errors = place.run("sink", "--listen", f"127.0.0.1:{sink.port}")
    equal(code, 2)
    check(str(sink.port) in errors, errors)


def test_a_sink_counts_duplicates(place):
    sink = place.sink()
    for _ in range(2):
        place.run("send", sink.url(), "--count", "5", "--id-prefix", "same")
    wait_until(lambda: len(sink.lines()) == 10, what="both runs")
    equal(sum(line["duplicate"] for line in sink.lines()), 5)


def test_decode_tells_what_a_message_is(place):
    lines = ['{"transport":"http","headers":{"ce-specversion":"1.0","ce-id":"1","ce-source":"/s","ce-type":"t"},"body":""}',
             '{"transport":"http","headers":{"ce-id":"1"},"body":""}', '{"transport":"http","headers":{},"body":"x"}']
    code, out, _ = place.run("decode", input="\n".join(lines) + "\n")
    equal(code, 0)
    answers = [json.loads(line) for line in out.splitlines()]
    equal(answers[0]["event"]["id"], "1")
    equal((answers[1]["error"], answers[1]["status"]), ("missing_attribute", 400))
    equal(answers[2], {"mode": "plain"})


def test_a_line_that_is_no_message_is_a_finding(place):
    code, out, _ = place.run("decode", "--transport", "http", input="nonsense\n")
    equal(code, 1)
    equal(json.loads(out)["error"], "invalid_line")


def test_match_answers_a_line_an_event(place):
    pattern = '{"data":{"total":[{"numeric":[">",1000]}]}}'
    code, out, _ = place.run("match", "-p", pattern, input='{"data":{"total":1200}}\n{"data":{"total":12}}\n')
    equal((code, out), (0, "true\nfalse\n"))


def test_match_names_the_place_of_a_bad_pattern(place):
    code, _, errors = place.run("match", "-p", '{"a":1}', input="")
    equal(code, 2)
    check(re.search(r"E_\w+ at \d+", errors), errors)


def test_match_of_pairs_takes_each_lines_own_pattern(place):
    lines = ['{"pattern":{"a":[1]},"event":{"a":1}}', '{"pattern":{"a":[1]},"event":{"a":2}}', '{"pattern":{"a":1}}', '{"pattern":{"a":[1]}}']
    code, out, _ = place.run("match", "--pairs", input="\n".join(lines))
    answers = out.splitlines()
    equal((code, answers[0], answers[1], answers[3]), (1, "true", "false", "valid"))
    check(answers[2].startswith("invalid: E_"), answers[2])
