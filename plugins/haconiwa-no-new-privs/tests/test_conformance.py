from haconiwa_no_new_privs import NoNewPrivs

from haconiwa_core.testing import Conformance


class TestConformance(Conformance):
    section = "no-new-privs"
    valid = (NoNewPrivs(),)
