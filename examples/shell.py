"""A shell to look around in: `haconiwa run shell.py`, or `haconiwa run shell.py -- COMMAND ...`.

Its root user is root of the host, too: that keeps accidents in, not an attacker, who could mount
things anew. rootless.toml shows the other way.
"""

from haconiwa_chroot import Chroot
from haconiwa_mount import Mount, Tmpfs
from haconiwa_ns_ipc import IpcNamespace
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_net import NetNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_uts import UtsNamespace

from haconiwa_core import Container

shell = Container(
    "shell",
    command=["/bin/sh"],
    env={"PS1": "inside# "},
    features=[
        MountNamespace(),
        PidNamespace(),
        IpcNamespace(),
        NetNamespace(),
        UtsNamespace(),
        # The host's own files, read-only as a new root is.
        Chroot("/"),
        # A read-only mount does not keep anyone from connecting to a socket, so /run is covered.
        Mount(proc=True, sysfs=True, dev=True, devpts=True, tmpfs=[Tmpfs("/tmp", mode=0o1777), Tmpfs("/run")]),
    ],
)
