"""`haconiwa attach`: the terminal of a container that runs, left and found again, by one or by several."""

import json
import os
import signal
import socket
from pathlib import Path

import pytest
from haconiwa_runtime.terminal import broker

from haconiwa_core.testing import needs_program, needs_root

pytestmark = [needs_root, needs_program("busybox")]

SHELL = ["sh", "-c"]
LEAVE = "\x10\x11"
ECHO = ["--", *SHELL, 'echo ready; while read line; do echo "<$line>"; [ "$line" = end ] && exit 7; done; exit 1']


def supervisor_of(world, name):
    return json.loads((world.state / name / "record.json").read_text())["supervisor"]["pid"]


def connected(world, name):
    """Sit at a terminal as a client that does only what the test does."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    folder = os.open(world.state / name, os.O_PATH | os.O_DIRECTORY)
    connection.connect(f"/proc/self/fd/{folder}/{broker.SOCKET_NAME}")
    os.close(folder)
    return connection


def type_a_lot(connection):
    for _ in range(1024):
        connection.send(broker.INPUT + b"x" * broker.MESSAGE)


def resident(pid):
    """KiB of a process's memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def test_it_is_left_and_found_again(world, box):
    person = world.person("run", "-it", "--rm", "--name=found", *box, *ECHO)
    person.see("ready")
    person.type(f"one\n{LEAVE}")
    assert person.wait() == 0
    assert person.is_as_before()
    assert b"<one>" in person.shown or "<one>" in world.output("logs", "found")
    again = world.person("attach", "found")
    again.type("two\n")
    again.see("<two>")
    again.type("end\n")
    assert again.wait() == 7
    assert again.is_as_before()
    assert world.output("ps", "-a").splitlines()[1:] == []


def test_only_the_keys_leave_it(world, box):
    person = world.person("run", "-it", "--rm", "--name=keys", "--detach-keys=x,ctrl-y", *box, *ECHO)
    person.see("ready")
    person.type("ax\n")
    person.see("<ax>")
    person.type(LEAVE.replace("\x11", "") + "\n")
    person.see("<\x10>")
    person.type("x")
    person.type("\x19")
    assert person.wait() == 0
    assert "keys" in world.output("ps")


def test_nobody_sits_at_one_that_is_started_in_the_background(world, box):
    script = "tty; echo hello; read x; exit 3"
    assert world.output("run", "-dit", "--name=quiet", *box, "--", *SHELL, script) == "quiet\n"
    world.until(lambda: "hello" in world.output("logs", "quiet"), "what nobody reads is logged")
    assert world.output("logs", "quiet") == "/dev/pts/0\nhello\n"
    person = world.person("attach", "quiet")
    person.type("\n")
    assert person.wait() == 3
    assert world.output("wait", "quiet") == "3\n"


def test_the_log_is_bounded(world, box, tmp_path):
    """And has times, as others that are."""
    # Each of these lines takes more of the log than it has letters.
    script = "yes 0123456789 | head -c 6000000; read x"
    world.output("run", "-d", "-t", "--name=loud", *box, "--", *SHELL, script)
    world.until(lambda: len(list((world.state / "loud").glob("stream.log*"))) == 3, "files are rotated")
    person = world.person("attach", "loud")
    person.type("\n")
    person.wait()
    sizes = [path.stat().st_size for path in (world.state / "loud").glob("stream.log*")]
    assert sum(sizes) < 33 << 20
    assert "Z 0123456789" in world.output("logs", "-t", "--tail", "2", "loud")


def test_a_prompt_is_logged_before_its_line_ends(world, box):
    world.output("run", "-dt", "--name=asks", *box, "--", *SHELL, "printf 'name: '; read x")
    world.until(lambda: world.output("logs", "asks") == "name: ", "an unfinished line")


def test_several_sit_at_one(world, box):
    world.output("run", "-dit", "--name=shared", *box, *ECHO)
    people = [world.person("attach", "shared") for _ in range(3)]
    world.until(lambda: all(person.is_raw() for person in people))
    people[0].type("from the first\n")
    for person in people:
        person.see("<from the first>")
    people[1].type(LEAVE)
    assert people[1].wait() == 0
    people[2].type("end\n")
    assert [people[0].wait(), people[2].wait()] == [7, 7]


