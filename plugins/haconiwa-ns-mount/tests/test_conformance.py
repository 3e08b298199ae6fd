from haconiwa_ns_mount import MountNamespace

from haconiwa_core.testing import NamespaceConformance


class TestConformance(NamespaceConformance):
    section = "ns-mount"
    kind = "mnt"
    valid = (MountNamespace(),)
