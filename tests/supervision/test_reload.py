"""A container that runs takes up another version of its definition."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

HEAD = """
from haconiwa_cgroup import Cgroup
from haconiwa_rlimit import Rlimit
from haconiwa_ns_uts import UtsNamespace
web = Container("web", {command}, env={env}, features=[
    Supervision({supervision}), Rlimit(nofile={nofile}), Cgroup(parent="{parent}", pids={pids}), {more}])
"""
FIRST = {"command": ["sleep", "600"], "env": {"A": "1"}, "supervision": "", "nofile": 100, "pids": 50, "more": ""}


class Site:
    """A definition that changes, and its container."""

    def __init__(self, house, story):
        self.house = house
        self.story = story
        self.parent = f"/haconiwa-test-reload-{os.getpid()}"

    def write(self, hooks="", **changes):
        return self.story.tell(HEAD.format(**{**FIRST, "parent": self.parent, **changes}) + hooks)

    def begin(self, hooks="", *options, **changes):
        if self.house.process is None:
            self.house.open()
        done = self.house.run("run", "-d", "--name", "web", *options, self.write(hooks, **changes))
        assert done.returncode == 0, done.stderr

    def reload(self, *options):
        """Return what differs: old and new values, and whether it changes at once."""
        done = self.house.run("reload", "web", "--format", "json", *options)
        assert done.returncode == 0, done.stderr
        return {item["what"]: (item["old"], item["new"], item["at_once"]) for item in json.loads(done.stdout)}

    def limit(self):
        (path,) = {file.resolve() for file in Path("/sys/fs/cgroup").glob(f"pids{self.parent}/web/pids.max")}
        return int(path.read_text())

    def files(self):
        line = next(
            line
            for line in Path(f"/proc/{self.house.first('web').pid}/limits").read_text().splitlines()
            if line.startswith("Max open files")
        )
        return int(line.split()[3])


@pytest.fixture
def site(house, story):
    site = Site(house, story)
    yield site
    for name in house.store.names():
        house.run("rm", "--force", name)
    for path in Path("/sys/fs/cgroup").glob(f"*{site.parent}"):
        path.rmdir()


def test_nothing_differs_where_nothing_was_changed(site):
    site.begin('web.every(60)(lambda c: None)\nweb.on("after_update")(lambda c: say(c))\n')
    first = site.house.first("web")
    assert site.reload() == {}
    assert site.house.run("reload", "web").stdout == "no option and no hook differs\n"
    assert site.house.first("web") == first
    assert site.story.told() == []


def test_what_can_change_does_and_the_rest_is_told(site):
    site.begin()
    first = site.house.first("web")
    changes = {
        "command": ["sleep", "601"],
        "env": {"A": "2", "B": "3"},
        "supervision": "restart='always', restart_delay=0.01",
        "nofile": 90,
        "pids": 40,
        "more": "UtsNamespace()",
    }
    site.write(**changes)
    wanted = {
        "command": (["sleep", "600"], ["sleep", "601"], False),
        "env.A": ("1", "2", False),
        "env.B": (None, "3", False),
        "supervision.restart": (None, "always", True),
        "supervision.restart_delay": (None, 0.01, True),
        "rlimit.nofile": (100, 90, True),
        "cgroup.pids": (50, 40, True),
        "ns-uts": (None, {}, False),
    }
    assert site.reload("--dry-run") == wanted
    assert (site.limit(), site.files()) == (50, 100)
    assert site.reload() == wanted
    assert (site.limit(), site.files()) == (40, 90)
    assert site.house.first("web") == first
    assert site.house.record("web").container["features"]["cgroup"]["pids"] == 40
    # What waits for the next start still does.
    assert site.reload() == {what: values for what, values in wanted.items() if not values[2]}
    shown = site.house.run("reload", "web").stdout
    assert "with its next start" in shown
    assert "`haconiwa restart web` takes up the rest" in shown

    # The policy of restarts is that of the new one; and so is what is started then.
    site.house.run("kill", "web")
    site.house.until(lambda: site.house.record("web").status == "running" and site.house.first("web") != first)
    process = Path(f"/proc/{site.house.first('web').pid}")
    site.house.until(lambda: process.joinpath("cmdline").read_bytes() == b"sleep\x00601\x00")
    assert b"B=3" in process.joinpath("environ").read_bytes()
    assert os.readlink(process / "ns/uts") != os.readlink("/proc/self/ns/uts")
    assert (site.limit(), site.files()) == (40, 90)
    assert site.reload() == {}
    assert site.house.faults() == []


def test_what_was_given_otherwise_is_as_the_file_says(site):
    """On the command line, or while it ran."""
    site.begin("", "--set", "cgroup.pids=70")
    assert site.limit() == 70
    assert site.reload("--dry-run") == {"cgroup.pids": (70, 50, True)}
    site.house.run("update", "web", "--set", "cgroup.pids=80")
    assert site.reload() == {"cgroup.pids": (80, 50, True)}
    assert site.limit() == 50


BEFORE = """
web.every(0.2)(lambda c: say(c, "goes on"))
web.every(0.1, name="slower")(lambda c: say(c, "slower"))
web.every(0.1, name="gone")(lambda c: say(c, "gone"))
web.after(600, name="far")(lambda c: say(c, "far"))
@web.on_call("version")
def version(c):
    return "old"
@web.on_call("old")
def old(c):
    return ""
"""
AFTER = """
web.every(0.2)(lambda c: say(c, "goes on, as new"))
web.every(600, name="slower")(lambda c: say(c, "slower"))
web.after(0.3, name="soon")(lambda c: say(c, "soon"))
web.after(600, name="far")(lambda c: say(c, "far"))
web.on("after_start")(lambda c: say(c, "never"))
@web.on_call("version")
def version(c):
    return "new"
