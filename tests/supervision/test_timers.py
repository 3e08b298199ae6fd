"""Hooks that run after a delay, and again and again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

HEAD = 'web = Container("web", ["sleep", "600"], features=[Supervision(stop_timeout=0)])\n'
FAKE = Path(f"/usr/lib/{os.uname().machine}-linux-gnu/faketime/libfaketime.so.1")


def run(house, story, text, head=HEAD):
    """Start a container; return when its timers began (CLOCK_MONOTONIC)."""
    if house.process is None:
        house.open()
    done = house.run("run", "-d", "--name", "web", story.tell(head + text))
    assert done.returncode == 0, done.stderr
    return began(house)


def began(house):
    """Return when the hooks' timers began, as the supervisor has noted it."""
    return json.loads((house.store.directory / "web" / "supervision.json").read_text())["started"]


def times(story, what, since):
    return [each["at"] - since for each in story.told(what)]


def stop(house):
    house.ask("stop", name="web", timeout=0)


def test_once_after_a_delay(house, story):
    since = run(
        house,
        story,
        """
web.after(0.5)(lambda c: say(c, "later"))
web.after(0)(lambda c: say(c, "at once"))
web.after(600)(lambda c: say(c, "never"))
""",
    )
    house.until(lambda: "later" in story.order())
    time.sleep(1)
    assert story.order() == ["at once", "later"]
    assert 0.5 <= times(story, "later", since)[0] < 5
    assert story.told("later")[0]["state"] == "running"
    stop(house)


def test_periods_do_not_grow(house, story):
    """The time that a hook, its process and its timer take is no part of them."""
    since = run(house, story, "web.every(0.2, limit=20)(lambda c: say(c, 'tick'))\n")
    house.until(lambda: len(story.told("tick")) == 20)
    time.sleep(0.6)
    found = times(story, "tick", since)
    assert len(found) == 20
    # Each is late by what that one took, on a host that is busy with other things.
    assert all(number * 0.2 <= found[number - 1] for number in range(1, 21))
    assert min(found[number - 1] - number * 0.2 for number in range(11, 21)) < 0.15
    stop(house)


def test_jitter_is_added_to_each_time_and_not_to_the_next(house, story):
    since = run(house, story, "web.every(0.2, jitter=0.15, limit=25, overlap='run')(lambda c: say(c, 'tick'))\n")
    house.until(lambda: len(story.told("tick")) == 25)
    found = times(story, "tick", since)
    assert all(number * 0.2 <= found[number - 1] for number in range(1, 26))
    late = [found[number - 1] - number * 0.2 for number in range(1, 26)]
    assert max(late) - min(late) > 0.05
    assert min(late[15:]) < 0.15
    stop(house)


@pytest.mark.parametrize("overlap", ["skip", "queue", "run"])
def test_what_happens_while_it_still_runs(house, story, overlap):
    run(
        house,
        story,
        f"""
@web.every(0.2, limit=6, overlap="{overlap}")
def slow(c):
    say(c, "begins")
    time.sleep(0.7)
    say(c, "ends")
""",
    )
    house.until(lambda: len(story.told("ends")) == 6)
    time.sleep(1)
    order = story.order()
    assert (order.count("begins"), order.count("ends")) == (6, 6)
    alternating = ["begins", "ends"] * 6
    assert (order == alternating) == (overlap != "run")
    if overlap == "run":
        assert order[:3] == ["begins"] * 3
    if overlap == "queue":
        # What waits for its turn begins as soon as it can.
        told = story.told()
        gaps = [begin["at"] - end["at"] for end, begin in zip(told[1:-1:2], told[2::2], strict=True)]
        assert min(gaps) < 0.1
    stop(house)


def test_an_exception_or_a_crash_stops_no_period(house, story):
    run(
        house,
        story,
        """
@web.every(0.1, limit=3)
def raises(c):
    say(c, "raises")
    raise ValueError("again")
@web.every(0.1, limit=3)
def crashes(c):
    say(c, "crashes")
    os.abort()
@web.every(0.1, limit=3, timeout=0.2)
def hangs(c):
    say(c, "hangs")
    time.sleep(60)
@web.every(0.1, limit=3)
async def works(c):
    say(c, "works")
""",
    )
    house.until(lambda: len(story.told()) == 12)
    house.until(lambda: house.ask("inspect", name="web")["hooks"]["hangs"]["failures"] == 3)
    hooks = house.ask("inspect", name="web")["hooks"]
    assert {name: (known["runs"], known["failures"]) for name, known in hooks.items()} == {
        "raises": (3, 3),
        "crashes": (3, 3),
        "hangs": (3, 3),
        "works": (3, 0),
    }
    assert hooks["raises"]["last"] == "raised: ValueError: again"
    stop(house)


