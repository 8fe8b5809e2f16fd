#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the integration tests: every test_* function of every file beside this one, each in a process and a folder of its own.

    run.py [--turnout BINARY] [--jobs N] [--timeout SECONDS] [FILE or FILE::TEST ...]

Prints TAP and, last, "N passed, N failed". A test that hangs is ended with all it started.
"""
import argparse
import concurrent.futures
import importlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
NOT_TESTS = {"run", "harness"}


def test_names(chosen):
    """module::function, in the order of the files."""
    sys.path.insert(0, HERE)
    modules = sorted(name[:-3] for name in os.listdir(HERE) if name.endswith(".py") and name[:-3] not in NOT_TESTS)
    names = []
    for module in modules:
        found = importlib.import_module(module)
        names += [f"{module}::{name}" for name in vars(found) if name.startswith("test_")]
    if not chosen:
        return names
    picked = [name for name in names if any(name == want or name.split("::")[0] == want.removesuffix(".py") for want in chosen)]
    if not picked:
        sys.exit(f"no such test: {' '.join(chosen)}; there are:\n  " + "\n  ".join(names))
    return picked


def run_one(name):
    """In the test's own process: 0 good, 1 failed."""
    sys.path.insert(0, HERE)
    import harness
    module, _, function = name.partition("::")
    folder = tempfile.mkdtemp(prefix="turnout-test-")
    place = harness.Place(folder)
    try:
        getattr(importlib.import_module(module), function)(place)
        failed = False
    except BaseException as error:
        failed = True
        if isinstance(error, harness.Failure):
            print(f"failed: {error}", file=sys.stderr)
        else:
            traceback.print_exc()
    finally:
        place.close()
    if failed:
        for process in place.processes[-6:]:
            print(f"--- end of {process.name}'s output", file=sys.stderr)
            print(process.output()[-1500:], file=sys.stderr)
        print(f"--- its folder is {folder}", file=sys.stderr)
    else:
        failed = report_sanitizer(place)
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


def report_sanitizer(place):
    """A sanitizer's complaint fails a test that passed otherwise."""
    for process in place.processes:
        output = process.output()
        if "runtime error:" in output or "Sanitizer" in output:
            print(f"a sanitizer complained in {process.name}:\n{output[-6000:]}", file=sys.stderr)
            return True
    return False


def spawn(name, options):
    begin = time.monotonic()
    module = name.split("::")[0]
    limit = getattr(sys.modules[module], "TIMEOUT", options.timeout) * float(os.environ.get("TURNOUT_TEST_SLOWNESS", "1"))
    child = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--one", name], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        output, _ = child.communicate(timeout=limit)
        good = child.returncode == 0
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        output = child.communicate()[0] + f"\nended after {limit:.0f} s"
        good = False
    return name, good, output, time.monotonic() - begin


def main():
    parser = argparse.ArgumentParser(description="integration tests of the real binary")
    parser.add_argument("--turnout", default=os.environ.get("TURNOUT", "build/tools/turnout"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=120)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("tests", nargs="*")
    options = parser.parse_args()
    if options.one:
        return run_one(options.one)
    os.environ["TURNOUT"] = os.path.abspath(options.turnout)
    if not os.access(os.environ["TURNOUT"], os.X_OK):
        sys.exit(f"{options.turnout} is not there; build it first: tools/dev build")
    names = test_names(options.tests)
    failed = 0
    print(f"1..{len(names)}", flush=True)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        waiting = [pool.submit(spawn, name, options) for name in names]
        for number, future in enumerate(concurrent.futures.as_completed(waiting), 1):
            name, good, output, seconds = future.result()
            failed += not good
            print(f"{'ok' if good else 'not ok'} {number} - {name} ({seconds:.1f} s)")
            notes = output.splitlines() if not good else [line for line in output.splitlines() if line.startswith("# ")]
            for line in notes:
                print(line if line.startswith("# ") else f"#   {line}")
            sys.stdout.flush()
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
