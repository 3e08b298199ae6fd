"""Events: numbered, bounded, kept while there is room, documented, and told once whatever becomes of the supervisor."""

import ast
import errno
import json
import math
import os
import random
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import haconiwa_supervision
import pytest
from haconiwa_supervision import Ready, Supervision
from haconiwa_supervision.events import files as event_files
from haconiwa_supervision.events.files import FILE_LIMIT, FILE_NAME, OLDER_NAME, last_id, read_events
from haconiwa_supervision.events.kinds import ALWAYS, KINDS
from haconiwa_supervision.events.stream import VALUE_LIMIT, Events

from haconiwa_core import Container
from haconiwa_core.errors import RecordError
from haconiwa_core.hooks.events import Event

SOURCES = sorted(Path(haconiwa_supervision.__file__).parent.rglob("*.py"))


@contextmanager
def following(house, *arguments, **how):
    """Run `haconiwa events -f`, and kill it in the end if it is still there."""
    with house.command("events", "-f", *arguments, **how) as follower:
        try:
            yield follower
        finally:
            follower.kill()


@pytest.fixture
def events(tmp_path):
    events = Events(tmp_path)
    yield events
    events.close()


def told_by(folder):
    return list(read_events(folder))


class TestFiles:
    def test_what_is_told_is_kept_and_heard(self, tmp_path, events):
        heard = []
        stop = events.listen(heard.append)
        events.emit("started", "web", pid=7)
        events.emit("exited", "web", exit_status=None, reason="unknown")
        stop()
        events.emit("removed", "web")
        kept = told_by(tmp_path)
        assert kept[:2] == heard
        assert [event["event"] for event in kept] == ["started", "exited", "removed"]
        assert kept[0].items() >= {"event": "started", "container": "web", "pid": 7}.items()
        assert abs(kept[0]["time"] - time.time()) < 60

    def test_ids_grow_also_over_restarts_and_where_the_clock_is_set_back(self, tmp_path, monkeypatch):
        clock = [10**18]
        monkeypatch.setattr(time, "time_ns", lambda: clock[0])
        for back in (0, 0, 3600 * 10**9, -(10**9)):
            clock[0] -= back
            events = Events(tmp_path)
            for _ in range(3):
                events.emit("started", "web")
            events.close()
        ids = [event["id"] for event in told_by(tmp_path)]
        assert len(ids) == 12
        assert ids == sorted(set(ids))
        # Control: the clock alone would have given some of them twice.
        assert ids[6] < ids[5] + 10

    def test_ids_grow_also_where_nothing_was_kept(self, tmp_path):
        (tmp_path / FILE_NAME).mkdir()
        heard = []
        for _ in range(2):
            (tmp_path / FILE_NAME).rmdir()
            events = Events(tmp_path)
            (tmp_path / FILE_NAME).mkdir()
            events.listen(heard.append)
            for _ in range(100):
                events.emit("started", "web")
        ids = [event["id"] for event in heard]
        assert len(ids) == 200
        assert ids == sorted(set(ids))

    def test_they_are_rotated(self, tmp_path, events, monkeypatch):
        monkeypatch.setattr(event_files, "FILE_LIMIT", 20_000)
        for number in range(1000):
            events.emit("log", "web", message=str(number))
        kept = [int(event["message"]) for event in told_by(tmp_path)]
        assert kept == list(range(kept[0], 1000))
        assert 100 < len(kept) < 500
        assert sorted(os.listdir(tmp_path)) == [FILE_NAME, OLDER_NAME]
        assert max((tmp_path / name).stat().st_size for name in (FILE_NAME, OLDER_NAME)) <= 20_000
        assert {(tmp_path / name).stat().st_mode & 0o777 for name in (FILE_NAME, OLDER_NAME)} == {0o600}
        assert last_id(tmp_path) == told_by(tmp_path)[-1]["id"]

    def test_reading_while_they_are_rotated_loses_and_doubles_nothing(self, tmp_path, events, monkeypatch):
        """Whenever one was opened, more is written, and it may become the older one."""
        monkeypatch.setattr(event_files, "FILE_LIMIT", 6_000)
        opened = event_files._opened

        def and_rotate(path):
            file = opened(path)
            for number in range(40):
                events.emit("log", "web", message="x" * 20, values=number)
            return file

        for _ in range(20):
            events.emit("log", "web")
        before = [event["id"] for event in told_by(tmp_path)]
        monkeypatch.setattr(event_files, "_opened", and_rotate)
        ids = [event["id"] for event in told_by(tmp_path)]
        assert ids == sorted(set(ids))
        assert set(before) <= set(ids)

    def test_a_line_that_was_cut_by_a_crash_is_no_event_and_damages_no_other(self, tmp_path):
        for text in ("started", "removed"):
            events = Events(tmp_path)
            events.emit(text, "web")
            events.close()
            with (tmp_path / FILE_NAME).open("ab") as file:
                file.write(b'{"id":1,"time":')
            assert [event["event"] for event in told_by(tmp_path)][-1] == text
        events = Events(tmp_path)
        events.emit("planned", "web")
        events.close()
        assert [event["event"] for event in told_by(tmp_path)] == ["started", "removed", "planned"]
        assert b'"time":{' not in (tmp_path / FILE_NAME).read_bytes()

    def test_what_is_no_event_is_left_out(self, tmp_path):
        lines = [b"\xff\xfe\n", b"[]\n", b"7\n", b'{"id":1}\n', b"[" * 100_000 + b"\n", b"\n"]
        (tmp_path / FILE_NAME).write_bytes(b"".join(lines))
        assert told_by(tmp_path) == []
        assert last_id(tmp_path) == 0
        events = Events(tmp_path)
        events.emit("planned", "web")
        events.close()
        assert len(told_by(tmp_path)) == 1

    def test_links_are_not_followed(self, tmp_path):
        (tmp_path / "other").write_text("x")
        (tmp_path / FILE_NAME).symlink_to("other")
        with pytest.raises(RecordError, match="cannot read"):
            told_by(tmp_path)
        with pytest.raises(RecordError, match="cannot read"):
            Events(tmp_path)
        assert (tmp_path / "other").read_text() == "x"

    def test_of_no_supervisor_there_are_none(self, tmp_path):
        assert told_by(tmp_path / "nowhere") == []


