"""The fake kernel refuses what the real one refuses: calls of a case, run on both."""

import os
import struct
from collections.abc import Sequence
from pathlib import Path

from haconiwa_core import linux
from haconiwa_core.launch.interpreter import Kernel, Memory, linux_kernel, run
from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.operation import Data, Operation, Slot
from haconiwa_core.program import Assembler
from haconiwa_core.testing import FakeKernel, forked, host_files_with

TREE = {
    "directory": {"below": {}},
    "file": None,
    "link": "directory",
    "loop": "loop",
    "program": None,
    "outside": "/../../../../../etc/passwd",
}

FOLDER, UTS, IDS, TREE_SLOT = Slot("root"), Slot("uts"), Slot("ids"), Slot("tree")
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


def assert_both_refuse(operations: Operations | Operation, code: int, folder: Path) -> None:
    """Check that both kernels refuse the same of a case's operations, with the same errno."""
    here = placed(operations, folder)
    refused = on_real(here, folder)
    assert refused is not None
    assert refused[1] == code
    assert on_fake(here, folder) == refused


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

    def act() -> None:
        kernel = linux_kernel()
        apart = c.CLONE_NEWNS | c.CLONE_NEWUTS | c.CLONE_NEWNET
        assert failure((*linux.unshare(apart), *linux.make_tree_private()), {}, kernel) is None
        # Opened now: the mounts of another namespace cannot be used in this one.
        slots = {
            "root": os.open(folder, os.O_PATH | os.O_DIRECTORY),
            "uts": os.open("/proc/self/ns/uts", os.O_RDONLY),
            "ids": linux.open_user_namespace("0 1 1\n", "0 1 1\n"),
        }
        os.write(writer, repr(failure(operations, slots, kernel)).encode())

    forked(act)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    return tuple(map(int, text.strip("()").split(","))) if text[:1] == "(" else None


def on_fake(operations: Operations, folder: Path) -> tuple[int, int] | None:
    kernel = FakeKernel(host_files_with(folder))
    place = kernel.files.resolve(str(folder), kernel.root, kernel.root)
    namespaces = {kind: kernel.open(f"namespace {kind}") for kind in ("uts", "user")}
    slots = {"root": kernel.open("path", place), "uts": namespaces["uts"], "ids": namespaces["user"]}
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
