"""Containers of one file: started in the order of what they depend on, all or none, with hooks for all of them."""

from __future__ import annotations

import signal
import time

import pytest

THREE = """
db = Container("db", ["sleep", "600"], features=[Supervision(ready=Ready(file={gate!r}))])
app = Container("app", ["sleep", "600"], features=[Supervision(depends=("db",))])
web = Container("web", ["sleep", "600"], features=[Supervision(depends=("app", "db"))])
for container in (web, app, db):
    for event in ("before_start", "after_start", "after_ready", "after_exit", "after_failure"):
        container.on(event)(lambda c: say(c, f"{{c.event['event']}} {{c.name.partition('-')[0]}}"))
"""


def names_of(done):
    return {name.partition("-")[0]: name for name in done.stdout.split()}


def stop_all(house):
    house.ask("stop_all", names=house.store.names(), timeout=0)


def test_each_is_started_when_what_it_depends_on_is_ready(house, story, tmp_path):
    gate = tmp_path / "gate"
    house.open()
    with house.command("run", "-d", story.tell(THREE.format(gate=str(gate)))) as client:
        house.until(lambda: "after_start db" in story.order())
        time.sleep(0.5)
        assert story.order() == ["before_start db", "after_start db"]
        gate.touch()
        assert client.wait(30) == 0
    house.until(lambda: "after_ready web" in story.order())
    order = story.order()
    for first, second in (
        ("after_ready db", "before_start app"),
        ("after_ready app", "before_start web"),
    ):
        # The hooks of readiness may still run when the others begin.
        assert order.index(first.replace("after_ready", "after_start")) < order.index(second)
    ready = {event["container"].partition("-")[0]: event for event in house.events() if event["event"] == "ready"}
    started = {event["container"].partition("-")[0]: event for event in house.events() if event["event"] == "started"}
    assert ready["db"]["time"] <= started["app"]["time"] <= ready["app"]["time"] <= started["web"]["time"]
    stop_all(house)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["sleep", "600"], "is not ready after 0.5 s"),
        (["sh", "-c", "sleep 0.2; exit 4"], "has ended before it was ready"),
        (["/nowhere/at-all"], "/nowhere/at-all"),
    ],
    ids=["never ready", "ends", "cannot be started"],
)
def test_one_that_does_not_become_ready_ends_all(house, story, tmp_path, command, reason):
    house.open()
    file = story.tell(f"""
other = Container("other", ["sleep", "600"])
db = Container("db", {command}, features=[Supervision(ready=Ready(file={str(tmp_path / "never")!r}, timeout=0.5))])
web = Container("web", ["sleep", "600"], features=[Supervision(depends=("db",))])
for container in (other, db, web):
    for event in ("after_start", "after_exit", "file_failure", "file_teardown"):
        container.on(event)(lambda c: say(c, f"{{c.event['event']}} {{c.name.partition('-')[0]}}"))
""")
    done = house.run("run", "-d", file)
    assert done.returncode != 0
    assert reason in done.stderr
    assert house.store.names() == []
    order = story.order()
    assert "after_exit other" in order
    assert not [what for what in order if what in ("after_start web", "after_exit web")]
    assert [what.split()[0] for what in order[-6:]] == ["file_failure"] * 3 + ["file_teardown"] * 3 or {
        what.split()[0] for what in order if what.startswith("file_")
    } == {"file_failure", "file_teardown"}
    assert not [line for line in house.processes() if "sleep 600" in line]
    assert [event["reason"] for event in house.events() if event["event"] == "fault"] == []


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        ("('web',)", "('db',)", "depends on db, too"),
        ("('nobody',)", "()", "no container named nobody is started with db"),
        ("('db',)", "()", "depends on itself"),
    ],
    ids=["cycle", "unknown", "itself"],
)
def test_dependencies_that_cannot_be_are_refused_with_their_place(house, story, first, second, text):
    house.open()
    file = story.tell(f"""
db = Container("db", ["sleep", "600"], features=[
    Supervision(depends={first})])
web = Container("web", ["sleep", "600"], features=[Supervision(depends={second})])
web.on("file_setup")(lambda c: say(c))
""")
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if "depends=(" in text)
    done = house.run("run", "-d", file)
    assert done.returncode == 2
    assert f"{file}:{line}: supervision.depends: " in done.stderr
    assert text in done.stderr
    assert story.told() == []
    assert house.store.names() == []
    assert not [event for event in house.events() if event["event"] in ("planned", "started")]


def test_one_without_those_it_depends_on_is_refused(house, story, tmp_path):
    house.open()
    done = house.run("run", "-d", story.tell(THREE.format(gate=str(tmp_path))), "web")
    assert done.returncode == 2
    assert "no container named app is started with web" in done.stderr