class TestUnwritable:
    def test_a_full_disk_stops_nothing_and_is_told_afterwards(self, tmp_path):
        """A disk of a few pages: lines are written whole or not at all."""
        if os.geteuid() != 0:
            pytest.skip("needs root: mounts a small file system")
        script = (
            "import json, sys\n"
            "from pathlib import Path\n"
            "from haconiwa_supervision.events.stream import Events\n"
            "from haconiwa_supervision.events.files import read_events\n"
            "folder = Path(sys.argv[1]); events = Events(folder); heard = []; events.listen(heard.append)\n"
            "for number in range(60): events.emit('log', 'web', message=str(number), values='x' * 1000)\n"
            "full = len(list(read_events(folder)))\n"
            "(folder / 'ballast').unlink()\n"
            "for number in range(60, 63): events.emit('log', 'web', message=str(number))\n"
            "print(json.dumps([heard, full, list(read_events(folder)), (folder / 'events.jsonl').read_text()]))\n"
        )
        mounted = (
            'mount -t tmpfs -o size=64k tmpfs "$1" && head -c 32768 /dev/zero > "$1/ballast" && exec "$2" -c "$3" "$1"'
        )
        command = ["unshare", "--mount", "sh", "-c", mounted, "sh", str(tmp_path), subprocess.sys.executable, script]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        heard, full, kept, text = json.loads(done.stdout)
        assert [event["message"] for event in heard if event["event"] == "log"] == [str(n) for n in range(63)]
        assert 0 < full < 60
        (gap,) = [event for event in kept if event["event"] == "not kept"]
        assert gap["count"] == 60 - full
        assert gap["reason"] == os.strerror(errno.ENOSPC)
        assert [event["message"] for event in kept if event is not gap] == [str(n) for n in (*range(full), 60, 61, 62)]
        assert [event["id"] for event in heard] == sorted(event["id"] for event in heard)
        assert gap in heard
        assert all(json.loads(line) for line in text.splitlines())

    def test_a_folder_that_is_gone_stops_nothing(self, tmp_path):
        folder = tmp_path / "own"
        folder.mkdir()
        events = Events(folder)
        heard = []
        events.listen(heard.append)
        folder.rmdir()
        events.emit("planned", "web")
        folder.mkdir()
        events.emit("started", "web")
        events.close()
        assert [event["event"] for event in heard] == ["planned", "not kept", "started"]
        assert told_by(folder) == heard[1:]


