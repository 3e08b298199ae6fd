"""Mounts: trees, new file systems, targets below a root, the root itself (mount_namespaces(7)).

Every path of a container is resolved below its root with openat2(2) and acted upon as a
descriptor, so that no symbolic link in the root can lead outside. What is opened on the way is closed
again: a limit on open files may be low, and what comes after it opens files, too.
"""

from __future__ import annotations

import errno
import os
import stat
import struct

from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.vocabulary import Operations, lowers
from haconiwa_core.operation import Buffer, Operation, Slot

ROOT = Slot("root")
"""The directory that the container's paths are resolved below."""

_TARGET = Slot("mount-target")
_MADE = Slot("made-mount-target")
_PARENT = Slot("mount-target-parent")
_IS_DIRECTORY = Slot("is-directory")
_COVER = Slot("cover")
_READ_ONLY = Slot("read-only-tree")
_CONTEXT = Slot("filesystem-context")

_PATH_FLAGS = os.O_PATH | os.O_CLOEXEC
_NULL_DEVICE = struct.pack("II", 1, 3)
_STATX_RDEV = 128
_STATX_SIZE = 256


@lowers
def open_directory(path: str, *, into: Slot) -> Operations:
    """Open a directory of the host by its path (open(2), O_PATH)."""
    yield Operation(Call.openat, (c.AT_FDCWD, _string(path), _PATH_FLAGS | os.O_DIRECTORY, 0), result=into)


@lowers
def open_tree(path: str, recursive: bool, attributes: int, *, into: Slot) -> Operations:
    """Clone the mounts at a path of the host into a detached, private tree (open_tree(2)).

    Args:
        path: absolute path on the host.
        recursive: take the mounts below the path too.
        attributes: MOUNT_ATTR_* bits set on every mount of the tree (mount_setattr(2)).
        into: slot for the tree's descriptor.
    """
    below = c.AT_RECURSIVE if recursive else 0
    flags = c.OPEN_TREE_CLONE | c.OPEN_TREE_CLOEXEC | below
    yield Operation(Call.open_tree, (c.AT_FDCWD, _string(path), flags), result=into)
    yield _set_attributes(into, attributes, 0, below, propagation=c.MS_PRIVATE)


@lowers
def set_tree_attributes(tree: Slot, attributes: int, clear: int = 0) -> Operations:
    """Set and clear MOUNT_ATTR_* bits on the topmost mount of a tree (mount_setattr(2))."""
    yield _set_attributes(tree, attributes, clear, 0)


@lowers
def make_filesystem(kind: str, options: tuple[tuple[str, str], ...], attributes: int, *, into: Slot) -> Operations:
    """Make a new, detached instance of a file system (fsopen(2), fsconfig(2), fsmount(2)).

    Args:
        kind: the file system's type, such as "tmpfs".
        options: (key, value) pairs; an empty value sets a flag.
        attributes: MOUNT_ATTR_* bits of the mount.
        into: slot for the mount's descriptor.
    """
    yield Operation(Call.fsopen, (_string(kind), c.FSOPEN_CLOEXEC), result=_CONTEXT)
    for key, value in options:
        command = c.FSCONFIG_SET_STRING if value else c.FSCONFIG_SET_FLAG
        content = _string(value) if value else 0
        yield Operation(Call.fsconfig, (_CONTEXT, command, _string(key), content, 0))
    yield Operation(Call.fsconfig, (_CONTEXT, c.FSCONFIG_CMD_CREATE, 0, 0, 0))
    yield Operation(Call.fsmount, (_CONTEXT, c.FSMOUNT_CLOEXEC, attributes), result=into)
    yield Operation(Call.close, (_CONTEXT,))


@lowers
def make_symlink(target: str, path: str) -> Operations:
    """Make a symbolic link in a directory of the container; an existing name is an error (symlinkat(2))."""
    folder, _, name = path.rpartition("/")
    yield _open_below_root(folder, _PATH_FLAGS | os.O_DIRECTORY, _PARENT)
    yield Operation(Call.symlinkat, (_string(target), _PARENT, _string(name)))
    yield _close(_PARENT)


