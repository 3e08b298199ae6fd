"""The fake kernel refuses what the real one refuses: each case runs the same calls on both."""

import errno
import os
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from haconiwa_scheduling import LAST_CPU
from haconiwa_scheduling.kernel import (
    IoClass,
    Policy,
    set_affinity,
    set_deadline,
    set_io_priority,
    set_nice,
    set_policy,
)

from haconiwa_core import linux
from haconiwa_core.container import DEFAULT_PATH
from haconiwa_core.launch.interpreter import OUTPUT_DIFFERS, RESULT_DIFFERS, Kernel, Memory, linux_kernel, run
from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.operation import Data, Operation, Slot
from haconiwa_core.program import Assembler
from haconiwa_core.testing import (
    Executed,
    Failed,
    FakeKernel,
    host_files_with,
    needs_landlock,
    needs_root,
    plan_of,
    run_program,
)

TREE = {
    "directory": {"below": {}},
    "file": None,
    "link": "directory",
    "loop": "loop",
    "program": None,
    "outside": "/../../../../../etc/passwd",
}

FOLDER, UTS, TREE_SLOT = Slot("root"), Slot("uts"), Slot("tree")
NOBODY = 65534
UNKNOWN = 99

Operations = Sequence[Operation]


def call(name: str, *arguments: int | bytes | Slot | Data) -> Operation:
    return Operation(Call[name], arguments)


def opened(path: str, more: int = 0) -> Operation:
    how = struct.pack("QQQ", os.O_PATH, 0, c.RESOLVE_IN_ROOT | c.RESOLVE_NO_MAGICLINKS | more)
    return call("openat2", FOLDER, path.encode() + b"\0", how, len(how))


def tree() -> Operations:
    return (*linux.open_tree("TREE", False, 0, into=TREE_SLOT),)


USER = (*linux.set_uid(NOBODY),)
MAPLESS = (*linux.unshare(c.CLONE_NEWUSER),)
MAPLESS_MOUNTS = (*linux.unshare(c.CLONE_NEWUSER | c.CLONE_NEWNS),)
HOW = struct.pack("QQQ", os.O_PATH, 0, 0)
ATTRIBUTES = struct.pack("QQQQ", c.MOUNT_ATTR_RDONLY, 0, 0, 0)
CAP_CHOWN = 0
# ld [0]; ret ALLOW
ALLOWED = struct.pack("HBBIHBBI", 0x20, 0, 0, 0, 0x06, 0, 0, 0x7FFF0000)
FILTER = Data(struct.pack("HxxxxxxQ", 2, 0), ((8, ALLOWED),))
# One byte, and a descriptor that is not open (SCM_RIGHTS).
MESSAGE = Data(
    struct.pack("QIxxxxQQQQixxxx", 0, 0, 0, 1, 0, 24, 0),
    ((16, Data(struct.pack("QQ", 0, 1), ((0, b"x"),))), (32, struct.pack("Qiiixxxx", 20, 1, 1, UNKNOWN))),
)
LONG_FILTER = Data(struct.pack("HxxxxxxQ", 4097, 0), ((8, ALLOWED),))
SECBIT_NOROOT, SECBIT_NOROOT_LOCKED = 1, 2
SECBIT_KEEP_CAPS = 1 << 4
SECBIT_NO_CAP_AMBIENT_RAISE = 1 << 6


RULESET = Slot("ruleset")
EXECUTE, READ_FILE, READ_DIR = 1, 4, 8
ON_FOLDER, ON_RULESET = (
    Data(struct.pack("QQ", READ_DIR, 0), ((8, FOLDER),)),
    Data(struct.pack("QQ", 8, 0), ((8, RULESET),)),
)


def ruleset(files: int = READ_FILE | READ_DIR, ports: int = 1, scopes: int = 0) -> Operation:
    return Operation(Call.landlock_create_ruleset, (struct.pack("QQQ", files, ports, scopes), 24, 0), result=RULESET)


def rule(attributes: bytes | Data, kind: int = 1, flags: int = 0) -> Operations:
    return ruleset(), Operation(Call.landlock_add_rule, (RULESET, kind, attributes, flags))


