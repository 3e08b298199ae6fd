from haconiwa_credentials import Credentials

from haconiwa_core.testing import Conformance


class TestConformance(Conformance):
    section = "credentials"
    valid = (
        Credentials(),
        Credentials(uid="root", gid="root"),
        Credentials(uid=1000, gid=1001, groups=[1, 2], umask=0o077),
    )