@lowers
def attach_below_root(tree: Slot, path: str, symlinks: bool = True) -> Operations:
    """Attach a detached tree to a path of the container (move_mount(2)).

    A missing path is made: an empty file for a file, else a directory of mode 0755, with the
    parents that it needs.

    Args:
        tree: descriptor of the detached tree.
        path: absolute path inside the container, not "/".
        symlinks: follow symbolic links (within the root); False refuses them with ELOOP.
    """
    parts = [part for part in path.split("/") if part]
    name = _string(parts[-1])
    yield _open_below_root(path, _PATH_FLAGS, _TARGET, symlinks=symlinks, accept=(errno.ENOENT,))
    yield _attach(tree, _TARGET)._replace(when=_TARGET)
    missing = (
        _is_directory(tree),
        *_make_parents(parts, symlinks),
    )
    yield from (operation._replace(unless=_TARGET) for operation in missing)
    exists = (errno.EEXIST,)
    mode = stat.S_IFREG | 0o644
    yield Operation(Call.mkdirat, (_PARENT, name, 0o755), accept=exists, when=_IS_DIRECTORY, unless=_TARGET)
    # The parent is open only if the path was missing.
    yield Operation(Call.mknodat, (_PARENT, name, mode, 0), accept=exists, when=_PARENT, unless=_IS_DIRECTORY)
    yield _open_below_root(path, _PATH_FLAGS, _MADE, symlinks=symlinks)._replace(unless=_TARGET)
    yield _attach(tree, _MADE)._replace(when=_MADE)
    yield from map(_close, (_TARGET, _IS_DIRECTORY, _PARENT, _MADE))


@lowers
def attach_over_root(tree: Slot) -> Operations:
    """Attach a detached tree over "/", where pivot_root(2) can find it whatever the caller may walk."""
    yield Operation(Call.move_mount, (tree, _string(""), c.AT_FDCWD, _string("/"), c.MOVE_MOUNT_F_EMPTY_PATH))


@lowers
def attach_in(tree: Slot, directory: Slot, name: str) -> Operations:
    """Attach a detached tree at a name in an open directory that nobody else can change (move_mount(2))."""
    yield Operation(Call.move_mount, (tree, _string(""), directory, _string(name), c.MOVE_MOUNT_F_EMPTY_PATH))


@lowers
def detach_over_root() -> Operations:
    """Detach what was last attached over "/": pivot_root(2) takes only one mount with the old root (umount2(2))."""
    yield Operation(Call.umount2, (_string("/"), c.MNT_DETACH))


@lowers
def bind_console(terminal: Slot, make: bool) -> Operations:
    """Let /dev/console of the container be its terminal.

    Args:
        terminal: descriptor of its slave end, opened below the root.
        make: a file to bind it on; else nothing happens where there is none.
    """
    bind = c.OPEN_TREE_CLONE | c.OPEN_TREE_CLOEXEC | c.AT_EMPTY_PATH
    if make:
        mode = stat.S_IFREG | 0o600
        yield _open_below_root("/dev", _PATH_FLAGS | os.O_DIRECTORY, _PARENT, symlinks=False)
        yield Operation(Call.mknodat, (_PARENT, _string("console"), mode, 0), accept=(errno.EEXIST,))
        yield _close(_PARENT)
    yield _open_below_root("/dev/console", _PATH_FLAGS, _TARGET, symlinks=False, accept=(errno.ENOENT,))
    bound = (
        Operation(Call.open_tree, (terminal, _string(""), bind), result=_COVER),
        _attach(_COVER, _TARGET),
        _close(_COVER),
        _close(_TARGET),
    )
    yield from (operation._replace(when=_TARGET) for operation in bound)


@lowers
def verify_filesystem(path: str, magic: int) -> Operations:
    """Check that a path of the container lies on a file system of this type (statfs(2), f_type)."""
    yield _open_below_root(path, _PATH_FLAGS, _TARGET)
    yield Operation(Call.fstatfs, (_TARGET, Buffer(120, ((0, struct.pack("q", magic)),))))
    yield _close(_TARGET)


@lowers
def make_tree_private() -> Operations:
    """Make every mount of the namespace private, so that none propagates to or from the host."""
    yield _set_attributes(c.AT_FDCWD, 0, 0, c.AT_RECURSIVE, propagation=c.MS_PRIVATE, path="/")


@lowers
def pivot_root(root: Slot) -> Operations:
    """Make a mounted tree the root of the mount namespace and detach the old root (pivot_root(2))."""
    here = _string(".")
    yield Operation(Call.fchdir, (root,))
    yield Operation(Call.pivot_root, (here, here))
    yield Operation(Call.umount2, (here, c.MNT_DETACH))
    yield Operation(Call.chdir, (_string("/"),))


@lowers
def change_root(root: Slot) -> Operations:
    """Make a directory the root of the process only (chroot(2))."""
    yield Operation(Call.fchdir, (root,))
    yield Operation(Call.chroot, (_string("."),))


