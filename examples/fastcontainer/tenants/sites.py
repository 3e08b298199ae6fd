"""Two static sites under nginx: one function makes both."""

from haconiwa_cgroup import Cgroup
from haconiwa_chroot import Chroot
from haconiwa_credentials import Credentials
from haconiwa_fastcontainer import FastContainer
from haconiwa_mount import Bind, Mount, Tmpfs
from haconiwa_ns_ipc import IpcNamespace
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_net import NetNamespace
from haconiwa_ns_pid import PidNamespace

from haconiwa_core import Container


def site(name: str, idle: float) -> Container:
    """Return a site whose pages are in the folder of its name."""
    return Container(
        name,
        command=["/usr/sbin/nginx", "-e", "stderr", "-p", "/tmp", "-c", "/srv/nginx.conf"],
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
                bind=[
                    Bind("../sites/nginx.conf", "/srv/nginx.conf"),
                    Bind(f"../sites/{name}", "/srv/public"),
                ],
                tmpfs=[Tmpfs("/srv", mode=0o755), Tmpfs("/tmp", size="16M", mode=0o1777, noexec=True)],
            ),
            Cgroup(memory="32M", pids=8, require="best-effort"),
            Credentials(uid="www-data"),
            FastContainer(hosts=[f"{name}.example"], port=8080, idle=idle),
        ],
    )


blog = site("blog", idle=3)
handbook = site("handbook", idle=2)
