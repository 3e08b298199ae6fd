"""Observers are told what happens, in a process of their own, and whatever they do, nobody waits for them."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest
from haconiwa_supervision.events import observers as module
from haconiwa_supervision.events.observers import MOST_QUEUED, Observers

from haconiwa_core import Container
from haconiwa_core.errors import PluginError
from haconiwa_core.linux.host import children
from haconiwa_core.plugins.discovery import DISABLE_VARIABLE
from haconiwa_core.plugins.entrypoints import EntryPoint
from haconiwa_core.plugins.observers import GROUP, Observer, installed_observers

NOTES = """
import json, os, socket, subprocess, sys, time
from haconiwa_core import hookimpl

@hookimpl
def haconiwa_event(event):
    with open({told!r}, "a") as file:
        file.write(json.dumps(dict(event, pid=os.getpid(), more={more})) + "\\n")
    {then}
"""
"""An observer that notes what it is told, and something more, and then does something."""

FAILS = "from haconiwa_core import hookimpl\n@hookimpl\ndef haconiwa_event(event): {}\n"


class Site:
    """A folder with distributions as an installer leaves them."""

    def __init__(self, folder):
        self.folder = folder
        self.told = folder / "told"

    def install(self, name, source):
        """Install an observer."""
        (self.folder / f"{name}_observer.py").write_text(source)
        info = self.folder / f"{name}_observer-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-observer\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {name}_observer\n")

    def install_notes(self, name="notes", *, more="None", then="pass"):
        """Install one that notes in a file what it is told; more and then are Python."""
        self.install(name, NOTES.format(told=str(self.told), more=more, then=then))

    def events(self):
        """Return what was told to the one that notes it."""
        return [json.loads(line) for line in self.told.read_text().splitlines()] if self.told.exists() else []

    def numbers(self):
        return [event["number"] for event in self.events() if "number" in event]


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return Site(folder)


def event(number):
    return {"id": number, "time": float(number), "event": "log", "container": "web", "number": number}


class Running:
    """Observers in this process's event loop, and what they warn of."""

    def __init__(self):
        self.warnings = []
        self.observers = Observers(self.warnings.append)

    def tell(self, *numbers):
        for number in numbers:
            self.observers.take(event(number))

    async def until(self, condition):
        async with asyncio.timeout(30):
            while not (found := condition()):
                await asyncio.sleep(0.005)
        return found


def scenario(act):
    """Run something with observers, and see that nothing of them is left."""

    async def run():
        running = Running()
        try:
            await act(running)
        finally:
            await running.observers.close()

    before = set(children())
    asyncio.run(run())
    assert set(children()) <= before


class TestTold:
    def test_every_event_in_order(self, site):
        site.install_notes()

        async def act(running):
            running.tell(*range(300))
            await running.until(lambda: len(site.events()) == 300)
            assert running.warnings == []

        scenario(act)
        assert site.numbers() == list(range(300))
        assert {told["pid"] for told in site.events()}.isdisjoint({os.getpid()})
        assert site.events()[0].items() >= event(0).items()

    def test_the_last_ones_also_when_the_supervisor_ends(self, site):
        site.install_notes()

        async def act(running):
            running.tell(0)
            await running.until(site.events)
            running.tell(*range(1, 50))

        scenario(act)
        assert site.numbers() == list(range(50))

    def test_several_one_after_the_other_by_name(self, site):
        for name in ("b", "a"):
            site.install_notes(name, more=repr(name))

        async def act(running):
            running.tell(1, 2)
            await running.until(lambda: len(site.events()) == 4)

        scenario(act)
        assert [(told["more"], told["number"]) for told in site.events()] == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]

    def test_without_any_there_is_no_process(self, site, monkeypatch):
        spawned = []
        spawn = module.spawn
        monkeypatch.setattr(module, "spawn", lambda *given: spawned.append(given) or spawn(*given))

        async def act(running):
            running.tell(*range(5000))
            await asyncio.sleep(0.1)
            assert running.warnings == []

        scenario(act)
        assert spawned == []
        site.install_notes()
        scenario(act_on_one(site))
        assert len(spawned) == 1

    def test_one_that_is_disabled_is_not_told(self, site, monkeypatch):
        site.install_notes()
        assert [item.name for item in installed_observers()] == ["notes"]
        monkeypatch.setenv(DISABLE_VARIABLE, "notes")
        assert installed_observers() == []

    def test_they_get_nothing_of_the_supervisor_but_its_environment(self, site, monkeypatch):
        site.install_notes(more="[os.listdir('/proc/self/fd'), sys.flags.isolated, os.getpgid(0), dict(os.environ)]")
        monkeypatch.setenv("OF_THE_SUPERVISOR", "7")
        with open("/etc/passwd") as file:
            os.set_inheritable(file.fileno(), True)

            async def act(running):
                running.tell(1)
                await running.until(site.events)

            scenario(act)
        (told,) = site.events()
        descriptors, isolated, group, environment = told["more"]
        # The streams, the socket of the supervisor, the file that is written, and the folder that is listed.
        assert len(descriptors) == 6
        assert (isolated, group, environment["OF_THE_SUPERVISOR"]) == (1, told["pid"], "7")