class TestHooksForAll:
    FILE = """
containers = [Container(name, ["sleep", "600"]) for name in ("one", "two", "three")]
one, two, three = containers
for container in (one, three):
    for event in ("file_setup", "file_failure", "file_teardown", "before_plan", "after_start", "teardown"):
        container.on(event)(lambda c: say(c, f"{c.event['event']} {c.name.partition('-')[0]}", **c.event))
"""

    def test_they_run_once_whichever_container_declares_them(self, house, story):
        house.open()
        done = house.run("run", "-d", story.tell(self.FILE))
        names = names_of(done)
        house.until(lambda: len([what for what in story.order() if what.startswith("after_start")]) == 2)
        setups = ["file_setup one", "file_setup three"]
        assert story.order()[:4] == [*setups, "before_plan one", "before_plan three"]
        assert sorted(story.told("file_setup one")[0]["containers"]) == sorted(names.values())
        house.ask("stop", name=names["one"], timeout=5)
        house.ask("stop", name=names["three"], timeout=5)
        time.sleep(0.3)
        assert [what for what in story.order() if what.startswith("file_")] == [
            *setups,
            "file_failure one",
            "file_failure three",
        ]
        failure = story.told("file_failure three")[0]
        assert (failure["container"], failure["exit_status"]) == (names["one"], 128 + signal.SIGTERM)
        house.ask("stop", name=names["two"], timeout=5)
        house.until(lambda: "file_teardown three" in story.order())
        assert [what for what in story.order() if "file_t" in what] == ["file_teardown one", "file_teardown three"]
        assert story.order().count("file_failure one") == 1
        assert house.faults() == []

    def test_one_that_was_made_of_another_does_not_run_its_hooks_twice(self, house, story):
        house.open()
        file = story.tell("""
from dataclasses import replace
one = Container("one", ["true"])
for event in ("file_setup", "file_teardown", "after_exit"):
    one.on(event)(lambda c: say(c))
two = replace(one, name="two")
""")
        assert house.run("run", "-d", file).returncode == 0
        house.until(lambda: "file_teardown" in story.order())
        assert sorted(story.order()) == ["after_exit", "after_exit", "file_setup", "file_teardown"]

    def test_no_failure_is_told_where_there_was_none(self, house, story):
        house.open()
        text = self.FILE.replace('"sleep", "600"', '"true"')
        assert house.run("run", "-d", story.tell(text)).returncode == 0
        house.until(lambda: "file_teardown three" in story.order())
        assert not [what for what in story.order() if "failure" in what]

    def test_a_veto_comes_before_anything_is_done(self, house, story):
        house.open()
        file = story.tell(
            self.FILE
            + """
@three.on("file_setup")
def refuse(c):
    raise RuntimeError("not today")
"""
        )
        done = house.run("run", "-d", file)
        assert done.returncode == 125
        assert "file_setup: run the hook refuse: raised: RuntimeError: not today" in done.stderr
        assert house.store.names() == []
        assert story.order() == [
            "file_setup one",
            "file_setup three",
            *(f"{event} {name}" for event in ("file_failure", "file_teardown") for name in ("one", "three")),
        ]
        assert not [event for event in house.events() if event["event"] in ("planned", "started")]

    def test_all_that_is_wrong_is_told_before_anything_is_started(self, house, story):
        house.open()
        file = story.tell("""
from haconiwa_credentials import Credentials
one = Container("one", ["true"], features=[Credentials(uid="nobody-one")])
two = Container("two", ["true"], features=[Credentials(uid="nobody-two")])
three = Container("three", ["true"])
for container in (one, two, three):
    container.on("before_start")(lambda c: say(c))
    container.on("after_failure")(lambda c: say(c, f"failed {c.name.partition('-')[0]}"))
""")
        done = house.run("run", "-d", file)
        assert done.returncode == 2
        assert "nobody-one" in done.stderr
        assert "nobody-two" in done.stderr
        assert story.order() == ["failed one", "failed two"]
        assert house.store.names() == []


def test_groups_know_nothing_of_each_other(house, story):
    """Two starts of one file: each has its hooks, and both a worker of the same file."""
    house.open()
    file = story.tell("""
web = Container("web", ["sleep", "600"])
for event in ("file_setup", "file_teardown"):
    web.on(event)(lambda c: say(c))
""")
    names = [house.run("run", "-d", file).stdout.strip() for _ in range(3)]
    assert story.order() == ["file_setup"] * 3
    assert len([line for line in house.processes() if "hooks.worker" in line]) == 1
    house.ask("stop", name=names[0], timeout=0)
    house.until(lambda: "file_teardown" in story.order())
    assert house.ask("inspect", name=names[1])["status"] == "running"
    stop_all(house)
    house.until(lambda: story.order() == ["file_setup"] * 3 + ["file_teardown"] * 3)
    house.until(lambda: not [line for line in house.processes() if "hooks.worker" in line])
