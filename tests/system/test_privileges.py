"""What `haconiwa plan` says that a step needs, the kernel wants: without one it refuses, with nothing else it goes."""

import errno
import os
import resource
import signal
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fake_kernel.both import failure
from haconiwa_capabilities.kernel import limit_bounding_set, raise_sets, set_secure_bits
from haconiwa_landlock.kernel import restrict_self
from haconiwa_no_new_privs.kernel import set_no_new_privileges
from haconiwa_seccomp.kernel import load_filter

from haconiwa_core import linux
from haconiwa_core.launch.interpreter import linux_kernel
from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.host import system_call
from haconiwa_core.linux.privileges import Privilege, privileges_of
from haconiwa_core.operation import Operation, Slot
from haconiwa_core.testing import fork, forked, needs_root

pytestmark = needs_root

NOBODY = 65534
TREE, ROOT, MOUNTED, UTS, MOUNTS, RULES = map(Slot, ("tree", "root", "mounted", "uts", "mounts", "rules"))
ALLOW_ALL = struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000)
REFUSALS = (errno.EPERM, errno.EACCES)


def step(function: Callable[..., Iterator[Operation]], *arguments: Any, **into: Slot):
    """Return a function, and the operations that it lowers itself to."""
    return function, (*function(*arguments, **into),)


STEPS = {
    "host name": step(linux.set_host_name, "x"),
    "domain name": step(linux.set_domain_name, "x"),
    "unshare": step(linux.unshare, c.CLONE_NEWUTS),
    "unshare with a user namespace": step(linux.unshare, c.CLONE_NEWUTS | c.CLONE_NEWUSER),
    "join": step(linux.join_namespace, UTS, c.CLONE_NEWUTS),
    "join mounts": step(linux.join_namespace, MOUNTS, c.CLONE_NEWNS),
    "link": step(linux.bring_link_up, "lo"),
    "file system": step(linux.make_filesystem, "tmpfs", (), 0, into=TREE),
    "tree": step(linux.open_tree, "/tmp", False, 0, into=Slot("another")),
    "attributes": step(linux.set_tree_attributes, TREE, c.MOUNT_ATTR_RDONLY),
    "attach": step(linux.attach_below_root, TREE, "/mnt"),
    "attach over root": step(linux.attach_over_root, TREE),
    "private": step(linux.make_tree_private),
    "pivot": step(linux.pivot_root, MOUNTED),
    "chroot": step(linux.change_root, ROOT),
    "mask a file": step(linux.mask, "/etc/hostname"),
    "mask a directory": step(linux.mask, "/etc"),
    "read-only": step(linux.make_path_read_only, "/etc"),
    "groups": step(linux.set_groups, (1,)),
    "group": step(linux.set_gid, NOBODY),
    "user": step(linux.set_uid, NOBODY),
    "bounding set": step(limit_bounding_set, int(Path("/proc/sys/kernel/cap_last_cap").read_text())),
    "secure bits": step(set_secure_bits, 0),
    "sets": step(raise_sets, 0, 0, 0),
    "filter": step(load_filter, ALLOW_ALL, 0),
    "landlock": step(restrict_self, RULES),
    "directory": step(linux.change_directory, "/"),
    "session": step(linux.new_session),
    "keyring": step(linux.new_session_keyring),
    "ambient": step(linux.clear_ambient_set),
    "signals": step(linux.reset_signals),
    "mask of files": step(linux.set_file_mode_mask, 0o22),
}

NEEDLESS = {
    "CAP_SETGID of the group that it has": (step(linux.set_gid, 0), ()),
    "CAP_SETUID of the user that it is": (step(linux.set_uid, 0), ()),
    "CAP_SYS_ADMIN with no_new_privs": (step(load_filter, ALLOW_ALL, 0), (*set_no_new_privileges(),)),
    "CAP_SYS_RESOURCE of a limit that is lowered": (step(linux.set_limit, resource.RLIMIT_NOFILE, 32, 32), ()),
}
"""What `unless` is about: a step, and what is done before it with all capabilities."""


