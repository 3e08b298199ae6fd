import os

from haconiwa_ns_cgroup import CgroupNamespace

from haconiwa_core.testing import NamespaceConformance


class TestConformance(NamespaceConformance):
    section = "ns-cgroup"
    kind = "cgroup"
    valid = (CgroupNamespace(), CgroupNamespace(join=os.getpid()), CgroupNamespace(keep="handle"))
