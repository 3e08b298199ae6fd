"""Each event of a container's life: when its hooks run, where the container is then, and what their failure means."""

from __future__ import annotations

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from haconiwa_core.hooks.events import Event
from haconiwa_core.testing import busybox_root, needs_program

NOTICED = (Event.OOM, Event.PIDS_LIMIT)
"""What the kernel tells; `test_monitoring` is about that."""

VETOING = [event for event in Event if event.may_veto]

ALL = """
web = Container("web", ["sleep", "600"])
for event in {events}:
    web.on(event)(lambda c: say(c))
"""

CONFINED = """
from haconiwa_capabilities import Capabilities
from haconiwa_cgroup import Cgroup
from haconiwa_chroot import Chroot
from haconiwa_mount import Mount
from haconiwa_no_new_privs import NoNewPrivs
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_uts import UtsNamespace
web = Container(
    "{name}", ["sleep", "600"],
    features=[
        Cgroup(parent="/{parent}", pids=50), Chroot(root="{root}"), MountNamespace(), PidNamespace(),
        Mount(), UtsNamespace(hostname="inside"), NoNewPrivs(), Capabilities(),
    ],
)
"""


@pytest.fixture
def confined(tmp_path: Path, house):
    """Return a definition with a root, a control group and namespaces, and the parent of that group."""
    parent = f"haconiwa-test-lifecycle-{os.getpid()}"
    root = busybox_root(tmp_path / "root")
    yield CONFINED.format(name="web", parent=parent, root=root), parent
    for path in Path("/sys/fs/cgroup").glob(f"*/{parent}"):
        path.rmdir()


def test_all_events_happen_once_in_their_order(house, story):
    events = [event.value for event in Event if event not in NOTICED]
    assert house.start_file(story.tell(ALL.format(events=events))).returncode == 0
    house.until(lambda: "after_ready" in story.order())
    assert house.run("update", "web", "--set", "supervision.restart_limit=3").returncode == 0
    house.until(lambda: "after_update" in story.order())
    assert house.run("exec", "web", "true").returncode == 0
    house.until(lambda: "after_attach" in story.order())
    pid = house.first("web").pid
    assert house.ask("stop", name="web", timeout=5) == {"exit_status": 143, "reason": "signaled", "certainty": "fact"}
    house.until(lambda: "file_teardown" in story.order())
    assert story.order() == events

    told = {each["what"]: each for each in story.told()}
    exists = events[events.index("after_clone") : events.index("after_exit")]
    assert {event for event, each in told.items() if each["pid"]} == set(exists)
    assert {told[event]["pid"] for event in exists} == {pid}
    assert {told[event]["state"] for event in events[: events.index("after_start")]} == {"starting"}
    assert [told[event]["state"] for event in ("after_start", "before_stop", "after_exit")] == [
        "running",
        "stopping",
        "exited",
    ]
    assert [told[event]["ready"] for event in ("after_start", "after_ready")] == [False, True]
    assert [told[event]["exit_status"] for event in ("before_stop", "after_exit", "teardown")] == [None, 143, 143]
    assert told["after_exit"]["reason"] == "signaled"
    assert house.faults() == []