@lowers
def mask(path: str) -> Operations:
    """Hide a path of the container; an absent one is left alone.

    A directory is covered by an empty, read-only tmpfs, anything else by the host's null device,
    which is checked to be 1:3, so that nothing else is ever bound in its place.

    Args:
        path: absolute path inside the container.
    """
    attributes = c.MOUNT_ATTR_RDONLY | c.MOUNT_ATTR_NOSUID | c.MOUNT_ATTR_NODEV | c.MOUNT_ATTR_NOEXEC
    yield _open_below_root(path, _PATH_FLAGS, _TARGET, accept=(errno.ENOENT, errno.ENOTDIR))
    yield _is_directory(_TARGET)._replace(when=_TARGET)
    empty = (
        *make_filesystem("tmpfs", (("nr_inodes", "1"),), attributes, into=_COVER),
        _attach(_COVER, _TARGET),
        _close(_COVER),
    )
    yield from (operation._replace(when=_IS_DIRECTORY) for operation in empty)
    device = Buffer(_STATX_SIZE, ((_STATX_RDEV, _NULL_DEVICE),))
    null = (
        *open_tree("/dev/null", False, c.MOUNT_ATTR_RDONLY | c.MOUNT_ATTR_NOEXEC, into=_COVER),
        Operation(Call.statx, (_COVER, _string(""), c.AT_EMPTY_PATH, c.STATX_TYPE, device)),
        _attach(_COVER, _TARGET),
        _close(_COVER),
    )
    yield from (operation._replace(when=_TARGET, unless=_IS_DIRECTORY) for operation in null)
    yield from map(_close, (_IS_DIRECTORY, _TARGET))


@lowers
def make_path_read_only(path: str) -> Operations:
    """Bind a path of the container to itself, read-only with all mounts below; an absent one is left alone."""
    flags = c.OPEN_TREE_CLONE | c.OPEN_TREE_CLOEXEC | c.AT_EMPTY_PATH | c.AT_RECURSIVE
    yield _open_below_root(path, _PATH_FLAGS, _TARGET, accept=(errno.ENOENT, errno.ENOTDIR))
    bind = (
        Operation(Call.open_tree, (_TARGET, _string(""), flags), result=_READ_ONLY),
        _set_attributes(_READ_ONLY, c.MOUNT_ATTR_RDONLY, 0, c.AT_RECURSIVE),
        _attach(_READ_ONLY, _TARGET),
        _close(_READ_ONLY),
        _close(_TARGET),
    )
    yield from (operation._replace(when=_TARGET) for operation in bind)


@lowers
def make_directory_in(directory: Slot, name: str, mode: int) -> Operations:
    """Make a directory in an opened directory (mkdirat(2))."""
    yield Operation(Call.mkdirat, (directory, _string(name), mode))


@lowers
def enter_directory(directory: Slot) -> Operations:
    """Make an opened directory the working directory, so that short names mean its entries (fchdir(2))."""
    yield Operation(Call.fchdir, (directory,))


def _string(text: str) -> bytes:
    return os.fsencode(text) + b"\0"


def _make_parents(parts: list[str], symlinks: bool) -> Operations:
    """Leave the parent directory of the last part in _PARENT, making what is missing."""
    directory = _PATH_FLAGS | os.O_DIRECTORY
    yield _open_below_root("/", directory, _PARENT)
    for depth, part in enumerate(parts[:-1], start=1):
        yield Operation(Call.mkdirat, (_PARENT, _string(part), 0o755), accept=(errno.EEXIST,))
        yield Operation(Call.close, (_PARENT,))
        yield _open_below_root("/".join(parts[:depth]), directory, _PARENT, symlinks=symlinks)


def _close(opened: Slot) -> Operation:
    """Close a descriptor, if it was opened."""
    return Operation(Call.close, (opened,), when=opened)


def _open_below_root(
    path: str, flags: int, into: Slot, *, symlinks: bool = True, accept: tuple[int, ...] = ()
) -> Operation:
    resolve = c.RESOLVE_IN_ROOT | c.RESOLVE_NO_MAGICLINKS | (0 if symlinks else c.RESOLVE_NO_SYMLINKS)
    how = struct.pack("QQQ", flags, 0, resolve)
    return Operation(Call.openat2, (ROOT, _string(path or "."), how, len(how)), result=into, accept=accept)


def _is_directory(opened: Slot) -> Operation:
    """Leave a descriptor in _IS_DIRECTORY if what is opened is one."""
    arguments = (opened, _string("."), _PATH_FLAGS | os.O_DIRECTORY, 0)
    return Operation(Call.openat, arguments, result=_IS_DIRECTORY, accept=(errno.ENOTDIR,))


def _attach(tree: Slot, target: Slot) -> Operation:
    empty = _string("")
    flags = c.MOVE_MOUNT_F_EMPTY_PATH | c.MOVE_MOUNT_T_EMPTY_PATH
    return Operation(Call.move_mount, (tree, empty, target, empty, flags))


def _set_attributes(
    tree: Slot | int, attributes: int, clear: int, flags: int, *, propagation: int = 0, path: str = ""
) -> Operation:
    how = struct.pack("QQQQ", attributes, clear, propagation, 0)
    empty = 0 if path else c.AT_EMPTY_PATH
    return Operation(Call.mount_setattr, (tree, _string(path), flags | empty, how, len(how)))