class TestHostile:
    @pytest.mark.parametrize(
        "value",
        ["\n\r\x1b[31m\0", "\udcff\ud800", "\u2028￾", '"}\n{"event":"removed"', {"a\nb": ["\n"]}],
    )
    def test_whatever_is_told_is_one_line_of_printable_characters(self, tmp_path, events, value):
        events.emit("log", "web", values=value)
        (line, rest) = (tmp_path / FILE_NAME).read_bytes().split(b"\n")
        assert rest == b""
        assert line.decode("ascii").isprintable()
        assert told_by(tmp_path)[0]["values"] == value

    @pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}, b"x", object()])
    def test_what_json_cannot_tell_is_told_so(self, tmp_path, events, value):
        events.emit("log", "web", values=value, message="whole")
        (event,) = told_by(tmp_path)
        assert event["message"] == "whole"
        assert event["values"] == f"a {type(value).__name__} that JSON cannot tell"

    def test_what_is_too_deep_for_json(self, tmp_path, events):
        deep = []
        for _ in range(100_000):
            deep = [deep]
        events.emit("log", "web", values=deep)
        assert "cannot tell" in told_by(tmp_path)[0]["values"]

    @pytest.mark.parametrize("value", ["x" * 10**6, ["é" * 10**6], {"k": list(range(10**5))}])
    def test_what_is_long_is_cut(self, tmp_path, events, value):
        heard = []
        events.listen(heard.append)
        events.emit("log", "web", values=value, message="whole")
        assert told_by(tmp_path) == heard
        assert heard[0]["message"] == "whole"
        assert heard[0]["values"].endswith(" characters)")
        assert VALUE_LIMIT < (tmp_path / FILE_NAME).stat().st_size < 2 * VALUE_LIMIT

    def test_what_is_as_long_as_it_may_be_is_whole(self, tmp_path, events):
        value = "x" * (VALUE_LIMIT - 2)
        events.emit("log", "web", values=value, message=value, level=value)
        assert told_by(tmp_path)[0].items() >= {"values": value, "message": value, "level": value}.items()
        assert (tmp_path / FILE_NAME).stat().st_size < FILE_LIMIT


class TestDocumented:
    def emitted(self):
        """Yield (place, kind, keys) of each call of `emit` in the package; of a kind that is no literal, None."""
        for file in SOURCES:
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "emit":
                    first = node.args[0]
                    kind = first.value if isinstance(first, ast.Constant) else None
                    keys = {keyword.arg for keyword in node.keywords if keyword.arg}
                    for keyword in node.keywords:
                        if keyword.arg is None:
                            inner = [each for each in ast.walk(keyword.value) if isinstance(each, ast.Dict)]
                            keys |= {key.value for each in inner for key in each.keys}
                    yield f"{file.name}:{node.lineno}", kind, keys

    def test_every_event_is_documented_with_its_keys(self):
        emitted = [each for each in self.emitted() if each[1] is not None]
        assert len(emitted) > 15
        undocumented = [each for each in emitted if each[1] not in KINDS or not each[2] <= KINDS[each[1]].keys.keys()]
        assert undocumented == []

    def test_every_documented_event_is_emitted_with_each_of_its_keys(self):
        given = {}
        for _, kind, keys in self.emitted():
            if kind is not None:
                given.setdefault(kind, set()).update(keys)
        # What is watched is told by the name of its event; what observers have missed is told to them alone.
        elsewhere = {str(Event.OOM), str(Event.PIDS_LIMIT), "not kept", "missed"}
        assert given.keys() | elsewhere == KINDS.keys()
        assert {kind: keys for kind, keys in given.items() if keys != KINDS[kind].keys.keys()} == {}

    def test_those_that_pass_a_kind_on(self):
        """All others are literals."""
        assert {place.partition(":")[0] for place, kind, _ in self.emitted() if kind is None} == {
            *("supervised.py", "monitoring.py")
        }

    def test_a_real_container_tells_what_is_documented(self, house, python):
        house.open()
        ready = Supervision(ready=Ready(command=("true",)))
        (name,) = house.start(Container("web", ["sleep", "1000"], [ready]))
        house.until(lambda: [event for event in house.events(name) if event["event"] == "ready"])
        house.ask("stop", name=name, timeout=1.0)
        told = house.events(name)
        assert {"planned", "started", "ready", "stopping", "exited"} <= {event["event"] for event in told}
        for event in told:
            assert ALWAYS.keys() <= event.keys() <= ALWAYS.keys() | KINDS[event["event"]].keys.keys()