@needs_program("busybox")
def test_where_the_child_is_at_each_gate(house, story, confined):
    text, _ = confined
    run_file = story.tell(f"""{text}
def look(c):
    status = dict(line.split(":\\t", 1) for line in open(f"/proc/{{c.pid}}/status").read().splitlines())
    root = os.stat(f"/proc/{{c.pid}}/root")
    new_root = os.stat({str(story.file.parent / "root")!r})
    say(c,
        in_new_root=(root.st_dev, root.st_ino) == (new_root.st_dev, new_root.st_ino),
        new_names=os.readlink(f"/proc/{{c.pid}}/ns/uts") != os.readlink("/proc/self/ns/uts"),
        mounted=any(line.split()[3].endswith({str(story.file.parent / "root")!r})
                    for line in open(f"/proc/{{c.pid}}/mountinfo")),
        confined=status["NoNewPrivs"] == "1",
        capabilities=status["CapEff"] in open("/proc/self/status").read(),
        executed=os.readlink(f"/proc/{{c.pid}}/exe").endswith("busybox"))
for event in ("after_clone", "after_fork", "before_root", "after_root", "before_exec", "after_start"):
    web.on(event)(look)
""")
    assert house.start_file(run_file).returncode == 0
    house.until(lambda: "after_start" in story.order())
    told = {each["what"]: each for each in story.told()}

    def seen(fact):
        return [event for event, each in told.items() if each[fact]]

    events = list(told)
    assert events == ["after_clone", "after_fork", "before_root", "after_root", "before_exec", "after_start"]
    assert seen("new_names") == events
    assert seen("mounted") == events[2:]
    assert seen("in_new_root") == ["after_root", "before_exec", "after_start"]
    assert seen("capabilities") == ["after_clone", "after_fork", "before_root", "after_root"]
    assert seen("confined") == ["before_exec", "after_start"]
    assert seen("executed") == ["after_start"]
    house.ask("stop", name="web", timeout=0)


@needs_program("busybox")
def test_before_there_is_a_child_its_group_is_there_and_after_teardown_it_is_not(house, story, confined):
    text, parent = confined
    file = story.tell(f"""{text}
from pathlib import Path
def look(c):
    groups = list(Path("/sys/fs/cgroup").glob(f"*/{parent}/{{c.name}}/**/cgroup.procs"))
    say(c, groups=len(groups), inside=sum(len(group.read_text().split()) for group in groups))
for event in ("before_start", "after_prepare", "after_start", "after_exit", "teardown"):
    web.on(event)(look)
""")
    assert house.start_file(file).returncode == 0
    house.until(lambda: "after_start" in story.order())
    house.ask("stop", name="web", timeout=0)
    seen = {each["what"]: (each["groups"] > 0, each["inside"] > 0) for each in story.told()}
    assert seen == {
        "before_start": (False, False),
        "after_prepare": (True, False),
        "after_start": (True, True),
        "after_exit": (True, False),
        "teardown": (False, False),
    }


@needs_program("busybox")
@pytest.mark.parametrize("event", VETOING)
def test_a_veto_takes_everything_back(house, story, confined, event):
    text, parent = confined
    file = story.tell(f"""{text}
@web.on("{event}")
def refuse(c):
    say(c, "refused")
    raise RuntimeError("not today")
@web.on("{event}")
def next_one(c):
    say(c, "next")
for event in ("after_start", "after_exit", "after_failure", "teardown", "file_failure", "file_teardown"):
    web.on(event)(lambda c: say(c))
""")
    done = house.start_file(file)
    assert done.returncode == 125
    assert "refuse" in done.stderr
    assert event in done.stderr
    assert "not today" in done.stderr
    assert house.store.names() == []
    left = house.traces(parent)
    assert (left["groups"], left["mounts"], left["alive"]) == ([], [], [])
    own = [] if event == "file_setup" else ["after_failure", "teardown"]
    assert story.order() == ["refused", *own, "file_failure", "file_teardown"]
    assert not [event for event in house.events("web") if event["event"] in ("started", "fault")]

    story.tell(text)
    assert house.run("run", "-d", "--name", "web", file).returncode == 0
    house.ask("stop", name="web", timeout=0)


@pytest.mark.parametrize("event", VETOING)
def test_a_failure_that_is_a_warning_stops_nothing(house, story, event):
    file = story.tell(f"""
web = Container("web", ["sleep", "600"])
@web.on("{event}", failure="warn")
def fail(c):
    raise RuntimeError("nobody cares")
@web.on("{event}")
def next_one(c):
    say(c)
""")
    assert house.start_file(file).returncode == 0
    assert story.order() == [event]
    known = house.ask("inspect", name="web")["hooks"]["fail"]
    assert (known["runs"], known["failures"], known["last"]) == (1, 1, "raised: RuntimeError: nobody cares")
    house.ask("stop", name="web", timeout=0)