def refused(operations, before, capabilities: int) -> int | None:
    """Run operations with some capabilities, in namespaces of their own; return the errno of the first refusal."""
    reader, writer = os.pipe()

    def act() -> None:
        kernel = linux_kernel()
        mounts = os.open("/proc/self/ns/mnt", os.O_RDONLY)
        apart = c.CLONE_NEWNS | c.CLONE_NEWUTS | c.CLONE_NEWNET
        assert failure((*linux.unshare(apart), *linux.make_tree_private()), {}, kernel) is None
        slots = {"mounts": mounts, "uts": os.open("/proc/self/ns/uts", os.O_RDONLY), **_opened()}
        slots["rules"] = system_call(Call.landlock_create_ruleset, struct.pack("Q", 1), 8, 0)
        assert failure(before, slots, kernel) is None
        keep(capabilities)
        found = failure(operations, slots, kernel)
        os.write(writer, repr(found[1] if found else None).encode())

    assert forked(act) == 0
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    return None if text == "None" else int(text)


def keep(capabilities: int) -> None:
    """Give up all other capabilities (capset(2))."""
    halves = (capabilities & 0xFFFFFFFF, capabilities >> 32)
    sets = [value for half in halves for value in (half, half, 0)]
    system_call(Call.capset, struct.pack("Ii", c.LINUX_CAPABILITY_VERSION_3, 0), struct.pack("6I", *sets))


def _opened() -> dict[str, int]:
    """Return the directory "/", a detached tree, and one that is mounted."""
    trees = []
    for _ in range(2):
        context = system_call(Call.fsopen, "tmpfs", 0)
        system_call(Call.fsconfig, context, c.FSCONFIG_CMD_CREATE, 0, 0, 0)
        trees.append(system_call(Call.fsmount, context, 0, 0))
    system_call(Call.move_mount, trees[1], "", c.AT_FDCWD, "/mnt", c.MOVE_MOUNT_F_EMPTY_PATH)
    return {"root": os.open("/", os.O_PATH | os.O_DIRECTORY), "tree": trees[0], "mounted": trees[1]}


def held() -> int:
    """Return the capabilities that this process has."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1], 16) for line in file if line.startswith("CapPrm:"))


def bits(privileges: Iterable[Privilege]) -> int:
    return sum(1 << getattr(c, privilege.capability) for privilege in privileges)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_needs_what_is_said_and_no_more(name) -> None:
    function, operations = STEPS[name]
    needed = privileges_of(function, operations)
    assert refused(operations, (), bits(needed)) is None
    for each in needed:
        assert refused(operations, (), held() & ~bits([each])) in REFUSALS, each


@pytest.mark.parametrize("name", NEEDLESS)
def test_a_step_may_need_nothing_where_that_is_said(name) -> None:
    (function, operations), before = NEEDLESS[name]
    assert [each.capability for each in privileges_of(function, operations) if each.unless] == [name.split()[0]]
    assert refused(operations, before, 0) is None


@pytest.mark.parametrize(
    ("flags", "needed"),
    [(0, []), (c.CLONE_NEWPID, ["CAP_SYS_ADMIN"]), (c.CLONE_NEWPID | c.CLONE_NEWUSER, []), (c.CLONE_NEWUSER, [])],
)
def test_a_new_namespace_is_free_with_a_user_namespace(flags: int, needed: list[str]) -> None:
    found = privileges_of(linux.clone, linux.clone(flags))
    assert [each.capability for each in found] == needed


def test_a_limit_is_not_raised_without_the_capability() -> None:
    lower, raised = ((*linux.set_limit(resource.RLIMIT_NOFILE, limit, limit),) for limit in (32, 33))
    assert refused(raised, lower, held() & ~bits([Privilege("CAP_SYS_RESOURCE")])) == errno.EPERM


@pytest.mark.parametrize("missing", [None, "CAP_SETUID", "CAP_SETGID", "CAP_SETFCAP"])
def test_more_than_one_id_is_mapped_with_all_of_three_capabilities(missing) -> None:
    def act() -> None:
        ready, told = os.pipe()
        child = fork(partial(_wait_in_user_namespace, told))
        try:
            assert os.read(ready, 1)
            keep(held() & ~(bits([Privilege(missing)]) if missing else 0))
            with pytest.raises(PermissionError) if missing else nullcontext():
                linux.write_id_maps(child, "0 0 2", "0 0 2", False)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    assert {each.capability for each in privileges_of(linux.write_id_maps, ())} >= {missing} - {None}
    assert forked(act) == 0


def _wait_in_user_namespace(told: int) -> None:
    assert failure((*linux.unshare(c.CLONE_NEWUSER),), {}, linux_kernel()) is None
    os.write(told, b"x")
    signal.pause()
