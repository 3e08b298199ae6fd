import os

from haconiwa_ns_ipc import IpcNamespace

from haconiwa_core.testing import NamespaceConformance


class TestConformance(NamespaceConformance):
    section = "ns-ipc"
    kind = "ipc"
    valid = (IpcNamespace(), IpcNamespace(join=os.getpid()), IpcNamespace(keep="handle"))