def test_what_is_wrong_with_a_hook_is_logged_with_its_name(house, story, tmp_path):
    file = story.tell("""
web = Container("web", ["sleep", "600"])
@web.on("after_start")
def fail(c):
    raise RuntimeError("nobody cares")
@web.on("after_start")
def fine(c):
    say(c)
""")
    with (tmp_path / "log").open("w") as log:
        house.open(stderr=log)
    assert house.run("run", "-d", "--name", "web", file).returncode == 0
    house.until(lambda: story.order() == ["after_start"])
    house.ask("stop", name="web", timeout=0)
    house.close()
    text = (tmp_path / "log").read_text()
    assert "RuntimeError: nobody cares" in text
    assert "container=web hook=fail outcome=raised" in text
    assert "fine" not in text


@pytest.mark.parametrize("event", ["before_start", "before_exec", "after_start", "after_ready"])
def test_a_failure_can_end_the_container(house, story, event):
    file = story.tell(f"""
web = Container("web", ["sleep", "600"], features=[Supervision(restart="always", restart_delay=0)])
@web.on("{event}", failure="stop")
def fail(c):
    raise RuntimeError("enough")
""")
    assert house.start_file(file).returncode == 0
    house.until(lambda: house.record("web").status == "exited")
    assert [event["reason"] for event in house.events("web") if event["event"] == "stopping"] == [
        "the hook fail has failed"
    ]
    assert house.record("web").exit_status == 128 + signal.SIGTERM


def test_a_hook_that_takes_too_long_is_killed_with_what_it_has_started(house, story, tmp_path):
    file = story.tell(f"""
import subprocess
web = Container("web", ["sleep", "600"])
@web.on("before_exec", timeout=1)
def slow(c):
    subprocess.Popen(["sleep", "601"], start_new_session=True, env={{"OF": {str(tmp_path)!r}}})
    subprocess.run(["sh", "-c", "sleep 602; : {tmp_path}"])
""")
    done = house.start_file(file)
    assert done.returncode == 125
    assert "before_exec: run the hook slow: timeout" in done.stderr
    mark = f"OF={tmp_path}".encode()
    assert not [path for path in Path("/proc").glob("[0-9]*/environ") if mark in _content(path)]
    assert not [line for line in house.processes() if "sleep 602" in line]