def act_on_one(site):
    async def act(running):
        running.tell(1)
        await running.until(site.events)

    return act


class TestFailures:
    def test_one_that_raises_gets_the_next_event_and_the_others_get_all(self, site):
        site.install("a", FAILS.format("1 / 0"))
        site.install("b", FAILS.format("raise SystemExit"))
        site.install_notes()

        async def act(running):
            running.tell(*range(10))
            await running.until(lambda: len(site.events()) == 10)
            # What is failing all the time is told of less and less often.
            await running.until(lambda: len(running.warnings) == 8)
            assert [text for text in running.warnings if "observer a has failed, 4 times so far" in text]
            assert sum("ZeroDivisionError" in text for text in running.warnings) == 4

        scenario(act)
        assert site.numbers() == list(range(10))
        assert len({told["pid"] for told in site.events()}) == 1

    @pytest.mark.parametrize(
        ("source", "reason"),
        [
            ("import no_such_module", "no_such_module"),
            ("1 +", "SyntaxError"),
            ("raise SystemExit(3)", "SystemExit"),
            ("", "does not implement haconiwa_event"),
            ("from haconiwa_core import hookimpl\n@hookimpl\ndef haconiwa_event(event, more): pass", "more"),
            ("from haconiwa_core import hookimpl\n@hookimpl\ndef haconiwa_evnt(event): pass", "haconiwa_evnt"),
        ],
    )
    def test_one_that_is_broken_is_left_out(self, site, source, reason):
        site.install("broken", source)
        site.install_notes()

        async def act(running):
            running.tell(1)
            await running.until(site.events)
            (warning,) = running.warnings
            assert "the observer broken of broken-observer is broken" in warning
            assert reason in warning

        scenario(act)
        with pytest.raises(PluginError, match="is broken"):
            Observer(EntryPoint("broken", "broken_observer", GROUP))

    def test_when_they_end_their_process_there_is_another_one_later_and_later(self, site):
        """The event that it was told then is lost, and none of those that wait."""
        site.install_notes(then="event['number'] % 3 or os._exit(5)")

        async def act(running):
            began = time.monotonic()
            running.tell(*range(1, 10))
            await running.until(lambda: len(site.events()) == 9)
            await running.until(lambda: len(running.warnings) == 3)
            assert time.monotonic() - began > 0.1 + 0.2

            delays = [float(text.split()[-2]) for text in running.warnings]
            assert delays == sorted(set(delays))
            assert "kind 'log'" in running.warnings[0]

        scenario(act)
        assert site.numbers() == list(range(1, 10))
        assert len({told["pid"] for told in site.events()}) == 3

    def test_one_that_answers_in_their_stead(self, site):
        site.install_notes(then="event['number'] == 1 and os.write(int(os.listdir('/proc/self/fd')[3]), b'jnonsense')")

        async def act(running):
            running.tell(1, 2)
            await running.until(lambda: site.numbers()[-1:] == [2])
            assert "no JSON" in running.warnings[0]

        scenario(act)


