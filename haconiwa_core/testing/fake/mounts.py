"""Files and mounts as the fake kernel has them: paths, descriptors, the mount API, the root."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from dataclasses import dataclass

from haconiwa_core.linux import constants as c
from haconiwa_core.testing.fake.files import Mount, Node, Place, merged, refuse
from haconiwa_core.testing.fake.state import HOST, State, string_at, strings_at, write_at

_FILESYSTEMS = {"devpts": "", "mqueue": "ipc", "overlay": "", "proc": "pid", "sysfs": "net", "tmpfs": ""}
"""Types, and the namespace that each shows."""
_MAGIC = {"devpts": c.DEVPTS_SUPER_MAGIC, "proc": c.PROC_SUPER_MAGIC, "sysfs": c.SYSFS_MAGIC}
_RDEV_OFFSET = 128


@dataclass(frozen=True)
class Executed:
    """What the last process of a program has become."""

    path: str
    arguments: tuple[str, ...]
    environment: tuple[str, ...]


class Exec(BaseException):
    """execve(2) does not return."""

    def __init__(self, executed: Executed) -> None:
        super().__init__(executed)
        self.executed = executed


class FileCalls(State):
    """System calls on files and mounts; methods carry the kernel's names and order of arguments."""

    def _chdir(self, path: int) -> None:
        place = self._at(c.AT_FDCWD, path)
        place.directory()
        self.cwd = place

    def _chroot(self, path: int) -> None:
        place = self._at(c.AT_FDCWD, path)
        place.directory()
        self.need_rights()
        self.root = place

    def _fchdir(self, descriptor: int) -> None:
        place = self.descriptor(descriptor).place or refuse(errno.ENOTDIR)
        place.directory()
        self.cwd = place

    def _getcwd(self, output: int, _size: int) -> int:
        path = self.path_of(self.cwd).encode() + b"\0"
        write_at(output, path)
        return len(path)

    def _mkdirat(self, directory: int, name: int) -> None:
        self._new_entry(directory, name, Node({}))

    def _mknodat(self, directory: int, name: int) -> None:
        self._new_entry(directory, name, Node())

    def _symlinkat(self, target: int, directory: int, name: int) -> None:
        self._new_entry(directory, name, Node(target=string_at(target)))

    def _openat(self, directory: int, path: int, flags: int, _mode: int) -> int:
        return self._opened(self._at(directory, path), flags)

    def _openat2(self, directory: int, path: int, how: int, _size: int) -> int:
        flags, _mode, resolve = struct.unpack("QQQ", ctypes.string_at(how, 24))
        if not resolve & c.RESOLVE_IN_ROOT:
            return self._opened(self._at(directory, path), flags)
        root = self.descriptor(directory).place or refuse(errno.ENOTDIR)
        symlinks = not resolve & c.RESOLVE_NO_SYMLINKS
        return self._opened(self.files.resolve(string_at(path), root, root, symlinks=symlinks), flags)

    def _opened(self, place: Place, flags: int) -> int:
        if flags & os.O_DIRECTORY:
            place.directory()
        return self.open("path" if flags & os.O_PATH else "file", place)

    def _execve(self, path: int, argv: int, envp: int) -> None:
        self._execute(self._at(c.AT_FDCWD, path), string_at(path), argv, envp)

    def _execveat(self, descriptor: int, path: int, argv: int, envp: int, flags: int) -> None:
        place = self._at(descriptor, path, flags)
        self._execute(place, self.path_of(place), argv, envp)

    def _execute(self, place: Place, path: str, argv: int, envp: int) -> None:
        if place.node.entries is not None or place.mount.attributes & c.MOUNT_ATTR_NOEXEC:
            refuse(errno.EACCES)
        self.descriptors = {number: each for number, each in self.descriptors.items() if not each.close_on_exec}
        raise Exec(Executed(path, strings_at(argv), strings_at(envp)))

    def _statx(self, descriptor: int, path: int, flags: int, _mask: int, output: int) -> None:
        place = self._at(descriptor, path, flags)
        write_at(output + _RDEV_OFFSET, struct.pack("II", *((1, 3) if place.name == "null" else (0, 0))))

    def _fstatfs(self, descriptor: int, output: int) -> None:
        place = self.descriptor(descriptor).place or refuse(errno.EBADF)
        write_at(output, struct.pack("q", _MAGIC.get(place.mount.kind, 0)))

    def _fsopen(self, kind: int, _flags: int) -> int:
        self.need_rights("mnt")
        name = string_at(kind)
        if name not in _FILESYSTEMS:
            refuse(errno.ENODEV)
        if name == "sysfs":
            self.need_rights(_FILESYSTEMS[name])
        return self.open(name)

    def _fsconfig(self, context: int, command: int, key: int, value: int) -> None:
        if command == c.FSCONFIG_SET_STRING and string_at(key) == "lowerdir":
            merged = string_at(value).split(":")
            self.descriptor(context).lower += [self.files.resolve(path, self.cwd, self.root).node for path in merged]
        shown = _FILESYSTEMS.get(self.descriptor(context).kind)
        if shown is None:
            refuse(errno.EINVAL)
        if command == c.FSCONFIG_CMD_CREATE and shown:
            self.need_rights(shown)
        if command == c.FSCONFIG_CMD_CREATE:
            self.descriptors[context].kind += " made"

    def _fsmount(self, context: int, _flags: int, attributes: int) -> int:
        kind, _, made = self.descriptor(context).kind.partition(" ")
        if kind not in _FILESYSTEMS or not made:
            refuse(errno.EINVAL)
        root = merged(self.descriptor(context).lower)
        if kind == "devpts" and root.entries is not None:
            root.entries["ptmx"] = Node()
        mount = Mount(root, kind, attributes)
        return self.open("tree", Place(mount, mount.root))

    def _open_tree(self, directory: int, path: int, flags: int) -> int:
        if flags & c.OPEN_TREE_CLONE:
            self.need_rights("mnt")
        place = self._at(directory, path, flags)
        mount = self.files.clone(place, recursive=bool(flags & c.AT_RECURSIVE))
        return self.open("tree", Place(mount, mount.root, None, place.name))

    def _mount_setattr(self, directory: int, path: int, flags: int, attributes: int) -> None:
        self.need_rights("mnt")
        mount = self._mount_at(self._at(directory, path, flags))
        setting, clearing, _, namespace = struct.unpack("QQQQ", ctypes.string_at(attributes, 32))
        if setting & c.MOUNT_ATTR_IDMAP:
            self._need_mappable(mount, namespace)
        mount.attributes = mount.attributes & ~clearing | setting

    def _need_mappable(self, mount: Mount, namespace: int) -> None:
        """Demand what lets a mount have an id map: a user namespace, rights over the files, and that nobody sees it."""
        if self.descriptor(namespace).kind != "namespace user":
            refuse(errno.EINVAL)
        if self.namespaces["user"] != HOST:
            refuse(errno.EPERM)
        if mount.attached or mount.attributes & c.MOUNT_ATTR_IDMAP:
            refuse(errno.EINVAL if mount.attached else errno.EPERM)

    def _move_mount(self, source: int, _path: int, directory: int, path: int, flags: int) -> None:
        self.need_rights("mnt")
        tree = self._mount_at(self.descriptor(source).place or refuse(errno.EINVAL))
        target = self._at(directory, path, c.AT_EMPTY_PATH if flags & c.MOVE_MOUNT_T_EMPTY_PATH else 0)
        self.files.attach(tree, target)
        # The tree's descriptor is now a place in the mount tree.
        self.descriptor(source).place = Place(tree, tree.root, target.parent, target.name)

    def _pivot_root(self, new: int, _old: int) -> None:
        self.need_rights("mnt")
        place = self._at(c.AT_FDCWD, new)
        if not place.mount.attached:
            refuse(errno.EINVAL)
        if place.mount is self.root.mount:
            refuse(errno.EBUSY)
        mount = self._mount_at(place)
        self.root = self.cwd = Place(mount, mount.root)

    def _umount2(self, path: int, _flags: int) -> None:
        self.need_rights("mnt")
        self.files.detach(self._mount_at(self._at(c.AT_FDCWD, path)))

    def _at(self, directory: int, path: int, flags: int = 0) -> Place:
        text = string_at(path)
        if text.startswith("/"):
            return self.files.resolve(text, self.root, self.root)
        start = self.cwd if directory == c.AT_FDCWD else self.descriptor(directory).place or refuse(errno.ENOTDIR)
        if not text:
            return start if flags & c.AT_EMPTY_PATH else refuse(errno.ENOENT)
        return self.files.resolve(text, start, self.root)

    def _mount_at(self, place: Place) -> Mount:
        if place.node is not place.mount.root:
            refuse(errno.EINVAL)
        return place.mount

    def _new_entry(self, directory: int, name: int, node: Node) -> None:
        place = self.descriptor(directory).place or refuse(errno.ENOTDIR)
        entries = place.directory()
        if string_at(name) in entries:
            refuse(errno.EEXIST)
        if place.mount.attributes & c.MOUNT_ATTR_RDONLY:
            refuse(errno.EROFS)
        entries[string_at(name)] = node
