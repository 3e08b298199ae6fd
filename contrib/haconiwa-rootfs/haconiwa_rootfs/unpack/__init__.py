"""Unpack archives of strangers into a directory: in a process that has nothing but that directory.

The process is a fresh interpreter with mount, network, IPC and UTS namespaces of its own, whose root directory is the
one that it fills, with limits on memory and processor time. As an ordinary user it has a user namespace as well.
"""

from haconiwa_rootfs.unpack.contract import Limits, Policy, Unpacked, UnpackError
from haconiwa_rootfs.unpack.process import unpack

__all__ = ["Limits", "Policy", "UnpackError", "Unpacked", "unpack"]
