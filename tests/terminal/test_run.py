"""`haconiwa run -it`: a person sits at the terminal of a container."""

import base64
import fcntl
import hashlib
import random
import re
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from terminal.person import HACONIWA, root_of

from haconiwa_core.testing import needs_program, needs_root

pytestmark = [needs_root, needs_program("busybox")]

SHELL = ["sh", "-c"]


@pytest.mark.parametrize("launcher", ["direct", "zygote", "helper"])
def test_the_terminal_is_the_containers_own(world, box, launcher):
    person = world.person("run", "-it", "--rm", f"--launcher={launcher}", *box, "--", *SHELL, "tty; stty size; exit 7")
    person.see(r"/dev/pts/0\r\n41 97\r\n")
    assert person.wait() == 7
    assert person.is_as_before()
    assert world.output("ps", "-a").splitlines()[1:] == []


def test_without_any_feature_it_is_one_of_the_host(world):
    person = world.person("run", "-it", "--rm", "--", *SHELL, "tty; stty size; exit 7")
    name = person.see(r"/dev/pts/\d+\r\n").decode().strip()
    assert name != person.name
    person.see("41 97")
    assert person.wait() == 7


def test_a_root_without_devpts_has_one_of_the_host(world, box):
    features = [option for option in box if "ns-" not in option and "mount." not in option]
    person = world.person("run", "-it", "--rm", *features, "--", *SHELL, "stty size; exit 7")
    person.see("41 97")
    assert person.wait() == 7


def test_it_controls_the_session_and_is_all_streams(world, box):
    script = "ls -l /proc/self/fd; cut -d' ' -f 5,6,7,8 /proc/self/stat; cut -d' ' -f 6,7 /proc/1/stat"
    person = world.person("run", "-it", "--rm", *box, "--", *SHELL, script)
    assert person.wait() == 0
    lines = [line for line in person.shown.decode().split("\r\n") if line]
    files = [line.split(" -> ")[1] for line in lines if " -> " in line]
    assert files[:3] == ["/dev/pts/0"] * 3
    # Of the listing itself.
    assert all("/fd" in file for file in files[3:])
    # Process group, session, terminal and its foreground: of the session that process 1 leads.
    group, session, terminal, foreground = lines[-2].split()
    assert session == "1"
    assert terminal == lines[-1].split()[1] != "0"
    assert foreground == group


STUFF = """
import fcntl, os, termios
for letter in b"stuffed\\n":
    fcntl.ioctl(os.open("/dev/tty", os.O_RDWR), termios.TIOCSTI, bytes([letter]))
print("read", input())
"""


def test_the_callers_terminal_is_out_of_reach(world):
    """What is pushed into the input of the terminal that controls a container comes to that container (TIOCSTI)."""
    person = world.person("run", "-it", "--rm", "--", sys.executable, "-c", STUFF)
    person.see("read stuffed")
    assert person.wait() == 0
    assert struct.unpack("i", fcntl.ioctl(person.slave, termios.FIONREAD, bytes(4))) == (0,)


def test_a_devpts_of_its_own_has_nothing_else(world, box):
    person = world.person("run", "-it", "--rm", *box, "--", *SHELL, "echo mine > /dev/tty; ls /dev/pts")
    person.see(r"mine\r\n0\s+ptmx")
    assert person.wait() == 0


def test_the_console_is_the_terminal(world, box):
    person = world.person(
        "run", "-it", "--rm", *box, "--", *SHELL, "echo hello > /dev/console; grep -c console /proc/mounts"
    )
    person.see(r"hello\r\n1\r\n")
    assert person.wait() == 0


def test_an_interrupt_reaches_the_command(world, box):
    script = "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.1; done"
    person = world.person("run", "-it", "--rm", *box, "--", *SHELL, script)
    person.see("ready")
    assert person.is_raw()
    person.type("\x03")
    person.see("caught")
    assert person.wait() == 5
    assert person.is_as_before()


