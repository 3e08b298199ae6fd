"""The process that unpacks: the archive is its standard input, the result its standard output."""

from __future__ import annotations

import io
import json
import os
import sys
from dataclasses import asdict

from haconiwa_rootfs.unpack.confine import end_with_parent, enter, limit
from haconiwa_rootfs.unpack.contract import Limits, Policy, Unpacked, UnpackError
from haconiwa_rootfs.unpack.ids import become_root_of_new_user_namespace
from haconiwa_rootfs.unpack.members import members
from haconiwa_rootfs.unpack.streams import DAMAGED, Measured, decompressed
from haconiwa_rootfs.unpack.tree import Tree

_SHOWN = 200
"""Characters of a name in a message."""


def main(request: str, directory: int, channel: int) -> None:
    """Unpack, and tell what was, or why not.

    Args:
        request: limits and policy, as JSON.
        directory: a descriptor of what is filled.
        channel: to the parent, which maps the ids of a new user namespace; -1 for none.
    """
    asked = json.loads(request)
    limits, policy = Limits(**asked["limits"]), Policy(**asked["policy"])
    os.umask(0)
    try:
        end_with_parent()
        if channel >= 0:
            become_root_of_new_user_namespace(channel)
        enter(directory)
        limit(limits)
    except OSError as error:
        _tell({"refused": f"the process that unpacks cannot be closed in: {error.strerror}"})
        return
    try:
        answer: dict[str, object] = asdict(_unpack(limits, policy))
    except UnpackError as error:
        answer = {"refused": str(error)}
    except MemoryError:
        answer = {"refused": f"it needs more than {limits.memory} bytes of memory"}
    except OSError as error:
        answer = {"refused": error.strerror or str(error)}
    except DAMAGED as error:
        answer = {"refused": f"it cannot be read: {error}"}
    _tell(answer)


def _tell(answer: dict[str, object]) -> None:
    os.write(1, json.dumps(answer).encode())


def _unpack(limits: Limits, policy: Policy) -> Unpacked:
    root = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    tree = Tree(root, limits, policy)
    packed = Measured(sys.stdin.buffer, limits.size)
    reader = io.BufferedReader(packed, 1 << 17)
    plain = Measured(decompressed(reader), limits.size)
    for archive, member in members(io.BufferedReader(plain, 1 << 17), limits):
        try:
            tree.add(archive, member)
        except UnpackError as error:
            raise UnpackError(f"{_shown(member.name)}: {error}") from error
        except OSError as error:
            raise UnpackError(f"{_shown(member.name)}: {error.strerror or error}") from error
    plain.drain()
    packed.drain()
    tree.finish()
    return Unpacked(packed.digest, plain.digest, tree.size, tree.files, tuple(tree.left_out))


def _shown(name: str) -> str:
    return ascii(name[:_SHOWN])[1:-1]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