def test_those_that_wait_for_readiness(house, story, tmp_path):
    """What comes at the start comes without it."""
    gate = tmp_path / "gate"
    since = run(
        house,
        story,
        """
for after_ready in (False, True):
    web.after(0.2, after_ready=after_ready)(lambda c, r=after_ready: say(c, f"after {r}"))
    web.every(0.2, limit=2, after_ready=after_ready)(lambda c, r=after_ready: say(c, f"every {r}"))
web.on("after_ready")(lambda c: say(c))
""",
        f'web = Container("web", ["sleep", "600"], features=[Supervision(ready=Ready(file={str(gate)!r}))])\n',
    )
    house.until(lambda: len(story.told()) == 3)
    time.sleep(0.5)
    assert set(story.order()) == {"after False", "every False"}
    gate.touch()
    house.until(lambda: len(story.told()) == 7)
    ready = story.told("after_ready")[0]
    assert {each["ready"] for each in story.told("after True", "every True")} == {True}
    assert all(each["at"] > ready["at"] - 0.1 + 0.2 for each in story.told("after True", "every True"))
    assert ready["at"] - since > 0.5
    stop(house)


def test_a_thousand_at_once(house, story):
    run(
        house,
        story,
        """
for number in range(1000):
    web.after(0.5, name=f"timer{number}")(lambda c, n=number: say(c, "timer", number=n))
web.every(0.1, name="beat")(lambda c: say(c, "beat"))
web.on_call("ping")(lambda c: "pong")
""",
    )
    house.until(lambda: len(story.told("timer")) >= 100, 60)
    assert house.ask("call", name="web", command="ping", args={}) == "pong"
    house.until(lambda: len(story.told("timer")) == 1000, 120)
    assert sorted(each["number"] for each in story.told("timer")) == list(range(1000))
    house.until(lambda: len(story.told("beat")) > 3)
    hooks = house.ask("inspect", name="web")["hooks"]
    assert {(hooks[f"timer{number}"]["runs"], hooks[f"timer{number}"]["failures"]) for number in range(1000)} == {
        (1, 0)
    }
    stop(house)
    assert house.faults() == []


def test_nothing_runs_after_the_end(house, story):
    run(
        house,
        story,
        """
web.every(0.05, overlap="queue")(lambda c: (say(c, "tick"), time.sleep(0.1)))
web.after(1)(lambda c: say(c, "later"))
web.on("teardown")(lambda c: say(c))
""",
    )
    house.until(lambda: len(story.told("tick")) > 3)
    stop(house)
    house.until(lambda: "teardown" in story.order())
    time.sleep(1.5)
    order = story.order()
    # One that was being made when the container ended may still say something.
    assert len(order[order.index("teardown") + 1 :]) <= 1
    assert "later" not in order


@pytest.mark.skipif(not FAKE.exists(), reason="needs the Debian package faketime")
@pytest.mark.parametrize("jump", ["-30d", "+30d"])
def test_jumps_of_the_clock_do_not_matter(house, story, tmp_path, jump):
    """The wall clock of the supervisor alone jumps, while the timers wait."""
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    fake = {
        "LD_PRELOAD": str(FAKE),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    environment = {**house.environment, **fake}
    # The control: this is how a program sees it.
    look = [sys.executable, "-I", "-c", "import time; print(time.time(), time.monotonic())"]
    house.open(env=environment)
    run(
        house,
        story,
        """
web.after(1.5)(lambda c: say(c, "later"))
web.every(0.5)(lambda c: say(c, "tick"))
""",
        'web = Container("web", ["sleep", "600"], features=[Supervision(restart="always", restart_delay=1)])\n',
    )
    house.until(lambda: story.told("tick"))
    clock.write_text(f"{jump}\n")
    wall, monotonic = map(float, subprocess.check_output(look, env=environment, text=True).split())
    assert abs(wall - time.time()) > 29 * 86400
    assert abs(monotonic - time.monotonic()) < 60
    house.until(lambda: "later" in story.order() and len(story.told("tick")) >= 5)
    stamps = [event["time"] for event in house.events("web")]
    assert max(stamps) - min(stamps) > 29 * 86400
    at = [each["at"] for each in story.told("tick")]
    assert all(0.1 < later - earlier < 5 for earlier, later in pairwise(at))
    # A delay before a restart is such a timer, too.
    clock.write_text("+0\n")
    before = house.first("web")
    house.run("kill", "web")
    house.until(lambda: house.ask("inspect", name="web")["status"] == "restarting")
    clock.write_text(f"{jump}\n")
    house.until(lambda: house.record("web").status == "running" and house.first("web") != before, 10)
    stop(house)
    assert house.faults() == []
