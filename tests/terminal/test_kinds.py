"""Terminals with every kind of isolation, every kind of supervisor, and from Python."""

import json
import os
import signal
import tempfile
import termios
from pathlib import Path

import pytest
from haconiwa_runtime import Runtime
from haconiwa_runtime.terminal import broker
from system.test_ordinary_user import PATHS, PYTHON, as_user
from terminal.person import root_of, world_in

from haconiwa_core.container import Container
from haconiwa_core.errors import RecordError
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing import needs_program, needs_root

pytestmark = [needs_root, needs_program("busybox")]

SHELL = ["sh", "-c"]
NOBODY = 65534
MAP = "{inside = 0, outside = 100000, count = 65536}"


def test_in_a_user_namespace(world, box):
    maps = [f"--set=ns-user.{kind}_map=[{MAP}]" for kind in ("uid", "gid")]
    root = root_of(box)
    for path in (root, *root.rglob("*")):
        os.chown(path, 100000, 100000, follow_symlinks=False)
    script = "tty; id -u; stat -c %u $(tty); echo hello > /dev/console"
    person = world.person("run", "-it", "--rm", *box, *maps, "--", *SHELL, script)
    person.see(r"/dev/pts/0\r\n0\r\n0\r\nhello\r\n")
    assert person.wait() == 0


def test_as_somebody_else(world, box):
    script = "tty; id -u; stat -c %u $(tty); echo hello > $(tty); echo world > /dev/tty"
    person = world.person("run", "-it", "--rm", *box, "--set=credentials.uid=1000", "--", *SHELL, script)
    person.see(r"/dev/pts/0\r\n1000\r\n1000\r\nhello\r\nworld\r\n")
    assert person.wait() == 0


def test_hardened(world, box):
    options = [f"--set=hardened.root={root_of(box)}"]
    person = world.person("run", "-it", "--rm", *options, "--", *SHELL, "tty; stty size; exit 7")
    person.see("/dev/pts/0\r\n41 97\r\n")
    assert person.wait() == 7


def test_an_ordinary_user(box):
    environment = {"PYTHONPATH": os.pathsep.join(map(str, PATHS))}
    tried = as_user(PYTHON, "-c", "import haconiwa_core.cli.main, structlog, haconiwa_ns_user", env=environment)
    if tried.returncode:
        pytest.skip(f"an ordinary user cannot run the checkout with {PYTHON}: {tried.stderr.splitlines()[-1]}")
    # The folders of other tests are root's alone.
    with tempfile.TemporaryDirectory() as folder, world_in(Path(folder)) as world:
        os.chown(folder, NOBODY, NOBODY)
        del world.environment["HOME"]
        made = root_of(box).rename(Path(folder, "root"))
        for each in (made, *made.rglob("*")):
            os.chown(each, NOBODY, NOBODY, follow_symlinks=False)
        options = [*box, f"--set=chroot.root={made}", "--with=ns-user"]
        script = "tty; id -u; stat -c %u $(tty); stty size; exit 7"
        person = world.person("run", "-it", "--rm", *options, "--", *SHELL, script, user=NOBODY)
        person.see(r"/dev/pts/0\r\n0\r\n0\r\n41 97")
        assert person.wait() == 7
        assert person.is_as_before()


@needs_program("tini-static")
def test_with_an_init(world, box):
    """Which hands the terminal on to the command."""
    person = world.person("run", "-it", "--rm", "--name=child", *box, "--with=init", "--", "sh", "-i")
    person.see("# ")
    person.type("sleep 1000\n")
    world.until(lambda: "sleep 1000" in world.output("exec", "child", "--", "ps", "-o", "args").splitlines())
    person.type("\x03")
    person.see("# ")
    person.type("exit 4\n")
    assert person.wait() == 4


def test_a_chroot_alone(world, box):
    options = [f"--set=chroot.root={root_of(box)}"]
    person = world.person("run", "-it", "--rm", *options, "--", *SHELL, "stty size; read x; exit 7")
    person.see("41 97")
    person.type("\n")
    assert person.wait() == 7


@pytest.mark.parametrize("feature", [[], ["--set=supervision.restart=no"]], ids=["process", "resident"])
def test_both_kinds_of_supervisors(world, box, feature):
    script = "tty; stty size; read x; echo got $x; exit 7"
    person = world.person("run", "-it", "--rm", "--name=kept", *box, *feature, "--", *SHELL, script)
    person.see("/dev/pts/0\r\n41 97")
    assert ((world.state / "kept" / "supervision.json").exists()) == bool(feature)
    person.type("\x10\x11")
    assert person.wait() == 0
    again = world.person("attach", "kept")
    again.type("hello\n")
    again.see("got hello")
    assert again.wait() == 7
    assert world.output("ps", "-a").splitlines()[1:] == []