class TestVerb:
    def lines(self, done):
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_without_a_supervisor_what_is_kept_is_told(self, house):
        assert self.lines(house.run("events")) == []
        house.open()
        names = house.start(Container("one", ["true"]), Container("two", ["true"]))
        house.until(lambda: [event["event"] for event in house.events()].count("exited") == 2)
        house.close()
        kept = house.events()
        assert self.lines(house.run("events")) == kept
        assert self.lines(house.run("events", names[0])) == [event for event in kept if event["container"] == names[0]]
        assert self.lines(house.run("events", *names, "nobody")) == [event for event in kept if event["container"]]
        assert self.lines(house.run("events", "nobody")) == []

    def test_since(self, house):
        house.open()
        house.start(Container("one", ["true"]))
        house.until(lambda: [event for event in house.events() if event["event"] == "exited"])
        kept = house.events()
        assert self.lines(house.run("events", "--since", "10m")) == kept
        assert self.lines(house.run("events", "--since", "2001-01-01T00:00:00Z")) == kept
        assert self.lines(house.run("events", "--since", "0s")) == []
        middle = kept[2]["time"]
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(middle)) + f"{middle % 1:.6f}Z"[1:]
        told = self.lines(house.run("events", "--since", stamp))
        assert kept[3:] == told[-len(kept[3:]) :]
        assert len(told) in (len(kept) - 2, len(kept) - 3)
        wrong = house.run("events", "--since", "yesterday")
        assert wrong.returncode == 2
        assert "neither like 10m" in wrong.stderr

    def test_following_loses_and_doubles_nothing_whatever_becomes_of_the_supervisor(self, house, tmp_path):
        """It is followed from before there is one, over ends of all kinds."""
        out = tmp_path / "told"
        chance = random.Random(5)
        with out.open("w") as file, following(house, stdout=file, stderr=subprocess.STDOUT) as follower:
            for number in range(8):
                house.open()
                house.start(Container(f"c{number}", ["sleep", str(chance.uniform(0, 0.05))]))
                time.sleep(chance.uniform(0, 0.1))
                house.kill() if number % 2 else house.close()
            house.open()
            house.until(lambda: len(out.read_text().splitlines()) >= len(house.events()) > 30)
            follower.send_signal(signal.SIGINT)
            follower.wait(30)
        told = [json.loads(line) for line in out.read_text().splitlines()]
        assert told == house.events()
        assert follower.returncode == 130

    def test_following_one_of_several(self, house):
        house.open()
        house.start(Container("old", ["true"]))
        house.until(lambda: [event for event in house.events() if event["event"] == "exited"])
        with following(house, "web") as follower:
            house.start(Container("web", ["true"]), name="web")
            house.start(Container("other", ["true"]))
            line = json.loads(follower.stdout.readline())
            assert (line["event"], line["container"]) == ("planned", "web")
            follower.send_signal(signal.SIGINT)
            rest, errors = follower.communicate(timeout=30)
        assert errors == ""
        assert {json.loads(line)["container"] for line in rest.splitlines()} <= {"web"}

    def test_a_reader_that_goes_is_no_error(self, house):
        house.open()
        house.start(Container("one", ["true"]))
        house.until(lambda: [event for event in house.events() if event["event"] == "exited"])
        with following(house) as follower:
            assert json.loads(follower.stdout.readline())["event"] == "planned"
            follower.stdout.close()
            # It is found out about with the next event.
            house.start(Container("two", ["true"]))
            follower.wait(30)
            assert follower.stderr.read() == ""

    def test_a_follower_that_does_not_keep_up_delays_nobody_and_gets_all_in_the_end(self, house, tmp_path, define):
        """It is stopped while more happens than the supervisor keeps for it."""
        house.open()
        definition = define(
            "import os\n"
            'web = Container("web", ["sleep", "1000"])\n'
            '@web.on_call("talk")\n'
            "def talk(c):\n"
            '    for number in range(int(c.args["count"])): c.log.info("x" * 500, number=number)\n'
        )
        assert house.run("run", "-d", "--name", "web", definition).returncode == 0
        out = tmp_path / "told"
        with out.open("w") as file, following(house, stdout=file) as follower:
            house.until(out.read_text)
            follower.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            house.ask("call", name="web", command="talk", args={"count": "2000"})
            assert time.monotonic() - began < 25
            follower.send_signal(signal.SIGCONT)
            house.until(lambda: len(out.read_text().splitlines()) >= len(house.events()) > 2000)
            follower.send_signal(signal.SIGINT)
            assert follower.communicate(timeout=30)[1] == ""
        assert [json.loads(line) for line in out.read_text().splitlines()] == house.events()