def test_jobs_are_stopped_and_go_on(world, box):
    person = world.person("run", "-it", "--rm", "--name=jobs", *box, "--", "sh", "-i")
    person.see("# ")
    person.type("sleep 1000\n")
    # Until then, what is typed is the shell's.
    world.until(lambda: "sleep 1000" in world.output("exec", "jobs", "--", "ps", "-o", "args"))
    person.type("\x1a")
    person.see(r"Stopped.*# ")
    person.type("fg\n")
    person.see(r"fg\r\nsleep 1000")
    person.type("\x03")
    person.see("# ")
    person.type("echo $?\n")
    person.see(r"130\r\n")
    person.type("exit 3\n")
    assert person.wait() == 3


def test_another_size_is_told(world, box):
    script = "trap 'stty size' WINCH; stty size; while :; do sleep 0.1; done"
    person = world.person("run", "-it", "--rm", "--name=sized", *box, "--", *SHELL, script)
    person.see("41 97")
    person.resize(30, 70)
    person.see("30 70")


@pytest.mark.parametrize("size", [(0, 0), (1, 1), (65535, 65535)])
def test_any_size(world, size):
    person = world.person("run", "-it", "--rm", "--", *SHELL, "stty size", size=size)
    person.see(f"{size[0]} {size[1]}\r\n")
    assert person.wait() == 0


def test_raw_keys_arrive(world, box):
    script = "stty raw -echo; echo ready; dd bs=1 count=6 2>/dev/null | od -An -tx1; stty sane"
    person = world.person("run", "-it", "--rm", *box, "--", *SHELL, script)
    person.see("ready")
    person.type(b"\x03\x1a\x11\x1b[A")
    person.see("03 1a 11 1b 5b 41")
    assert person.wait() == 0


def test_one_letter_is_erased_at_a_time(world, box):
    script = 'echo ready; stty -echo; read line; echo "<$line>"'
    person = world.person("run", "-it", "--rm", *box, "--", *SHELL, script)
    person.see("ready")
    person.type("aäö\x7f日\n")
    person.see("<aä日>")
    assert person.wait() == 0


def test_an_editor_fills_the_screen(world, box):
    person = world.person("run", "-it", "--rm", *box, "--", *SHELL, "vi /dev/text; cat /dev/text")
    person.see(r"~\r?\n?.*~")
    person.type("ihello")
    person.see("hello")
    # At once, it would be taken for the beginning of another key.
    person.type("\x1b")
    person.see("- /dev/text")
    person.type(":wq\r")
    assert person.wait() == 0
    assert person.shown.endswith(b"hello\r\n")


def test_a_mebibyte_arrives_whole(world, box):
    data = random.Random(1).randbytes(1 << 20)
    (root_of(box) / "data").write_bytes(data)
    person = world.person(
        "run", "-it", "--rm", *box, "--", *SHELL, "stty raw; echo begin; cat /data; echo end; sleep 0.1"
    )
    person.see("begin\n")
    seen = person.see("end\n")
    assert hashlib.sha256(seen.removesuffix(b"end\n")).digest() == hashlib.sha256(data).digest()
    assert person.wait() == 0


def test_a_mebibyte_is_typed(world, box):
    data = base64.b64encode(random.Random(1).randbytes(3 << 18)) + b"\x04"
    script = "stty raw -echo; echo ready; head -c 1048576 | md5sum"
    person = world.person("run", "-it", "--rm", "--detach-keys=", *box, "--", *SHELL, script)
    person.see("ready")
    person.type(data)
    person.see(hashlib.md5(data[:-1]).hexdigest())
    assert person.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_the_terminal_as_it_was_and_the_container_running(world, box, number):
    person = world.person("run", "-it", "--rm", "--name=left", *box, "--", *SHELL, "echo ready; sleep 1000")
    person.see("ready")
    assert person.is_raw()
    person.process.send_signal(number)
    assert person.wait() == 128 + number
    assert person.is_as_before()
    assert "left" in world.output("ps")


