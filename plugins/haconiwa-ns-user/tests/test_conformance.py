from haconiwa_ns_user import IdRange, UserNamespace

from haconiwa_core.testing import NamespaceConformance


class TestConformance(NamespaceConformance):
    section = "ns-user"
    kind = "user"
    valid = (
        UserNamespace(),
        UserNamespace(uid_map=(IdRange(0, 1000, 10), IdRange(10, 5000, 5)), gid_map=(IdRange(0, 2000, 1),)),
        UserNamespace(keep="handle"),
    )
