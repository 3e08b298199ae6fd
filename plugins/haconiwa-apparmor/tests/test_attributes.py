"""The mechanism on the real kernel, with an attribute that every kernel has: the thread's name."""

import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from haconiwa_apparmor.kernel import open_procfs, write_own_attribute

from haconiwa_core.launch.local import Values, run_host_step
from haconiwa_core.linux.constants import CLONE_NEWNS
from haconiwa_core.linux.host import KERNEL
from haconiwa_core.operation import Slot
from haconiwa_core.planning.plan import PlannedStep
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_core.testing import needs_root

LIBC = ctypes.CDLL(None, use_errno=True)
PROCFS = Slot("procfs")
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000


def step(function: Callable[..., object], *arguments: object, into: Slot | None = None) -> PlannedStep:
    return PlannedStep("test", Step(Stage.PREPARE, function, *arguments, into=into))


OPEN = step(open_procfs, into=PROCFS)


def writing(name: str, shown: str) -> PlannedStep:
    return step(write_own_attribute, PROCFS, "comm", name, shown)


def in_a_fork(function: Callable[[], object]) -> str:
    """Return what a function returns, or the error that it raises, in a process of its own."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, str(function()).encode())
        except OSError as error:
            os.write(writer, (errno.errorcode.get(error.errno or 0) or error.strerror or "").encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return text


def mount(source: str, target: str, kind: str = "", flags: int = 0) -> None:
    encoded = [text.encode() or None for text in (source, target, kind)]
    if LIBC.mount(*encoded, flags, None):
        raise OSError(ctypes.get_errno(), f"mount on {target}")


def own_mounts() -> None:
    if LIBC.unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    mount("none", "/", flags=MS_REC | MS_PRIVATE)


def own_name() -> str:
    """Return the thread's name without asking /proc (PR_GET_NAME in prctl(2))."""
    name = ctypes.create_string_buffer(16)
    LIBC.prctl(16, name, 0, 0, 0)
    return name.value.decode()


def test_it_is_written_and_everything_is_closed() -> None:
    def act() -> str:
        before, values = os.listdir("/proc/self/fd"), Values()
        run_host_step(OPEN, values, KERNEL)
        run_host_step(writing("haconiwa", "haconiwa\n"), values, KERNEL)
        return f"{own_name()} {os.listdir('/proc/self/fd') == before}"

    assert in_a_fork(act) == "haconiwa True"


@pytest.mark.parametrize("shown", ["haconiwa", "haconiwa\n\n", "haconiwi\n", "haconiw"])
def test_what_reads_back_differently_fails(shown: str) -> None:
    def act() -> str:
        values = Values()
        run_host_step(OPEN, values, KERNEL)
        run_host_step(writing("haconiwa", shown), values, KERNEL)
        return "written"

    assert in_a_fork(act) == "it reads back differently"


def test_a_name_that_the_kernel_cuts_is_noticed() -> None:
    def act() -> str:
        values = Values()
        run_host_step(OPEN, values, KERNEL)
        run_host_step(writing("x" * 30, "x" * 30 + "\n"), values, KERNEL)
        return "written"

    assert in_a_fork(act) == "it reads back differently"


@needs_root
def test_the_containers_own_proc_is_not_asked(tmp_path: Path) -> None:
    fake = tmp_path / "proc" / "thread-self" / "comm"
    fake.parent.mkdir(parents=True)
    fake.write_text("untouched")

    def act() -> str:
        values = Values()
        run_host_step(OPEN, values, KERNEL)
        os.chroot(tmp_path)
        os.chdir("/")
        run_host_step(writing("haconiwa", "haconiwa\n"), values, KERNEL)
        return own_name()

    assert in_a_fork(act) == "haconiwa"
    assert fake.read_text() == "untouched"


@needs_root
def test_a_host_whose_proc_is_something_else() -> None:
    def act() -> str:
        own_mounts()
        mount("none", "/proc", "tmpfs")
        run_host_step(OPEN, Values(), KERNEL)
        return "opened"

    assert in_a_fork(act) == "it reads back differently"


@needs_root
def test_what_is_mounted_over_an_attribute_is_not_written(tmp_path: Path) -> None:
    fake = tmp_path / "fake"
    fake.write_text("untouched")

    def act() -> str:
        own_mounts()
        mount(str(fake), os.path.realpath("/proc/thread-self") + "/comm", flags=MS_BIND)
        values = Values()
        run_host_step(OPEN, values, KERNEL)
        run_host_step(writing("haconiwa", "haconiwa\n"), values, KERNEL)
        return "written"

    assert in_a_fork(act) == "EXDEV"
    assert fake.read_text() == "untouched"


@pytest.mark.parametrize(
    ("path", "error"),
    [("cwd/file", "ELOOP"), ("fd/0", "ELOOP"), ("root/etc/passwd", "ELOOP"), ("../../../../etc/passwd", "EXDEV")],
)
def test_no_path_leads_out_of_procfs(path: str, error: str) -> None:
    def act() -> str:
        values = Values()
        run_host_step(OPEN, values, KERNEL)
        run_host_step(step(write_own_attribute, PROCFS, path, "x", "x\n"), values, KERNEL)
        return "written"

    assert in_a_fork(act) == error
