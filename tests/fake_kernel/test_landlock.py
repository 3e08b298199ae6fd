"""Landlock's rulesets and rules that both kernels refuse."""

import errno
import os
import struct
from pathlib import Path

import pytest
from fake_kernel.both import (
    FOLDER,
    UNKNOWN,
    USER,
    UTS,
    Operations,
    assert_both_refuse,
    call,
)

from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.operation import Data, Operation, Slot
from haconiwa_core.testing import needs_landlock, needs_root

MODELLED = 6
"""The version of the interface that the fake kernel knows."""

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


CASES = {
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


@needs_root
@needs_landlock(MODELLED)
@pytest.mark.parametrize("name", CASES)
def test_both_kernels_refuse(name: str, folder: Path) -> None:
    assert_both_refuse(*CASES[name], folder)
