# SPDX-License-Identifier: Apache-2.0
"""examples/quickstart, played by `tools/dev run` without a terminal: what it promises to show is there, and nothing is left running."""
import os
import re
import subprocess

from harness import SLOWNESS, check, equal

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
TIMEOUT = 300


def test_the_quickstart_shows_a_match_a_miss_retries_and_a_dead_letter(place):
    played = subprocess.run(["tools/dev", "run"], cwd=TOP, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=280 * SLOWNESS)
    out = played.stdout
    equal(played.returncode, 0, f"{out[-1500:]}\n{played.stderr[-1500:]}")
    check(re.search(r"order-1 .*attempt=1 -> 200", out), "billing got order-1", out)
    for attempt, status in ((1, 503), (2, 503), (3, 200)):
        check(re.search(rf"order-3 .*attempt={attempt} -> {status}", out), f"shipping, attempt {attempt} of order-3", out)
    dead = out.split("Which therefore is a dead letter")[1].split("==")[0]
    check("tell-carrier-abroad" in dead and "HTTP_503" in dead, "the dead letter", dead)
    why = out.split("Why no rule took")[1].split("==")[0]
    check("data.total" in why and "80" in why, "why order-2 was not matched", why)
    for name in ("bus", "billing", "shipping"):
        check(re.search(rf"stopped {name} \((\d+)\)", out), f"{name} was stopped", out)
    check(not any(os.path.exists(f"/proc/{pid}") for pid in re.findall(r"stopped \w+ \((\d+)\)", out)), "nothing is left")