def test_some_only_watch(world, box):
    world.output("run", "-dit", "--name=watched", *box, *ECHO)
    watcher = world.person("attach", "--no-stdin", "watched")
    person = world.person("attach", "watched")
    world.until(person.is_raw)
    watcher.type("ignored\n")
    person.type("seen\n")
    watcher.see("<seen>")
    assert b"<ignored>" not in person.see("<seen>")
    person.type("end\n")
    assert [watcher.wait(), person.wait()] == [7, 7]


def test_who_comes_back_is_shown_the_screen_again(world, box):
    """What fills a screen is told that its size has changed, even if it has not."""
    script = "trap 'echo redrawn' WINCH; echo ready; while :; do sleep 0.05; done"
    person = world.person("run", "-it", "--name=screen", *box, "--", *SHELL, script)
    person.see("ready")
    person.type(LEAVE)
    assert person.wait() == 0
    again = world.person("attach", "screen")
    again.see("redrawn")


def test_who_does_not_read_holds_up_nobody(world, box):
    script = f"read x; yes {'x' * 1000} | head -c 16000000; echo; echo done; read x; exit 5"
    world.output("run", "-dit", "--name=patient", *box, "--", *SHELL, script)
    with connected(world, "patient") as silent:
        (pid,) = world.brokers()
        before = resident(pid)
        silent.send(broker.INPUT + b"\n")
        world.until(lambda: "done" in world.output("logs", "--tail", "1", "patient"), "the container has gone on")
        assert resident(pid) - before < 8 << 10
        person = world.person("attach", "patient")
        person.type("\n")
        assert person.wait() == 5


def test_who_is_slow_misses_nothing(world, box):
    """As long as it takes something."""
    script = f"read x; stty raw; yes {'x' * 1000} | head -c 8000000; echo done"
    world.output("run", "-dit", "--name=slow", *box, "--", *SHELL, script)
    with connected(world, "slow") as slow:
        slow.settimeout(30)
        slow.send(broker.INPUT + b"\n")
        received = 0
        while (message := slow.recv(1 << 16))[:1] == broker.OUTPUT:
            received += len(message) - 1
            if b"done" in message:
                break
        assert received >= 8000000


def test_typing_is_not_taken_without_bound(world, box):
    world.output("run", "-dit", "--name=deaf", *box, "--", *SHELL, "stty raw -echo; echo ready; sleep 1000")
    world.until(lambda: "ready" in world.output("logs", "deaf"))
    (pid,) = world.brokers()
    before = resident(pid)
    with connected(world, "deaf") as typing:
        typing.settimeout(2)
        with pytest.raises(TimeoutError):
            type_a_lot(typing)
        assert resident(pid) - before < 4 << 10
        # Others can still sit at it, and leave, whatever they have typed.
        person = world.person("attach", "deaf")
        world.until(person.is_raw)
        person.type("x" * 20000)
        person.type(LEAVE)
        assert person.wait() == 0


@pytest.mark.parametrize("message", [b"", b"?", b"s", b"s1", b"s12345678", b"i", b"o", b"e\0\0\0\0"])
def test_nonsense_harms_nobody(world, box, message):
    world.output("run", "-dit", "--name=sane", *box, *ECHO)
    with connected(world, "sane") as strange:
        strange.send(message)
        person = world.person("attach", "sane")
        person.type("end\n")
        assert person.wait() == 7


def test_its_supervisor_is_killed_meanwhile(world, box):
    person = world.person("run", "-it", "--name=orphan", *box, *ECHO)
    person.see("ready")
    os.kill(supervisor_of(world, "orphan"), signal.SIGKILL)
    person.type("one\n")
    person.see("<one>")
    person.type(LEAVE)
    assert person.wait() == 0
    again = world.person("attach", "orphan")
    again.type("two\n")
    again.see("<two>")
    again.type("end\n")
    # Before Linux 6.15, nobody knows how it has ended.
    assert again.wait() in (7, 125)
    world.until(lambda: not world.brokers())
    world.output("gc")
    assert world.output("ps", "-a").splitlines()[1:] == []


