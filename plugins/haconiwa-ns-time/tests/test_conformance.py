import os

from haconiwa_ns_time import TimeNamespace

from haconiwa_core.testing import NamespaceConformance


class TestConformance(NamespaceConformance):
    section = "ns-time"
    kind = "time"
    valid = (
        TimeNamespace(),
        TimeNamespace(join=os.getpid()),
        TimeNamespace(boottime=3600, monotonic=-1),
        TimeNamespace(keep="handle"),
    )
