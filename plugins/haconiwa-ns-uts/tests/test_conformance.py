import os

from haconiwa_ns_uts import UtsNamespace

from haconiwa_core.testing import NamespaceConformance


class TestConformance(NamespaceConformance):
    section = "ns-uts"
    kind = "uts"
    valid = (
        UtsNamespace(),
        UtsNamespace(join=os.getpid()),
        UtsNamespace(hostname="inside", domainname="example.org"),
        UtsNamespace(keep="handle"),
    )
