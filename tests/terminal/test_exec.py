"""`haconiwa exec -it`: another terminal in a container that runs."""

import json
import signal
import subprocess

import pytest

from haconiwa_core.testing import needs_program, needs_root

pytestmark = [needs_root, needs_program("busybox")]

SHELL = ["sh", "-c"]


@pytest.fixture
def inside(world, box):
    """A container that sleeps."""
    world.output("run", "-d", "--name=inside", *box, "--set=rlimit.nofile=77", "--", "sleep", "1000")
    return world


@pytest.mark.parametrize("launcher", ["direct", "zygote", "helper"])
def test_it_is_on_the_containers_devpts(inside, launcher):
    script = "tty; stty size; ulimit -n; exit 7"
    person = inside.person("exec", "-it", f"--launcher={launcher}", "inside", "--", *SHELL, script)
    person.see("/dev/pts/0\r\n41 97\r\n77\r\n")
    assert person.wait() == 7
    assert person.is_as_before()


def test_without_devpts_it_is_one_of_the_host(world):
    world.output("run", "-d", "--name=plain", "--with=ns-pid", "--", "sleep", "1000")
    person = world.person("exec", "-it", "plain", "--", *SHELL, "tty; stty size; exit 7")
    name = person.see(r"/dev/pts/\d+\r\n").decode().strip()
    assert name != person.name
    person.see("41 97")
    assert person.wait() == 7


def test_each_has_a_terminal_of_its_own(world, box):
    world.output("run", "-dit", "--name=many", *box, "--", "sh", "-i")
    people = [world.person("exec", "-it", "many", "sh", "-i") for _ in range(2)]
    names = []
    for person in people:
        person.see("# ")
        person.type("tty\n")
        names.append(person.see(r"/dev/pts/\d+\r\n").split()[-1])
    assert sorted(names) == [b"/dev/pts/1", b"/dev/pts/2"]
    for person in people:
        person.type("exit 3\n")
        assert person.wait() == 3


def test_keys_and_sizes_reach_it(inside):
    script = "trap 'echo caught' INT; trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done"
    person = inside.person("exec", "-it", "inside", "--", *SHELL, script)
    person.see("ready")
    person.type("\x03")
    person.see("caught")
    person.resize(20, 50)
    person.see("20 50")


def test_a_user_owns_the_terminal(inside):
    person = inside.person("exec", "-it", "-u", "1000", "inside", "--", *SHELL, "ls -l /dev/pts/0; echo hello > $(tty)")
    person.see("1000")
    person.see("hello")
    assert person.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_who_leaves_hangs_up(inside, number):
    person = inside.person("exec", "-it", "inside", "--", *SHELL, "echo ready; sleep 1000")
    person.see("ready")
    person.process.send_signal(number)
    assert person.wait() == 128 + number
    assert person.is_as_before()
    inside.until(lambda: "echo ready" not in inside.output("exec", "inside", "--", "ps", "-o", "args"))


def test_what_it_leaves_behind_does_not_keep_it(inside):
    person = inside.person("exec", "-it", "inside", "--", *SHELL, "setsid sleep 100 & sleep 0.1; echo bye; exit 4")
    person.see("bye")
    assert person.wait() == 4


def test_the_container_ends(inside):
    person = inside.person("exec", "-it", "inside", "--", *SHELL, "echo ready; sleep 1000")
    person.see("ready")
    inside.output("rm", "-f", "inside")
    assert person.wait() == 137
    assert person.is_as_before()


def test_input_that_is_no_terminal(inside):
    done = inside.run("exec", "-it", "inside", "--", "true")
    assert done.returncode == 125
    assert "the input is no terminal" in done.stderr
    done = inside.run("exec", "-t", "inside", "--", *SHELL, "tty; exit 3")
    assert (done.returncode, done.stdout) == (3, "/dev/pts/0\r\n".replace("\r", ""))


def test_a_terminal_of_the_container_is_not_that_of_a_command(world, box):
    """The first process has one, what enters has none unless it asks for it."""
    world.output("run", "-dit", "--name=first", *box, "--", "sh", "-i")
    done = world.run("exec", "first", "--", *SHELL, "tty; cat", input="hello\n", stdin=None)
    assert done.stdout == "not a tty\nhello\n"


def test_what_a_container_puts_in_its_place_is_refused(inside):
    child = json.loads((inside.state / "inside" / "record.json").read_text())["child"]["pid"]
    # As root of the container could, who may mount: something of its own on its /dev/pts.
    entered = ["nsenter", "-t", str(child), "-m", "/bin/busybox"]
    subprocess.run([*entered, "mount", "-t", "tmpfs", "none", "/dev/pts"], check=True)
    person = inside.person("exec", "-it", "inside", "--", "true")
    person.see("ENOENT.*no devpts of its own")
    assert person.wait() == 125
    subprocess.run([*entered, "touch", "/dev/pts/ptmx"], check=True)
    person = inside.person("exec", "-it", "inside", "--", "true")
    person.see("reads back differently.*no devpts of its own")
    assert person.wait() == 125
    subprocess.run([*entered, "ln", "-sf", "/dev/zero", "/dev/pts/ptmx"], check=True)
    person = inside.person("exec", "-it", "inside", "--", "true")
    person.see("ELOOP.*no devpts of its own")
    assert person.wait() == 125
