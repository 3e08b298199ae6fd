"""An ordinary user of a test's own, with a name, a home, and ranges of ids; the machine's files stay as they are."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from system.world import libc, make_root, own_mounts

from haconiwa_core.host import gather
from haconiwa_core.linux import remove_cgroup

NAME, UID = "ordinary", 40_000 + os.getpid() % 10_000
"""Nobody else's: what of his is left when the tests have ended is theirs to end."""

FIRST, COUNT = 100_000, 65_536
"""The ranges of users and groups that the host gives him: those of the README of ns-user."""

HOME = Path("/run/home")
RUNTIME = Path("/run/user")
PYTHON = "/usr/bin/python3"
SETPRIV = shutil.which("setpriv") or ""
CHECKOUT = Path(__file__).parents[2]
PATHS = [CHECKOUT, sysconfig.get_path("purelib"), *sorted([*CHECKOUT.glob("plugins/*"), *CHECKOUT.glob("contrib/*")])]
VARIABLES = {
    "HOME": str(HOME),
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": os.pathsep.join(map(str, PATHS)),
    "XDG_RUNTIME_DIR": str(RUNTIME),
}
RANGES = ("--set", 'ns-user.uid_map="auto"', "--set", 'ns-user.gid_map="auto"')
"""What gives a container all ids that he has."""

_MS_BIND = 0x1000
_ENTER = 'leaf="$0/haconiwa-caller"; [ -d "$leaf" ] || leaf="$0"; echo 0 >"$leaf/cgroup.procs" && exec "$@"'
"""Who has started containers from a group is in a leaf of it since then: so is what he starts."""

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


def as_user(
    *command: object,
    without: tuple[str, ...] = (),
    group: Path | None = None,
    groups: str = "--clear-groups",
    **options: Any,
) -> Done:
    """Run a program as the user, who has no capabilities.

    Args:
        command: the program and its arguments.
        without: variables that he does not have.
        group: a control group that he is in.
        groups: what gives him supplementary groups: an option of setpriv(1).
        options: of `subprocess.run`.
    """
    environment = {name: value for name, value in VARIABLES.items() if name not in without}
    enter = ["/bin/sh", "-c", _ENTER, str(group)] if group else []
    drop = [*enter, SETPRIV, f"--reuid={UID}", f"--regid={UID}", groups]
    defaults = {"capture_output": True, "text": True, "timeout": 60, "env": environment, "cwd": HOME}
    return subprocess.run([*drop, *map(str, command)], check=False, **{**defaults, **options})


@pytest.fixture(scope="module")
def machine() -> Iterator[Path]:
    """A mount tree of this process's own, in which /etc knows the user; yield the folder of those files."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to become an ordinary user that nobody else is")
    for program in ("setpriv", "newuidmap", "newgidmap"):
        if not shutil.which(program):
            pytest.skip(f"needs {program} (Debian: util-linux, uidmap)")
    with own_mounts():
        files = Path("/run/etc")
        files.mkdir()
        for name, line in (("passwd", f"{NAME}:x:{UID}:{UID}::{HOME}:/bin/sh"), ("group", f"{NAME}:x:{UID}:")):
            (files / name).write_text(f"{Path('/etc', name).read_text()}{line}\n")
        for name in ("subuid", "subgid"):
            (files / name).write_text(f"{NAME}:{FIRST}:{COUNT}\n")
        for file in files.iterdir():
            target = Path("/etc", file.name)
            if not target.exists():
                pytest.skip(f"this host has no {target}, over which the test's own could be bound")
            libc("mount", bytes(file), bytes(target), None, _MS_BIND, None)
        for folder in (HOME, RUNTIME):
            folder.mkdir(mode=0o700)
            os.chown(folder, UID, UID)
        make_root(Path("/run/root"))
        tried = as_user(PYTHON, "-c", "import haconiwa_core.cli.main, structlog, haconiwa_ns_user")
        if tried.returncode:
            pytest.skip(f"an ordinary user cannot run the checkout with {PYTHON}: {tried.stderr.splitlines()[-1]}")
        if as_user("unshare", "--user", "true").returncode:
            pytest.skip("this kernel gives ordinary users no user namespaces")
        yield files
        for folder in Path("/proc").glob("[0-9]*"):
            # A supervisor that waits for more to do.
            with suppress(FileNotFoundError, ProcessLookupError):
                if folder.stat().st_uid == UID:
                    os.kill(int(folder.name), signal.SIGKILL)


@pytest.fixture
def subtree(machine: Path) -> Iterator[Path]:
    """A control group of version 2 that is delegated to the user, as a service manager does it."""
    tree = next((tree for tree in gather().cgroups if tree.version == 2), None)
    if tree is None:
        pytest.skip("this host has no control groups of version 2")
    name = f"rootless-{os.getpid()}"
    folder = Path(tree.mount, name)
    folder.mkdir()
    for file in ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
        os.chown(folder / file, UID, UID)
    os.setxattr(folder, "trusted.delegate", b"1")
    yield folder
    remove_cgroup(tree.mount, name)


@pytest.fixture
def user(machine: Path) -> Run:
    """Run the command line as the user."""

    def run(*arguments: object, **options: Any) -> Done:
        return as_user(PYTHON, "-m", "haconiwa_core", *arguments, **options)

    return run


def output(done: Done) -> str:
    """Return what a command has printed, which must have succeeded and complained of nothing."""
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout
