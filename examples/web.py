"""A web server with its own view of everything but the kernel: `haconiwa run web.py`.

It answers on port 8080 of its own network, so nothing outside can reach it, nor it anything outside.
"""

from haconiwa_chroot import Chroot
from haconiwa_credentials import Credentials
from haconiwa_mount import Bind, Mount, Tmpfs
from haconiwa_ns_cgroup import CgroupNamespace
from haconiwa_ns_ipc import IpcNamespace
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_net import NetNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_time import TimeNamespace
from haconiwa_ns_uts import UtsNamespace
from haconiwa_rlimit import Rlimit
from host_files import host_files

from haconiwa_core import Container

web = Container(
    "web",
    # Process 1 of a pid namespace gets only the signals that it handles, so serve.py handles SIGTERM.
    command=["python3", "/srv/serve.py"],
    stdin="null",
    features=[
        MountNamespace(),
        PidNamespace(),
        UtsNamespace(hostname="web"),
        IpcNamespace(),
        NetNamespace(),
        CgroupNamespace(),
        # A day more than the host, to show that the clock is the container's own.
        TimeNamespace(boottime=86400),
        # Nothing but mount points is ever made in this directory; the files are the host's, bound read-only.
        Chroot("root"),
        Mount(
            proc=True,
            sysfs=True,
            dev=True,
            tmpfs=[Tmpfs("/tmp", size="16M", mode=0o1777, noexec=True)],
            bind=[*host_files(), Bind("web", "/srv", noexec=True)],
        ),
        Rlimit(nofile=1024, nproc=256, core=0),
        Credentials(uid="www-data"),
    ],
)
