from haconiwa_rlimit import Rlimit

from haconiwa_core.testing import Conformance


class TestConformance(Conformance):
    section = "rlimit"
    valid = (Rlimit(), Rlimit(nofile=64), Rlimit(core=0, stack=(1 << 20, 8 << 20), nofile=(16, 64)))
