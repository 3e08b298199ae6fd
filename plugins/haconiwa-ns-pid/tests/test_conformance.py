import os

from haconiwa_ns_pid import PidNamespace

from haconiwa_core.testing import NamespaceConformance


class TestConformance(NamespaceConformance):
    section = "ns-pid"
    kind = "pid"
    valid = (PidNamespace(), PidNamespace(join=os.getpid()))
