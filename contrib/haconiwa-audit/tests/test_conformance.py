from haconiwa_audit import Audit

from haconiwa_core.testing import Conformance


class TestConformance(Conformance):
    section = "audit"
    valid = (Audit(), Audit(accept=["HOST-NETWORK", "NO-PIDS-LIMIT"]))
