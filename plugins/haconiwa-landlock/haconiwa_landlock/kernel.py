"""The calls of Landlock (landlock(7)). There is none that reads a ruleset or a domain back."""

from __future__ import annotations

import errno
import os
import struct

from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.vocabulary import Operations, advises, lowers
from haconiwa_core.operation import Argument, Data, Operation, Slot
from haconiwa_landlock.rights import OF_FILES

_RULE_PATH_BENEATH = 1
_RULE_NET_PORT = 2
_DIRECTORY = Slot("landlock-directory")
_FILE = Slot("landlock-file")


@lowers
def create_ruleset(files: int, ports: int, scopes: int, *, into: Slot) -> Operations:
    """Make a ruleset that denies what no rule allows (landlock_create_ruleset(2)).

    Args:
        files: FileAccess that is denied; REFER always is, if anything.
        ports: PortAccess that is denied.
        scopes: ScopeFlag: what reaches nobody outside of the domain.
        into: slot for the ruleset's descriptor.
    """
    # Older kernels take the longer structure as long as what they do not know is 0.
    attributes = struct.pack("QQQ", files, ports, scopes)
    yield Operation(Call.landlock_create_ruleset, (attributes, len(attributes), 0), result=into)


@advises(
    {
        errno.EACCES: "the container's user may not walk to it",
        errno.ELOOP: "a link of proc is not followed, nor a loop of links",
        errno.ENOENT: "the container has no such directory or file",
        errno.ENOTDIR: "what is granted can be granted on a directory only",
    }
)
@lowers
def allow_path(ruleset: Slot, path: str, access: int) -> Operations:
    """Allow access to a path of the container, whose root is the process's already (landlock_add_rule(2)).

    Links of proc are refused with ELOOP: they lead to whatever the start has open.

    Args:
        ruleset: its descriptor.
        path: absolute path of a file, or of a directory and all that is below it.
        access: FileAccess; if the path is no directory, that part of it which a file can have. Where
            that is nothing, it must be a directory: ENOTDIR.
    """
    of_file = access & OF_FILES
    directory = _open(path, os.O_DIRECTORY, _DIRECTORY)
    yield directory._replace(accept=(errno.ENOTDIR,) if of_file else ())
    yield _allow_beneath(ruleset, _DIRECTORY, access)._replace(when=_DIRECTORY)
    yield Operation(Call.close, (_DIRECTORY,), when=_DIRECTORY)
    if of_file:
        yield _open(path, 0, _FILE)._replace(unless=_DIRECTORY)
        yield _allow_beneath(ruleset, _FILE, of_file)._replace(when=_FILE)
        yield Operation(Call.close, (_FILE,), when=_FILE)


@lowers
def allow_open_file(ruleset: Slot, file: Slot, access: int) -> Operations:
    """Allow access to a file that is open, wherever it lies (landlock_add_rule(2)).

    Args:
        ruleset: its descriptor.
        file: the file's.
        access: FileAccess that a file can have.
    """
    # What lies in no file system, as a memory file does, is never denied, and cannot be named.
    yield _allow_beneath(ruleset, file, access)._replace(accept=(errno.EBADFD,))


@lowers
def allow_port(ruleset: Slot, port: int, access: int) -> Operations:
    """Allow the use of a TCP port (landlock_add_rule(2)).

    Args:
        ruleset: its descriptor.
        port: 0 to 65535; 0 can be bound only, and means any that the kernel chooses.
        access: PortAccess.
    """
    yield _add_rule(ruleset, _RULE_NET_PORT, struct.pack("QQ", access, port))


@advises({errno.E2BIG: "as many rulesets as a process can have are in force for the caller already"})
@lowers
def restrict_self(ruleset: Slot) -> Operations:
    """Put a ruleset in force for the process and all that descend from it, for ever (landlock_restrict_self(2)).

    Args:
        ruleset: its descriptor, which is closed.
    """
    yield Operation(Call.landlock_restrict_self, (ruleset, 0), returns=0)
    yield Operation(Call.close, (ruleset,))


def _open(path: str, flags: int, into: Slot) -> Operation:
    how = struct.pack("QQQ", os.O_PATH | os.O_CLOEXEC | flags, 0, c.RESOLVE_NO_MAGICLINKS)
    return Operation(Call.openat2, (c.AT_FDCWD, os.fsencode(path) + b"\0", how, len(how)), result=into)


def _allow_beneath(ruleset: Slot, file: Slot, access: int) -> Operation:
    # struct landlock_path_beneath_attr is 12 bytes long; a slot is written 8 wide, and the kernel reads its lower half.
    return _add_rule(ruleset, _RULE_PATH_BENEATH, Data(struct.pack("QQ", access, 0), ((8, file),)))


def _add_rule(ruleset: Slot, kind: int, attributes: Argument) -> Operation:
    return Operation(Call.landlock_add_rule, (ruleset, kind, attributes, 0), returns=0)