def test_stopped_and_continued(world, box):
    person = world.person("run", "-it", "--rm", *box, "--", *SHELL, "echo ready; read line; stty size; exit 4")
    person.see("ready")
    person.process.send_signal(signal.SIGTSTP)
    world.until(lambda: Path(f"/proc/{person.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    assert person.is_as_before()
    person.resize(20, 60)
    person.process.send_signal(signal.SIGCONT)
    world.until(person.is_raw)
    person.type("\n")
    person.see("20 60")
    assert person.wait() == 4


def test_a_lost_connection_leaves_the_container_running(world, box):
    person = world.person(
        "run", "-it", "--name=kept", *box, "--", *SHELL, "echo ready; read line; echo got $line; exit 6"
    )
    person.see("ready")
    person.hang_up()
    person.process.wait(30)
    assert "kept" in world.output("ps")
    another = world.person("attach", "kept")
    another.type("hello\n")
    another.see("got hello")
    assert another.wait() == 6


def test_an_input_that_is_no_terminal_is_refused_and_nothing_runs(world):
    done = world.run("run", "-it", "--name=none", "--", "true")
    assert done.returncode == 125
    assert "the input is no terminal" in done.stderr
    assert world.output("ps", "-a").splitlines()[1:] == []


def test_without_input_it_is_shown_only(world, box):
    done = world.run("run", "-t", "--rm", *box, "--", *SHELL, "tty; exit 3")
    assert (done.returncode, done.stdout) == (3, "/dev/pts/0\n")


def test_a_command_that_does_not_exist(world, box):
    person = world.person("run", "-it", "--rm", *box, "--", "/no/such/program")
    person.see("execute '/no/such/program': ENOENT")
    assert person.wait() == 127
    assert person.is_as_before()


HIDDEN = {
    "none": (
        "touch {0}/null; mount --bind /dev/null {0}/null; mount --rbind {0} /dev",
        "open_terminal.*ENOENT.*devpts",
    ),
    "another": ("mount -B /dev/null /dev/ptmx", "open_slave.*ENOTTY.*no multiplexer"),
}


@pytest.mark.parametrize("kind", HIDDEN)
def test_a_host_without_terminals(world, tmp_path, kind):
    hide, message = HIDDEN[kind]
    command = f"{hide.format(tmp_path)}; exec {' '.join(HACONIWA)} run -t --rm -- true"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=world.environment,
    )
    assert done.returncode == 125
    assert re.search(message, done.stderr), done.stderr
    assert "PREPARE" in done.stderr


def test_what_cannot_be_combined(world, tmp_path):
    definition = tmp_path / "two.py"
    definition.write_text("from haconiwa_core import Container\na, b = (Container(n, ['true']) for n in 'ab')\n")
    for arguments, message in {
        ("run", "-di", "--", "true"): "-i with -d needs -t",
        ("run", "-it", definition): "one container at a time",
        ("run", "-it", "--detach-keys=ctrl-pp", "--", "true"): "'ctrl-pp' is no key",
    }.items():
        done = world.run(*arguments)
        assert done.returncode == 2, arguments
        assert message in done.stderr


def test_the_last_words_of_a_short_life(world, box):
    for _ in range(20):
        person = world.person("run", "-it", "--rm", *box, "--", *SHELL, "echo last; exit 9")
        assert person.wait() == 9
        assert person.shown == b"last\r\n"


def test_a_definition_asks_for_it(world, box, tmp_path):
    definition = tmp_path / "asks.toml"
    definition.write_text('command = ["sh", "-c", "test -t 0 && exit 8"]\nterminal = true\n')
    person = world.person("run", "--rm", definition)
    assert person.wait() == 8


@pytest.mark.parametrize("stream", ["null", "file:/tmp/x", "host:x"])
def test_a_terminal_is_all_streams(world, tmp_path, stream):
    definition = tmp_path / "asks.toml"
    definition.write_text(f'command = ["true"]\nterminal = true\nstdout = "{stream}"\n')
    done = world.run("plan", definition)
    assert done.returncode == 2
    assert "stdout: must be left out" in done.stderr


def test_the_plan_shows_it(world, box):
    shown = world.output("plan", "-t", *box, "--", "true")
    for step in (
        "<terminal> = open_terminal_inside('/dev/pts/ptmx')",
        "<terminal-slave> = open_slave(<terminal>)",
        "hand_over_terminal(<terminal>)",
        "control_terminal(<terminal-slave>)",
        "bind_console(<terminal-slave>, True)",
    ):
        assert step in shown
    plain = world.output("plan", "-t", "--", "true")
    assert "<terminal> = open_terminal('/dev/ptmx')" in plain
    assert "hand_over" not in plain
