"""A shop that is crowded at times: four requests at once for each instance, and up to four instances."""

from haconiwa_cgroup import Cgroup
from haconiwa_chroot import Chroot
from haconiwa_credentials import Credentials
from haconiwa_fastcontainer import FastContainer, Scaling
from haconiwa_mount import Bind, Mount, Tmpfs
from haconiwa_ns_ipc import IpcNamespace
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_net import NetNamespace
from haconiwa_ns_pid import PidNamespace

from haconiwa_core import Container

shop = Container(
    "shop",
    command=["python3", "/srv/serve.py", "shop"],
    stdin="null",
    features=[
        MountNamespace(),
        PidNamespace(),
        IpcNamespace(),
        NetNamespace(),
        Chroot("/"),
        Mount(
            proc=True,
            dev=True,
            bind=[Bind("../applications", "/srv", noexec=True)],
            tmpfs=[Tmpfs("/tmp", size="16M", mode=0o1777, noexec=True)],
        ),
        Cgroup(memory="64M", pids=32, require="best-effort"),
        Credentials(uid="www-data"),
        FastContainer(
            hosts=["shop.example"],
            idle=3,
            concurrency=4,
            most=4,
            scaling=Scaling(load=0.75, calm=0.25, calm_for=2),
        ),
    ],
)