def beneath(access: int, descriptor: int) -> bytes:
    return struct.pack("Qi", access, descriptor)


def prctl(option: int, *arguments: int) -> Operation:
    return call("prctl", option, *arguments)


def capset(*, effective: int, permitted: int, inheritable: int = 0, version: int = c.LINUX_CAPABILITY_VERSION_3):
    header = struct.pack("Ii", version, 0)
    return call("capset", header, struct.pack("6I", effective, permitted, inheritable, 0, 0, 0))


CASES = {
    "fchdir to an unknown descriptor": (call("fchdir", UNKNOWN), errno.EBADF),
    "close an unknown descriptor": (call("close", UNKNOWN), errno.EBADF),
    "dup3 of an unknown descriptor": (call("dup3", UNKNOWN, 50, 0), errno.EBADF),
    "setns to an unknown descriptor": (call("setns", UNKNOWN, 0), errno.EBADF),
    "openat2 below an unknown descriptor": (call("openat2", UNKNOWN, b"x\0", HOW, 24), errno.EBADF),
    "mkdirat below an unknown descriptor": (call("mkdirat", UNKNOWN, b"x\0", 0o755), errno.EBADF),
    "move_mount of an unknown descriptor": (call("move_mount", UNKNOWN, b"\0", FOLDER, b"\0", 0x44), errno.EBADF),
    "mount_setattr of an unknown descriptor": (
        call("mount_setattr", UNKNOWN, b"\0", c.AT_EMPTY_PATH, ATTRIBUTES, 32),
        errno.EBADF,
    ),
    "fsmount of an unknown descriptor": (call("fsmount", UNKNOWN, 1, 0), errno.EBADF),
    "write to an unknown descriptor": (call("write", UNKNOWN, b"x", 1), errno.EBADF),
    # Without capabilities.
    "a user's host name": ((*USER, *linux.set_host_name("x")), errno.EPERM),
    "a user's domain name": ((*USER, *linux.set_domain_name("x")), errno.EPERM),
    "a user's groups": ((*USER, *linux.set_groups((5,))), errno.EPERM),
    "a user's chroot": ((*USER, *linux.change_root(FOLDER)), errno.EPERM),
    "a user's pivot_root": ((*USER, *linux.pivot_root(FOLDER)), errno.EPERM),
    "a user's open_tree": ((*USER, *tree()), errno.EPERM),
    "a user's tmpfs": ((*USER, *linux.make_filesystem("tmpfs", (), 0, into=TREE_SLOT)), errno.EPERM),
    "a user's private tree": ((*USER, *linux.make_tree_private()), errno.EPERM),
    "a user's unshare": ((*USER, *linux.unshare(c.CLONE_NEWUTS)), errno.EPERM),
    "a user's setns": ((*USER, *linux.join_namespace(UTS, c.CLONE_NEWUTS)), errno.EPERM),
    "a user's gid": ((*USER, *linux.set_gid(5)), errno.EPERM),
    "a user's uid": ((*USER, *linux.set_uid(0)), errno.EPERM),
    "a user's link": ((*USER, *linux.bring_link_up("lo")), errno.EPERM),
    "a user's umount": ((*USER, call("umount2", b"/\0", c.MNT_DETACH)), errno.EPERM),
    "a user's limit": ((*linux.set_limit(7, 16, 16), *USER, *linux.set_limit(7, 32, 32)), errno.EPERM),
    # In a user namespace whose ids are not mapped, and whose other namespaces are the host's.
    "uid 0 without a map": ((*MAPLESS, *linux.set_uid(0)), errno.EINVAL),
    "gid 0 without a map": ((*MAPLESS, *linux.set_gid(0)), errno.EINVAL),
    "groups without a map": ((*MAPLESS, *linux.set_groups(())), errno.EPERM),
    "the host's host name": ((*MAPLESS, *linux.set_host_name("x")), errno.EPERM),
    "the host's namespace": ((*MAPLESS, *linux.join_namespace(UTS, c.CLONE_NEWUTS)), errno.EPERM),
    "the host's mounts": ((*MAPLESS, *linux.make_tree_private()), errno.EPERM),
    "a mapped limit": ((*linux.set_limit(7, 16, 16), *MAPLESS, *linux.set_limit(7, 32, 32)), errno.EPERM),
    "proc of the host's pids": (
        (*MAPLESS_MOUNTS, *linux.make_filesystem("proc", (), 0, into=TREE_SLOT)),
        errno.EPERM,
    ),
    "sysfs of the host's network": (
        (*MAPLESS_MOUNTS, *linux.make_filesystem("sysfs", (), 0, into=TREE_SLOT)),
        errno.EPERM,
    ),
    "mqueue of the host's queues": (
        (*MAPLESS_MOUNTS, *linux.make_filesystem("mqueue", (), 0, into=TREE_SLOT)),
        errno.EPERM,
    ),
    # Paths.
    "a missing path": (opened("/missing"), errno.ENOENT),
    "below a file": (opened("/file/x"), errno.ENOTDIR),
    "a symbolic link that is refused": (opened("/link", c.RESOLVE_NO_SYMLINKS), errno.ELOOP),
    "below a symbolic link that is refused": (
        opened("/link/below", c.RESOLVE_NO_SYMLINKS),
        errno.ELOOP,
    ),
    "a loop": (opened("/loop"), errno.ELOOP),
    "a link that leads outside": (opened("/outside"), errno.ENOENT),
    "an existing directory": ((*linux.make_directory_in(FOLDER, "directory", 0o755),), errno.EEXIST),
    "an existing symbolic link": ((*linux.make_symlink("x", "/link"),), errno.EEXIST),
    "a missing working directory": ((*linux.change_directory("TREE/missing"),), errno.ENOENT),
    "a file as working directory": ((*linux.change_directory("TREE/file"),), errno.ENOTDIR),
    "a working directory outside the root": (
        (
            *linux.open_directory("/", into=Slot("host")),
            *linux.change_root(FOLDER),
            call("fchdir", Slot("host")),
            *linux.change_directory("."),
        ),
        OUTPUT_DIFFERS,
    ),
    "a missing program": ((*linux.execute(("TREE/missing",), ("x",), ()),), errno.ENOENT),
    "a directory as program": ((*linux.execute(("TREE/directory",), ("x",), ()),), errno.EACCES),
    # Mounts.
    "write to a read-only tree": (
        (*linux.open_tree("TREE", False, c.MOUNT_ATTR_RDONLY, into=TREE_SLOT), call("mkdirat", TREE_SLOT, b"x\0", 0)),
        errno.EROFS,
    ),
    "a directory over a file": ((*tree(), *linux.attach_below_root(TREE_SLOT, "/file")), errno.EINVAL),
    "attributes of what is no mount": ((*linux.set_tree_attributes(FOLDER, 1),), errno.EINVAL),
    "move_mount of what is no mount": ((*linux.attach_below_root(FOLDER, "/directory"),), errno.EINVAL),
    "an unknown file system": ((*linux.make_filesystem("nofs", (), 0, into=TREE_SLOT),), errno.ENODEV),
    "a file system that is not made": (
        (Operation(Call.fsopen, (b"tmpfs\0", 1), result=TREE_SLOT), call("fsmount", TREE_SLOT, 1, 0)),
        errno.EINVAL,
    ),
    "the wrong file system": ((*linux.verify_filesystem("/directory", c.PROC_SUPER_MAGIC),), OUTPUT_DIFFERS),
    "pivot_root to a directory of the root's mount": ((*linux.pivot_root(FOLDER),), errno.EBUSY),
    "pivot_root to what is no mount": (
        (
            *tree(),
            *linux.attach_below_root(TREE_SLOT, "/directory"),
            Operation(Call.openat, (TREE_SLOT, b"directory\0", os.O_PATH, 0), result=Slot("below")),
            *linux.pivot_root(Slot("below")),
        ),
        errno.EINVAL,
    ),
    "a program on a mount without exec": (
        (
            *linux.open_tree("TREE", False, c.MOUNT_ATTR_NOEXEC, into=TREE_SLOT),
            *linux.attach_below_root(TREE_SLOT, "/directory"),
            *linux.execute(("TREE/directory/program",), ("x",), ()),
        ),
        errno.EACCES,
    ),
    "fsconfig of what is no context": (call("fsconfig", UTS, c.FSCONFIG_CMD_CREATE, 0, 0, 0), errno.EINVAL),
    "fsmount of what is no context": (call("fsmount", UTS, 1, 0), errno.EINVAL),
    "pivot_root to the root": (
        (*linux.open_directory("/", into=Slot("top")), *linux.pivot_root(Slot("top"))),
        errno.EBUSY,
    ),
    "pivot_root to a detached tree": ((*tree(), *linux.pivot_root(TREE_SLOT)), errno.EINVAL),
    "umount of what is no mount": ((call("fchdir", FOLDER), call("umount2", b".\0", c.MNT_DETACH)), errno.EINVAL),
    # The rest.
    "a long host name": ((*linux.set_host_name("x" * 65),), errno.EINVAL),
    "setns to the wrong kind": ((*linux.join_namespace(UTS, c.CLONE_NEWIPC),), errno.EINVAL),
    "setns to a path": ((*linux.join_namespace(FOLDER, c.CLONE_NEWUTS),), errno.EBADF),
    "a soft limit above the hard": ((*linux.set_limit(7, 32, 16),), errno.EINVAL),
    "an unknown limit": ((*linux.set_limit(16, 1, 1),), errno.EINVAL),
    "a second session": ((*linux.new_session(), *linux.new_session()), errno.EPERM),
    "an unknown interface": ((*linux.bring_link_up("absent0"),), errno.ENODEV),
    # Filters of system calls.
    "a user's filter": ((*USER, call("seccomp", 1, 0, FILTER)), errno.EACCES),
    "an empty filter": (call("seccomp", 1, 0, bytes(16)), errno.EINVAL),
    "a filter that is too long": (call("seccomp", 1, 0, LONG_FILTER), errno.EINVAL),
    "a filter with unknown flags": (call("seccomp", 1, 1 << 31, FILTER), errno.EINVAL),
    "an unknown operation on filters": (call("seccomp", 99, 0, 0), errno.EINVAL),
    "a message to an unknown descriptor": (call("sendmsg", UNKNOWN, MESSAGE, 0), errno.EBADF),
    "an unknown descriptor in a message": (
        (Operation(Call.socket, (1, 2, 0), result=Slot("socket")), call("sendmsg", Slot("socket"), MESSAGE, 0)),
        errno.EBADF,
    ),
    # Programs that are open, and files that are read.
    "an unknown descriptor as program": ((*linux.execute_open_file(Slot("unknown"), ("x",), ()),), errno.EBADF),
    "an open directory as program": (
        (*linux.open_tree("TREE/directory", False, 0, into=TREE_SLOT), *linux.execute_open_file(TREE_SLOT, ("x",), ())),
        errno.EACCES,
    ),
    "an open program on a mount without exec": (
        (
            *linux.open_tree("TREE/program", False, c.MOUNT_ATTR_NOEXEC, into=TREE_SLOT),
            *linux.execute_open_file(TREE_SLOT, ("x",), ()),
        ),
        errno.EACCES,
    ),
    "pread64 of an unknown descriptor": (call("pread64", UNKNOWN, b"1234", 4, 0), errno.EBADF),
    "pread64 of a socket": (
        (Operation(Call.socket, (2, 2, 0), result=Slot("socket")), call("pread64", Slot("socket"), b"1234", 4, 0)),
        errno.ESPIPE,
    ),
    # Scheduling.
    "a user's nice value": ((*USER, *set_nice(-1)), errno.EACCES),
    "a mapped nice value": ((*MAPLESS, *set_nice(-1)), errno.EACCES),
    "a user's nice value with a policy": ((*USER, *set_policy(Policy.SCHED_BATCH, -1, 0)), errno.EPERM),
    "a user's real-time policy": ((*USER, *set_policy(Policy.SCHED_FIFO, 0, 1)), errno.EPERM),
    "a mapped real-time policy": ((*MAPLESS, *set_policy(Policy.SCHED_RR, 0, 1)), errno.EPERM),
    "a real-time policy without a priority": ((*set_policy(Policy.SCHED_FIFO, 0, 0),), errno.EINVAL),
    "a priority of time sharing": ((*set_policy(Policy.SCHED_OTHER, 0, 1),), errno.EINVAL),
    "a priority above 99": ((*set_policy(Policy.SCHED_RR, 0, 100),), errno.EINVAL),
    "an unknown policy": ((*set_policy(9, 0, 0),), errno.EINVAL),
    "a user's deadline": ((*USER, *set_deadline(10**6, 10**7, 10**7)), errno.EPERM),
    "a mapped deadline": ((*MAPLESS, *set_deadline(10**6, 10**7, 10**7)), errno.EPERM),
    "a short runtime": ((*set_deadline(1023, 10**7, 10**7),), errno.EINVAL),
    "a runtime above the deadline": ((*set_deadline(10**7, 10**6, 10**7),), errno.EINVAL),
    "a deadline above the period": ((*set_deadline(10**6, 10**7, 10**6),), errno.EINVAL),
    "a CPU that is not there": ((*set_affinity((LAST_CPU,)),), errno.EINVAL),
    "CPUs of which one is not there": ((*set_affinity((0, LAST_CPU)),), OUTPUT_DIFFERS),
    "a user's realtime class of disks": ((*USER, *set_io_priority(IoClass.IOPRIO_CLASS_RT, 4)), errno.EPERM),
    "a mapped realtime class of disks": ((*MAPLESS, *set_io_priority(IoClass.IOPRIO_CLASS_RT, 4)), errno.EPERM),
    "an unknown class of disks": ((*set_io_priority(4, 0),), errno.EINVAL),
    # Capabilities. 1 is the bit of CAP_CHOWN; 63 is no capability of any kernel.
    "a user's bounding set": ((*USER, prctl(c.PR_CAPBSET_DROP, CAP_CHOWN)), errno.EPERM),
    "an unknown capability is dropped": (prctl(c.PR_CAPBSET_DROP, 63), errno.EINVAL),
    "an unknown capability is asked for": (prctl(c.PR_CAPBSET_READ, 63), errno.EINVAL),
    "permitted again": ((capset(effective=0, permitted=0), capset(effective=0, permitted=1)), errno.EPERM),
    "effective without permitted": (capset(effective=1, permitted=2), errno.EPERM),
    "a user's permitted set": ((*USER, capset(effective=0, permitted=1)), errno.EPERM),
    "inheritable beyond the bounding set": (
        (prctl(c.PR_CAPBSET_DROP, CAP_CHOWN), capset(effective=1, permitted=1, inheritable=1)),
        errno.EPERM,
    ),
    "inheritable beyond permitted, without CAP_SETPCAP": (
        (capset(effective=2, permitted=2), capset(effective=2, permitted=2, inheritable=1)),
        errno.EPERM,
    ),
    "another version of capset": (capset(effective=0, permitted=0, version=1), errno.EINVAL),
    "capget of another version": (call("capget", struct.pack("Ii", 1, 0), bytes(24)), errno.EINVAL),
    "ambient without inheritable": (prctl(c.PR_CAP_AMBIENT, c.PR_CAP_AMBIENT_RAISE, CAP_CHOWN), errno.EPERM),
    "an unknown ambient capability": (prctl(c.PR_CAP_AMBIENT, c.PR_CAP_AMBIENT_IS_SET, 63), errno.EINVAL),
    "an unknown change of the ambient set": (prctl(c.PR_CAP_AMBIENT, 5, CAP_CHOWN), errno.EINVAL),
    "ambient where it may not be raised": (
        (
            capset(effective=1 << c.CAP_SETPCAP, permitted=1 | 1 << c.CAP_SETPCAP, inheritable=1),
            prctl(c.PR_SET_SECUREBITS, SECBIT_NO_CAP_AMBIENT_RAISE),
            prctl(c.PR_CAP_AMBIENT, c.PR_CAP_AMBIENT_RAISE, CAP_CHOWN),
        ),
        errno.EPERM,
    ),
    "a user's secure bits": ((*USER, prctl(c.PR_SET_SECUREBITS, SECBIT_NOROOT)), errno.EPERM),
    "unknown secure bits": (prctl(c.PR_SET_SECUREBITS, 1 << 30), errno.EPERM),
    "a locked secure bit": (
        (
            prctl(c.PR_SET_SECUREBITS, SECBIT_NOROOT_LOCKED),
            prctl(c.PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED),
        ),
        errno.EPERM,
    ),
    "unlocking a secure bit": (
        (prctl(c.PR_SET_SECUREBITS, SECBIT_NOROOT_LOCKED), prctl(c.PR_SET_SECUREBITS, 0)),
        errno.EPERM,
    ),
    # What a change of the user leaves.
    "kept permitted, but not effective": (
        (prctl(c.PR_SET_SECUREBITS, SECBIT_KEEP_CAPS), *USER, prctl(c.PR_CAPBSET_DROP, CAP_CHOWN)),
        errno.EPERM,
    ),
    "kept permitted is raised": (
        (
            prctl(c.PR_SET_SECUREBITS, SECBIT_KEEP_CAPS),
            *USER,
            capset(effective=1, permitted=1),
            capset(effective=2, permitted=2),
        ),
        errno.EPERM,
    ),
}

