"""Start the process that unpacks, and wait for what it tells."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from dataclasses import asdict, replace

from haconiwa_rootfs.unpack.contract import Limits, Policy, Unpacked, UnpackError
from haconiwa_rootfs.unpack.ids import map_ids, own_maps
from haconiwa_rootfs.unpack.interpreter import INTERPRETER, environment

_MODULE = "haconiwa_rootfs.unpack.child"


def unpack(
    archive: int,
    directory: str,
    limits: Limits | None = None,
    policy: Policy | None = None,
) -> Unpacked:
    """Unpack an archive of tar, compressed by gzip, xz, zstd or not.

    Root does it as root, with all users and groups. An ordinary user does it in a user namespace with the ids that
    /etc/subuid and /etc/subgid give to him; without such, all files belong to him.

    Args:
        archive: a descriptor, read from where it stands to its end.
        directory: an existing one, where nobody else writes.
        limits: what it may cost.
        policy: about members that are more than files.

    Returns:
        What was unpacked, with the digests of what was really read: compare them before the directory is used.

    Raises:
        UnpackError: the archive was refused; part of it may be in the directory.
    """
    limits, policy = limits or Limits(), policy or Policy()
    place = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    ours, theirs = socket.socketpair()
    try:
        ordinary = os.geteuid() != 0
        with ours, theirs:
            child = _start(archive, place, theirs if ordinary else None, limits, policy)
            theirs.close()
            try:
                if ordinary:
                    map_ids(child.pid, ours)
                return _answer(child, limits)
            finally:
                child.kill()
                child.wait()
                assert child.stdout is not None
                child.stdout.close()
    finally:
        os.close(place)


def _start(
    archive: int, place: int, channel: socket.socket | None, limits: Limits, policy: Policy
) -> subprocess.Popen[bytes]:
    policy = replace(policy, owners=policy.owners and (channel is None or own_maps() is not None))
    request = json.dumps({"limits": asdict(limits), "policy": asdict(policy)})
    told = channel.fileno() if channel else -1
    return subprocess.Popen(
        [*INTERPRETER, "-m", _MODULE, request, str(place), str(told)],
        stdin=archive,
        stdout=subprocess.PIPE,
        pass_fds=(place,) if channel is None else (place, told),
        env=environment(),
        cwd="/",
    )


def _answer(child: subprocess.Popen[bytes], limits: Limits) -> Unpacked:
    try:
        output, _ = child.communicate(timeout=limits.seconds)
    except subprocess.TimeoutExpired:
        raise UnpackError(f"it takes longer than {limits.seconds} s") from None
    if not output:
        raise UnpackError(f"the process that unpacks it has ended before it was done: status {child.returncode}")
    answer = json.loads(output)
    if "refused" in answer:
        raise UnpackError(answer["refused"])
    return Unpacked(**{**answer, "left_out": tuple(answer["left_out"])})
