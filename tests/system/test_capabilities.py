"""Capabilities together with users, user namespaces, attaching and every launcher."""

import os
import re
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from haconiwa_capabilities import Capabilities
from haconiwa_credentials import Credentials
from haconiwa_ns_user import IdRange, UserNamespace
from system.world import ran

from haconiwa_core.container import Container
from haconiwa_core.errors import EXIT_NOT_EXECUTABLE, SetupError
from haconiwa_core.host import gather
from haconiwa_core.launch.choice import choose_launcher
from haconiwa_core.linux.constants import CAP_SYS_RESOURCE
from haconiwa_core.testing import run, run_attached, started

USER = Credentials(uid=1000, gid=1000)
IDS = (IdRange(0, 100_000, 65536),)
MAPPED = UserNamespace(uid_map=IDS, gid_map=IDS)
READ = ("/bin/cat", "/proc/self/status")
DEFAULT, KILL, SYS_RESOURCE, MKNOD = 0xA80425FB, 1 << 5, 1 << 24, 1 << 27
EVERY = (2 << gather().last_capability) - 1


def sets(status):
    """Return the sets as (inheritable, permitted, effective, bounding, ambient)."""
    return tuple(int(text, 16) for text in re.findall(r"^Cap\w+:\s*([0-9a-f]+)$", status, re.MULTILINE))


def of_root(kept, ambient=0):
    return (ambient, kept, kept, kept, ambient)


def of_user(kept, ambient=0):
    return (ambient, ambient, ambient, kept, ambient)


CASES = {
    "root": ([Capabilities()], of_root(DEFAULT)),
    "user": ([Capabilities(), USER], of_user(DEFAULT)),
    "user, all": ([Capabilities(all=True), USER], of_user(gather().capabilities)),
    "user, ambient": ([Capabilities(ambient=["kill"]), USER], of_user(DEFAULT, KILL)),
    "user, ambient, and no more after it": (
        [Capabilities(ambient=["kill"], securebits=["noroot", "no_cap_ambient_raise"]), USER],
        of_user(DEFAULT, KILL),
    ),
    "mapped root": ([Capabilities(), MAPPED], of_root(DEFAULT)),
    "mapped root, all": ([Capabilities(all=True), MAPPED], of_root(EVERY)),
    "mapped root, more than the caller has": (
        [Capabilities(keep=["sys_resource"]), MAPPED],
        of_root(SYS_RESOURCE),
    ),
    "mapped user": ([Capabilities(), MAPPED, USER], of_user(DEFAULT)),
    "mapped user, ambient": ([Capabilities(ambient=["kill"]), MAPPED, USER], of_user(DEFAULT, KILL)),
}


@pytest.mark.parametrize("name", CASES)
def test_start_and_attach(name):
    features, expected = CASES[name]
    assert sets(run(*features, command=READ).stdout) == expected
    with started(*features) as running:
        assert sets(run_attached(running, *features, command=READ).stdout) == expected


@pytest.mark.parametrize("launcher", ["direct", "zygote", "helper"])
@pytest.mark.parametrize("name", ["root", "user", "user, ambient", "mapped user, ambient"])
def test_every_launcher(name, launcher):
    features, expected = CASES[name]
    with closing(choose_launcher(launcher)) as chosen:
        assert sets(run(*features, command=READ, launcher=chosen).stdout) == expected


def test_the_user_namespace_gives_what_the_caller_may_lack():
    """The control of the case above, where it means something."""
    if gather().has_capability(CAP_SYS_RESOURCE):
        pytest.skip("the caller has CAP_SYS_RESOURCE")
    assert sets(run(command=READ).stdout)[3] & SYS_RESOURCE == 0
    assert sets(run(MAPPED, command=READ).stdout)[3] & SYS_RESOURCE


@pytest.fixture
def folder():
    """A folder that every user can walk to, as pytest's own are not, in the test's own /run."""
    made = Path("/run/folder")
    made.mkdir()
    shutil.copy("/bin/cat", made / "cat")
    shutil.copy("/bin/true", made / "true")
    return made


def test_a_set_user_id_file_gives_the_bounding_set_and_no_more(folder):
    program = [str(folder / "cat"), "/proc/self/status"]
    features = [Capabilities(drop=["mknod"]), USER]
    assert sets(run(*features, command=program).stdout) == of_user(DEFAULT & ~MKNOD)
    (folder / "cat").chmod(0o4755)
    assert sets(run(*features, command=program).stdout) == of_root(DEFAULT & ~MKNOD)
    # Its file makes it user 0, and that is no longer special.
    features = [Capabilities(securebits=["noroot"]), USER]
    assert sets(run(*features, command=program).stdout) == of_user(DEFAULT)


# A program is looked for with the rights that it will have.


def status_of(program, *features):
    """Return how a container ended that runs a program, or could not."""
    try:
        return ran(Container("lookup", [str(program)], features)).status
    except SetupError as error:
        return error.exit_status


@pytest.mark.parametrize(
    ("owner", "uid", "reached"), [(0, 1000, False), (0, 0, True), (1000, 0, True), (1000, 1000, True)]
)
def test_who_reaches_the_program(folder, owner, uid, reached):
    os.chown(folder, owner, owner)
    folder.chmod(0o700)
    user = Credentials(uid=uid, gid=uid)
    expected = 0 if reached else EXIT_NOT_EXECUTABLE
    assert status_of(folder / "true", user) == expected
    assert status_of(folder / "true", user, Capabilities()) == expected
    assert status_of(folder / "true", user, Capabilities(ambient=["dac_override"])) == 0
    dropped = Capabilities(drop=["dac_override", "dac_read_search"])
    assert status_of(folder / "true", user, dropped) == (0 if owner == uid else EXIT_NOT_EXECUTABLE)