def test_one_that_is_started_again_has_another(world, box):
    """And who sat at the first one sits at the next."""
    script = "echo begin $(tty); read x; echo got $x; exit 1"
    options = ["--set=supervision.restart=on-failure", "--set=supervision.restart_limit=2"]
    person = world.person("run", "-it", "--rm", "--name=again", *box, *options, "--", *SHELL, script)
    for word in ("one", "two", "three"):
        person.see("begin /dev/pts/0")
        person.type(f"{word}\n")
        person.see(f"got {word}")
    assert person.wait() == 1
    assert person.is_as_before()
    world.until(lambda: not world.brokers())


def test_the_resident_supervisor_is_killed_meanwhile(world, box):
    script = "echo ready; while read x; do echo got $x; [ $x = end ] && exit 7; done"
    options = ["--set=supervision.restart=no"]
    person = world.person("run", "-it", "--name=orphan", *box, *options, "--", *SHELL, script)
    person.see("ready")
    supervisor = json.loads((world.state / "orphan" / "record.json").read_text())["supervisor"]["pid"]
    os.kill(supervisor, signal.SIGKILL)
    person.type("one\n")
    person.see("got one")
    # The next one takes over what it has left.
    assert world.run("supervise", "--detach").returncode == 0
    person.type("two\n")
    person.see("got two")
    person.type("end\n")
    assert person.wait() == 7
    world.output("wait", "orphan")


def test_from_python(tmp_path):
    store = Store(tmp_path / "state")
    container = Container("held", ["sh", "-c", "tty; read x; echo got $x; exit 7"], terminal=True)
    with Runtime(store=store) as runtime:
        running = runtime.start(container)
        termios.tcsetwinsize(running.terminal, (10, 20))
        os.write(running.terminal, b"hello\n")
        seen = b""
        while b"got hello" not in seen:
            seen += os.read(running.terminal, 1 << 16)
        assert running.wait() == 7
        with pytest.raises(RecordError, match="has ended"):
            _ = running.terminal
        plain = runtime.start(Container("plain", ["sleep", "1000"]))
        with pytest.raises(RecordError, match="has no terminal"):
            _ = plain.terminal
        with pytest.raises(ValueError, match="cannot be captured"):
            runtime.run(container)
        assert plain.exec(["sh", "-c", "tty"]).stdout == b"not a tty\n"
        again = runtime.start(container, name="again")
        assert again.exec(["sh", "-c", "tty"]).stdout == b"not a tty\n"
    assert not any((tmp_path / "state").iterdir())


def test_what_a_program_holds_is_not_for_others(world):
    with Runtime(store=Store(world.state)) as runtime:
        runtime.start(Container("held", ["sleep", "1000"], terminal=True))
        done = world.run("attach", "--no-stdin", "held")
    assert done.returncode == 125
    assert "nobody keeps the terminal of held for others" in done.stderr


def test_held_and_started(tmp_path):
    store = Store(tmp_path / "state")
    container = Container("held", ["sh", "-c", "echo hello; read x"], terminal=True)
    with Runtime(store=store) as runtime:
        running = runtime.create(container).start()
        assert os.read(running.terminal, 100) == b"hello\r\n"
        runtime.create(container, name="other").remove()


def test_no_descriptor_is_left(tmp_path):
    store = Store(tmp_path / "state")
    with Runtime(store=store) as runtime:
        before = None
        # A launcher keeps a few programs, which is none of a container's.
        for number in range(8):
            runtime.start(Container("short", ["true"], terminal=True)).remove()
            with pytest.raises(Exception, match="ENOENT"):
                runtime.start(Container("none", ["/no/such/program"], terminal=True))
            before = len(os.listdir("/proc/self/fd")) if number < 4 else before
            assert len(os.listdir("/proc/self/fd")) == before


def test_the_log_is_as_large_as_its_policy_says(world, box):
    options = ["--set=supervision.log_size=8192", "--set=supervision.log_files=2"]
    script = "yes 01234567890123456789 | head -c 200000; echo; echo end; read x"
    world.output("run", "-dt", "--name=small", *box, *options, "--", *SHELL, script)
    world.until(lambda: "end" in world.output("logs", "--tail", "1", "small"))
    sizes = [path.stat().st_size for path in (world.state / "small").glob("stream.log*")]
    assert len(sizes) == 2
    # A file is closed when it is full: what was read at once is not divided.
    assert sum(sizes) < 2 * (8192 + 6 * broker.MESSAGE)