class TestSlow:
    def test_it_misses_events_is_told_how_many_and_delays_nobody(self, site):
        gate = site.folder / "gate"
        site.install_notes(
            then=f"while event.get('number') == 0 and not os.path.exists({str(gate)!r}): time.sleep(0.01)"
        )
        more = 500

        async def act(running):
            running.tell(0)
            await running.until(site.events)
            began = time.monotonic()
            running.tell(*range(1, MOST_QUEUED + 1 + more))
            assert time.monotonic() - began < 10
            assert ["do not keep up" in text for text in running.warnings] == [True]
            gate.touch()
            await running.until(lambda: len(site.events()) == MOST_QUEUED + 2)
            running.tell(7, 8)
            await running.until(lambda: len(site.events()) == MOST_QUEUED + 4)
            assert running.warnings[1] == f"the observers have missed {more} events"

        scenario(act)
        told = site.events()
        missed = told[-3]
        assert missed["event"] == "missed"
        assert missed.items() >= {"count": more, "container": "", "id": MOST_QUEUED + more}.items()
        assert site.numbers() == [*range(MOST_QUEUED + 1), 7, 8]

    def test_one_that_hangs_is_killed_with_what_it_has_started_when_the_supervisor_ends(self, site):
        child = site.folder / "child"
        begin = "child = subprocess.Popen(['sleep', '1000'])"
        site.install_notes(then=f"{begin}; open({str(child)!r}, 'w').write(str(child.pid)); time.sleep(1000)")

        async def act(running):
            running.tell(1)
            await running.until(lambda: child.exists() and child.read_text())

        scenario(act)
        for pid in (site.events()[0]["pid"], int(child.read_text())):
            assert not Path(f"/proc/{pid}").exists() or "Z (zombie)" in Path(f"/proc/{pid}/status").read_text()


class TestSupervisor:
    @pytest.fixture
    def opened(self, house, site):
        house.site = [site.folder]
        return house.open

    def test_observers_are_told_what_is_kept(self, house, site, opened):
        site.install_notes()
        opened()
        (name,) = house.start(Container("web", ["true"]))
        house.until(lambda: [told for told in site.events() if told["event"] == "exited"])
        ids = [told["id"] for told in site.events()]
        assert ids == [kept["id"] for kept in house.events()][: len(ids)]
        assert {told["container"] for told in site.events()} == {name}

    def test_what_fails_is_written_to_the_log_and_is_no_event(self, house, site, opened, tmp_path):
        site.install("bad", FAILS.format("1 / 0"))
        with (tmp_path / "errors").open("w") as errors:
            opened(stderr=errors)
            house.start(Container("web", ["true"]))
            house.until(lambda: "ZeroDivisionError" in (tmp_path / "errors").read_text())
        assert house.faults() == []

    def test_their_process_ends_with_a_supervisor_that_is_killed_whatever_it_does(self, house, site, opened):
        site.install_notes(then="time.sleep(1000)")
        opened()
        house.start(Container("web", ["sleep", "1000"]))
        house.until(site.events)
        pid = site.events()[0]["pid"]
        os.kill(pid, 0)
        house.kill()
        house.until(lambda: not Path(f"/proc/{pid}").exists())
        opened()
        house.until(lambda: len(site.events()) > 1)
        assert site.events()[1]["event"] == "adopted"

    def test_a_supervisor_that_is_asked_to_end_does_not_wait_for_one_that_hangs(self, house, site, opened):
        site.install_notes(then="time.sleep(1000)")
        opened()
        house.start(Container("web", ["true"]))
        house.until(site.events)
        began = time.monotonic()
        assert house.close(signal.SIGTERM) == 0
        assert time.monotonic() - began < 15
        assert not Path(f"/proc/{site.events()[0]['pid']}").exists()