LANDLOCK_CASES = {
    "a ruleset that denies nothing": (ruleset(0, 0, 0), errno.ENOMSG),
    "unknown access to files": (ruleset(1 << 40), errno.EINVAL),
    "unknown use of ports": (ruleset(ports=1 << 40), errno.EINVAL),
    "an unknown scope": (ruleset(scopes=1 << 40), errno.EINVAL),
    "a ruleset with flags": (call("landlock_create_ruleset", bytes(24), 24, 1 << 30), errno.EINVAL),
    "a short ruleset": (call("landlock_create_ruleset", b"\1" * 4, 4, 0), errno.EINVAL),
    "a ruleset with more than is known": (call("landlock_create_ruleset", b"\1" * 400, 400, 0), errno.E2BIG),
    "a rule of an unknown ruleset": (
        call("landlock_add_rule", UNKNOWN, 1, beneath(READ_DIR, 0), 0),
        errno.EBADF,
    ),
    "a rule of a path": (call("landlock_add_rule", FOLDER, 1, beneath(READ_DIR, 0), 0), errno.EBADF),
    "a rule of what is no ruleset": (call("landlock_add_rule", UTS, 1, beneath(READ_DIR, 0), 0), errno.EBADFD),
    "an unknown kind of rule": (rule(ON_FOLDER, kind=9), errno.EINVAL),
    "a rule with flags": (rule(ON_FOLDER, flags=1 << 30), errno.EINVAL),
    "a rule that allows nothing": (rule(beneath(0, 0)), errno.ENOMSG),
    "a rule that allows what is not denied": (rule(beneath(EXECUTE, 0)), errno.EINVAL),
    "a rule for an unknown descriptor": (rule(beneath(READ_DIR, UNKNOWN)), errno.EBADF),
    "a rule for a ruleset": (rule(ON_RULESET), errno.EBADFD),
    "listing a file": (
        (
            Operation(Call.openat, (c.AT_FDCWD, b"TREE/file\0", os.O_PATH, 0), result=Slot("file")),
            *rule(Data(struct.pack("QQ", READ_DIR, 0), ((8, Slot("file")),))),
        ),
        errno.EINVAL,
    ),
    "a port above all": (rule(struct.pack("QQ", 1, 1 << 16), kind=2), errno.EINVAL),
    "a port that is not restricted so": (rule(struct.pack("QQ", 2, 80), kind=2), errno.EINVAL),
    "a user's domain": ((*USER, ruleset(), call("landlock_restrict_self", RULESET, 0)), errno.EPERM),
    "a domain with flags": ((ruleset(), call("landlock_restrict_self", RULESET, 1 << 30)), errno.EINVAL),
    "a domain of an unknown ruleset": (call("landlock_restrict_self", UNKNOWN, 0), errno.EBADF),
    "a domain of what is no ruleset": (call("landlock_restrict_self", UTS, 0), errno.EBADFD),
}
LANDLOCK_MODELLED = 6
CASES |= LANDLOCK_CASES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make TREE for real."""
    top = tmp_path / "tree"
    (top / "directory" / "below").mkdir(parents=True)
    (top / "file").touch()
    (top / "program").touch(0o755)
    for name in ("link", "loop", "outside"):
        (top / name).symlink_to(TREE[name])
    return top


def failure(operations: Operations, slots: dict[str, int], kernel: Kernel) -> tuple[int, int] | None:
    """Run operations; return which one failed, and how."""
    assembler = Assembler(slots)
    instructions = assembler.assemble(operations)
    program = assembler.program([instructions])
    values = [slots.get(name, -1) for name in program.slots]
    return run(instructions, Memory(program.data), values, kernel)


def on_real(operations: Operations, folder: Path) -> tuple[int, int] | None:
    """Run operations in a process of its own with namespaces of its own."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            kernel = linux_kernel()
            apart = c.CLONE_NEWNS | c.CLONE_NEWUTS | c.CLONE_NEWNET
            assert failure((*linux.unshare(apart), *linux.make_tree_private()), {}, kernel) is None
            # Opened now: the mounts of another namespace cannot be used in this one.
            slots = {
                "root": os.open(folder, os.O_PATH | os.O_DIRECTORY),
                "uts": os.open("/proc/self/ns/uts", os.O_RDONLY),
            }
            os.write(writer, repr(failure(operations, slots, kernel)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return tuple(map(int, text.strip("()").split(","))) if text[:1] == "(" else None


def on_fake(operations: Operations, folder: Path) -> tuple[int, int] | None:
    kernel = FakeKernel(host_files_with(folder))
    place = kernel.files.resolve(str(folder), kernel.root, kernel.root)
    slots = {"root": kernel.open("path", place), "uts": kernel.open("namespace uts")}
    return failure(operations, slots, kernel)


def placed(operations: Operations | Operation, folder: Path) -> Operations:
    """Put the folder's path where a case says TREE."""
    several = (operations,) if isinstance(operations, Operation) else operations
    old, new = b"TREE", os.fsencode(folder)
    return [
        Operation(
            one.call,
            tuple(part.replace(old, new) if isinstance(part, bytes) else part for part in one.arguments),
            one.result,
            one.accept,
            one.returns,
            one.when,
            one.unless,
        )
        for one in several
    ]


@needs_root
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=needs_landlock(LANDLOCK_MODELLED) if name in LANDLOCK_CASES else ()) for name in CASES],
)
def test_both_kernels_refuse(name: str, folder: Path) -> None:
    operations, code = CASES[name]
    here = placed(operations, folder)
    refused = on_real(here, folder)
    assert refused is not None
    assert refused[1] == code
    assert on_fake(here, folder) == refused


def test_a_call_that_is_not_modelled_is_unknown() -> None:
    assert FakeKernel()(Call.fchown) == -errno.ENOSYS


@pytest.mark.parametrize("gone", [False, True])
def test_a_program_runs_to_its_command(gone: bool) -> None:
    kernel = FakeKernel(gate=lambda: not gone)
    outcome = run_program(plan_of(command=["true", "x"], env={"A": "b"}, workdir="/tmp"), kernel)
    if gone:
        assert isinstance(outcome, Failed)
        assert (outcome.planned.step.function, outcome.code) == (linux.wait_at_gate, RESULT_DIFFERS)
        return
    assert outcome == Executed("/bin/true", ("true", "x"), (f"PATH={DEFAULT_PATH}", "A=b"))
    assert kernel.path_of(kernel.cwd) == "/tmp"
    assert sorted(kernel.descriptors) == [0, 1, 2]
    assert kernel.leads_session


def test_a_missing_command() -> None:
    outcome = run_program(plan_of(command=["absent"]), FakeKernel())
    assert isinstance(outcome, Failed)
    assert (outcome.planned.step.function, outcome.code) == (linux.execute, errno.ENOENT)
