import os

from haconiwa_ns_net import NetNamespace

from haconiwa_core.testing import NamespaceConformance


class TestConformance(NamespaceConformance):
    section = "ns-net"
    kind = "net"
    valid = (NetNamespace(), NetNamespace(join=os.getpid()), NetNamespace(loopback=False), NetNamespace(keep="handle"))
