"""Directory trees of layers, handled as those to whom their files belong: an ordinary user's in a user namespace."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

from haconiwa_core.errors import HaconiwaError
from haconiwa_rootfs.provisioning.ownership import change_owner
from haconiwa_rootfs.unpack.ids import become_root_of_new_user_namespace, map_ids
from haconiwa_rootfs.unpack.interpreter import INTERPRETER, environment

_START = f"from {__name__} import run; run()"


class Measured(NamedTuple):
    """What a tree holds.

    Args:
        digest: of all names, kinds, owners, modes, attributes and contents: "sha256:HEX".
        size: bytes of its regular files.
    """

    digest: str
    size: int


def measure(directory: str) -> Measured:
    """Return digest and size of a tree.

    Raises:
        HaconiwaError: it cannot be read.
    """
    digest, size = _as_owner("measure", directory).split()
    return Measured(digest, int(size))


def remove(directory: str) -> None:
    """Remove a tree.

    Raises:
        HaconiwaError: it cannot be removed.
    """
    _as_owner("remove", directory)


def own(directory: str, uid: int, gid: int) -> None:
    """Let all of a tree belong to a user and a group, of the user namespace where there is one.

    Raises:
        HaconiwaError: they cannot be had.
    """
    _as_owner("own", directory, str(uid), str(gid))


def run() -> None:
    """Be the process that does it in a user namespace."""
    channel, verb, *arguments = sys.argv[1:]
    become_root_of_new_user_namespace(int(channel))
    try:
        sys.stdout.write(_VERBS[verb](*arguments))
    except OSError as error:
        sys.exit(f"{error.filename}: {error.strerror}")


def _as_owner(verb: str, *arguments: str) -> str:
    if os.geteuid() == 0:
        try:
            return _VERBS[verb](*arguments)
        except OSError as error:
            raise HaconiwaError(f"{error.filename}: {error.strerror}") from error
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = subprocess.Popen(
            [*INTERPRETER, "-c", _START, str(theirs.fileno()), verb, *arguments],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(theirs.fileno(),),
            text=True,
        )
        theirs.close()
        with child:
            try:
                map_ids(child.pid, ours)
                output, errors = child.communicate()
            except BaseException:
                child.kill()
                raise
    if child.returncode:
        raise HaconiwaError(errors.strip())
    return output


def _measure(directory: str) -> str:
    total = hashlib.sha256()
    size = 0
    for path, name, parent in _entries(directory):
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        total.update(_described(path, name, parent, status))
        if stat.S_ISREG(status.st_mode):
            size += status.st_size
    return f"sha256:{total.hexdigest()} {size}"


def _entries(directory: str) -> Iterator[tuple[str, str, int]]:
    """Yield path, name, and a descriptor of the directory of everything in a tree, in an order of names alone."""
    for path, directories, files, descriptor in os.fwalk(directory, onerror=_raise, follow_symlinks=False):
        directories.sort(key=os.fsencode)
        yield os.path.relpath(path, directory), ".", descriptor
        # fwalk() has links to directories among these.
        links = (name for name in directories if stat.S_ISLNK(os.lstat(os.path.join(path, name)).st_mode))
        for name in sorted((*files, *links), key=os.fsencode):
            yield os.path.join(os.path.relpath(path, directory), name), name, descriptor


def _described(path: str, name: str, parent: int, status: os.stat_result) -> bytes:
    facts = [path, status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns]
    if stat.S_ISLNK(status.st_mode):
        facts.append(os.readlink(name, dir_fd=parent))
    elif stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
        facts += _content(name, parent, stat.S_ISREG(status.st_mode))
    else:
        facts.append(status.st_rdev)
    return ("\0".join(map(str, facts)) + "\0\0").encode(errors="surrogateescape")


def _content(name: str, parent: int, regular: bool) -> Iterator[str]:
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        for attribute in sorted(os.listxattr(file)):
            yield f"{attribute}={os.getxattr(file, attribute).hex()}"
        if regular:
            with open(file, "rb", closefd=False, buffering=0) as content:
                yield hashlib.file_digest(content, "sha256").hexdigest()
    finally:
        os.close(file)


def _remove(directory: str) -> str:
    # Directories without the right to write would not give up what is in them.
    if not os.access(directory, os.W_OK):
        os.chmod(directory, 0o700)
    for _, directories, _, descriptor in os.fwalk(directory, follow_symlinks=False):
        for name in directories:
            found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_IRWXU != stat.S_IRWXU:
                os.chmod(name, 0o700, dir_fd=descriptor)
    shutil.rmtree(directory)
    return ""


def _own(directory: str, uid: str, gid: str) -> str:
    change_owner(directory, int(uid), int(gid))
    return ""


def _raise(error: OSError) -> None:
    raise error


_VERBS: dict[str, Callable[..., str]] = {"measure": _measure, "remove": _remove, "own": _own}