def _content(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_child_that_ends_at_a_gate_fails_the_start(house, story):
    file = story.tell("""
web = Container("web", ["sleep", "600"])
@web.on("before_exec")
def kill(c):
    os.kill(c.pid, signal.SIGKILL)
    time.sleep(0.5)
    say(c)
web.on("after_failure")(lambda c: say(c))
""")
    done = house.start_file(file)
    assert done.returncode == 125
    assert "ended with status 137" in done.stderr
    assert story.order() == ["before_exec", "after_failure"]
    assert house.store.names() == []


def test_one_that_ends_at_once_is_reaped_while_the_hooks_of_its_start_run(house, story):
    """They are not overtaken by those of its end, and not left out."""
    file = story.tell("""
web = Container("web", ["sh", "-c", "exit 3"])
@web.on("after_start")
def slow(c):
    say(c, "begun", pid=c.pid)
    deadline = time.monotonic() + 20
    while os.path.exists(f"/proc/{c.pid}") and time.monotonic() < deadline:
        time.sleep(0.01)
    say(c, "reaped" if time.monotonic() < deadline else "not reaped")
    time.sleep(0.5)
for event in ("after_start", "after_ready", "after_exit", "after_failure", "teardown"):
    web.on(event)(lambda c: say(c))
@web.every(0.01)
@web.every(0.01, after_ready=True)
def never(c):
    say(c)
""")
    assert house.start_file(file).returncode == 0
    house.until(lambda: house.record("web").status == "exited" and "teardown" in story.order())
    order = [what for what in story.order() if what != "every"]
    assert order == ["begun", "reaped", "after_start", "after_ready", "after_exit", "after_failure", "teardown"]
    ended = next(event["time"] for event in house.events("web") if event["event"] == "exited")
    started = next(event["time"] for event in house.events("web") if event["event"] == "started")
    assert ended >= started
    before = story.order()
    time.sleep(0.3)
    assert story.order() == before
    assert house.faults() == []


@pytest.mark.parametrize("event", ["before_start", "before_exec", "after_start"])
def test_one_that_is_stopped_while_it_starts_ends(house, story, event):
    file = story.tell(f"""
web = Container("web", ["sleep", "600"], features=[Supervision(restart="always")])
@web.on("{event}")
def slow(c):
    say(c)
    time.sleep(1)
web.on("after_exit")(lambda c: say(c))
""")
    house.open()
    with house.command("run", "-d", "--name", "web", file) as client:
        house.until(lambda: event in story.order())
        assert house.ask("stop", name="web", timeout=5)["exit_status"] == 128 + signal.SIGTERM
        client.wait(30)
    assert story.order() == [event, "after_exit"]
    assert house.record("web").status == "exited"


def test_no_hook_keeps_a_container_from_its_end(house, story):
    events = ["before_stop", "after_exit", "after_failure", "teardown", "file_failure", "file_teardown"]
    file = story.tell(f"""
web = Container("web", ["sleep", "600"])
for event in {events}:
    @web.on(event)
    def fail(c):
        say(c)
        os.kill(os.getpid(), signal.SIGSEGV)
    @web.on(event, timeout=0.5)
    def hang(c):
        say(c)
        time.sleep(60)
""")
    assert house.start_file(file).returncode == 0
    assert house.ask("stop", name="web", timeout=5)["exit_status"] == 128 + signal.SIGTERM
    house.until(lambda: len(story.told()) == 2 * len(events))
    assert story.order() == [event for event in events for _ in range(2)]
    assert house.record("web").status == "exited"
    outcomes = {event["outcome"] for event in house.events("web") if event["event"] == "hook"}
    assert outcomes == {"crashed", "timeout"}


def test_a_stop_takes_place_once_whoever_asks_for_it(house, story):
    file = story.tell("""
web = Container("web", ["sleep", "600"])
@web.on("before_stop")
def drain(c):
    say(c)
    time.sleep(1)
web.on("after_exit")(lambda c: say(c))
""")
    assert house.start_file(file).returncode == 0
    with ThreadPoolExecutor(8) as pool:
        ends = list(pool.map(lambda _: house.ask("stop", name="web", timeout=10), range(8)))
    assert {end["exit_status"] for end in ends} == {128 + signal.SIGTERM}
    assert story.order() == ["before_stop", "after_exit"]


def test_a_stop_that_is_more_impatient_does_not_wait_for_the_first(house, story):
    file = story.tell("""
web = Container("web", ["sleep", "600"])
@web.on("before_stop", timeout=60)
def drain(c):
    say(c)
    time.sleep(3)
""")
    assert house.start_file(file).returncode == 0
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(house.ask, "stop", name="web", timeout=100)
        house.until(story.told)
        process = house.first("web")
        second = pool.submit(lambda: None)
        with ThreadPoolExecutor(1) as other:
            second = other.submit(house.ask, "stop", name="web", timeout=0)
            house.until(lambda: not house.is_alive(process), 2)
            # The hook goes on to its own end, before those of the container's end.
            assert first.result(30)["exit_status"] == second.result(30)["exit_status"] == 128 + signal.SIGKILL


def test_a_definition_that_has_changed_since_it_was_read_is_refused(house, story, tmp_path):
    """Its functions would be others than those that were looked at."""
    file = story.tell(f"""
web = Container("web", ["sleep", "600"])
if not os.path.exists({str(tmp_path / "changed")!r}):
    @web.on("after_start")
    def there(c):
        say(c)
open({str(tmp_path / "changed")!r}, "w").close()
""")
    done = house.start_file(file)
    assert done.returncode != 0
    assert "has no hook there any more" in done.stderr
    assert house.store.names() == []


def test_this_interpreter_is_the_one_that_hooks_run_in(house, story):
    file = story.tell("""
import sys
web = Container("web", ["sleep", "600"])
web.on_call("which")(lambda c: sys.executable)
""")
    assert house.start_file(file).returncode == 0
    assert house.run("call", "web", "which").stdout.strip() == sys.executable
    house.ask("stop", name="web", timeout=0)