def test_its_broker_is_killed(world, box):
    """Then the terminal hangs up."""
    person = world.person("run", "-it", "--name=hung", *box, "--", *SHELL, "echo ready; read x; exit 9")
    person.see("ready")
    (pid,) = world.brokers()
    os.kill(pid, signal.SIGKILL)
    assert person.wait() in (9, 129)
    assert person.is_as_before()


@pytest.mark.parametrize("verb", [("stop", "-t", "0"), ("rm", "-f"), ("kill",)])
def test_it_is_ended_by_others(world, box, verb):
    person = world.person("run", "-it", "--name=ended", *box, *ECHO)
    person.see("ready")
    world.output(*verb, "ended")
    assert person.wait() == 137
    assert person.is_as_before()
    world.until(lambda: not world.brokers())


def test_gc_ends_what_nobody_keeps(world, box):
    world.output("run", "-dit", "--name=left", *box, *ECHO)
    record = json.loads((world.state / "left" / "record.json").read_text())
    for pid in (record["supervisor"]["pid"], record["child"]["pid"]):
        os.kill(pid, signal.SIGKILL)
    world.until(lambda: not world.brokers())
    # Whoever reaps the container may take a moment.
    world.until(lambda: world.run("gc").returncode == 0)
    assert not (world.state / "left").exists()


def test_what_is_left_behind_does_not_keep_it(world):
    """Without a pid namespace, a process survives that has left the session: its terminal has hung up."""
    script = "setsid sleep 1000 & sleep 0.2; echo bye; exit 2"
    person = world.person("run", "-it", "--rm", "--", *SHELL, script)
    person.see("bye")
    assert person.wait() == 2
    world.until(lambda: not world.brokers())


def test_one_without_a_terminal_tells_what_to_do(world, box):
    world.output("run", "-d", "--name=plain", *box, "--", "sleep", "1000")
    done = world.run("attach", "plain")
    assert done.returncode == 125
    assert "has no terminal" in done.stderr
    assert "haconiwa logs -f plain" in done.stderr
    assert "haconiwa exec -it plain" in done.stderr


def test_one_that_does_not_run(world, box):
    assert "there is no container named nobody" in world.run("attach", "nobody").stderr
    person = world.person("run", "-it", "--name=over", *box, "--", "true")
    assert person.wait() == 0
    assert "the container over is not running: it is exited" in world.run("attach", "over").stderr


def test_an_input_that_is_no_terminal(world, box):
    world.output("run", "-dit", "--name=alone", *box, *ECHO)
    done = world.run("attach", "alone")
    assert done.returncode == 125
    assert "the input is no terminal" in done.stderr


def test_others_are_told_that_there_is_a_terminal(world, box):
    world.output("run", "-dit", "--name=told", *box, *ECHO)
    assert json.loads(world.output("inspect", "--format=json", "told"))["container"]["terminal"] is True
    (row,) = json.loads(world.output("ps", "--format=json"))
    assert row["terminal"] is True


def test_nothing_is_inherited(world, box):
    """Neither by the container nor by the broker."""
    world.output("run", "-dit", "--name=clean", *box, *ECHO)
    child = json.loads((world.state / "clean" / "record.json").read_text())["child"]["pid"]
    files = {name: os.readlink(f"/proc/{child}/fd/{name}") for name in os.listdir(f"/proc/{child}/fd")}
    files.pop("10", None)  # The shell's own.
    assert files == dict.fromkeys("012", "/dev/pts/0")
    (pid,) = world.brokers()
    kinds = sorted(os.readlink(f"/proc/{pid}/fd/{name}").split(":")[0] for name in os.listdir(f"/proc/{pid}/fd"))
    nulls = [kind for kind in kinds if kind == "/dev/null"]
    assert len(nulls) == 3
    assert len(kinds) == 8, kinds