"""


def test_hooks_and_timers_are_the_new_ones(site):
    site.begin(BEFORE)
    house, story = site.house, site.story
    assert house.run("call", "web", "version").stdout == "old\n"
    house.until(lambda: {"goes on", "slower", "gone"} <= set(story.order()))
    dues = {name: known["due"] for name, known in house.ask("inspect", name="web")["hooks"].items()}
    site.write(AFTER)
    found = site.reload()
    assert found["hook slower.seconds"] == (0.1, 600, True)
    assert {what for what in found if found[what][0] is None} == {"hook soon", "hook <lambda>-2"}
    assert {what for what in found if found[what][1] is None} == {"hook gone", "hook old"}
    at = time.monotonic()
    house.until(lambda: {"soon", "goes on, as new"} <= set(story.order()))
    assert house.run("call", "web", "version").stdout == "new\n"
    assert "has no command 'old'" in house.run("call", "web", "old").stderr
    count = {what: story.order().count(what) for what in ("slower", "gone", "goes on")}
    time.sleep(0.6)
    assert {what: story.order().count(what) for what in count} == count
    assert {"far", "never"}.isdisjoint(story.order())
    hooks = house.ask("inspect", name="web")["hooks"]
    assert hooks["far"]["due"] == dues["far"]
    assert hooks["slower"]["due"] > at + 500
    assert set(hooks) == {"<lambda>", "<lambda>-2", "slower", "soon", "far", "version"}
    # The former worker has gone.
    house.until(lambda: len([line for line in house.processes() if "hooks.worker" in line]) == 1)
    assert house.faults() == []


def test_a_hook_that_runs_is_not_disturbed(site):
    site.begin("""
@web.on_call("slow")
def slow(c):
    say(c, "begun")
    time.sleep(1.5)
    c.store["old"] = True
    return "old"
""")
    house = site.house
    with house.command("call", "web", "slow") as call:
        house.until(site.story.told)
        site.write('web.on_call("slow")(lambda c: "new")\n')
        site.reload()
        assert house.run("call", "web", "slow").stdout == "new\n"
        out, _ = call.communicate(timeout=30)
    assert out == "old\n"
    assert house.ask("inspect", name="web")["store"] == {"old": True}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"nofile": -5}, "rlimit.nofile"),
        ({"more": "1/0"}, "ZeroDivisionError"),
        ({"supervision": "depends=('web',)"}, "depends on itself"),
    ],
    ids=["an option", "no program", "a check"],
)
def test_a_definition_that_is_wrong_changes_nothing(site, changes, error):
    site.begin('web.on_call("version")(lambda c: "old")\n')
    site.write('web.on_call("version")(lambda c: "new")\n', pids=20, **changes)
    done = site.house.run("reload", "web")
    assert done.returncode == 2
    assert error in done.stderr
    assert site.limit() == 50
    assert site.house.run("call", "web", "version").stdout == "old\n"


def test_a_change_that_the_kernel_refuses_changes_nothing(site):
    """One process has more files than the new limit may be raised to: what came before is taken back."""
    site.begin('web.on_call("version")(lambda c: "old")\n')
    most = int(Path("/proc/sys/fs/nr_open").read_text())
    site.write('web.on_call("version")(lambda c: "new")\n', pids=20, nofile=most + 1)
    done = site.house.run("reload", "web")
    assert done.returncode == 125, done.stderr
    assert (site.limit(), site.files()) == (50, 100)
    assert site.house.run("call", "web", "version").stdout == "old\n"


def test_what_cannot_be_read_again(site, python):
    house = site.house
    site.begin()
    site.story.file.write_text(site.story.file.read_text().replace('Container("web"', 'Container("other"'))
    done = house.run("reload", "web")
    assert done.returncode == 2
    assert "defines no container named web any more" in done.stderr
    site.story.file.unlink()
    assert "cannot be read" in house.run("reload", "web").stderr
    assert "no container named nobody" in house.run("reload", "nobody").stderr
    house.ask("stop", name="web", timeout=0)
    house.until(lambda: house.record("web").status == "exited")
    assert "no resident supervisor keeps the container web, or it has ended" in house.run("reload", "web").stderr

    from haconiwa_core import Container

    (name,) = house.start(Container("made", ["sleep", "600"]))
    assert "was started by a program" in house.run("reload", name).stderr
    house.ask("stop", name=name, timeout=0)


def test_it_lasts_beyond_the_supervisor(site):
    site.begin()
    house = site.house
    site.write('web.on_call("version")(lambda c: "new")\n', pids=40, command=["sleep", "601"])
    site.reload()
    house.kill()
    house.open()
    assert house.run("call", "web", "version").stdout == "new\n"
    assert site.limit() == 40
    assert site.reload() == {"command": (["sleep", "600"], ["sleep", "601"], False)}
    assert house.run("restart", "web").stderr == ""
    assert site.reload() == {}
    assert site.limit() == 40


def test_one_that_waits_for_its_restart_takes_all_with_that(site):
    site.begin(command=["false"], supervision="restart='always', restart_delay=600, restart_delay_most=600")
    house = site.house
    house.until(lambda: house.ask("inspect", name="web")["status"] == "restarting")
    site.write(command=["sleep", "600"], pids=40)
    found = site.reload()
    assert found["cgroup.pids"] == (50, 40, False)
    assert house.run("restart", "web").stderr == ""
    assert house.is_alive(house.first("web"))
    assert site.limit() == 40
