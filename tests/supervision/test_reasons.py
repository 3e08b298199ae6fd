"""Why supervised containers have ended."""

from __future__ import annotations

import json

from haconiwa_core.runtime.store import ASKED_NAME


def test_one_that_cannot_be_started_again_says_so(house, story) -> None:
    program = story.file.parent / "once"
    program.write_text('#!/bin/sh\nrm "$0"\nexit 1\n')
    program.chmod(0o755)
    policy = "restart='on-failure', restart_limit=1, restart_delay=0.01"
    text = f'web = Container("web", [{str(program)!r}], features=[Supervision({policy})])\n'
    assert house.start_file(story.tell(text)).returncode == 0
    house.until(lambda: [event for event in house.events("web") if event["event"] == "failed"])
    (exited,) = [event for event in house.events("web") if event["event"] == "exited"]
    assert (exited["exit_status"], exited["reason"], exited["certainty"]) == (1, "exited", "fact")
    house.until(lambda: house.record("web").status == "exited" and house.record("web").reason == "setup-failed")
    (row,) = json.loads(house.run("ps", "--filter", "reason=setup-failed", "--format", "json").stdout)
    assert (row["name"], row["state"], row["exit_status"], row["certainty"]) == ("web", "exited", None, "fact")


def test_another_life_was_not_asked_to_end(house, story) -> None:
    text = 'web = Container("web", ["sleep", "1000"], features=[Supervision()])\n'
    assert house.start_file(story.tell(text)).returncode == 0
    asked = house.store.directory / "web" / ASKED_NAME
    assert not asked.exists()
    first = house.first("web")
    assert house.run("restart", "web").returncode == 0
    assert house.first("web") != first
    assert not asked.exists()
    assert house.run("stop", "web").returncode == 0
    assert asked.exists()
    (row,) = json.loads(house.run("ps", "--all", "--format", "json").stdout)
    assert (row["exit_status"], row["reason"], row["certainty"]) == (143, "signaled", "fact")
